//! What people change or delete by hand is repaired, and no member loses its code meanwhile.

use serde_json::{Value, json};

use crate::kit::fixtures::{app, two_of_each_kind};
use crate::kit::{
    Cluster, History, Operator, Space, at_last, difference, e2e, eventually, everything, name_of,
    normal, text_at,
};

/// A change by hand, as JSON patch operations, of one child.
type Change = (&'static str, &'static str, Value);

#[test]
fn every_field_that_we_set_is_repaired_and_no_definition_is_unmounted() {
    e2e(async |cluster: &'static Cluster| {
        let space = Space::new(cluster, "drift").await;
        let flags = ["--no-lease", "--settle", "300ms"];
        let _operator = Operator::with(cluster, &[&space.name], &flags);
        comes_up(&space).await;
        let sets = History::of(&space, "StatefulSet").await;
        are_repaired(&space, small_objects()).await;
        are_repaired(&space, workload()).await;
        always_mounted(&sets.versions());
        drop(sets);
        are_repaired(&space, unmounting()).await;
        space.done().await;
    });
}

#[test]
fn every_child_that_is_deleted_is_made_again() {
    e2e(async |cluster: &'static Cluster| {
        let space = Space::new(cluster, "deleted").await;
        let flags = ["--no-lease", "--settle", "300ms"];
        let _operator = Operator::with(cluster, &[&space.name], &flags);
        comes_up(&space).await;
        let sets = History::of(&space, "StatefulSet").await;
        for title in children(&space).await {
            let (kind, name) = title.split_once(' ').unwrap();
            let before = space.get(kind, name).await;
            space.delete(kind, name).await;
            is_again(&space, &before).await.unwrap_or_else(|why| panic!("{title}: {why}"));
            space.is_settled("shop").await;
        }
        always_mounted(&sets.versions());
        space.done().await;
    });
}

/// D-02: somebody takes the StatefulSet away and leaves its pods, to make it with other claims.
#[test]
fn a_set_that_is_taken_away_without_its_pods_comes_back_over_them() {
    e2e(async |cluster: &'static Cluster| {
        let space = Space::new(cluster, "orphans").await;
        let mut operator = Operator::of(cluster, &[&space.name]);
        comes_up(&space).await;
        let pods = space.pods().await;
        assert!(pods.len() > 1, "{pods:?}");
        let sets = History::of(&space, "StatefulSet").await;
        for is_killed in [false, true] {
            let before = text_at(&space.get("StatefulSet", "shop-app").await, "/metadata/uid");
            let path = space.at("StatefulSet", "shop-app");
            space.api.delete(&format!("{path}?propagationPolicy=Orphan")).await.good();
            eventually("it is made anew", async || {
                let set = space.find("StatefulSet", "shop-app").await.ok_or("it is not there")?;
                let is_new = text_at(&set, "/metadata/uid") != before;
                if is_new { Ok(()) } else { Err("it is not gone yet".to_owned()) }
            })
            .await;
            if is_killed {
                operator.kill();
                operator.start();
            }
            let note = "/metadata/annotations/kaspr.io~1found-replicas";
            space.has("StatefulSet", "shop-app", note, &Value::Null).await;
            space.is_settled("shop").await;
            assert_eq!(space.pods().await, pods, "a pod was replaced");
        }
        let count = json!(pods.len());
        for set in sets.versions() {
            assert_eq!(set["spec"]["replicas"], count, "{set:#}");
        }
        drop(operator);
        space.done().await;
    });
}

async fn comes_up(space: &Space) {
    let mut shop = app("shop");
    shop["metadata"]["labels"] = json!({"team": "metering"});
    shop["spec"]["template"] = json!({
        "serviceAccount": {"metadata": {"annotations": {"own-note": "x"}}},
        "kasprContainer": {"env": [{"name": "OWN", "value": "x"}]},
    });
    space.apply(&[shop]).await;
    space.apply(&two_of_each_kind("shop")).await;
    space.is_settled("shop").await;
}

async fn children(space: &Space) -> Vec<String> {
    let found = everything(space).await;
    found.into_keys().filter(|title| !title.starts_with("Kaspr")).collect()
}

/// Makes each change and tells those that are not repaired.
async fn are_repaired(space: &Space, changes: Vec<Change>) {
    let mut failures = Vec::new();
    for (kind, name, change) in changes {
        let before = space.get(kind, name).await;
        let after = space.operate(kind, name, &change).await;
        assert_ne!(normal(&after), normal(&before), "no change: {change}");
        if let Err(why) = is_again(space, &before).await {
            failures.push(format!("{kind} {name} {change}\n    {why}"));
            put_back(space, &before).await;
        }
        space.is_settled("shop").await;
    }
    assert!(failures.is_empty(), "not repaired:\n{}", failures.join("\n"));
}

/// Does by hand what the operator does not, so that the next change is tried from a good state.
async fn put_back(space: &Space, before: &Value) {
    let mut wanted = before.clone();
    wanted["metadata"].as_object_mut().unwrap().remove("resourceVersion");
    let path = space.at(before["kind"].as_str().unwrap(), name_of(before));
    space.api.put(&path, &wanted).await.good();
}

/// Waits until a child is as it was, made anew or not.
async fn is_again(space: &Space, before: &Value) -> Result<(), String> {
    let (kind, name) = (before["kind"].as_str().unwrap(), name_of(before));
    at_last(async || {
        let found = space.find(kind, name).await.ok_or("it is not there")?;
        let is_leaving = found["metadata"].get("deletionTimestamp").is_some();
        match difference(&normal(&found), &normal(before), "") {
            None if !is_leaving => Ok(()),
            why => Err(why.unwrap_or_else(|| "it is leaving".to_owned())),
        }
    })
    .await
}

/// Every version of the StatefulSet mounts all ten definitions: tables and joins in one file.
fn always_mounted(versions: &[Value]) {
    assert!(!versions.is_empty());
    for version in versions {
        let volumes = version.pointer("/spec/template/spec/volumes").and_then(Value::as_array);
        let names: Vec<String> =
            volumes.into_iter().flatten().map(|one| text_at(one, "/configMap/name")).collect();
        for component in two_of_each_kind("shop") {
            let start = match component["kind"].as_str().unwrap() {
                "KasprTable" | "KasprJoin" => "shop-app-joins".to_owned(),
                _ => format!("{}-", name_of(&component)),
            };
            let is_mounted = names.iter().any(|name| name.starts_with(&start));
            assert!(is_mounted, "{start} is not mounted: {names:?}\n{}", version["metadata"]);
        }
    }
}

fn replace(path: &str, value: &Value) -> Value {
    json!([{"op": "replace", "path": path, "value": value}])
}

fn remove(path: &str) -> Value {
    json!([{"op": "remove", "path": path}])
}

const HASH: &str = "/metadata/annotations/kaspr.io~1resource-hash";

fn small_objects() -> Vec<Change> {
    let x = json!("x");
    let cluster = "/metadata/labels/kaspr.io~1cluster";
    let owners = "/metadata/ownerReferences";
    let mut changes = vec![
        ("ServiceAccount", "shop-app", replace("/metadata/labels/team", &x)),
        ("ServiceAccount", "shop-app", remove(cluster)),
        ("ServiceAccount", "shop-app", remove("/metadata/annotations/own-note")),
        ("ServiceAccount", "shop-app", replace(HASH, &x)),
        ("ServiceAccount", "shop-app", remove(owners)),
        ("ConfigMap", "shop-app-config", replace("/data/K_TOPIC_PARTITIONS", &json!("1"))),
        ("ConfigMap", "shop-app-config", remove("/data/K_WEB_PORT")),
        ("ConfigMap", "shop-app-config", remove("/data")),
        ("ConfigMap", "shop-app-config", remove("/metadata/labels/kaspr.io~1app")),
        ("ConfigMap", "shop-app-config", remove(owners)),
        ("ConfigMap", "one-agent-agent", replace("/data/one-agent-agent.yaml", &x)),
        ("ConfigMap", "two-join-join", remove("/data/two-join-join.yaml")),
        ("ConfigMap", "one-table-table", remove("/metadata/labels/kaspr.io~1name")),
        ("ConfigMap", "one-view-webview", remove("/metadata/ownerReferences/1")),
        ("ConfigMap", "one-task-task", remove("/metadata/ownerReferences/0")),
        ("ConfigMap", "two-agent-agent", remove(owners)),
    ];
    for service in ["shop-app", "shop-app-api"] {
        let mut change = |change| changes.push(("Service", service, change));
        change(replace("/spec/ports/0/port", &json!(1)));
        change(replace("/spec/ports/0/targetPort", &json!(1)));
        change(replace("/spec/ports/0/name", &x));
        change(replace("/spec/selector/kaspr.io~1cluster", &x));
        change(remove("/spec/selector/kaspr.io~1kind"));
        change(remove(cluster));
        change(remove(owners));
    }
    changes.push(("Service", "shop-app-api", replace(HASH, &x)));
    changes.push(("Service", "shop-app", remove("/spec/publishNotReadyAddresses")));
    changes
}

fn workload() -> Vec<Change> {
    let scaler = |change| ("HorizontalPodAutoscaler", "shop-app-hpa", change);
    let set = |change| ("StatefulSet", "shop-app", change);
    let worker = |place: &str| format!("/spec/template/spec/containers/0/{place}");
    let metric = json!([{"type": "Resource", "resource": {"name": "cpu",
        "target": {"type": "Utilization", "averageUtilization": 50}}}]);
    let down = "/spec/behavior/scaleDown/stabilizationWindowSeconds";
    vec![
        scaler(replace("/spec/minReplicas", &json!(2))),
        scaler(replace("/spec/maxReplicas", &json!(7))),
        scaler(replace("/spec/metrics", &metric)),
        scaler(replace("/spec/behavior/scaleUp/policies/0/value", &json!(1))),
        scaler(replace(down, &json!(300))),
        scaler(remove("/spec/behavior")),
        scaler(remove("/metadata/ownerReferences")),
        set(remove("/metadata/labels/team")),
        set(replace(HASH, &json!("x"))),
        set(remove("/metadata/ownerReferences")),
        set(replace("/spec/persistentVolumeClaimRetentionPolicy/whenDeleted", &json!("Delete"))),
        set(replace("/spec/replicas", &json!(5))),
        set(replace("/spec/replicas", &json!(0))),
        set(replace(&worker("image"), &json!("somebody/else:1"))),
        set(replace(&worker("ports/0/containerPort"), &json!(1))),
        set(remove(&worker("resources"))),
        set(remove("/spec/template/metadata/labels/kaspr.io~1app")),
        set(remove(&worker("env/1"))),
        set(replace("/spec/template/spec/serviceAccountName", &json!("default"))),
        set(json!([
            {"op": "test", "path": worker("env/0/name"), "value": "K_TOPIC_PARTITIONS"},
            {"op": "replace", "path": worker("env/0"),
                "value": {"name": "K_TOPIC_PARTITIONS", "value": "1"}},
        ])),
    ]
}

/// These take code away by hand: only the operator must never do so.
fn unmounting() -> Vec<Change> {
    let set = |change| ("StatefulSet", "shop-app", change);
    vec![
        set(remove("/spec/template/spec/containers/0/volumeMounts")),
        set(json!([
            {"op": "remove", "path": "/spec/template/spec/containers/0/volumeMounts"},
            {"op": "remove", "path": "/spec/template/spec/volumes"},
        ])),
        set(replace("/spec/template/spec/volumes/1/configMap/name", &json!("x"))),
        set(json!([{"op": "replace", "path": "/spec/template/spec/volumes/1",
            "value": {"name": "two-agent-agent", "emptyDir": {}}}])),
        set(remove("/metadata/annotations/kaspr.io~1template-inputs")),
        set(replace("/metadata/annotations/kaspr.io~1template-inputs", &json!("x"))),
    ]
}
