//! Storage grows in place, one request at a time, whenever the operator crashes; it never shrinks.

use std::collections::BTreeMap;

use kaspr_core::action::Action;
use kaspr_core::outcome::{Answer, Refusal};
use kaspr_core::{ObjectKind, Plan, decide};
use kaspr_fixtures::World;
use serde_json::{Value, json};

use crate::defects::{agent, app, settled};

fn shop(size: &str) -> Value {
    app(json!({ "replicas": 3, "storage": { "type": "persistent-claim", "size": size } }))
}

fn with_size(size: &str) -> Value {
    json!({ "spec": { "storage": { "size": size } } })
}

fn of(world: &World, kind: ObjectKind, path: &str) -> BTreeMap<String, Value> {
    let objects = world.objects.iter().filter(|(of, _)| of.kind == kind);
    let field = |object: &Value| object.pointer(path).cloned().unwrap_or_default();
    objects.map(|(of, object)| (of.name.clone(), field(object))).collect()
}

fn sizes(world: &World) -> Vec<String> {
    let asked = of(world, ObjectKind::Claim, "/spec/resources/requests/storage");
    asked.values().map(|size| size.as_str().unwrap().to_owned()).collect()
}

fn pods(world: &World) -> BTreeMap<String, Value> {
    of(world, ObjectKind::Pod, "/metadata/uid")
}

fn set(world: &World) -> Value {
    world.snapshot().children.stateful_set.present().unwrap()["spec"].clone()
}

fn said(world: &World, kind: &str) -> Value {
    let app = world.snapshot().app.present().unwrap().clone();
    let conditions = app["status"]["conditions"].as_array().unwrap();
    conditions.iter().find(|one| one["type"] == kind).cloned().unwrap_or_default()
}

#[test]
fn claims_grow_while_their_pods_run() {
    let mut world = settled(&[shop("1Gi"), agent("count")]);
    let before = (pods(&world), set(&world));
    world.change(ObjectKind::App, "orders", &with_size("2Gi"));
    let plans = world.settle();
    assert_eq!(sizes(&world), ["2Gi", "2Gi", "2Gi"]);
    assert_eq!((pods(&world), set(&world)), before);
    let is_final = |plan: &Plan| plan.has_irreversible();
    assert!(!plans.iter().any(is_final), "nothing that cannot be undone is needed");
    // The same size in other words is no change.
    world.change(ObjectKind::App, "orders", &with_size("2048Mi"));
    let plans = world.settle();
    let claims =
        |plan: &Plan| plan.steps.iter().any(|step| step.action.object().kind == ObjectKind::Claim);
    assert!(!plans.iter().any(claims));
}

/// Must show of the issue: the same pods, the same count, the grown claim, whatever step was the last.
#[test]
fn a_crash_after_any_step_changes_nothing_about_where_it_ends() {
    let calm = settled(&[shop("1Gi")]);
    let before = (pods(&calm), set(&calm));
    let mut steps = 0;
    loop {
        let mut world = calm.clone();
        world.change(ObjectKind::App, "orders", &with_size("5Gi"));
        let is_cut = run_steps(&mut world, steps);
        world.restart();
        world.settle();
        assert_eq!(sizes(&world), ["5Gi", "5Gi", "5Gi"], "after {steps} steps");
        assert_eq!((pods(&world), set(&world)), before, "after {steps} steps");
        if !is_cut {
            break;
        }
        steps += 1;
    }
    assert!(steps > 3, "{steps} steps are not a growth of three claims");
}

/// Lets the operator do so many steps, and no more. Says whether it had more to do.
fn run_steps(world: &mut World, count: usize) -> bool {
    let mut left = count;
    for _ in 0..20 {
        let plan = decide(&world.snapshot());
        let cut = Plan { steps: plan.steps.iter().take(left).cloned().collect(), ..plan.clone() };
        world.carry_out(&cut);
        if cut.steps.len() < plan.steps.len() {
            return true;
        }
        left -= cut.steps.len();
        world.run_controllers();
        world.elapse(1_000);
    }
    false
}

#[test]
fn a_member_that_comes_later_gets_the_size_of_now() {
    let mut world = settled(&[shop("1Gi")]);
    world.change(ObjectKind::App, "orders", &with_size("2Gi"));
    world.settle();
    world.change(ObjectKind::App, "orders", &json!({ "spec": { "replicas": 4 } }));
    world.settle();
    assert_eq!(sizes(&world), ["2Gi", "2Gi", "2Gi", "2Gi"]);
}

#[test]
fn a_claim_never_shrinks_and_the_app_says_so() {
    let mut world = settled(&[shop("2Gi")]);
    let before = (pods(&world), sizes(&world));
    world.change(ObjectKind::App, "orders", &with_size("1Gi"));
    for _ in 0..2 {
        world.settle();
        let accepted = said(&world, "Accepted");
        assert_eq!(accepted["reason"], "InvalidSpec");
        let message = accepted["message"].as_str().unwrap();
        assert!(
            message.contains("spec.storage.size: it was 2Gi, and a claim cannot shrink"),
            "{message}"
        );
        assert_eq!((pods(&world), sizes(&world)), before);
        world.restart();
    }
    world.change(ObjectKind::App, "orders", &with_size("3Gi"));
    world.settle();
    assert_eq!(said(&world, "Accepted")["reason"], "Valid");
    assert_eq!(sizes(&world), ["3Gi", "3Gi", "3Gi"]);
}

#[test]
fn a_claim_that_somebody_made_larger_is_left_alone() {
    let mut world = settled(&[shop("1Gi")]);
    let larger = json!({ "spec": { "resources": { "requests": { "storage": "9Gi" } } } });
    world.change(ObjectKind::Claim, "orders-app-pv-orders-app-1", &larger);
    world.settle();
    assert_eq!(sizes(&world), ["1Gi", "9Gi", "1Gi"]);
    assert_eq!(said(&world, "Accepted")["reason"], "Valid");
}

/// D-11: claims of other objects with our labels are no members' claims.
#[test]
fn only_the_claims_of_members_grow() {
    let mut world = settled(&[shop("1Gi")]);
    let labels = of(&world, ObjectKind::Claim, "/metadata/labels").into_values().next().unwrap();
    for name in ["orders-app-python-packages", "orders-app-pv-orders-app-backup"] {
        world.put(json!({ "apiVersion": "v1", "kind": "PersistentVolumeClaim",
            "metadata": { "name": name, "labels": labels },
            "spec": { "resources": { "requests": { "storage": "1Gi" } } } }));
    }
    world.change(ObjectKind::App, "orders", &with_size("2Gi"));
    world.settle();
    assert_eq!(sizes(&world), ["2Gi", "2Gi", "2Gi", "1Gi", "1Gi"]);
}

#[test]
fn a_class_that_cannot_grow_is_told_and_stops_nothing() {
    let mut world = settled(&[shop("1Gi")]);
    world.change(ObjectKind::App, "orders", &with_size("2Gi"));
    for _ in 0..6 {
        let plan = decide(&world.snapshot());
        for step in &plan.steps {
            if step.action.object().kind == ObjectKind::Claim {
                let message =
                    "the storageclass that provisions the pvc must support resize".to_owned();
                let answer = Answer::Refused { refusal: Refusal::Forbidden, message };
                world.remember(&step.action, answer);
            } else {
                world.carry_out(&Plan { steps: vec![step.clone()], ..Plan::default() });
            }
        }
        world.elapse(60_000);
    }
    let told = said(&world, "Progressing");
    assert!(told["message"].as_str().unwrap().contains("must support resize"), "{told}");
    assert_eq!(said(&world, "Ready")["status"], "True");
    // What else is edited reaches the members.
    world.change(ObjectKind::App, "orders", &json!({ "spec": { "replicas": 2 } }));
    let plan = decide(&world.snapshot());
    let scaler = |action: &Action| action.object().kind == ObjectKind::Autoscaler;
    assert!(plan.steps.iter().any(|step| scaler(&step.action)));
}

#[test]
fn an_app_without_claims_has_none_to_grow() {
    let mut world = settled(&[app(json!({ "storage": { "type": "ephemeral" } }))]);
    assert_eq!(sizes(&world), [""; 0]);
    world.change(ObjectKind::App, "orders", &with_size("2Gi"));
    world.settle();
    assert_eq!(said(&world, "Accepted")["reason"], "Valid");
}

#[test]
fn what_the_storage_still_owes_is_told() {
    let mut world = settled(&[shop("1Gi")]);
    world.change(ObjectKind::App, "orders", &with_size("2Gi"));
    world.pass();
    world.pass();
    let resizing = said(&world, "StorageResizing");
    assert_eq!(resizing["reason"], "WaitingForStorage");
    world.settle();
    assert_eq!(said(&world, "StorageResizing"), Value::Null);
}
