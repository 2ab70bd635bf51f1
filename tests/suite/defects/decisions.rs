//! What is decided, when, and what is told.

use kaspr_core::action::Action;
use kaspr_core::observed::{Child, SetFacts};
use kaspr_core::outcome::{Answer, Outcome, Refusal};
use kaspr_core::seen::Unseen;
use kaspr_core::{ObjectKind, ObjectRef, decide};
use kaspr_crds::Kind;
use kaspr_fixtures::World;
use serde_json::{Value, json};

use super::{
    acts, agent, app, component, components, condition, container, live, loaded, names, rolls,
    settled, template, with,
};

fn everything(spec: Value) -> Vec<Value> {
    let mut objects = vec![app(spec)];
    objects.extend(components());
    objects
}

/// D-03, B1
#[test]
fn a_kind_that_cannot_be_listed_takes_nothing_away() {
    for kind in Kind::COMPONENTS {
        for why in [Unseen::NotListed, Unseen::Forbidden] {
            let mut world = settled(&everything(json!({})));
            let before = world.objects.clone();
            world.unknown.insert(ObjectKind::from(kind), why);
            assert_eq!(acts(&world.settle()), [""; 0], "{kind}");
            // Nor does a change that comes meanwhile roll out without them.
            world.put(app(json!({ "image": "reg.internal/kaspr:2" })));
            world.remove(ObjectKind::Agent, "count");
            assert_eq!(rolls(&world.settle()), 0, "{kind}");
            for of in before.keys().filter(|of| of.kind == ObjectKind::ConfigMap) {
                assert!(world.objects.contains_key(of), "{of} is gone without {kind}");
            }
            world.unknown.clear();
            assert_eq!(rolls(&world.settle()), 1, "{kind}");
        }
    }
}

/// D-03
#[test]
fn a_definition_that_nobody_mounts_stays_while_its_kind_cannot_be_listed() {
    let mut world = settled(&everything(json!({})));
    world.unknown.insert(ObjectKind::Agent, Unseen::Forbidden);
    world.remove(ObjectKind::StatefulSet, "orders-app");
    world.settle();
    live(&world, ObjectKind::ConfigMap, "count-agent");
}

/// A1, B11
#[test]
fn a_bad_component_stops_neither_its_siblings_nor_its_app() {
    let mut world = settled(&[app(json!({})), agent("bad"), agent("good")]);
    let last_good = loaded(&world, "agents")[0].clone();
    world.put(component(Kind::Agent, "bad", json!({ "input": {}, "processors": [] })));
    world.put(component(Kind::Table, "worse", json!("text")));
    world.put(with(agent("good"), "/spec/input/topic/name", json!("elsewhere")));
    world.put(agent("new"));
    world.put(app(json!({ "image": "reg.internal/kaspr:2" })));
    world.settle();
    let agents = loaded(&world, "agents");
    assert_eq!(names(&agents), ["bad", "good", "new"]);
    assert_eq!(agents[0], last_good, "the last good definition goes on");
    assert_eq!(agents[1]["input"]["topic"]["name"], "elsewhere");
    assert_eq!(container(&world)["image"], "reg.internal/kaspr:2");
    let accepted = |kind, name| condition(live(&world, kind, name), "Accepted");
    assert_eq!(accepted(ObjectKind::Agent, "bad"), "False InvalidSpec");
    assert_eq!(accepted(ObjectKind::Table, "worse"), "False InvalidSpec");
    assert_eq!(accepted(ObjectKind::Agent, "good"), "True Valid");
    assert_eq!(condition(live(&world, ObjectKind::App, "orders"), "Ready"), "True Healthy");
}

/// A1
#[test]
fn a_component_without_an_app_or_a_label_is_told_and_comes_to_rest() {
    let mut world = World::new("shop", "");
    world.put(with(agent("a"), "/metadata/labels", json!({})));
    world.settle();
    assert_eq!(
        condition(live(&world, ObjectKind::Agent, "a"), "Accepted"),
        "False AppLabelMissing"
    );
    assert!(decide(&world.snapshot()).is_silent());
    let mut world = World::new("shop", "orders");
    world.put(agent("a"));
    world.settle();
    let object = live(&world, ObjectKind::Agent, "a");
    assert_eq!(condition(object, "Ready"), "False AppNotFound");
    assert_eq!(object["status"]["app"], json!({ "name": "orders", "status": "AppNotFound" }));
    assert!(decide(&world.snapshot()).is_silent());
}

/// Part 3: what no worker could start with does not reach them.
#[test]
fn python_that_does_not_compile_leaves_the_old_code_running() {
    let mut world = settled(&[app(json!({})), agent("count")]);
    let (before, running) = (template(&world).clone(), loaded(&world, "agents"));
    let code = "/spec/processors/operations/0/map/python";
    for bad in ["def f(v) return v", "def g(v): return v"] {
        world.put(with(agent("count"), code, json!(bad)));
        let plans = world.settle();
        assert_eq!(acts(&plans), [""; 0], "{bad}");
        assert_eq!(template(&world), &before);
        assert_eq!(loaded(&world, "agents"), running);
        let object = live(&world, ObjectKind::Agent, "count");
        assert_eq!(condition(object, "Accepted"), "False InvalidSpec");
    }
    world.put(with(agent("count"), code, json!("def f(v): return 2")));
    world.settle();
    assert_ne!(loaded(&world, "agents"), running);
    let object = live(&world, ObjectKind::Agent, "count");
    assert_eq!(condition(object, "Accepted"), "True Valid");
}

/// A2, A6, D19, D23, E3
#[test]
fn an_invalid_app_says_so_once_and_comes_to_rest() {
    let mut world = settled(&[app(json!({})), agent("count")]);
    let before = template(&world).clone();
    world.put(app(json!({ "authentication": { "type": "scram-sha-512" } })));
    let plans = world.settle();
    assert_eq!(acts(&plans), [""; 0], "what runs is left as it is");
    let object = live(&world, ObjectKind::App, "orders");
    assert_eq!(condition(object, "Accepted"), "False InvalidSpec");
    assert_eq!(object["status"]["observedGeneration"], object["metadata"]["generation"]);
    let told = plans.iter().flat_map(|plan| &plan.notices);
    assert_eq!(told.filter(|notice| notice.reason == "InvalidSpec").count(), 1);
    world.elapse(3_600_000);
    let plan = decide(&world.snapshot());
    assert!(plan.is_silent() && plan.notices.is_empty() && plan.wake_up.is_none(), "{plan:#?}");
    assert_eq!(template(&world), &before);
}

/// D-27, C6
#[test]
fn the_own_name_of_a_component_changes_nothing() {
    let mut world = settled(&everything(json!({})));
    let before = template(&world).clone();
    world.put(component(Kind::Table, "left", json!({ "name": "other" })));
    world.settle();
    assert_eq!(names(&loaded(&world, "tables")), ["left", "right"]);
    assert_eq!(template(&world)["spec"]["volumes"], before["spec"]["volumes"]);
}

/// D-28, D4, D5, D6
#[test]
fn a_pause_pauses_and_nothing_of_it_is_lost() {
    let paused = json!({ "kaspr.io/pause-reconciliation": "True" });
    let next = json!({ "replicas": 3, "image": "reg.internal/kaspr:2",
        "resources": { "limits": { "memory": "2Gi" } } });
    let mut world = settled(&everything(json!({})));
    world.put(with(app(next.clone()), "/metadata/annotations", paused));
    world.put(agent("new"));
    world.remove(ObjectKind::Task, "sweep");
    world.remove(ObjectKind::Service, "orders-app-api");
    world.change(
        ObjectKind::Autoscaler,
        "orders-app-hpa",
        &json!({ "spec": { "maxReplicas": 9 } }),
    );
    assert_eq!(acts(&world.settle()), [""; 0]);
    assert_eq!(condition(live(&world, ObjectKind::App, "orders"), "Progressing"), "False Paused");
    world.put(app(next));
    assert_eq!(rolls(&world.settle()), 1);
    assert_eq!(container(&world)["image"], "reg.internal/kaspr:2");
    assert_eq!(container(&world)["resources"], json!({ "limits": { "memory": "2Gi" } }));
    assert_eq!(names(&loaded(&world, "agents")), ["count", "new"]);
    assert!(loaded(&world, "tasks").is_empty());
    live(&world, ObjectKind::Service, "orders-app-api");
    assert_eq!(live(&world, ObjectKind::Autoscaler, "orders-app-hpa")["spec"]["maxReplicas"], 3);
}

/// D-56
#[test]
fn an_app_that_names_no_version_keeps_the_one_that_it_got() {
    let mut world = World::new("shop", "orders");
    let mut object = app(json!({}));
    object["status"] = json!({ "defaultVersion": "0.11.12" });
    world.put(object);
    world.settle();
    assert_eq!(container(&world)["image"], "kasprio/kaspr:0.11.12");
    assert_eq!(live(&world, ObjectKind::App, "orders")["status"]["defaultVersion"], "0.11.12");
    // A version of its own is followed, and leaving it again leads back.
    world.put(app(json!({ "version": "0.11.18" })));
    world.settle();
    assert_eq!(container(&world)["image"], "kasprio/kaspr:0.11.18");
    world.put(app(json!({})));
    world.settle();
    assert_eq!(container(&world)["image"], "kasprio/kaspr:0.11.12");
}

/// D-57, B10
#[test]
fn settings_stand_as_long_as_the_template_that_reads_them() {
    let config = json!({ "config": { "broker_commit_every": 5 } });
    let mut world = settled(&[app(config), agent("count")]);
    let data =
        |world: &World| live(world, ObjectKind::ConfigMap, "orders-app-config")["data"].clone();
    let before = data(&world);
    world.unknown.insert(ObjectKind::Agent, Unseen::NotListed);
    world.put(app(json!({ "config": { "topicPartitions": 3 } })));
    world.settle();
    assert_eq!(data(&world), before, "a pod that starts now reads what its template names");
    world.unknown.clear();
    world.settle();
    assert_eq!(data(&world)["K_TOPIC_PARTITIONS"], "3");
    assert_eq!(data(&world).get("K_BROKER_COMMIT_EVERY"), None);
}

/// D-57, B10
#[test]
fn a_setting_stays_until_no_pod_names_it_any_more() {
    let mut world = settled(&[app(json!({ "config": { "mine": 1 } }))]);
    let data =
        |world: &World| live(world, ObjectKind::ConfigMap, "orders-app-config")["data"].clone();
    world.put(app(json!({})));
    // The controllers stand still: every member runs the old template.
    for _ in 0..6 {
        world.pass();
        world.elapse(1_000);
        assert_eq!(data(&world)["K_MINE"], "1");
    }
    world.settle();
    assert_eq!(data(&world).get("K_MINE"), None);
}

/// D14
#[test]
fn an_app_whose_set_is_gone_is_not_ready() {
    let mut world = settled(&[app(json!({}))]);
    world.remove(ObjectKind::StatefulSet, "orders-app");
    world.unknown.insert(ObjectKind::Agent, Unseen::NotListed);
    world.settle();
    let ready = condition(live(&world, ObjectKind::App, "orders"), "Ready");
    assert!(ready.starts_with("False "), "{ready}");
}

/// D15
#[test]
fn an_app_is_not_ready_until_its_rollout_is_through() {
    let mut world = settled(&[app(json!({ "replicas": 2 }))]);
    let ready = |world: &World| condition(live(world, ObjectKind::App, "orders"), "Ready");
    assert_eq!(ready(&world), "True Healthy");
    world.put(app(json!({ "replicas": 2, "image": "reg.internal/kaspr:2" })));
    // The controllers stand still: every member is available, and runs the old template.
    for _ in 0..8 {
        world.pass();
        world.elapse(1_000);
        assert_eq!(ready(&world), "False NotReady");
    }
    let set = live(&world, ObjectKind::StatefulSet, "orders-app");
    assert_eq!(set["status"]["availableReplicas"], 2);
    // Nor is one that is paused meanwhile, since its rollout goes on.
    let pause = |value: Value| {
        json!({ "metadata": { "annotations": {
        "kaspr.io/pause-reconciliation": value } } })
    };
    world.change(ObjectKind::App, "orders", &pause(json!("true")));
    world.pass();
    assert_eq!(ready(&world), "False NotReady");
    world.change(ObjectKind::App, "orders", &pause(Value::Null));
    world.settle();
    assert_eq!(ready(&world), "True Healthy");
}

/// C7
#[test]
fn half_of_a_rollout_is_no_whole_one() {
    let mut set = json!({ "metadata": { "generation": 7 }, "spec": { "replicas": 4 }, "status": {
        "observedGeneration": 7, "replicas": 4, "updatedReplicas": 2, "currentReplicas": 2,
        "readyReplicas": 4, "availableReplicas": 4, "currentRevision": "a", "updateRevision": "b",
    } });
    assert!(!SetFacts::of(&Child::of(&set)).is_rolled_out());
    set["status"]["updatedReplicas"] = json!(4);
    assert!(!SetFacts::of(&Child::of(&set)).is_rolled_out(), "the last ones are not ready yet");
    set["status"]["currentRevision"] = json!("b");
    assert!(SetFacts::of(&Child::of(&set)).is_rolled_out());
    set["metadata"]["generation"] = json!(8);
    assert!(!SetFacts::of(&Child::of(&set)).is_rolled_out(), "the controller has not looked yet");
}

/// D16
#[test]
fn a_status_is_written_over_the_version_that_was_read() {
    let mut world = World::new("shop", "orders");
    world.put(app(json!({})));
    world.put(agent("count"));
    let mut written = 0;
    for _ in 0..4 {
        for step in decide(&world.snapshot()).steps {
            if let Action::PatchStatus { of, seen, .. } = &step.action {
                assert_eq!(world.objects[of]["metadata"]["resourceVersion"], **seen);
                written += 1;
            }
        }
        world.pass();
        world.run_controllers();
        world.elapse(10_000);
    }
    assert!(written > 2);
}

/// D16
#[test]
fn conditions_of_others_stay() {
    let mut world = settled(&[app(json!({}))]);
    let mut conditions = live(&world, ObjectKind::App, "orders")["status"]["conditions"].clone();
    conditions.as_array_mut().unwrap().push(json!({ "type": "Theirs", "status": "True",
        "reason": "R", "message": "m", "lastTransitionTime": "2030-01-01T00:00:00Z" }));
    let status = json!({ "status": { "conditions": conditions, "theirs": 1 } });
    world.change(ObjectKind::App, "orders", &status);
    world.put(app(json!({ "image": "reg.internal/kaspr:2" })));
    world.settle();
    let object = live(&world, ObjectKind::App, "orders");
    assert_eq!(condition(object, "Theirs"), "True R");
    assert_eq!(object["status"]["theirs"], 1);
}

/// D18, and part 5 of the defects of rendering: writes although nothing changed.
#[test]
fn nothing_is_written_where_nothing_changed() {
    let mut world = settled(&everything(json!({ "replicas": 3 })));
    for _ in 0..3 {
        world.elapse(600_000);
        assert!(decide(&world.snapshot()).is_silent());
        world.restart();
        assert!(decide(&world.snapshot()).is_silent(), "after a restart");
    }
    let same = live(&world, ObjectKind::Agent, "count").clone();
    world.put(same);
    assert!(decide(&world.snapshot()).is_silent(), "an apply of the same manifest");
}

/// D1, D2
#[test]
fn apps_of_one_name_in_two_namespaces_share_nothing() {
    let set = |namespace: &str| ObjectRef::new(ObjectKind::StatefulSet, namespace, "orders-app");
    assert_ne!(Action::id_of("Roll", &set("shop")), Action::id_of("Roll", &set("test")));
    let mut world = World::new("test", "orders");
    world.put(app(json!({})));
    world.put(agent("count"));
    for plan in world.settle() {
        for step in plan.steps {
            assert_eq!(step.action.object().namespace, "test");
        }
    }
}

/// Fixed by the predecessor in 0.18.43 and 0.18.44.
#[test]
fn a_set_that_is_not_there_is_made_after_what_its_pods_need() {
    let mut world = World::new("shop", "orders");
    for object in everything(json!({})) {
        world.put(object);
    }
    let made = acts(&world.settle());
    let at = |what: &str| made.iter().position(|act| act.contains(what)).unwrap();
    for need in ["ServiceAccount", "orders-app-config", "Service shop/orders-app", "count-agent"] {
        assert!(at(need) < at("StatefulSet"), "{made:#?}");
    }
}

/// Fixed by the predecessor in 0.18.45.
#[test]
fn an_app_that_is_being_deleted_gets_nothing_new() {
    let mut world = settled(&everything(json!({})));
    let stamp = json!({ "metadata": { "deletionTimestamp": "2031-05-02T10:00:00Z" } });
    world.change(ObjectKind::App, "orders", &stamp);
    world.remove(ObjectKind::Service, "orders-app");
    world.remove(ObjectKind::StatefulSet, "orders-app");
    let plan = decide(&world.snapshot());
    assert!(plan.is_silent() && plan.notices.is_empty(), "{plan:#?}");
}

/// Fixed by the predecessor in 0.8 and 0.9.
#[test]
fn a_change_of_any_component_reaches_the_members() {
    let all = |world: &World| {
        ["agents", "tables", "webviews", "tasks", "joins"].map(|root| loaded(world, root))
    };
    for object in components() {
        let mut world = settled(&everything(json!({})));
        let before = all(&world);
        let kind: Kind = object["kind"].as_str().unwrap().parse().unwrap();
        let name = object["metadata"]["name"].as_str().unwrap().to_owned();
        world.put(with(object, "/spec/description", json!("changed")));
        assert_eq!(rolls(&world.settle()), 1, "{name}");
        assert_ne!(all(&world), before, "{name}");
        let status = condition(live(&world, ObjectKind::from(kind), &name), "Ready");
        assert_eq!(status, "True Mounted", "{name}");
    }
}

/// D14
#[test]
fn a_refusal_is_told_in_the_status() {
    let mut world = settled(&[app(json!({}))]);
    world.put(app(json!({ "image": "reg.internal/kaspr:2" })));
    world.pass();
    let set = ObjectRef::new(ObjectKind::StatefulSet, "shop", "orders-app");
    let answer = Answer::Refused {
        refusal: Refusal::Forbidden,
        message: "quota of pods exceeded".to_owned(),
    };
    let outcome = Outcome { at: world.now.uptime, attempts: 4, of: String::new(), answer };
    world.outcomes.insert(Action::id_of("Roll", &set), outcome);
    let plan = world.pass();
    assert!(plan.wake_up.is_some_and(|at| at > world.now.uptime), "it is tried again, later");
    let object = live(&world, ObjectKind::App, "orders");
    assert_eq!(condition(object, "Progressing"), "False Error");
    assert_eq!(condition(object, "Ready"), "False Error");
    let told = object["status"]["conditions"].to_string();
    assert!(told.contains("quota of pods exceeded"), "{told}");
}
