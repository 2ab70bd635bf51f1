//! Objects that differ from what is wanted: edited, changed by hand, lost, or somebody else's.

use kaspr_core::action::Action;
use kaspr_core::outcome::{Answer, Outcome};
use kaspr_core::{ObjectKind, ObjectRef, Unseen, decide};
use kaspr_fixtures::World;
use serde_json::{Value, json};

use super::{
    acts, agent, app, components, condition, container, entries, live, rolls, settled, template,
};

/// The objects of the app `orders`, apart from its definitions.
const CHILDREN: [(ObjectKind, &str); 6] = [
    (ObjectKind::ServiceAccount, "orders-app"),
    (ObjectKind::ConfigMap, "orders-app-config"),
    (ObjectKind::Service, "orders-app-api"),
    (ObjectKind::Service, "orders-app"),
    (ObjectKind::Autoscaler, "orders-app-hpa"),
    (ObjectKind::StatefulSet, "orders-app"),
];

/// What of an object the operator answers for.
fn owned(world: &World, kind: ObjectKind, name: &str) -> Value {
    let mut object = live(world, kind, name).clone();
    for field in ["uid", "resourceVersion", "generation"] {
        object["metadata"].as_object_mut().unwrap().remove(field);
    }
    object.as_object_mut().unwrap().remove("status");
    object
}

/// While nobody knows which components there are, a definition stays as it is; what was changed by hand
/// meanwhile is not taken for the operator's own work afterwards.
#[test]
fn what_is_changed_by_hand_while_a_kind_is_unknown_is_put_back_later() {
    let mut world = settled(&[app(json!({})), agent("count")]);
    let map = owned(&world, ObjectKind::ConfigMap, "count-agent");
    world.unknown.insert(ObjectKind::Table, Unseen::Forbidden);
    let by_hand = json!({ "data": { "count-agent.yaml": "agents: []" } });
    world.change(ObjectKind::ConfigMap, "count-agent", &by_hand);
    world.change(ObjectKind::ConfigMap, "count-agent", &json!({ "metadata": { "labels": null } }));
    world.pass();
    world.unknown.clear();
    world.settle();
    assert_eq!(owned(&world, ObjectKind::ConfigMap, "count-agent"), map);
}

/// D-30, D12, D13
#[test]
fn what_is_changed_by_hand_is_put_back() {
    let claim = json!({ "type": "persistent-claim", "size": "1Gi" });
    let spec = json!({ "replicas": 3, "storage": claim,
        "resources": { "limits": { "memory": "1Gi" } } });
    let at_rest = settled(&[app(spec), agent("count")]);
    let pod = |change: Value| json!({ "spec": { "template": { "spec": change } } });
    let containers = |field: &str, value: Value| {
        let mut container = container(&at_rest).clone();
        container[field] = value;
        json!({ "containers": [container] })
    };
    let (set, service) = (ObjectKind::StatefulSet, ObjectKind::Service);
    let (scaler, map) = (ObjectKind::Autoscaler, ObjectKind::ConfigMap);
    for (kind, name, change) in [
        (set, "orders-app", pod(containers("env", json!([])))),
        (set, "orders-app", pod(containers("image", json!("other:1")))),
        (set, "orders-app", pod(containers("resources", json!({ "limits": { "memory": "9Gi" } })))),
        (set, "orders-app", pod(containers("volumeMounts", json!([])))),
        (set, "orders-app", pod(json!({ "volumes": [] }))),
        (set, "orders-app", pod(json!({ "serviceAccountName": "other" }))),
        (
            set,
            "orders-app",
            json!({ "spec": { "template": { "metadata": { "labels": { "kaspr.io/app": null } } } } }),
        ),
        (set, "orders-app", json!({ "spec": { "updateStrategy": { "type": "OnDelete" } } })),
        (
            set,
            "orders-app",
            json!({ "spec": { "persistentVolumeClaimRetentionPolicy": { "whenDeleted": "Delete" } } }),
        ),
        (set, "orders-app", json!({ "metadata": { "labels": { "kaspr.io/app": null } } })),
        (scaler, "orders-app-hpa", json!({ "spec": { "maxReplicas": 9 } })),
        (scaler, "orders-app-hpa", json!({ "spec": { "metrics": [] } })),
        (
            scaler,
            "orders-app-hpa",
            json!({ "spec": { "behavior": { "scaleUp": { "policies": [] } } } }),
        ),
        (scaler, "orders-app-hpa", json!({ "spec": { "scaleTargetRef": { "name": "other" } } })),
        (scaler, "orders-app-hpa", json!({ "metadata": { "ownerReferences": null } })),
        (service, "orders-app", json!({ "spec": { "publishNotReadyAddresses": false } })),
        (service, "orders-app-api", json!({ "spec": { "selector": { "kaspr.io/cluster": "x" } } })),
        (service, "orders-app-api", json!({ "metadata": { "ownerReferences": null } })),
        (map, "orders-app-config", json!({ "data": { "K_APP_NAME": "other" } })),
        (map, "count-agent", json!({ "data": { "count-agent.yaml": "agents: []\n" } })),
        (map, "count-agent", json!({ "metadata": { "labels": { "kaspr.io/app": null } } })),
        (
            ObjectKind::ServiceAccount,
            "orders-app",
            json!({ "metadata": { "ownerReferences": null } }),
        ),
        (
            ObjectKind::ServiceAccount,
            "orders-app",
            json!({ "metadata": { "labels": { "kaspr.io/name": "x" } } }),
        ),
    ] {
        let mut world = at_rest.clone();
        let wanted = owned(&world, kind, name);
        world.change(kind, name, &change);
        assert_ne!(owned(&world, kind, name), wanted, "{change} changes something");
        world.settle();
        assert_eq!(owned(&world, kind, name), wanted, "{change}");
    }
}

/// Fixed by the predecessor in 0.18.37 and 0.18.38.
#[test]
fn a_hash_that_was_changed_by_hand_is_healed() {
    let at_rest = settled(&[app(json!({})), agent("count")]);
    for (kind, name) in CHILDREN.into_iter().chain([(ObjectKind::ConfigMap, "count-agent")]) {
        let mut world = at_rest.clone();
        let change = json!({ "metadata": { "annotations": { "kaspr.io/resource-hash": "0" } } });
        world.change(kind, name, &change);
        assert_eq!(acts(&world.settle()).len(), 1, "{name}");
        assert_eq!(owned(&world, kind, name), owned(&at_rest, kind, name));
    }
}

/// D-31, D-32, D-51, B9, B10
#[test]
fn an_edited_app_looks_as_if_it_had_been_made_so() {
    let small = json!({ "replicas": 2 });
    for spec in [
        json!({ "replicas": 2, "resources": { "requests": { "cpu": "1" }, "limits": { "cpu": "2" } } }),
        json!({ "replicas": 2, "config": { "webPort": 7000 } }),
        json!({ "replicas": 2, "config": { "web_port": 7000, "mine": 1, "topicPartitions": 4 } }),
        json!({ "replicas": 2, "tls": {}, "authentication": { "type": "plain", "username": "u",
            "passwordSecret": { "secretName": "s", "passwordKey": "p" } } }),
        json!({ "replicas": 2, "image": "reg.internal/kaspr:2" }),
        json!({ "replicas": 2, "template": {
            "service": { "metadata": { "labels": { "a": "b" }, "annotations": { "c": "d" } } },
            "serviceAccount": { "metadata": { "labels": { "a": "b" }, "annotations": { "c": "d" } } },
        } }),
        json!({ "replicas": 2, "template": { "pod": {
            "affinity": { "podAntiAffinity": {} }, "nodeSelector": { "a": "b" },
            "tolerations": [{ "key": "k" }], "priorityClassName": "high",
            "metadata": { "annotations": { "a": "b" } },
            "volumes": [{ "name": "v", "emptyDir": {} }],
        }, "kasprContainer": {
            "env": [{ "name": "A", "value": "b" }], "volumeMounts": [{ "name": "v", "mountPath": "/v" }],
        } } }),
    ] {
        for (from, to) in [(&small, &spec), (&spec, &small)] {
            let mut edited = settled(&[app(from.clone()), agent("count")]);
            edited.put(app(to.clone()));
            assert!(rolls(&edited.settle()) <= 1, "{from} -> {to} restarts the members twice");
            let fresh = settled(&[app(to.clone()), agent("count")]);
            for (kind, name) in CHILDREN {
                assert_eq!(owned(&edited, kind, name), owned(&fresh, kind, name), "{from} -> {to}");
            }
        }
    }
}

/// D-32, B9
#[test]
fn a_new_web_port_takes_the_place_of_the_old_one() {
    let mut world = settled(&[app(json!({}))]);
    world.put(app(json!({ "config": { "webPort": 7000 } })));
    world.settle();
    let ports = [
        &live(&world, ObjectKind::Service, "orders-app-api")["spec"]["ports"],
        &live(&world, ObjectKind::Service, "orders-app")["spec"]["ports"],
        &container(&world)["ports"],
    ];
    assert!(ports.iter().all(|ports| ports.as_array().unwrap().len() == 1));
    assert_eq!((&ports[0][0]["port"], &ports[2][0]["containerPort"]), (&json!(7000), &json!(7000)));
    let wanted = owned(&world, ObjectKind::Service, "orders-app-api");
    let theirs = json!([{ "name": "http", "port": 1, "protocol": "TCP", "targetPort": 1 }]);
    world.change(ObjectKind::Service, "orders-app-api", &json!({ "spec": { "ports": theirs } }));
    world.settle();
    assert_eq!(owned(&world, ObjectKind::Service, "orders-app-api"), wanted);
}

/// D-44, B8
#[test]
fn a_label_of_a_component_restarts_nobody() {
    let mut world = settled(&[app(json!({})), agent("count")]);
    let before = template(&world).clone();
    world.change(
        ObjectKind::Agent,
        "count",
        &json!({ "metadata": { "labels": { "release": "2" } } }),
    );
    world.settle();
    assert_eq!(template(&world), &before);
    let map = live(&world, ObjectKind::ConfigMap, "count-agent");
    assert_eq!(map["metadata"]["labels"]["release"], "2");
}

/// D-45
#[test]
fn the_order_in_which_components_are_listed_does_not_matter() {
    let objects = [app(json!({})), agent("one"), agent("two"), agent("three")];
    let snapshot = settled(&objects).snapshot();
    assert!(decide(&snapshot).is_silent());
    let mut turned = snapshot;
    if let kaspr_core::Seen::Present(agents) = &mut turned.components.agents {
        agents.reverse();
    }
    let plan = decide(&turned);
    assert!(!plan.has_irreversible(), "{plan:#?}");
}

/// D-51
#[test]
fn what_others_add_to_an_object_is_no_difference() {
    let mut world = settled(&[app(json!({}))]);
    for (kind, name) in CHILDREN {
        let more = json!({ "metadata": { "labels": { "theirs": "a" }, "annotations": { "theirs": "b" } } });
        world.change(kind, name, &more);
    }
    world.change(ObjectKind::Service, "orders-app", &json!({ "spec": { "clusterIPs": ["None"] } }));
    assert!(decide(&world.snapshot()).is_silent());
}

/// D-52
#[test]
fn labels_of_an_app_follow_to_its_objects_without_a_restart() {
    let mut world = settled(&[app(json!({}))]);
    let label = |value: Value| json!({ "metadata": { "labels": { "team": value } } });
    world.change(ObjectKind::App, "orders", &label(json!("t")));
    assert_eq!(rolls(&world.settle()), 0);
    for (kind, name) in CHILDREN {
        assert_eq!(live(&world, kind, name)["metadata"]["labels"]["team"], "t", "{name}");
    }
    world.change(ObjectKind::App, "orders", &label(Value::Null));
    assert_eq!(rolls(&world.settle()), 0);
    for (kind, name) in CHILDREN {
        assert_eq!(live(&world, kind, name)["metadata"]["labels"].get("team"), None, "{name}");
    }
}

/// D-52
#[test]
fn an_app_that_was_made_anew_adopts_what_was_left_of_it() {
    let mut world = settled(&[app(json!({ "replicas": 3 })), agent("count")]);
    let before = template(&world).clone();
    world.remove(ObjectKind::App, "orders");
    // kubectl delete --cascade=orphan takes the owner references away.
    for (kind, name) in CHILDREN {
        world.change(kind, name, &json!({ "metadata": { "ownerReferences": null } }));
    }
    world.put(app(json!({ "replicas": 3 })));
    world.settle();
    let uid = live(&world, ObjectKind::App, "orders")["metadata"]["uid"].clone();
    for (kind, name) in CHILDREN {
        assert_eq!(
            live(&world, kind, name)["metadata"]["ownerReferences"][0]["uid"],
            uid,
            "{name}"
        );
    }
    assert_eq!(template(&world), &before, "nobody restarts");
}

/// D-68, D17, F4
#[test]
fn an_object_of_somebody_else_is_never_touched() {
    for (kind, name) in CHILDREN {
        for owners in
            [json!([{ "kind": "Other", "name": "o", "uid": "f", "controller": true }]), json!([])]
        {
            let mut world = World::new("shop", "orders");
            world.put(json!({ "apiVersion": kind.api_version(), "kind": kind.kind(),
                "metadata": { "name": name, "ownerReferences": owners }, "spec": {},
                "data": { "theirs": "1" } }));
            let theirs = owned(&world, kind, name);
            world.put(app(json!({ "replicas": 2 })));
            world.settle();
            assert_eq!(owned(&world, kind, name), theirs, "{name}");
            let app = live(&world, ObjectKind::App, "orders");
            assert_eq!(condition(app, "Progressing"), "False NameConflict", "{name}");
        }
    }
}

/// D-68, D17
#[test]
fn an_object_that_no_cache_shows_is_not_overwritten() {
    let mut world = World::new("shop", "orders");
    world.put(app(json!({})));
    world.pass();
    let object = ObjectRef::new(ObjectKind::ConfigMap, "shop", "orders-app-config");
    world.objects.remove(&object);
    let found =
        json!({ "kind": "ConfigMap", "metadata": { "name": object.name, "uid": "theirs" } });
    let outcome = Outcome {
        at: world.now.uptime,
        attempts: 1,
        of: String::new(),
        answer: Answer::Exists { found: Some(found) },
    };
    world.outcomes.insert(Action::id_of("Create", &object), outcome);
    let plan = decide(&world.snapshot());
    assert!(plan.steps.iter().all(|step| *step.action.object() != object), "{plan:#?}");
    assert!(plan.waits.iter().any(|wait| wait.object == object), "{plan:#?}");
}

/// D-02, B3
#[test]
fn no_apply_names_a_count_that_the_autoscaler_owns() {
    let mut world = settled(&[app(json!({ "replicas": 5 }))]);
    assert_eq!(live(&world, ObjectKind::StatefulSet, "orders-app")["spec"]["replicas"], 5);
    world.put(app(json!({ "replicas": 5, "image": "reg.internal/kaspr:2" })));
    let labels = json!({ "metadata": { "labels": { "kaspr.io/app": null } } });
    world.change(ObjectKind::StatefulSet, "orders-app", &labels);
    let plans = world.settle();
    let bodies: Vec<&Value> = plans
        .iter()
        .flat_map(|plan| &plan.steps)
        .filter_map(|step| match &step.action {
            Action::Apply { manifest, .. } | Action::Roll { manifest, .. } => Some(manifest),
            _ => None,
        })
        .filter(|manifest| manifest.object.kind == ObjectKind::StatefulSet)
        .map(|manifest| &manifest.body)
        .collect();
    assert!(!bodies.is_empty());
    assert!(bodies.iter().all(|body| body["spec"].get("replicas").is_none()));
}

/// B12
#[test]
fn a_definition_outlives_every_pod_that_mounts_it() {
    let mut world = settled(&[app(json!({})), agent("count"), agent("stays")]);
    let map = live(&world, ObjectKind::ConfigMap, "count-agent").clone();
    let owners = &map["metadata"]["ownerReferences"];
    assert_eq!(
        entries(owners, "kind", "KasprApp").len(),
        1,
        "the app keeps it when the agent goes"
    );
    world.remove(ObjectKind::Agent, "count");
    // The controllers stand still: the members run the old template.
    for _ in 0..6 {
        world.pass();
        world.elapse(1_000);
        live(&world, ObjectKind::ConfigMap, "count-agent");
    }
    world.settle();
    let object = ObjectRef::new(ObjectKind::ConfigMap, "shop", "count-agent");
    assert!(!world.objects.contains_key(&object));
    assert!(components().len() > 1);
}
