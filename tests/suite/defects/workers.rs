//! What public workers end at, or make no use of; and what a pod has no room for.

use kaspr_core::ObjectKind;
use serde_json::{Value, json};

use super::{agent, app, condition, live, refused, settled, table, warned, web_view};

/// What public workers end at, or make no use of, is accepted and told: by `check`, and in the status.
#[test]
fn what_public_workers_make_no_use_of_is_told() {
    let config = |config: Value| warned(&[app(json!({ "config": config }))]);
    for (key, value) in [
        ("broker_commit_interval", json!(2.8)),
        ("topic_partitions", json!("x")),
        ("stream_wait_empty", json!("no")),
        ("webBasePath", json!("/x")),
        ("storeRocksdbBloomFilterSize", json!(3)),
    ] {
        assert_eq!(config(json!({ key: value })), [format!("spec.config.{key}")]);
    }
    let right = json!({ "broker_commit_interval": 2, "topic_partitions": "6",
        "stream_wait_empty": false, "scheduler_cron_tick_interval_seconds": 1.5 });
    assert!(config(right).is_empty());
    let times =
        json!({ "schedulerCronTickBufferSeconds": 9, "schedulerCronMinIntervalSeconds": 5 });
    assert_eq!(config(times), ["spec.config.schedulerCronTickBufferSeconds"]);
    let times = json!({ "broker_session_timeout": 200 });
    assert_eq!(config(times), ["spec.config.broker_request_timeout"]);

    let storage = json!({ "type": "ephemeral", "size": "1Gi", "deleteClaim": true });
    let fields = ["size", "deleteClaim"].map(|field| format!("spec.storage.{field}"));
    assert_eq!(warned(&[app(json!({ "storage": storage }))]), fields);
    let packages = json!({ "packages": ["six"], "cache": { "size": "1Gi" } });
    let field = "spec.pythonPackages.cache.size";
    assert_eq!(warned(&[app(json!({ "pythonPackages": packages }))]), [field]);

    let mut reads = agent("reads");
    reads["spec"]["input"]["topic"] = json!({ "pattern": "a.*" });
    assert_eq!(warned(&[reads]), ["spec.input.topic.pattern"]);
    let mut windowed = table("windowed");
    windowed["spec"]["window"] = json!({ "tumbling": { "size": 5 } });
    assert_eq!(warned(&[windowed]), ["spec.window"]);
    for (path, is_served) in [("/status/", true), ("/table/x", true), ("/statuses", false)] {
        let mut view = web_view("view");
        view["spec"]["request"]["path"] = json!(path);
        assert_eq!(!warned(&[view]).is_empty(), is_served, "{path}");
    }
}

#[test]
fn what_is_odd_stands_in_the_status_beside_what_is_valid() {
    let mut windowed = table("windowed");
    windowed["spec"]["window"] = json!({ "tumbling": { "size": 5 } });
    let world = settled(&[app(json!({ "livenessProbe": {} })), windowed]);
    for (kind, name, field) in [
        (ObjectKind::App, "orders", "spec.livenessProbe"),
        (ObjectKind::Table, "windowed", "spec.window"),
    ] {
        let object = live(&world, kind, name);
        assert_eq!(condition(object, "Accepted"), "True Valid");
        let told = object["status"]["conditions"].to_string();
        assert!(told.contains(&format!("The spec is valid, but {field}")), "{told}");
    }
}

#[test]
fn a_mount_at_a_place_of_the_operators_own_is_refused() {
    let volumes = json!([{ "name": "v", "emptyDir": {} }]);
    let with_mount = |path: &str| {
        let mount = json!({ "name": "v", "mountPath": path });
        app(json!({ "pythonPackages": { "packages": ["six"] }, "template": {
            "kasprContainer": { "volumeMounts": [mount] }, "pod": { "volumes": volumes } } }))
    };
    let field = "spec.template.kasprContainer.volumeMounts[0].mountPath";
    assert_eq!(refused(&[with_mount("/opt/kaspr/packages")]), [field]);
    let file = "/var/lib/data/definitions/count-agent.yaml";
    assert_eq!(refused(&[with_mount(file), agent("count")]), [field]);
    assert!(refused(&[with_mount(file)]).is_empty());
    let mount = json!({ "name": "gcs-sa-key", "mountPath": "/key" });
    let nowhere = app(json!({ "template": { "kasprContainer": { "volumeMounts": [mount] } } }));
    assert_eq!(refused(&[nowhere]), ["spec.template.kasprContainer.volumeMounts[0].name"]);
    let own = json!([{ "name": "gcs-sa-key", "emptyDir": {} }, { "name": "install-tmp", "emptyDir": {} }]);
    assert!(refused(&[app(json!({ "template": { "pod": { "volumes": own } } }))]).is_empty());
    // The key of the bucket may be mounted into the worker as well.
    let gcs = json!({ "bucket": "b", "secretRef": { "name": "s" } });
    let packages = json!({ "packages": ["six"], "cache": { "type": "gcs", "gcs": gcs } });
    let object = app(json!({ "pythonPackages": packages,
        "template": { "kasprContainer": { "volumeMounts": [mount] } } }));
    assert!(refused(&[object]).is_empty());
}
