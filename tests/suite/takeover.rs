//! What the original left is taken over without a restart; what it did not bring to the pods is.

use kaspr_core::{Action, ObjectKind, Plan, decide};
use kaspr_fixtures::{World, original};
use kaspr_recording::{Look, redact};
use serde_json::{Value, json};

use crate::defects::{agent, app, components, join, table, task, web_view};

/// The world as the original leaves it, having handled these manifests.
pub(crate) fn left(app: &Value, components: &[Value]) -> World {
    let mut world = World::new("shop", "orders");
    for manifest in std::iter::once(app).chain(components) {
        let mut object = original::handled(manifest);
        object["status"] = original::status(manifest);
        world.put(object);
    }
    let of = |kind: ObjectKind, name: &Value| {
        let key = kaspr_core::ObjectRef::new(kind, "shop", name.as_str().unwrap());
        world.objects[&key].clone()
    };
    let live = of(ObjectKind::App, &app["metadata"]["name"]);
    let components: Vec<Value> = components
        .iter()
        .map(|one| {
            let kind = one["kind"].as_str().unwrap().parse::<kaspr_crds::Kind>().unwrap();
            of(kind.into(), &one["metadata"]["name"])
        })
        .collect();
    for object in original::objects(&live, &components) {
        world.put(object);
    }
    world.run_controllers();
    world
}

fn shop() -> Value {
    app(json!({ "replicas": 3, "storage": { "type": "persistent-claim", "size": "1Gi" },
        "config": { "topicPartitions": 6, "stream_wait_empty": false },
        "pythonPackages": { "packages": ["six==1.16.0"], "cache": { "enabled": true } },
        "template": { "kasprContainer": { "env": [
            { "name": "TWICE", "value": "1" }, { "name": "TWICE", "value": "2" },
        ] } } }))
}

fn template(world: &World) -> Value {
    world.snapshot().children.stateful_set.present().unwrap()["spec"]["template"].clone()
}

fn rolls(plans: &[Plan]) -> usize {
    let steps = plans.iter().flat_map(|plan| &plan.steps);
    steps.filter(|step| matches!(step.action, Action::Roll { .. })).count()
}

/// Takes the world over. Gives how many rollouts that took.
fn taken_over(world: &mut World) -> usize {
    let plans = world.settle();
    let again = {
        world.restart();
        world.settle()
    };
    assert_eq!(rolls(&again), 0, "a restart rolls");
    rolls(&plans)
}

/// Takes over what the original left, after `meanwhile` happened to it: whether that takes a rollout.
fn check(meanwhile: impl Fn(&mut World), rollouts: usize) {
    let mut world = left(&shop(), &components());
    meanwhile(&mut world);
    let before = template(&world);
    assert_eq!(taken_over(&mut world), rollouts);
    assert_eq!(template(&world) == before, rollouts == 0);
}

#[test]
fn an_app_with_a_component_of_every_kind_is_taken_over_as_it_runs() {
    check(|_| {}, 0);
}

#[test]
fn the_first_edit_is_one_rollout_that_brings_the_join() {
    let mut world = left(&shop(), &components());
    assert_eq!(taken_over(&mut world), 0);
    assert!(!template(&world).to_string().contains("JOINS_HASH"));
    let waits = condition(&world, "RolloutPending").unwrap();
    assert!(waits["message"].as_str().unwrap().contains("env[JOINS_HASH]"), "{waits}");
    world.change(
        ObjectKind::App,
        "orders",
        &json!({ "spec": { "config": { "topicPartitions": 7 } } }),
    );
    assert_eq!(rolls(&world.settle()), 1);
    assert!(template(&world).to_string().contains("JOINS_HASH"));
    assert_eq!(condition(&world, "RolloutPending"), None);
}

/// A worker takes another function where the named one is missing: what runs so goes on, and the first
/// rollout changes nothing about it.
#[test]
fn code_that_would_be_refused_goes_on_as_it_runs() {
    let mut lost = agent("lost");
    lost["spec"]["processors"]["operations"][0]["map"]["entrypoint"] = json!("gone");
    let mut world = left(&shop(), &[lost, agent("count")]);
    let key = kaspr_core::ObjectRef::new(ObjectKind::ConfigMap, "shop", "lost-agent");
    let before = world.objects[&key]["data"].clone();
    assert_eq!(taken_over(&mut world), 0);
    world.change(ObjectKind::App, "orders", &json!({ "spec": { "replicas": 4, "image": "x:2" } }));
    assert_eq!(rolls(&world.settle()), 1);
    assert_eq!(world.objects[&key]["data"], before);
    assert!(template(&world).to_string().contains("lost-agent"));
    let conditions = world.objects[&kaspr_core::ObjectRef::new(ObjectKind::Agent, "shop", "lost")]
        ["status"]["conditions"]
        .clone();
    let accepted = conditions.as_array().unwrap().iter().find(|one| one["type"] == "Accepted");
    assert_eq!(accepted.unwrap()["reason"], "InvalidSpec");
}

fn condition(world: &World, kind: &str) -> Option<Value> {
    let app = world.snapshot().app.present().unwrap().clone();
    let conditions = app["status"]["conditions"].as_array().unwrap();
    conditions.iter().find(|one| one["type"] == kind).cloned()
}

#[test]
fn an_edit_that_no_operator_saw_is_rolled_out() {
    let new_code = json!({ "spec": { "processors": { "operations": [
        { "name": "a", "map": { "python": "def f(v): return v + 1", "entrypoint": "f" } },
    ] } } });
    check(|world| world.change(ObjectKind::Agent, "count", &new_code), 1);
    let setting = json!({ "spec": { "config": { "topicPartitions": 7 } } });
    check(|world| world.change(ObjectKind::App, "orders", &setting), 1);
    let limit = json!({ "spec": { "resources": { "limits": { "memory": "1Gi" } } } });
    check(|world| world.change(ObjectKind::App, "orders", &limit), 1);
}

#[test]
fn an_edit_that_concerns_no_pod_restarts_none() {
    check(
        |world| world.change(ObjectKind::App, "orders", &json!({ "spec": { "replicas": 5 } })),
        0,
    );
    let label = json!({ "metadata": { "labels": { "team": "x" } } });
    check(|world| world.change(ObjectKind::Agent, "count", &label), 0);
    let probe = json!({ "spec": { "readinessProbe": { "periodSeconds": 7 } } });
    check(|world| world.change(ObjectKind::App, "orders", &probe), 0);
}

#[test]
fn components_that_came_and_went_meanwhile_are_mounted_and_unmounted() {
    check(|world| drop(world.put(agent("late"))), 1);
    check(|world| world.remove(ObjectKind::Agent, "count"), 1);
    check(|world| drop(world.put(join("late"))), 0);
}

#[test]
fn a_template_that_is_behind_its_definitions_is_brought_up_to_them() {
    // The original writes the definition first, and the template up to ten seconds later.
    let variables = [
        "CONFIG_HASH",
        "AGENTS_HASH",
        "WEBVIEWS_HASH",
        "TABLES_HASH",
        "TASKS_HASH",
        "PACKAGES_HASH",
    ];
    for name in variables {
        check(|world| set_variable(world, name, "0000000000000000"), 1);
    }
}

fn set_variable(world: &mut World, name: &str, value: &str) {
    let mut template = template(world);
    let env = template["spec"]["containers"][0]["env"].as_array_mut().unwrap();
    let entry = env.iter_mut().find(|entry| entry["name"] == name).unwrap();
    entry["value"] = json!(value);
    world.change(
        ObjectKind::StatefulSet,
        "orders-app",
        &json!({ "spec": { "template": template } }),
    );
    world.run_controllers();
}

#[test]
fn definitions_that_are_not_the_originals_text_are_held_against_what_it_last_handled() {
    // The original rewrote keys of users, and knew sizes of windows as numbers only.
    let mut world = left(&shop(), &[agent("count"), table("left")]);
    let spec = json!({ "spec": { "window": { "tumbling": { "size": "30" } } } });
    world.change(ObjectKind::Table, "left", &spec);
    let live = world.snapshot().components.tables.present().unwrap()[0].clone();
    let annotations = &original::handled(&live)["metadata"]["annotations"];
    world.change(ObjectKind::Table, "left", &json!({ "metadata": { "annotations": annotations } }));
    assert_eq!(taken_over(&mut world), 0);
}

#[test]
fn a_paused_app_is_taken_over_when_it_is_resumed() {
    let pause = |value: Value| {
        json!({ "metadata": { "annotations": {
        "kaspr.io/pause-reconciliation": value } } })
    };
    let mut world = left(&shop(), &components());
    world.change(ObjectKind::App, "orders", &pause(json!("true")));
    let before = world.objects.clone();
    world.settle();
    let is_child = |kind: ObjectKind| kind != ObjectKind::App && !kind.is_component();
    assert!(
        before
            .iter()
            .filter(|(of, _)| is_child(of.kind))
            .all(|(of, object)| { world.objects.get(of) == Some(object) })
    );
    world.change(ObjectKind::App, "orders", &pause(Value::Null));
    assert_eq!(taken_over(&mut world), 0);
}

#[test]
fn an_app_keeps_the_version_that_it_runs() {
    let mut world = left(&shop(), &components());
    let mut template = template(&world);
    template["spec"]["containers"][0]["image"] = json!("kasprio/kaspr:0.11.17");
    world.change(
        ObjectKind::StatefulSet,
        "orders-app",
        &json!({ "spec": { "template": template } }),
    );
    world.run_controllers();
    assert_eq!(taken_over(&mut world), 0);
    let app = world.snapshot().app.present().unwrap().clone();
    assert_eq!(app["status"]["defaultVersion"], "0.11.17");
}

/// What is decided of an app of the original does not rest on texts that a recording masks.
#[test]
fn a_redacted_look_at_the_original_is_decided_as_before() {
    for edit in [json!({}), json!({ "spec": { "config": { "topicPartitions": 7 } } })] {
        let mut world = left(&shop(), &[agent("a"), web_view("w"), task("t"), table("b")]);
        world.change(ObjectKind::App, "orders", &edit);
        for at in 0..3 {
            let installed = json!({ "status": { "installer": { "exitCode": 0, "told": {} } } });
            world.change(ObjectKind::Pod, &format!("orders-app-{at}"), &installed);
        }
        let snapshot = world.snapshot();
        let plan = decide(&snapshot);
        let look = Look { snapshot: &snapshot, plan: &plan, decision: "1a2b-1", came: &[] };
        let (masked, told) = redact(&look).unwrap_or_else(|| panic!("{plan:#?}"));
        assert_eq!(decide(&masked), told);
        let verbs =
            |plan: &Plan| plan.steps.iter().map(|step| step.action.id()).collect::<Vec<_>>();
        assert_eq!(verbs(&plan), verbs(&told));
    }
}

const FINALIZER: &str = "kopf.zalando.org/KopfFinalizerMarker";

/// Whether anything of the original's framework is on an app or component.
fn is_left(world: &World) -> bool {
    let is_resource = |kind: ObjectKind| kind == ObjectKind::App || kind.is_component();
    let resources = world.objects.iter().filter(|(of, _)| is_resource(of.kind));
    resources.into_iter().any(|(_, object)| object["metadata"].to_string().contains("kopf"))
}

fn done(world: &World) -> Value {
    let app = world.snapshot().app.present().unwrap().clone();
    app["status"]["takeover"]["finished"].clone()
}

fn put_back(world: &mut World) {
    let finalizer = json!({ "metadata": { "finalizers": [FINALIZER] } });
    world.change(ObjectKind::App, "orders", &finalizer);
}

#[test]
fn what_the_framework_left_goes_once_every_object_is_ours() {
    let mut world = left(&shop(), &components());
    assert!(is_left(&world));
    let plans = world.settle();
    assert!(!is_left(&world), "{:#?}", world.objects);
    assert!(done(&world).is_string());
    let app = world.snapshot().app.present().unwrap().clone();
    assert_eq!(app["status"]["kopf"], Value::Null);
    // Every field of the original is ours before its finalizer goes.
    let steps: Vec<String> =
        plans.iter().flat_map(|plan| &plan.steps).map(|step| step.action.id().0).collect();
    let last = steps.iter().rposition(|step| step.starts_with("TakeOwnership")).unwrap();
    let first = steps.iter().position(|step| step.starts_with("RemoveLeftovers")).unwrap();
    assert!(last < first, "{steps:#?}");
    for object in
        ["StatefulSet shop/orders-app", "Service shop/orders-app", "ConfigMap shop/count-agent"]
    {
        assert!(steps.contains(&format!("TakeOwnership {object}")), "{object}\n{steps:#?}");
    }
}

/// S of the issue: a finalizer that comes back stops all writes to that app, and says so.
#[test]
fn a_component_that_comes_to_a_new_app_is_let_go() {
    let mut world = crate::defects::settled(&[app(json!({}))]);
    world.put(original::handled(&agent("moved")));
    world.settle();
    let key = kaspr_core::ObjectRef::new(ObjectKind::Agent, "shop", "moved");
    let metadata = &world.objects[&key]["metadata"];
    assert!(!metadata.to_string().contains("kopf"), "{metadata}");
    assert!(decide(&world.snapshot()).is_silent());
}

#[test]
fn an_original_that_still_runs_stops_all_writes_to_its_app() {
    let mut world = left(&shop(), &components());
    world.settle();
    put_back(&mut world);
    world.change(
        ObjectKind::App,
        "orders",
        &json!({ "spec": { "config": { "topicPartitions": 9 } } }),
    );
    world.change(ObjectKind::Service, "orders-app", &json!({ "spec": { "ports": [] } }));
    for restart in [false, true] {
        if restart {
            world.restart();
        }
        let plans = world.settle();
        let actions = plans.iter().flat_map(|plan| &plan.steps).map(|step| &step.action);
        let written: Vec<_> = actions.map(|action| action.id().0).collect();
        assert!(written.iter().all(|id| id == "PatchStatus KasprApp shop/orders"), "{written:?}");
    }
    for kind in ["Progressing", "Stalled"] {
        assert_eq!(condition(&world, kind).unwrap()["reason"], "OriginalStillRunning");
    }
    // A person has stopped it, and says so.
    world.change(ObjectKind::App, "orders", &json!({ "metadata": { "finalizers": [] } }));
    assert_eq!(rolls(&world.settle()), 1);
    assert_eq!(condition(&world, "Stalled"), None);
}

#[test]
fn a_finalizer_that_comes_back_at_once_is_seen_too() {
    let mut world = left(&shop(), &components());
    for _ in 0..40 {
        let plan = world.pass();
        world.run_controllers();
        world.elapse(1_000);
        let removes =
            |step: &kaspr_core::Step| step.action.id().0 == "RemoveLeftovers KasprApp shop/orders";
        if plan.steps.iter().any(removes) {
            put_back(&mut world);
        }
    }
    assert_eq!(condition(&world, "Stalled").unwrap()["reason"], "OriginalStillRunning");
}

#[test]
fn a_deletion_waits_for_no_finalizer_of_the_original() {
    let deleted = json!({ "metadata": { "deletionTimestamp": "2030-03-17T17:46:40Z" } });
    let mut world = left(&shop(), &components());
    world.change(ObjectKind::App, "orders", &deleted);
    world.settle();
    assert!(!is_left(&world));

    let mut world = left(&shop(), &components());
    world.change(ObjectKind::Agent, "count", &deleted);
    world.settle();
    assert!(!is_left(&world));

    // Of components whose app is gone, too.
    let mut world = left(&shop(), &components());
    world.remove(ObjectKind::App, "orders");
    world.settle();
    assert!(!is_left(&world));
}

#[test]
fn finalizers_of_others_stay() {
    let mut world = left(&shop(), &[]);
    let finalizers =
        json!({ "metadata": { "finalizers": ["a.example/x", FINALIZER, "b.example/y"] } });
    world.change(ObjectKind::App, "orders", &finalizers);
    world.settle();
    let app = world.snapshot().app.present().unwrap().clone();
    assert_eq!(app["metadata"]["finalizers"], json!(["a.example/x", "b.example/y"]));
}
