//! Objects of somebody else with one of our names are left alone.

use serde_json::{Value, json};

use crate::kit::fixtures::{agent, app};
use crate::kit::{Cluster, Operator, Space, e2e, normal, text_at};

#[test]
fn a_foreign_object_is_left_alone_until_it_goes() {
    e2e(async |cluster: &'static Cluster| {
        let space = Space::new(cluster, "foreign").await;
        let _operator = Operator::of(cluster, &[&space.name]);
        let mut cases = Vec::new();
        for (number, foreign) in foreign_objects().into_iter().enumerate() {
            let name = format!("app-{number}");
            let foreign = named(foreign, &name);
            space.apply(std::slice::from_ref(&foreign)).await;
            let (kind, own) = (text_at(&foreign, "/kind"), text_at(&foreign, "/metadata/name"));
            let before = space.get(&kind, &own).await;
            let mut small = app(&name);
            small["spec"]["replicas"] = json!(1);
            space.apply(&[small]).await;
            cases.push((name, kind, own, before));
        }
        for (name, kind, own, before) in &cases {
            let said = space.says("KasprApp", name, "Progressing", "NameConflict").await;
            let words = text_at(&said, "/message");
            assert!(words.contains(own) && words.contains(kind), "{name}: {words}");
            is_untouched(before, &space.get(kind, own).await);
            space.delete(kind, own).await;
        }
        for (name, kind, own, before) in &cases {
            space.is_settled(name).await;
            let ours = space.get(kind, own).await;
            assert_ne!(ours["metadata"]["uid"], before["metadata"]["uid"], "{kind} {own}");
            assert_eq!(text_at(&ours, "/metadata/ownerReferences/0/name"), *name);
        }
        space.done().await;
    });
}

#[test]
fn a_foreign_config_map_concerns_its_component_only() {
    e2e(async |cluster: &'static Cluster| {
        let space = Space::new(cluster, "taken").await;
        let _operator = Operator::of(cluster, &[&space.name]);
        let foreign = json!({"apiVersion": "v1", "kind": "ConfigMap",
            "metadata": {"name": "taken-agent"}, "data": {"a": "b"}});
        space.apply(&[foreign]).await;
        let before = space.get("ConfigMap", "taken-agent").await;
        space.apply(&[app("shop"), agent("shop", "taken"), agent("shop", "free")]).await;
        space.says("KasprAgent", "free", "Ready", "Mounted").await;
        space.says("KasprAgent", "taken", "Ready", "NameConflict").await;
        space.says("KasprApp", "shop", "Ready", "Healthy").await;
        let after = space.get("ConfigMap", "taken-agent").await;
        is_untouched(&before, &after);
        space.delete("ConfigMap", "taken-agent").await;
        space.is_settled("shop").await;
        space.says("KasprAgent", "taken", "Ready", "Mounted").await;
        space.done().await;
    });
}

/// Nobody but its own controllers wrote to it.
fn is_untouched(before: &Value, after: &Value) {
    assert_eq!(normal(after), normal(before));
    assert_eq!(after["metadata"]["uid"], before["metadata"]["uid"]);
    let has_status = after.get("status").is_some_and(|status| *status != json!({}));
    if !has_status || after["kind"] == "Service" {
        let version = |object: &Value| object["metadata"]["resourceVersion"].clone();
        assert_eq!(version(after), version(before));
    }
    let managers: Vec<String> = after["metadata"]["managedFields"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|entry| text_at(entry, "/manager"))
        .collect();
    assert!(!managers.iter().any(|manager| manager.contains("kaspr")), "{managers:?}");
}

fn named(mut object: Value, app: &str) -> Value {
    let text = object.take().to_string().replace("NAME", app);
    serde_json::from_str(&text).unwrap()
}

/// One of each kind, one of each name.
fn foreign_objects() -> Vec<Value> {
    let meta = |name: &str| json!({"name": format!("NAME-app{name}"), "labels": {"own": "x"}});
    let service = |name| {
        json!({"apiVersion": "v1", "kind": "Service", "metadata": meta(name),
            "spec": {"selector": {"a": "b"}, "ports": [{"name": "a", "port": 1}]}})
    };
    let labels = json!({"own": "x"});
    vec![
        json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": meta("")}),
        json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": meta("-config"),
            "data": {"a": "b"}}),
        service("-api"),
        service(""),
        json!({"apiVersion": "apps/v1", "kind": "StatefulSet", "metadata": meta(""),
            "spec": {"replicas": 0, "serviceName": "own", "selector": {"matchLabels": labels},
                "template": {"metadata": {"labels": labels},
                    "spec": {"containers": [{"name": "own", "image": "own"}]}}}}),
        json!({"apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscaler",
            "metadata": meta("-hpa"), "spec": {"maxReplicas": 9,
                "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "own"}}}),
    ]
}
