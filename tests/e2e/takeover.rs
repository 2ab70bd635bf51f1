//! A cluster of the original is taken over without one pod restart; one edit then brings all that waited.
//!
//! Its objects are made as it makes them: by plain requests of its client, with its hashes, its
//! finalizers, its quirks (see `kaspr_fixtures::original`).

use std::collections::BTreeMap;
use std::process::Command;

use kaspr_fixtures::original;
use serde_json::{Value, json};

use crate::kit::fixtures::{agent, app, pipeline, two_of_each_kind};
use crate::kit::{
    Audit, Cluster, JSON_PATCH, MERGE, Operator, Space, condition, e2e, eventually, name_of,
    text_at,
};

/// Applies manifests, and leaves behind what the original makes of them.
async fn leave(space: &Space, app: &Value, components: &[Value]) {
    space.apply(std::slice::from_ref(app)).await;
    space.apply(components).await;
    let mut live = Vec::new();
    for manifest in std::iter::once(app).chain(components) {
        live.push(handle(space, manifest).await);
    }
    let (app, components) = live.split_first().unwrap();
    for object in original::objects(app, components) {
        let kind = object["kind"].as_str().unwrap();
        let path = format!("{}?fieldManager={}", space.all(kind), original::FIELD_MANAGER);
        space.api.post(&path, &object).await.good();
    }
}

/// What its framework writes on a resource that it has handled.
async fn handle(space: &Space, manifest: &Value) -> Value {
    let kind = manifest["kind"].as_str().unwrap();
    let path = space.at(kind, name_of(manifest));
    let live = space.get(kind, name_of(manifest)).await;
    let handled = original::handled(&live);
    let metadata = json!({ "finalizers": handled["metadata"]["finalizers"],
        "annotations": handled["metadata"]["annotations"] });
    let patch = json!({ "metadata": metadata });
    space.api.patch(&format!("{path}?fieldManager=kopf"), MERGE, &patch).await.good();
    let status = json!({ "status": original::status(&live) });
    space.api.patch(&format!("{path}/status?fieldManager=kopf"), MERGE, &status).await.good()
}

/// The revision of each StatefulSet, and the uid of each pod.
async fn running(space: &Space) -> (BTreeMap<String, String>, BTreeMap<String, String>) {
    let sets = space.list("StatefulSet").await;
    let revision = |set: &Value| text_at(set, "/status/updateRevision");
    let revisions = sets.iter().map(|set| (name_of(set).to_owned(), revision(set))).collect();
    (revisions, space.pods().await.into_iter().collect())
}

async fn has_all_pods(space: &Space) {
    eventually("every member of the original runs", async || {
        for set in space.list("StatefulSet").await {
            let (wanted, ready) = (&set["spec"]["replicas"], &set["status"]["readyReplicas"]);
            let seen = set["status"]["observedGeneration"] == set["metadata"]["generation"];
            if !seen || (wanted != ready && *wanted != 0) {
                return Err(format!("{}: {}", name_of(&set), set["status"]));
            }
        }
        Ok(())
    })
    .await;
}

async fn is_taken_over(space: &Space, name: &str) {
    eventually(&format!("{name} is taken over"), async || {
        let app = space.get("KasprApp", name).await;
        if app["status"]["takeover"]["finished"].is_string() {
            Ok(())
        } else {
            Err(app["status"].to_string())
        }
    })
    .await;
    is_calm(space, name).await;
}

/// Waits until an app and its members are as its spec says. Its joins wait for the next rollout.
async fn is_calm(space: &Space, name: &str) {
    space.says("KasprApp", name, "Progressing", "ReconcileComplete").await;
    for kind in ["KasprAgent", "KasprTable", "KasprWebView", "KasprTask"] {
        for component in space.list(kind).await {
            if component.pointer("/metadata/labels/kaspr.io~1app") == Some(&json!(name)) {
                space.says(kind, name_of(&component), "Ready", "Mounted").await;
            }
        }
    }
}

fn named(name: &str, spec: Value) -> Value {
    let mut app = app(name);
    app["spec"].as_object_mut().unwrap().extend(spec.as_object().cloned().unwrap());
    app
}

/// Variables that occur twice, which an apply cannot say, and fields that it drops.
fn with_quirks(name: &str) -> Value {
    named(
        name,
        json!({
            "livenessProbe": { "periodSeconds": 5 },
            "template": {
                "kasprContainer": { "env": [
                    { "name": "TWICE", "value": "1" }, { "name": "TWICE", "value": "2" },
                    { "name": "POD_NAME", "value": "mine" },
                ] },
                "service": { "metadata": { "annotations": { "team": "a" } } },
            },
        }),
    )
}

/// Packages that the members share, installed by its shell script.
fn with_packages(name: &str) -> Value {
    let packages = json!({ "packages": ["six==1.16.0"], "cache": { "enabled": true } });
    named(name, json!({ "pythonPackages": packages }))
}

/// The apps that are taken over; one more is paused.
const TAKEN: [&str; 5] = ["shop", "older", "none", "packed", "rolling"];

/// The image that an older operator's default left running.
const OLDER: &str = "kasprio/kaspr:0.11.17";

async fn change_template(space: &Space, app: &str, operations: Value) {
    let path = space.at("StatefulSet", &format!("{app}-app"));
    let path = format!("{path}?fieldManager={}", original::FIELD_MANAGER);
    let generation = space.api.patch(&path, JSON_PATCH, &operations).await.good();
    let generation = &generation["metadata"]["generation"];
    let set = format!("{app}-app");
    space.has("StatefulSet", &set, "/status/observedGeneration", generation).await;
}

#[test]
fn apps_of_the_original_are_taken_over_without_a_restart() {
    e2e(async |cluster: &'static Cluster| {
        let space = Space::new(cluster, "takeover").await;
        leave(&space, &with_quirks("shop"), &two_of_each_kind("shop")).await;
        leave(&space, &named("older", json!({})), &[agent("older", "older-agent")]).await;
        let image = json!([{ "op": "replace", "value": OLDER,
            "path": "/spec/template/spec/containers/0/image" }]);
        change_template(&space, "older", image).await;
        let mut paused = named("paused", json!({}));
        paused["metadata"]["annotations"] = json!({ "kaspr.io/pause-reconciliation": "true" });
        leave(&space, &paused, &[]).await;
        leave(&space, &named("none", json!({ "replicas": 0 })), &[]).await;
        leave(&space, &with_packages("packed"), &[]).await;
        has_all_pods(&space).await;
        // The last change of the original: its pods are being replaced when it is stopped.
        leave(&space, &named("rolling", json!({ "replicas": 2 })), &[]).await;
        has_all_pods(&space).await;
        let label = json!([{ "op": "add", "path": "/spec/template/metadata/annotations",
            "value": { "rolled": "now" } }]);
        change_template(&space, "rolling", label).await;

        let before = running(&space).await;
        let (told, code) = forecast(cluster, &space);
        assert_eq!(code, Some(0), "{told}");
        assert_foretold(&told, &before.0);
        let audit = Audit::since_now(cluster).await;
        let mut operator = Operator::of(cluster, &[&space.name]);
        for name in TAKEN {
            is_taken_over(&space, name).await;
        }
        assert_nothing_restarted(&space, &before).await;
        operator.kill();
        operator.start();
        for name in TAKEN {
            is_calm(&space, name).await;
        }
        assert_nothing_restarted(&space, &before).await;

        let asked = audit.asked(&[&space.name]).await;
        let deleted = asked.iter().find(|one| one.verb == "delete");
        assert!(deleted.is_none(), "{deleted:?}");
        assert_lets_go(&space).await;
        for (name, is_written) in [("paused", false), ("shop", true)] {
            let sets = asked.iter().filter(|one| one.resource == "statefulsets" && one.is_write());
            assert_eq!(
                sets.filter(|one| one.name == format!("{name}-app")).count() > 0,
                is_written
            );
        }
        assert_eq!(space.get("KasprApp", "older").await["status"]["defaultVersion"], "0.11.17");
        one_edit_brings_all_that_waited(&space).await;
        one_edit_brings_the_new_installer(&space).await;
        a_finalizer_that_comes_back_stops_all_writes(&space, cluster).await;
        space.done().await;
    });
}

/// The way back: what the original does when it starts again finds nothing in its way.
#[test]
fn the_original_can_take_its_objects_back() {
    e2e(async |cluster: &'static Cluster| {
        let space = Space::new(cluster, "back").await;
        let components = two_of_each_kind("shop");
        leave(&space, &with_quirks("shop"), &components).await;
        let operator = Operator::of(cluster, &[&space.name]);
        is_taken_over(&space, "shop").await;
        space
            .edit("KasprApp", "shop", json!({ "spec": { "config": { "topicPartitions": 9 } } }))
            .await;
        space.has("KasprApp", "shop", "/status/template/adopted", &Value::Null).await;
        space.is_settled("shop").await;
        drop(operator);

        let mut live = Vec::new();
        for manifest in std::iter::once(&with_quirks("shop")).chain(&components) {
            live.push(handle(&space, manifest).await);
        }
        let (app, components) = live.split_first().unwrap();
        for object in original::objects(app, components) {
            take_back(&space, &object).await;
        }
        has_all_pods(&space).await;
        let worker = "/spec/template/spec/containers/0/env";
        let set = space.get("StatefulSet", "shop-app").await;
        assert!(!set.pointer(worker).unwrap().to_string().contains("JOINS_HASH"));
        space.done().await;
    });
}

/// As the original does it: data and annotations of ConfigMaps, the template of a StatefulSet; all else it
/// leaves as it finds it.
async fn take_back(space: &Space, object: &Value) {
    let kind = object["kind"].as_str().unwrap();
    let replace =
        |path: &str, value: &Value| json!({ "op": "replace", "path": path, "value": value });
    let patch = match kind {
        "ConfigMap" => json!([
            replace("/metadata/annotations", &object["metadata"]["annotations"]),
            replace("/data", &object["data"]),
        ]),
        "StatefulSet" => json!([replace("/spec/template", &object["spec"]["template"])]),
        _ => return,
    };
    let path =
        format!("{}?fieldManager={}", space.at(kind, name_of(object)), original::FIELD_MANAGER);
    space.api.patch(&path, JSON_PATCH, &patch).await.good();
}

/// What `takeover --dry-run` says, and its exit code.
fn forecast(cluster: &Cluster, space: &Space) -> (Value, Option<i32>) {
    let output = Command::new(&cluster.operator)
        .args(["takeover", "--dry-run", "-o", "json", "-n", &space.name, "--kubeconfig"])
        .arg(&cluster.operator_kubeconfig)
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    let told = serde_json::from_str(&text)
        .unwrap_or_else(|why| panic!("{why}: {text}{}", String::from_utf8_lossy(&output.stderr)));
    (told, output.status.code())
}

fn of_app<'a>(told: &'a Value, name: &str) -> &'a Value {
    let apps = told.as_array().unwrap();
    let is_named = |one: &&Value| one["app"].as_str().unwrap().ends_with(&format!("/{name}"));
    apps.iter().find(is_named).unwrap()
}

fn assert_foretold(told: &Value, revisions: &BTreeMap<String, String>) {
    for name in TAKEN {
        let stays = json!({ "is": "stay", "because": revisions[&format!("{name}-app")] });
        assert_eq!(of_app(told, name)["pods"], stays, "{told:#}");
    }
    assert_eq!(of_app(told, "paused")["pods"]["is"], "leftAlone");
    let shop = of_app(told, "shop");
    assert!(shop["waits"].to_string().contains("JOINS_HASH"), "{shop:#}");
    assert!(shop["leftovers"].to_string().contains("KasprAgent one-agent"), "{shop:#}");
    assert!(shop["objects"].to_string().contains("StatefulSet shop-app"), "{shop:#}");
}

#[test]
fn what_no_operator_saw_is_foretold_and_rolled_out() {
    e2e(async |cluster: &'static Cluster| {
        let space = Space::new(cluster, "unseen").await;
        leave(&space, &named("shop", json!({})), &[agent("shop", "one-agent")]).await;
        has_all_pods(&space).await;
        let steps = pipeline("edited");
        space.edit("KasprAgent", "one-agent", json!({ "spec": { "processors": steps } })).await;
        let (told, code) = forecast(cluster, &space);
        assert_eq!(code, Some(3), "{told}");
        let lacks = json!({ "is": "replaced", "because": ["KasprAgent one-agent was edited"] });
        assert_eq!(of_app(&told, "shop")["pods"], lacks);
        let before = space.revision("shop").await;
        let _operator = Operator::of(cluster, &[&space.name]);
        is_taken_over(&space, "shop").await;
        assert_eq!(space.revision("shop").await, before + 1);
        let definition = "/data/one-agent-agent.yaml";
        let map = space.get("ConfigMap", "one-agent-agent").await;
        assert!(text_at(&map, definition).contains("edited"), "{map:#}");
        space.done().await;
    });
}

/// Pods of the app that was rolling may go on being replaced, by the revision that it had.
async fn assert_nothing_restarted(
    space: &Space,
    before: &(BTreeMap<String, String>, BTreeMap<String, String>),
) {
    let (revisions, pods) = running(space).await;
    assert_eq!(revisions, before.0);
    for (pod, uid) in before.1.iter().filter(|(pod, _)| !pod.starts_with("rolling-")) {
        assert_eq!(pods.get(pod), Some(uid), "{pod}");
    }
}

/// Nothing of the original's framework is left but on the app that is paused.
async fn assert_lets_go(space: &Space) {
    for kind in ["KasprApp", "KasprAgent", "KasprTable", "KasprWebView", "KasprTask", "KasprJoin"] {
        for object in space.list(kind).await {
            let is_left = object["metadata"]["finalizers"].is_array()
                || object["metadata"]["annotations"].to_string().contains("kopf")
                || object["status"]["kopf"].is_object();
            assert_eq!(is_left, name_of(&object) == "paused", "{object:#}");
        }
    }
}

async fn one_edit_brings_all_that_waited(space: &Space) {
    let pending = condition(&space.get("KasprApp", "shop").await, "RolloutPending");
    assert!(text_at(&pending, "/message").contains("JOINS_HASH"), "{pending}");
    let before = space.revision("shop").await;
    let steps = pipeline("edited");
    space.edit("KasprAgent", "one-agent", json!({ "spec": { "processors": steps } })).await;
    space.has("KasprApp", "shop", "/status/template/adopted", &Value::Null).await;
    space.is_settled("shop").await;
    assert_eq!(space.revision("shop").await, before + 1);
    let set = space.get("StatefulSet", "shop-app").await;
    let worker = &set["spec"]["template"]["spec"]["containers"][0];
    let env = worker["env"].as_array().unwrap();
    let all =
        |name: &str| -> Vec<&Value> { env.iter().filter(|one| one["name"] == name).collect() };
    assert_eq!(all("TWICE"), [&json!({ "name": "TWICE", "value": "2" })]);
    assert_eq!(all("POD_NAME").len(), 1);
    assert_eq!(all("JOINS_HASH").len(), 1);
    let mounts = worker["volumeMounts"].to_string();
    assert!(mounts.contains("shop-app-joins") && !mounts.contains("one-table-table"), "{mounts}");
    assert_eq!(condition(&space.get("KasprApp", "shop").await, "RolloutPending"), Value::Null);
    // What the original set and the spec drops goes.
    let annotation = "/metadata/annotations/team";
    space.has("Service", "shop-app-api", annotation, &json!("a")).await;
    space.edit("KasprApp", "shop", json!({ "spec": { "template": { "service": null } } })).await;
    space.has("Service", "shop-app-api", annotation, &Value::Null).await;
}

async fn one_edit_brings_the_new_installer(space: &Space) {
    let installer = "/spec/template/spec/initContainers/0";
    let (before, set) =
        (space.revision("packed").await, space.get("StatefulSet", "packed-app").await);
    assert_eq!(set.pointer(installer).unwrap()["command"], json!(["/bin/bash", "-c"]));
    let packages = json!({ "packages": ["six==1.17.0"] });
    space.edit("KasprApp", "packed", json!({ "spec": { "pythonPackages": packages } })).await;
    let command = format!("{installer}/command");
    space.has("StatefulSet", "packed-app", &command, &json!(["python", "-I", "-c"])).await;
    space.is_settled("packed").await;
    assert_eq!(space.revision("packed").await, before + 1);
    let set = space.get("StatefulSet", "packed-app").await;
    assert_eq!(set["spec"]["template"]["spec"]["initContainers"].as_array().unwrap().len(), 1);
}

async fn a_finalizer_that_comes_back_stops_all_writes(space: &Space, cluster: &'static Cluster) {
    let put_back =
        json!({ "metadata": { "finalizers": ["kopf.zalando.org/KopfFinalizerMarker"] } });
    space.edit("KasprApp", "older", put_back).await;
    space.says("KasprApp", "older", "Stalled", "OriginalStillRunning").await;
    let audit = Audit::since_now(cluster).await;
    let before = space.get("StatefulSet", "older-app").await;
    space
        .edit("KasprApp", "older", json!({ "spec": { "config": { "topicPartitions": 9 } } }))
        .await;
    space.delete("Service", "older-app-api").await;
    // Another app of the namespace goes on.
    space.edit("KasprApp", "none", json!({ "spec": { "config": { "topicPartitions": 9 } } })).await;
    let variable = "/data/K_TOPIC_PARTITIONS";
    space.has("ConfigMap", "none-app-config", variable, &json!("9")).await;
    assert_eq!(space.get("StatefulSet", "older-app").await["spec"], before["spec"]);
    assert!(space.find("Service", "older-app-api").await.is_none());
    let written = audit.asked(&[&space.name]).await;
    let mut written = written.iter().filter(|one| one.is_write() && one.name.starts_with("older"));
    assert!(written.all(|one| one.resource == "kasprapps/status"), "{written:?}");
    space.edit("KasprApp", "older", json!({ "metadata": { "finalizers": null } })).await;
    space.has("ConfigMap", "older-app-config", variable, &json!("9")).await;
    space.is_settled("older").await;
}
