//! The objects of an app.

use kaspr_core::check::check;
use kaspr_core::{ObjectKind, ObjectRef, Settings};
use kaspr_crds::Kind;
use kaspr_fixtures::World;
use serde_json::{Value, json};

use super::{
    acts, agent, app, components, condition, container, entries, join, live, loaded, names, rolls,
    settled, table, template, warned, web_view, with,
};

/// D-01
#[test]
fn a_join_reaches_the_members_with_its_tables() {
    let world = settled(&[app(json!({})), table("left"), table("right"), join("pair")]);
    let joins = loaded(&world, "joins");
    assert_eq!(names(&joins), ["pair"]);
    assert_eq!(
        (&joins[0]["left_table"], &joins[0]["right_table"]),
        (&json!("left"), &json!("right"))
    );
    assert_eq!(names(&loaded(&world, "tables")), ["left", "right"]);
    let object = live(&world, ObjectKind::Join, "pair");
    assert_eq!(condition(object, "Ready"), "True Mounted");
    assert_eq!(object["status"]["leftTable"]["status"], "LeftTableFound");
}

/// D-04, B2
#[test]
fn every_template_carries_every_component() {
    let mut world = World::new("shop", "orders");
    world.put(app(json!({})));
    for object in components() {
        world.put(object);
    }
    // Each settling ends at rest, so a template that lacked a component would need a second roll.
    assert_eq!(rolls(&world.settle()), 0, "a new app starts with all of its components");
    let all = |world: &World| {
        ["agents", "tables", "webviews", "tasks", "joins"].map(|root| loaded(world, root))
    };
    let before = all(&world);
    assert_eq!(before.each_ref().map(Vec::len), [1, 2, 1, 1, 1]);
    for change in [
        json!({ "image": "reg.internal/kaspr:2" }),
        json!({ "version": "0.11.18" }),
        json!({ "config": { "topicPartitions": 6 } }),
        json!({ "resources": { "limits": { "memory": "1Gi" } } }),
        json!({ "template": { "pod": { "priorityClassName": "high" } } }),
        json!({ "tls": {} }),
    ] {
        world.put(app(change.clone()));
        assert_eq!(rolls(&world.settle()), 1, "{change}");
        assert_eq!(all(&world), before, "{change}");
    }
}

/// D-05, A6
#[test]
fn an_app_without_replicas_and_storage_has_one_member() {
    let world = settled(&[app(json!({}))]);
    let set = live(&world, ObjectKind::StatefulSet, "orders-app");
    assert_eq!(set["spec"]["replicas"], 1);
    assert_eq!(live(&world, ObjectKind::Autoscaler, "orders-app-hpa")["spec"]["maxReplicas"], 1);
    assert_eq!(condition(live(&world, ObjectKind::App, "orders"), "Ready"), "True Healthy");
}

/// D-10
#[test]
fn the_environment_has_one_order() {
    let config = json!({ "zeta_zone": 1, "alpha_beta": 2, "mid": 3, "webPort": 7000 });
    let world = settled(&[app(json!({ "config": config }))]);
    let variables: Vec<&str> = container(&world)["env"]
        .as_array()
        .unwrap()
        .iter()
        .map(|entry| entry["name"].as_str().unwrap())
        .filter(|name| ["K_ZETA_ZONE", "K_ALPHA_BETA", "K_MID"].contains(name))
        .collect();
    assert_eq!(variables, ["K_ALPHA_BETA", "K_MID", "K_ZETA_ZONE"]);
}

/// D-22
#[test]
fn ephemeral_storage_claims_nothing() {
    let world = settled(&[app(json!({ "storage": { "type": "ephemeral" } }))]);
    let set = live(&world, ObjectKind::StatefulSet, "orders-app");
    assert_eq!(set["spec"].get("volumeClaimTemplates"), None);
    let volumes = &template(&world)["spec"]["volumes"];
    assert_eq!(entries(volumes, "name", "orders-app-pv")[0]["emptyDir"], json!({}));
    let claim = json!({ "storage": { "type": "persistent-claim", "size": "1Gi" } });
    let set = settled(&[app(claim)]);
    let set = live(&set, ObjectKind::StatefulSet, "orders-app");
    assert_eq!(set["spec"]["volumeClaimTemplates"][0]["metadata"]["name"], "orders-app-pv");
}

/// D-23
#[test]
fn who_asks_for_a_probe_is_told_that_workers_have_none() {
    let probes = json!({ "livenessProbe": { "periodSeconds": 5 }, "readinessProbe": {} });
    assert_eq!(warned(&[app(probes)]), ["spec.livenessProbe", "spec.readinessProbe"]);
}

/// D-24
#[test]
fn security_and_mount_options_reach_the_container() {
    let security =
        json!({ "allowPrivilegeEscalation": false, "capabilities": { "drop": ["ALL"] } });
    let mount = json!({ "name": "ca", "mountPath": "/ca", "readOnly": true,
        "recursiveReadOnly": "IfPossible" });
    let world = settled(&[app(json!({ "template": {
        "pod": { "volumes": [{ "name": "ca", "configMap": { "name": "ca" } }] },
        "kasprContainer": { "securityContext": security, "volumeMounts": [mount] },
    } }))]);
    assert_eq!(container(&world)["securityContext"], security);
    assert_eq!(entries(&container(&world)["volumeMounts"], "name", "ca"), [&mount]);
}

/// D-25
#[test]
fn a_volume_of_every_source_passes_through_as_it_was_written() {
    let volumes = [
        json!({ "name": "a", "persistentVolumeClaim": { "claimName": "c" } }),
        json!({ "name": "b", "csi": { "driver": "d", "volumeAttributes": { "x": "y" } } }),
        json!({ "name": "c", "emptyDir": {} }),
        json!({ "name": "d", "emptyDir": { "sizeLimit": "1Gi", "medium": "Memory" } }),
        json!({ "name": "e", "projected": { "sources": [] } }),
        json!({ "name": "f", "configMap": { "name": "m" } }),
    ];
    let world = settled(&[app(json!({ "template": { "pod": { "volumes": volumes } } }))]);
    for volume in &volumes {
        let found =
            entries(&template(&world)["spec"]["volumes"], "name", volume["name"].as_str().unwrap());
        assert_eq!(found, [volume]);
    }
    let nulls = json!([{ "name": "a", "secret": { "secretName": "s", "items": null } }]);
    let world = settled(&[app(json!({ "template": { "pod": { "volumes": nulls } } }))]);
    assert_eq!(condition(live(&world, ObjectKind::App, "orders"), "Accepted"), "True Valid");
}

/// D-26, D-35
#[test]
fn a_password_is_only_ever_a_reference() {
    let login = json!({ "type": "scram-sha-512", "username": "u",
        "passwordSecret": { "secretName": "s", "passwordKey": "p" } });
    let world = settled(&[app(json!({ "authentication": login }))]);
    let password = entries(&container(&world)["env"], "name", "K_KAFKA_AUTH_PASSWORD");
    assert_eq!(password[0]["valueFrom"], json!({ "secretKeyRef": { "name": "s", "key": "p" } }));
    assert!(ObjectKind::watched(false).all(|kind| kind != ObjectKind::Secret), "none is read");
}

/// D-26: what public workers can use, and what they only seem to.
#[test]
fn a_user_name_may_come_from_the_own_environment() {
    let login = json!({ "type": "scram-sha-512",
        "passwordSecret": { "secretName": "s", "passwordKey": "p" } });
    let secret = json!({ "secretKeyRef": { "name": "s", "key": "user" } });
    let env = json!([{ "name": "K_KAFKA_AUTH_USERNAME", "valueFrom": secret }]);
    let template = json!({ "kasprContainer": { "env": env } });
    let world = settled(&[app(json!({ "authentication": login, "template": template }))]);
    let user = entries(&container(&world)["env"], "name", "K_KAFKA_AUTH_USERNAME").len();
    assert_eq!(user, 1);
    let data = &live(&world, ObjectKind::ConfigMap, "orders-app-config")["data"];
    assert_eq!(data.get("K_KAFKA_AUTH_USERNAME"), None, "{data}");
}

/// D-26
#[test]
fn who_trusts_an_authority_by_a_setting_that_workers_ignore_is_told() {
    let told = |spec: Value| {
        let found = check(&[app(spec)], &Settings::default());
        found.into_iter().map(|one| one.problem.to_string()).collect::<Vec<_>>()
    };
    for key in ["kafka_auth_cafile", "kafka_auth_capath", "kafka_auth_cadata"] {
        let told = told(json!({ "config": { key: "/ca" } }));
        assert!(told.len() == 1 && told[0].contains("SSL_CERT_FILE"), "{told:?}");
    }
    let told_of = |servers: &str| told(json!({ "bootstrapServers": servers })).join("");
    assert!(told_of("a:9092;b:9092").contains("127.0.0.1"));
    assert_eq!(told_of("a:9092;kafka://b:9092"), "");
}

/// D-69
#[test]
fn members_find_each_other_in_the_domain_of_the_cluster() {
    let mut world = World::new("shop", "orders");
    world.settings.cluster_domain = "k8s.example".to_owned();
    world.put(app(json!({ "replicas": 1 })));
    world.settle();
    let host =
        |world: &World| entries(&container(world)["env"], "name", "K_WEB_HOST")[0]["value"].clone();
    assert_eq!(host(&world), "$(POD_NAME).orders-app.shop.svc.k8s.example");
    // Another one restarts nobody, and comes with the next rollout.
    world.settings.cluster_domain = "cluster.local".to_owned();
    world.settle();
    let told = live(&world, ObjectKind::App, "orders")["status"]["conditions"].to_string();
    assert!(told.contains("env[K_WEB_HOST]"), "{told}");
    assert_eq!(host(&world), "$(POD_NAME).orders-app.shop.svc.k8s.example");
    world.put(agent("count"));
    world.settle();
    assert_eq!(host(&world), "$(POD_NAME).orders-app.shop.svc.cluster.local");
}

/// D-02: a StatefulSet that somebody took away without its pods is made for as many as run.
#[test]
fn a_set_that_is_made_over_running_pods_keeps_them() {
    let mut world = settled(&[app(json!({ "replicas": 3 })), agent("count")]);
    let before = live(&world, ObjectKind::StatefulSet, "orders-app").clone();
    let held = world.clone();
    world.orphan("orders-app");
    let pods = |world: &World| -> Vec<Value> {
        let of_kind = world.objects.iter().filter(|(of, _)| of.kind == ObjectKind::Pod);
        of_kind.map(|(_, pod)| pod["metadata"]["uid"].clone()).collect()
    };
    assert_eq!(pods(&world).len(), 3);
    let mut found = Vec::new();
    for _ in 0..8 {
        world.pass();
        let of = ObjectRef::new(ObjectKind::StatefulSet, "shop", "orders-app");
        found.extend(world.objects.get(&of).map(|set| set["spec"]["replicas"].clone()));
    }
    assert!(found.len() > 4 && found.iter().all(|count| *count == 3), "{found:?}");
    let set = live(&world, ObjectKind::StatefulSet, "orders-app");
    assert_eq!(set["spec"]["template"], before["spec"]["template"]);
    assert_eq!(set["metadata"]["annotations"].get("kaspr.io/found-replicas"), None);
    // Pods that are still held go with the set, or are let go: until then nobody knows.
    let mut held = held;
    let of = ObjectRef::new(ObjectKind::StatefulSet, "shop", "orders-app");
    held.objects.remove(&of);
    held.pass();
    assert!(!held.objects.contains_key(&of));
    held.objects.retain(|of, _| of.kind != ObjectKind::Pod);
    held.pass();
    assert_eq!(held.objects[&of]["spec"]["replicas"], 1);
    // Not more than are wanted.
    world.orphan("orders-app");
    world.put(app(json!({ "replicas": 2 })));
    world.pass();
    world.pass();
    assert_eq!(live(&world, ObjectKind::StatefulSet, "orders-app")["spec"]["replicas"], 2);
}

/// D-33
#[test]
fn the_directories_of_the_worker_may_be_moved() {
    let config = json!({ "dataDir": "/d", "definitionsDir": "/e", "tableDir": "/t" });
    let world = settled(&[app(json!({ "config": config })), agent("count")]);
    let data = &live(&world, ObjectKind::ConfigMap, "orders-app-config")["data"];
    assert_eq!(data["K_DATA_DIR"], "/d");
    assert_eq!(data["K_DEFINITIONS_DIR"], "/e");
    let mounts = &container(&world)["volumeMounts"];
    assert_eq!(entries(mounts, "name", "orders-app-pv")[0]["mountPath"], "/t");
    let path = entries(mounts, "name", "count-agent")[0]["mountPath"].as_str().unwrap();
    assert!(path.starts_with("/e/"), "{path}");
}

/// D-38
#[test]
fn claims_of_resources_are_a_list() {
    let resources = json!({ "claims": [{ "name": "gpu" }] });
    let world = settled(&[app(json!({ "resources": resources }))]);
    assert_eq!(container(&world)["resources"], resources);
}

/// D-43
#[test]
fn an_empty_map_and_a_missing_one_are_one_object() {
    let service = |metadata: Value| {
        let world = settled(&[app(json!({ "template": { "service": { "metadata": metadata } } }))]);
        live(&world, ObjectKind::Service, "orders-app-api")["metadata"]["annotations"].clone()
    };
    assert_eq!(service(json!({ "annotations": {}, "labels": {} })), service(json!({})));
}

/// D-43, D21
#[test]
fn the_hash_of_a_component_speaks_of_its_definition_alone() {
    let hash = |world: &World| live(world, ObjectKind::Agent, "count")["status"]["hash"].clone();
    let one = settled(&[app(json!({})), agent("count")]);
    let other =
        settled(&[table("left"), agent("zero"), app(json!({ "replicas": 2 })), agent("count")]);
    assert!(hash(&one).is_string());
    assert_eq!(hash(&one), hash(&other));
    let topic = json!({ "name": "elsewhere" });
    let changed = with(agent("count"), "/spec/input/topic", topic);
    assert_ne!(hash(&one), hash(&settled(&[app(json!({})), changed])));
}

/// D-48
#[test]
fn the_longest_names_make_valid_labels() {
    let longest = |kind: Kind| format!("{}-b", "a".repeat(kind.name_max() - 2));
    let name = longest(Kind::App);
    let mut world = World::new("shop", &name);
    world.put(with(app(json!({})), "/metadata/name", json!(name)));
    for (kind, object) in [(Kind::Agent, agent("a")), (Kind::WebView, web_view("a"))] {
        let object = with(object, "/metadata/name", json!(longest(kind)));
        world.put(with(object, "/metadata/labels/kaspr.io~1app", json!(name)));
    }
    world.settle();
    let labels = world.objects.values().flat_map(|object| {
        let own = object["metadata"]["labels"].as_object().into_iter().flatten();
        let pod = object["spec"]["template"]["metadata"]["labels"].as_object();
        own.chain(pod.into_iter().flatten())
    });
    let is_end = |end: Option<char>| end.is_none_or(|end| end.is_ascii_alphanumeric());
    for (key, value) in labels {
        let value = value.as_str().unwrap();
        let is_valid =
            value.len() <= 63 && is_end(value.chars().next()) && is_end(value.chars().last());
        assert!(is_valid, "{key}={value}");
    }
    assert_eq!(condition(live(&world, ObjectKind::App, &name), "Ready"), "True Healthy");
}

/// D-49
#[test]
fn no_template_takes_the_labels_by_which_objects_are_found() {
    let metadata = json!({ "metadata": { "labels": {
        "kaspr.io/app": "x", "kaspr.io/cluster": "x", "kaspr.io/kind": "x",
        "app.kubernetes.io/managed-by": "x", "team": "t" } } });
    let world = settled(&[app(json!({ "template": {
        "serviceAccount": metadata, "service": metadata, "pod": metadata } }))]);
    for labels in [
        &live(&world, ObjectKind::ServiceAccount, "orders-app")["metadata"]["labels"],
        &live(&world, ObjectKind::Service, "orders-app-api")["metadata"]["labels"],
        &live(&world, ObjectKind::Service, "orders-app")["metadata"]["labels"],
        &template(&world)["metadata"]["labels"],
    ] {
        assert_eq!(labels["kaspr.io/app"], "orders");
        assert_eq!(labels["kaspr.io/cluster"], "orders");
        assert_eq!(labels["kaspr.io/kind"], "KasprApp");
        assert_eq!(labels["app.kubernetes.io/managed-by"], "kaspr-operator");
        assert_eq!(labels["team"], "t");
    }
}

/// D-50
#[test]
fn the_two_services_share_nothing_but_the_template() {
    let metadata = json!({ "metadata": { "annotations": { "note": "n" } } });
    let world = settled(&[app(json!({ "template": { "service": metadata } }))]);
    let annotations = |name: &str| {
        live(&world, ObjectKind::Service, name)["metadata"]["annotations"].as_object().unwrap()
    };
    let (api, headless) = (annotations("orders-app-api"), annotations("orders-app"));
    assert_eq!((&api["note"], &headless["note"]), (&json!("n"), &json!("n")));
    assert_ne!(api["kaspr.io/resource-hash"], headless["kaspr.io/resource-hash"]);
    assert_eq!((api.len(), headless.len()), (2, 2));
}

/// D-54
#[test]
fn an_image_without_a_tag_has_no_version() {
    let version = |image: &str| {
        let world = settled(&[app(json!({ "image": image }))]);
        live(&world, ObjectKind::App, "orders")["status"]["kasprVersion"].clone()
    };
    assert_eq!(version("reg.internal:5000/kaspr:1.2"), "1.2");
    assert_eq!(version("reg.internal:5000/kaspr"), Value::Null);
    assert_eq!(version("reg.internal/kaspr@sha256:0123"), Value::Null);
}

/// D-58
#[test]
fn a_variable_of_the_user_takes_the_place_of_the_operators_and_is_told() {
    let entry = json!({ "name": "K_APP_NAME", "value": "mine" });
    let object = app(json!({ "template": { "kasprContainer": { "env": [entry] } } }));
    let world = settled(std::slice::from_ref(&object));
    assert_eq!(entries(&container(&world)["env"], "name", "K_APP_NAME"), [&entry]);
    assert_eq!(warned(&[object]), ["spec.template.kasprContainer.env[0].name"]);
}

/// D-66
#[test]
fn every_kind_shows_its_age_and_has_a_status_and_a_category() {
    for crd in kaspr_crds::all() {
        let name = &crd.spec.names.plural;
        let version = &crd.spec.versions[0];
        let columns = version.additional_printer_columns.as_deref().unwrap_or_default();
        assert!(columns.iter().any(|column| column.name == "Age"), "{name}");
        let subresources = version.subresources.as_ref();
        assert!(subresources.is_some_and(|sub| sub.status.is_some()), "{name}");
        assert_eq!(crd.spec.names.categories, Some(vec!["kaspr".to_owned()]));
        let schema = serde_json::to_value(version.schema.as_ref()).unwrap();
        let rules = schema["openAPIV3Schema"]["x-kubernetes-validations"].to_string();
        assert!(rules.contains("spec is missing"), "{name}");
    }
}

/// People make apps and components, and a StatefulSet its pods.
fn is_made_by_us(kind: ObjectKind) -> bool {
    !matches!(kind, ObjectKind::App | ObjectKind::Pod) && !kind.is_component()
}

/// D-70
#[test]
fn one_label_finds_every_object_of_an_app() {
    let mut objects = vec![app(json!({}))];
    objects.extend(components());
    let world = settled(&objects);
    let children = world.objects.iter().filter(|(of, _)| is_made_by_us(of.kind));
    let mut count = 0;
    for (of, object) in children {
        assert_eq!(object["metadata"]["labels"]["kaspr.io/app"], "orders", "{of}");
        assert_eq!(object["metadata"]["labels"]["app.kubernetes.io/managed-by"], "kaspr-operator");
        count += 1;
    }
    assert_eq!(count, 13, "six of the app, its file of joins, and a ConfigMap for each component");
    assert_eq!(template(&world)["metadata"]["labels"]["kaspr.io/app"], "orders");
}

/// D-29, B13
#[test]
fn a_changed_setting_reaches_the_autoscaler_of_an_app_that_is_there() {
    let mut world = settled(&[app(json!({ "replicas": 3 }))]);
    world.settings = Settings { pods_per_step: 7, ..Settings::default() };
    assert_eq!(acts(&world.settle()), ["Apply HorizontalPodAutoscaler shop/orders-app-hpa"]);
    let policies = &live(&world, ObjectKind::Autoscaler, "orders-app-hpa")["spec"]["behavior"]["scaleUp"]
        ["policies"];
    assert_eq!(entries(policies, "type", "Pods")[0]["value"], 7);
}

/// Fixed by the predecessor in 0.18.30 and 0.18.34.
#[test]
fn pods_run_under_the_account_of_their_app() {
    let world = settled(&[app(json!({}))]);
    assert_eq!(template(&world)["spec"]["serviceAccountName"], "orders-app");
    live(&world, ObjectKind::ServiceAccount, "orders-app");
}

/// Fixed by the predecessor in 0.18.24 and 0.18.43.
#[test]
fn every_object_has_its_owner() {
    let mut objects = vec![app(json!({}))];
    objects.extend(components());
    let world = settled(&objects);
    for (of, object) in &world.objects {
        if !is_made_by_us(of.kind) {
            continue;
        }
        let owner = &entries(&object["metadata"]["ownerReferences"], "kind", "KasprApp")[0]["uid"];
        assert_eq!(*owner, live(&world, ObjectKind::App, "orders")["metadata"]["uid"], "{of}");
    }
}

/// A Service named `kaspr-web` in the namespace sets `KASPR_WEB_PORT`, which ends every worker.
#[test]
fn pods_get_no_variables_of_services_unless_somebody_asks_for_them() {
    assert_eq!(template(&settled(&[app(json!({}))]))["spec"]["enableServiceLinks"], false);
    let asks = app(json!({ "template": { "pod": { "enableServiceLinks": true } } }));
    assert_eq!(template(&settled(&[asks]))["spec"]["enableServiceLinks"], true);
}

#[test]
fn names_of_one_address_come_together() {
    let aliases = json!([
        { "ip": "10.0.0.1", "hostnames": ["a", "b"] }, { "ip": "10.0.0.2", "hostnames": ["c"] },
        { "ip": "10.0.0.1", "hostnames": ["b", "d"] }, { "ip": "10.0.0.3" },
        { "ip": "10.0.0.3", "hostnames": ["e"] },
    ]);
    let world = settled(&[app(json!({ "template": { "pod": { "hostAliases": aliases } } }))]);
    let expected = json!([
        { "ip": "10.0.0.1", "hostnames": ["a", "b", "d"] }, { "ip": "10.0.0.2", "hostnames": ["c"] },
        { "ip": "10.0.0.3", "hostnames": ["e"] },
    ]);
    assert_eq!(template(&world)["spec"]["hostAliases"], expected);
}

#[test]
fn a_label_of_the_services_template_wins_over_the_apps_own() {
    let metadata = json!({ "labels": { "team": "template", "kaspr.io/kind": "Other" } });
    let mut object = app(json!({ "template": { "service": { "metadata": metadata } } }));
    object["metadata"]["labels"] = json!({ "team": "app", "own": "app" });
    let world = settled(&[object]);
    for name in ["orders-app", "orders-app-api"] {
        let labels = &live(&world, ObjectKind::Service, name)["metadata"]["labels"];
        let found = ["team", "own", "kaspr.io/kind"].map(|key| labels[key].as_str().unwrap());
        assert_eq!(found, ["template", "app", "KasprApp"]);
    }
}
