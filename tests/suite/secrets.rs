//! Secrets, where the operator looks at them: what is missing holds pods back, what changes replaces
//! them once.

use kaspr_core::action::Action;
use kaspr_core::{ObjectKind, Plan, Unseen, decide};
use kaspr_fixtures::World;
use kaspr_recording::{Look, redact};
use serde_json::{Value, json};

use crate::defects::members::round;
use crate::defects::{agent, app, live, settled};
use crate::takeover::left;

const RESTART: &str = "kaspr.io/restart-on-secret-change";
const VERSIONS: &str = "kaspr.io/secret-versions";

fn with_login() -> Value {
    let secret = json!({ "secretName": "kafka", "passwordKey": "password" });
    app(json!({
        "replicas": 2,
        "authentication": { "type": "plain", "username": "u", "passwordSecret": secret },
    }))
}

fn secret(name: &str, data: Value) -> Value {
    json!({ "apiVersion": "v1", "kind": "Secret", "metadata": { "name": name }, "data": data })
}

fn password(value: &str) -> Value {
    secret("kafka", json!({ "password": value }))
}

/// A world whose operator looks at Secrets.
fn checking(objects: &[Value]) -> World {
    let mut world = World::new("shop", "orders");
    world.settings.checks_secrets = true;
    for object in objects {
        world.put(object.clone());
    }
    world.settle();
    world
}

fn condition(world: &World, kind: &str) -> (String, String) {
    let conditions = live(world, ObjectKind::App, "orders")["status"]["conditions"].clone();
    let found = conditions.as_array().unwrap().iter().find(|one| one["type"] == kind).cloned();
    let found = found.unwrap_or_default();
    let text = |field: &str| found[field].as_str().unwrap_or_default().to_owned();
    (format!("{} {}", text("status"), text("reason")), text("message"))
}

fn set(world: &World) -> Option<&Value> {
    let of = kaspr_core::ObjectRef::new(ObjectKind::StatefulSet, "shop", "orders-app");
    world.objects.get(&of)
}

fn rollouts(plans: &[Plan]) -> Vec<String> {
    let steps = plans.iter().flat_map(|plan| &plan.steps);
    let rolls = steps.filter(|step| matches!(step.action, Action::Roll { .. }));
    rolls.map(|step| step.because.to_string()).collect()
}

/// D-35
#[test]
fn a_secret_that_is_missing_holds_back_every_pod() {
    let mut world = checking(&[with_login(), agent("count")]);
    assert!(set(&world).is_none(), "no pod is made");
    let (said, message) = condition(&world, "ResolvedRefs");
    assert_eq!(said, "False SecretNotFound");
    assert!(message.contains("spec.authentication.passwordSecret"), "{message}");
    assert!(message.contains("kafka") && message.contains("create it"), "{message}");
    assert_eq!(condition(&world, "Progressing").0, "False SecretMissing");
    assert_eq!(condition(&world, "Stalled").0, "True SecretMissing");

    world.put(secret("kafka", json!({ "passwort": "aHVzaA==" })));
    world.settle();
    assert!(set(&world).is_none(), "the key is missing");
    assert_eq!(condition(&world, "ResolvedRefs").0, "False SecretKeyNotFound");

    world.put(password("aHVzaA=="));
    world.settle();
    assert_eq!(condition(&world, "ResolvedRefs").0, "True ResolvedRefs");
    assert_eq!(condition(&world, "Ready").0, "True Healthy");
    assert_eq!(condition(&world, "Stalled").0, " ");
}

#[test]
fn the_secrets_of_packages_are_looked_at_too() {
    let packages = json!({
        "packages": ["six"], "indexUrl": "https://pypi.example/simple",
        "credentials": { "secretRef": { "name": "index" } },
        "cache": { "type": "gcs", "gcs": { "bucket": "b", "secretRef": { "name": "key" } } },
    });
    let env =
        json!([{ "name": "T", "valueFrom": { "secretKeyRef": { "name": "git", "key": "t" } } }]);
    let template = json!({ "pythonPackagesInitContainer": { "env": env } });
    let mut world = checking(&[app(json!({ "pythonPackages": packages, "template": template }))]);
    let message = condition(&world, "ResolvedRefs").1;
    for name in ["Secret index", "Secret key", "Secret git"] {
        assert!(message.contains(name), "{name}: {message}");
    }
    world.put(secret("index", json!({ "username": "", "password": "" })));
    world.put(secret("key", json!({ "sa.json": "" })));
    assert!(set(&world).is_none());
    world.put(secret("git", json!({ "t": "" })));
    world.settle();
    assert!(set(&world).is_some());
}

/// D-62
#[test]
fn a_secret_that_changes_replaces_pods_once() {
    let mut world = checking(&[with_login(), password("b25l"), agent("count")]);
    assert_eq!(rollouts(&world.settle()), Vec::<String>::new());
    for value in ["dHdv", "dGhyZWU="] {
        world.put(password(value));
        assert_eq!(rollouts(&world.settle()), ["Secret kafka changed"]);
        assert_eq!(rollouts(&world.settle()), Vec::<String>::new());
        assert_eq!(condition(&world, "Ready").0, "True Healthy");
    }
    world.restart();
    assert_eq!(rollouts(&world.settle()), Vec::<String>::new(), "it is remembered");
    // One that is taken away and comes back with other values.
    let before = set(&world).unwrap()["spec"]["template"].clone();
    world.remove(ObjectKind::Secret, "kafka");
    world.settle();
    assert_eq!(condition(&world, "ResolvedRefs").0, "False SecretNotFound");
    assert_eq!(condition(&world, "Ready").0, "True Healthy", "what runs goes on running");
    assert_eq!(set(&world).unwrap()["spec"]["template"], before);
    world.put(password("Zm91cg=="));
    assert_eq!(rollouts(&world.settle()), ["Secret kafka changed"]);
}

#[test]
fn an_edit_while_a_secret_is_missing_waits_and_comes_with_it() {
    let mut world = checking(&[with_login(), password("b25l"), agent("count")]);
    world.remove(ObjectKind::Secret, "kafka");
    world.put(agent("another"));
    assert_eq!(rollouts(&world.settle()), Vec::<String>::new());
    assert_eq!(condition(&world, "Progressing").0, "False SecretMissing");
    assert_eq!(condition(&world, "Ready").0, "True Healthy");
    world.put(password("dHdv"));
    assert_eq!(rollouts(&world.settle()).len(), 1, "one rollout brings both");
    let template = set(&world).unwrap()["spec"]["template"].to_string();
    assert!(template.contains("another-agent"), "{template}");
}

#[test]
fn whoever_says_no_is_not_restarted() {
    let mut object = with_login();
    object["metadata"]["annotations"] = json!({ RESTART: "false" });
    let mut world = checking(&[object, password("b25l")]);
    world.put(password("dHdv"));
    assert_eq!(rollouts(&world.settle()), Vec::<String>::new());
    // What came while nobody wanted it is not brought up later.
    world.put(with_login());
    assert_eq!(rollouts(&world.settle()), Vec::<String>::new());
    world.put(password("dGhyZWU="));
    assert_eq!(rollouts(&world.settle()).len(), 1);
}

#[test]
fn to_switch_the_check_on_or_off_restarts_nothing() {
    let mut world = settled(&[with_login(), password("b25l")]);
    assert_eq!(set(&world).unwrap()["metadata"]["annotations"].get(VERSIONS), None);
    for checks in [true, false, true] {
        world.settings.checks_secrets = checks;
        world.restart();
        assert_eq!(rollouts(&world.settle()), Vec::<String>::new(), "{checks}");
    }
    world.put(password("dHdv"));
    assert_eq!(rollouts(&world.settle()).len(), 1);
    // The template keeps what it says when nobody looks any more.
    let before = set(&world).unwrap()["spec"]["template"].clone();
    world.settings.checks_secrets = false;
    world.restart();
    assert_eq!(rollouts(&world.settle()), Vec::<String>::new());
    world.change(
        ObjectKind::App,
        "orders",
        &json!({ "spec": { "config": { "topicPartitions": 3 } } }),
    );
    assert_eq!(rollouts(&world.settle()).len(), 1);
    let after = &set(&world).unwrap()["spec"]["template"]["metadata"];
    assert_eq!(*after, before["metadata"]);
}

#[test]
fn what_nobody_may_list_is_told_and_makes_or_replaces_no_pod() {
    let mut world = World::new("shop", "orders");
    world.settings.checks_secrets = true;
    world.unknown.insert(ObjectKind::Secret, Unseen::Forbidden);
    world.put(with_login());
    world.put(password("b25l"));
    world.settle();
    assert!(set(&world).is_none());
    let (said, message) = condition(&world, "ResolvedRefs");
    assert_eq!(said, "Unknown Unknown");
    assert!(message.contains("check-secrets"), "{message}");
    assert!(condition(&world, "Progressing").1.contains("Secret (listing is forbidden)"));
    world.unknown.clear();
    world.settle();
    assert_eq!(condition(&world, "Ready").0, "True Healthy");
    world.unknown.insert(ObjectKind::Secret, Unseen::Forbidden);
    world.put(agent("count"));
    world.put(password("dHdv"));
    assert_eq!(rollouts(&world.settle()), Vec::<String>::new());
    assert_eq!(condition(&world, "Ready").0, "True Healthy");
    world.unknown.clear();
    assert_eq!(rollouts(&world.settle()).len(), 1);
}

#[test]
fn no_value_is_in_a_look_nor_in_what_comes_of_it() {
    let mut world = checking(&[with_login(), password("aHVzaC1odXNo")]);
    world.put(password("aHVzaC1odXNoLWh1c2g="));
    for _ in 0..6 {
        let snapshot = world.snapshot();
        let plan = decide(&snapshot);
        for text in [format!("{snapshot:?}"), format!("{plan:?}")] {
            assert!(!text.contains("aHVzaC1odXNo"), "{text}");
        }
        let look = Look { snapshot: &snapshot, plan: &plan, decision: "1", came: &[] };
        let (masked, expected) = redact(&look).unwrap();
        assert_eq!(decide(&masked), expected);
        world.pass();
        world.run_controllers();
    }
}

#[test]
fn an_app_that_names_no_secret_is_none_of_this() {
    let world = checking(&[app(json!({})), agent("count")]);
    assert_eq!(condition(&world, "ResolvedRefs").0, " ");
    let object = set(&world).unwrap();
    assert_eq!(object["metadata"]["annotations"].get(VERSIONS), None);
}

/// Nothing starts a pod that could not start: neither the way up from zero, nor more members, nor the
/// replacement of one that hangs.
#[test]
fn while_a_secret_is_missing_no_other_way_leads_to_a_pod_either() {
    let with_replicas = |replicas: i32| {
        let mut object = with_login();
        object["spec"]["replicas"] = json!(replicas);
        object
    };
    let mut world = checking(&[with_login(), password("b25l")]);
    world.remove(ObjectKind::Secret, "kafka");
    world.put(with_replicas(5));
    world.settle();
    let most = |world: &World| {
        let of = kaspr_core::ObjectRef::new(ObjectKind::Autoscaler, "shop", "orders-app-hpa");
        world.objects.get(&of).map(|scaler| scaler["spec"]["maxReplicas"].clone())
    };
    assert_eq!(most(&world), Some(json!(2)));
    assert_eq!(condition(&world, "Progressing").0, "False SecretMissing");
    world.put(with_replicas(1));
    world.settle();
    assert_eq!(most(&world), Some(json!(1)), "fewer may be");
    world.put(with_replicas(0));
    world.settle();
    world.put(with_replicas(2));
    world.settle();
    assert_eq!(set(&world).unwrap()["spec"]["replicas"], 0);
    assert_eq!(condition(&world, "Progressing").0, "False SecretMissing");
    world.put(password("b25l"));
    world.settle();
    assert_eq!(set(&world).unwrap()["spec"]["replicas"], 2);
    assert_eq!(condition(&world, "Ready").0, "True Healthy");
}

#[test]
fn a_member_that_hangs_is_not_replaced_by_one_that_cannot_start() {
    let mut object = with_login();
    object["spec"]["replicas"] = json!(3);
    let mut world = checking(&[object, password("b25l"), agent("count")]);
    world.settings.hung_threshold_seconds = 60;
    let replaced = |world: &mut World| {
        let plans: Vec<Plan> = (0..20).map(|_| round(world, &[1], &[])).collect();
        let steps = plans.iter().flat_map(|plan| &plan.steps);
        steps.filter(|step| step.action.verb() == "DeletePod").count()
    };
    let kept = world.clone();
    world.remove(ObjectKind::Secret, "kafka");
    assert_eq!(replaced(&mut world), 0);
    assert!(replaced(&mut kept.clone()) > 0, "with its Secret it is");
}

/// What an edit and its undoing leave behind: the pods still have the version of before both.
#[test]
fn a_change_while_the_spec_names_another_one_is_not_lost() {
    let mut world = checking(&[with_login(), password("b25l")]);
    let mut typo = with_login();
    typo["spec"]["authentication"]["passwordSecret"]["secretName"] = json!("kafkaa");
    world.put(typo);
    world.settle();
    assert_eq!(condition(&world, "ResolvedRefs").0, "False SecretNotFound");
    world.put(password("dHdv"));
    world.put(with_login());
    assert_eq!(rollouts(&world.settle()), ["Secret kafka changed"]);
}

#[test]
fn what_the_own_environment_says_needs_no_secret() {
    let mut object = with_login();
    let own = json!([{ "name": "K_KAFKA_AUTH_PASSWORD", "value": "p" }]);
    object["spec"]["template"] = json!({ "kasprContainer": { "env": own } });
    let world = checking(&[object]);
    assert!(set(&world).is_some());
    assert_eq!(condition(&world, "ResolvedRefs").0, " ");
}

/// A process whose list is an older one takes no Secret of before for a new one.
#[test]
fn an_older_list_of_secrets_rolls_nothing_back() {
    let mut world = checking(&[with_login(), password("b25l")]);
    let old = world.snapshot();
    world.put(password("dHdv"));
    assert_eq!(rollouts(&world.settle()).len(), 1);
    let mut late = world.snapshot();
    late.secrets = old.secrets;
    late.lists.insert(ObjectKind::Secret, old.lists[&ObjectKind::Secret].clone());
    late.app_seen_at = Some(late.now.uptime);
    let plan = decide(&late);
    assert_eq!(rollouts(std::slice::from_ref(&plan)), Vec::<String>::new());
    assert_eq!(plan.stale, [ObjectKind::Secret]);
    assert!(plan.steps.is_empty(), "{plan:#?}");
}

/// An app of the original that was taken over and never rolled, and whose operator was taken away and
/// came back: what changed meanwhile is rolled out, and not only believed to be.
#[test]
fn what_changed_while_nobody_ran_is_rolled_out_after_an_adoption_too() {
    let mut world = left(&with_login(), &[]);
    world.settings.checks_secrets = true;
    world.put(password("b25l"));
    assert_eq!(rollouts(&world.settle()), Vec::<String>::new(), "it is adopted");
    let app = kaspr_core::ObjectRef::new(ObjectKind::App, "shop", "orders");
    world.objects.get_mut(&app).unwrap()["status"] = Value::Null;
    world.put(password("dHdv"));
    world.restart();
    assert_eq!(rollouts(&world.settle()).len(), 1);
    world.settings.checks_secrets = false;
    world.restart();
    assert_eq!(rollouts(&world.settle()), Vec::<String>::new());
}
