//! An edit of a custom resource reaches the very field of the child that it is about.

use serde_json::{Value, json};

use crate::kit::fixtures::{app, pipeline, two_of_each_kind};
use crate::kit::{Cluster, Operator, Space, e2e, eventually, name_of, text_at};

/// An edit of the app's spec, and where it is to be seen.
struct Edit {
    spec: Value,
    seen: Vec<Seen>,
}

/// Kind and name of a child, the place in it, and what must stand there.
type Seen = (&'static str, &'static str, String, Value);

const TEMPLATE: &str = "/spec/template/spec";
const WORKER: &str = "/spec/template/spec/containers/0";

#[test]
fn every_edit_of_an_app_reaches_its_children_with_one_rollout_at_most() {
    e2e(async |cluster: &'static Cluster| {
        let space = settled(cluster, "app-edits").await;
        let _operator =
            Operator::with(cluster, &[&space.name], &["--no-lease", "--settle", "300ms"]);
        for edit in of_settings().into_iter().chain(of_workload()).chain(of_templates()) {
            make(&space, edit).await;
        }
        space.done().await;
    });
}

#[test]
fn every_edit_of_a_component_reaches_the_members_with_one_rollout_at_most() {
    e2e(async |cluster: &'static Cluster| {
        let space = settled(cluster, "part-edits").await;
        let _operator =
            Operator::with(cluster, &[&space.name], &["--no-lease", "--settle", "300ms"]);
        for (kind, name, spec, words) in of_components() {
            space.is_settled("shop").await;
            let before = space.revision("shop").await;
            space.edit(kind, name, json!({ "spec": spec })).await;
            definition_holds(&space, kind, name, words).await;
            space.is_settled("shop").await;
            assert_eq!(space.revision("shop").await, before + 1, "after the edit of {name}");
        }
        moves_away_and_back(&space).await;
        space.done().await;
    });
}

/// A namespace with the manifests of an app; whoever starts an operator there sees it come up.
async fn settled(cluster: &'static Cluster, name: &str) -> Space {
    let space = Space::new(cluster, name).await;
    let secret = json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "kafka"},
        "stringData": {"password": "x"}});
    space.apply(&[secret, app("shop")]).await;
    space.apply(&two_of_each_kind("shop")).await;
    space
}

/// Makes one edit and waits for all that follows from it.
async fn make(space: &Space, edit: Edit) {
    space.is_settled("shop").await;
    let before = space.revision("shop").await;
    let change = json!({ "spec": edit.spec });
    space.edit("KasprApp", "shop", change.clone()).await;
    for (kind, name, pointer, value) in edit.seen {
        space.has(kind, name, &pointer, &value).await;
    }
    space.is_settled("shop").await;
    let after = space.revision("shop").await;
    assert!(after <= before + 1, "{change}: revision {before} became {after}");
}

fn of_app(spec: Value, seen: Vec<Seen>) -> Edit {
    Edit { spec, seen }
}

fn setting(key: &str, value: &str) -> Seen {
    ("ConfigMap", "shop-app-config", format!("/data/{key}"), json!(value))
}

fn set(place: &str, value: Value) -> Seen {
    ("StatefulSet", "shop-app", place.to_owned(), value)
}

fn of_settings() -> Vec<Edit> {
    let password = json!({"secretName": "kafka", "passwordKey": "password"});
    let scram = json!({"type": "scram-sha-512", "username": "u", "passwordSecret": password});
    let port = |name, place: &str| ("Service", name, format!("/spec/ports/0/{place}"), json!(7070));
    vec![
        of_app(
            json!({"bootstrapServers": "other:9092"}),
            vec![setting("K_KAFKA_BOOTSTRAP_SERVERS", "other:9092")],
        ),
        of_app(
            json!({ "authentication": scram }),
            vec![
                setting("K_KAFKA_SASL_MECHANISM", "SCRAM-SHA-512"),
                setting("K_KAFKA_AUTH_USERNAME", "u"),
                setting("K_KAFKA_SECURITY_PROTOCOL", "SASL_PLAINTEXT"),
            ],
        ),
        of_app(
            json!({"config": {"topicPartitions": 12}}),
            vec![setting("K_TOPIC_PARTITIONS", "12")],
        ),
        of_app(
            json!({"config": {"webPort": 7070}}),
            vec![
                setting("K_WEB_PORT", "7070"),
                port("shop-app", "port"),
                port("shop-app", "targetPort"),
                port("shop-app-api", "port"),
                port("shop-app-api", "targetPort"),
                set(&format!("{WORKER}/ports/0/containerPort"), json!(7070)),
            ],
        ),
    ]
}

fn of_workload() -> Vec<Edit> {
    let count = |wanted: i64| {
        let most = json!(wanted);
        let scaler = "shop-app-hpa";
        let max = ("HorizontalPodAutoscaler", scaler, "/spec/maxReplicas".to_owned(), most.clone());
        vec![max, set("/spec/replicas", most)]
    };
    let large = json!({"requests": {"cpu": "200m", "memory": "256Mi"}});
    let deleted = "/spec/persistentVolumeClaimRetentionPolicy/whenDeleted";
    vec![
        of_app(json!({"replicas": 2}), count(2)),
        of_app(json!({"replicas": 0}), vec![set("/spec/replicas", json!(0))]),
        of_app(json!({"replicas": 4}), count(4)),
        of_app(json!({"replicas": 3}), count(3)),
        of_app(
            json!({"image": "kasprio/kaspr:other"}),
            vec![set(&format!("{WORKER}/image"), json!("kasprio/kaspr:other"))],
        ),
        of_app(
            json!({ "resources": large }),
            vec![set(&format!("{WORKER}/resources"), json!(large))],
        ),
        of_app(json!({"storage": {"deleteClaim": true}}), vec![set(deleted, json!("Delete"))]),
    ]
}

fn of_templates() -> Vec<Edit> {
    let service = |name, place: &str| ("Service", name, place.to_owned(), json!("x"));
    let meta = json!({"labels": {"own-label": "x"}, "annotations": {"own-note": "x"}});
    let (label, note) = ("/metadata/labels/own-label", "/metadata/annotations/own-note");
    vec![
        of_app(
            json!({"template": {"pod": {"metadata": meta, "terminationGracePeriodSeconds": 90}}}),
            vec![
                set(&format!("/spec/template{label}"), json!("x")),
                set(&format!("/spec/template{note}"), json!("x")),
                set(&format!("{TEMPLATE}/terminationGracePeriodSeconds"), json!(90)),
            ],
        ),
        of_app(
            json!({"template": {"service": {"metadata": meta}}}),
            vec![
                service("shop-app-api", label),
                service("shop-app-api", note),
                service("shop-app", label),
                service("shop-app", note),
            ],
        ),
        of_app(
            json!({"template": {"serviceAccount": {"metadata": meta}}}),
            vec![
                ("ServiceAccount", "shop-app", label.to_owned(), json!("x")),
                ("ServiceAccount", "shop-app", note.to_owned(), json!("x")),
            ],
        ),
        of_app(
            json!({"template": {"kasprContainer": {
                "env": [{"name": "OWN", "value": "x"}],
                "securityContext": {"allowPrivilegeEscalation": false},
            }}}),
            vec![set(
                &format!("{WORKER}/securityContext"),
                json!({"allowPrivilegeEscalation": false}),
            )],
        ),
        // What is taken back goes from the children too.
        of_app(
            json!({"template": null}),
            vec![
                set(&format!("{WORKER}/securityContext"), Value::Null),
                ("Service", "shop-app-api", label.to_owned(), Value::Null),
                ("ServiceAccount", "shop-app", label.to_owned(), Value::Null),
            ],
        ),
    ]
}

/// Waits until the definition of a component, mounted by the StatefulSet, holds some words.
/// What is mounted of a component holds the words; with joins, tables and joins come in one file.
async fn definition_holds(space: &Space, kind: &str, component: &str, words: &str) {
    let start = match kind {
        "KasprTable" | "KasprJoin" => "shop-app-joins".to_owned(),
        _ => format!("{component}-"),
    };
    eventually(&format!("the definition of {component} holds {words:?}"), async || {
        let maps = space.list("ConfigMap").await;
        let map = maps.iter().find(|map| name_of(map).starts_with(&start));
        let map = map.ok_or("it has none")?;
        let set = space.get("StatefulSet", "shop-app").await;
        if !mounts(&set).iter().any(|name| name == name_of(map)) {
            return Err(format!("{} is not mounted", name_of(map)));
        }
        let data = map["data"].to_string();
        if data.contains(words) { Ok(()) } else { Err(data) }
    })
    .await;
}

/// A component, its edit, and what its definition must then hold.
fn of_components() -> [(&'static str, &'static str, Value, &'static str); 5] {
    [
        ("KasprAgent", "one-agent", json!({"processors": pipeline("other")}), "def other"),
        ("KasprTable", "one-table", json!({"partitions": 12}), "partitions: 12"),
        ("KasprWebView", "one-view", json!({"request": {"path": "/other"}}), "/other"),
        ("KasprTask", "one-task", json!({"schedule": {"interval": "45s"}}), "45s"),
        ("KasprJoin", "one-join", json!({"outputChannel": "other"}), "output_channel: other"),
    ]
}

/// A component whose label names another app leaves this one; then it comes back.
async fn moves_away_and_back(space: &Space) {
    for (app, mounted) in [("other", false), ("shop", true)] {
        let before = space.revision("shop").await;
        let label = json!({"metadata": {"labels": {"kaspr.io/app": app}}});
        space.edit("KasprAgent", "two-agent", label).await;
        eventually(&format!("two-agent is mounted: {mounted}"), async || {
            let set = space.get("StatefulSet", "shop-app").await;
            let names = mounts(&set);
            let is_mounted = names.iter().any(|name| name == "two-agent-agent");
            if is_mounted == mounted { Ok(()) } else { Err(format!("{names:?}")) }
        })
        .await;
        space.is_settled("shop").await;
        assert_eq!(space.revision("shop").await, before + 1);
        if !mounted {
            space.is_gone("ConfigMap", "two-agent-agent").await;
            space.says("KasprAgent", "two-agent", "Ready", "AppNotFound").await;
        }
    }
}

/// The ConfigMaps that a StatefulSet mounts.
fn mounts(set: &Value) -> Vec<String> {
    let volumes = set.pointer("/spec/template/spec/volumes").and_then(Value::as_array);
    volumes.into_iter().flatten().map(|volume| text_at(volume, "/configMap/name")).collect()
}
