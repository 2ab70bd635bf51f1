//! What a scrape finds: every metric with its labels, and nothing of what is gone.

use std::collections::BTreeSet;

use kaspr_runtime::sensors::prometheus::families;
use kaspr_tests::exposition::Exposition;
use serde_json::json;

use crate::kit::fixtures::{agent, app, table};
use crate::kit::{Cluster, Flock, Operator, Space, e2e, eventually};

/// The original's, with its labels; a dashboard asks for these.
const ORIGINAL: [(&str, &[&str]); 10] = [
    ("reconcile_duration_seconds", &["component_name", "result", "trigger_source"]),
    ("reconcile_total", &["component_name", "result", "trigger_source"]),
    ("reconcile_errors_total", &["component_name", "error_type"]),
    ("reconcile_queue_depth", &["component_name"]),
    ("reconcile_queue_wait_seconds", &["component_name"]),
    (
        "resource_sync_duration_seconds",
        &["component_name", "operation", "resource_name", "resource_type", "result"],
    ),
    (
        "resource_sync_total",
        &["component_name", "operation", "resource_name", "resource_type", "result"],
    ),
    (
        "resource_sync_errors_total",
        &["component_name", "error_type", "resource_name", "resource_type"],
    ),
    (
        "resource_drift_detected_total",
        &["component_name", "drift_field", "resource_name", "resource_type"],
    ),
    ("status_updates_total", &["update_field"]),
];

/// What nothing of this test makes happen.
const RARE: [&str; 13] = [
    // Of members that hang or are silent: `tests/suite/metrics.rs` tells of them.
    "kasprop_hung_member_consecutive_detections",
    "kasprop_hung_member_duration_seconds",
    "kasprop_hung_members_detected_total",
    "kasprop_member_silent",
    "kasprop_member_terminations_total",
    // Of Python packages, as well.
    "kasprop_package_install_duration_seconds",
    "kasprop_package_install_errors_total",
    "kasprop_package_install_timeouts_total",
    "kasprop_package_install_total",
    "kasprop_definitions_outdated_total",
    "kasprop_plans_broken_total",
    "kasprop_passes_panicked_total",
    "kasprop_watch_failures_total",
];

#[test]
fn every_metric_is_scraped_and_those_of_an_app_go_with_it() {
    e2e(async |cluster: &'static Cluster| {
        let space = Space::new(cluster, "metrics").await;
        space.may_lead().await;
        let _flock = Flock::of(&space);
        let flags =
            ["--settle", "300ms", "--lease-namespace", &space.name, "--member-poll-interval", "2s"];
        let operator = Operator::with(cluster, &[&space.name], &flags);
        space.apply(&[app("shop"), table("shop", "prices"), agent("shop", "clicks")]).await;
        space.is_settled("shop").await;
        let ask = json!({"metadata": {"annotations": {"kaspr.io/rebalance": "now"}}});
        space.edit("KasprApp", "shop", ask).await;
        counts(&operator, "kasprop_rebalance_total", &[("result", "success")]).await;
        counts(&operator, "kasprop_member_state_transitions_total", &[]).await;
        somebody_drifts(&space, &operator).await;
        something_is_refused(&space, &operator).await;

        let page = operator.metrics();
        has_all_families(&page);
        has_plausible_values(&page, &space);

        space.delete("KasprAgent", "clicks").await;
        space.is_gone("ConfigMap", "clicks-agent").await;
        is_told_no_more(&operator, "component_name", "clicks").await;
        assert!(operator.metrics().series_with("component_name", "prices") > 0);
        space.delete("KasprTable", "prices").await;
        space.delete("KasprAgent", "late").await;
        space.delete("KasprApp", "shop").await;
        is_told_no_more(&operator, "namespace", &space.name).await;
        space.done().await;
    });
}

async fn somebody_drifts(space: &Space, operator: &Operator) {
    let port = json!([{"op": "replace", "path": "/spec/ports/0/targetPort", "value": 1}]);
    space.operate("Service", "shop-app-api", &port).await;
    let data = json!([{"op": "replace", "path": "/data/prices-table.yaml", "value": "x"}]);
    space.operate("ConfigMap", "prices-table", &data).await;
    for (resource, field) in [("shop-app-api", "spec"), ("prices-table", "data")] {
        let labels = [("resource_name", resource), ("drift_field", field)];
        counts(operator, "kasprop_resource_drift_detected_total", &labels).await;
    }
}

/// No quota controller runs here: the status of the quota is written by hand.
async fn something_is_refused(space: &Space, operator: &Operator) {
    let quotas = format!("/api/v1/namespaces/{}/resourcequotas", space.name);
    let hard = json!({"count/configmaps": "0"});
    let quota = json!({"metadata": {"name": "none"}, "spec": {"hard": hard}});
    space.api.post(&quotas, &quota).await.good();
    let status = json!({"status": {"hard": hard, "used": {"count/configmaps": "9"}}});
    let path = format!("{quotas}/none/status");
    space.api.patch(&path, crate::kit::MERGE, &status).await.good();
    eventually("the quota holds", async || {
        let probe = json!({"metadata": {"generateName": "probe-"}});
        let answer = space.api.post(&space.all("ConfigMap"), &probe).await;
        if answer.code == 403 { Ok(()) } else { Err(answer.code.to_string()) }
    })
    .await;
    space.apply(&[agent("shop", "late")]).await;
    let error = [("component_name", "late"), ("error_type", "Forbidden")];
    counts(operator, "kasprop_reconcile_errors_total", &error).await;
    counts(operator, "kasprop_resource_sync_errors_total", &error).await;
    counts(operator, "kasprop_apps_waiting", &[("reason", "BackingOff")]).await;
    let bad = json!({"spec": {"processors": {"pipeline": ["not-there"]}}});
    space.edit("KasprAgent", "clicks", bad).await;
    counts(operator, "kasprop_events_total", &[("outcome", "published")]).await;
    space.apply(&[agent("shop", "clicks")]).await;
    space.api.delete(&format!("{quotas}/none")).await.good();
    // An edit ends the back-off, once the quota is out of sight.
    eventually("the app settles", async || {
        let note = format!("{:?}", std::time::Instant::now());
        let edit = json!({"spec": {"pythonPackages": null, "config": {"note": note}}});
        space.edit("KasprApp", "shop", edit).await;
        match space.find("ConfigMap", "late-agent").await {
            Some(_) => Ok(()),
            None => Err("no ConfigMap late-agent".to_owned()),
        }
    })
    .await;
    space.is_settled("shop").await;
}

/// Waits until something was counted.
async fn counts(operator: &Operator, name: &str, labels: &[(&str, &str)]) {
    eventually(&format!("{name} {labels:?} counts"), async || {
        let page = operator.metrics();
        let family = || format!("{:?}", page.families.get(name));
        if page.sum(name, labels) >= 1.0 { Ok(()) } else { Err(family()) }
    })
    .await;
}

async fn is_told_no_more(operator: &Operator, label: &str, value: &str) {
    eventually(&format!("no series has {label} {value}"), async || {
        match operator.metrics().series_with(label, value) {
            0 => Ok(()),
            more => Err(format!("{more} have")),
        }
    })
    .await;
}

fn has_all_families(page: &Exposition) {
    for (name, own) in ORIGINAL {
        let name = format!("kasprop_{name}");
        let family = page.families.get(&name).unwrap_or_else(|| panic!("{name} is not there"));
        let labels: BTreeSet<&str> = own.iter().copied().chain(["app_name", "namespace"]).collect();
        let expected = BTreeSet::from([labels.into_iter().collect::<Vec<_>>()]);
        assert_eq!(family.label_names(), expected, "{name}");
    }
    let expected: BTreeSet<&str> = families::ALL.iter().map(|family| family.name).collect();
    let found: BTreeSet<&str> = page.families.keys().map(String::as_str).collect();
    let missing: Vec<_> = expected.difference(&found).filter(|name| !RARE.contains(name)).collect();
    assert!(missing.is_empty(), "{missing:?}");
    assert_eq!(found.difference(&expected).count(), 0, "{found:?}");
}

fn has_plausible_values(page: &Exposition, space: &Space) {
    let app = [("app_name", "shop"), ("namespace", space.name.as_str())];
    let sum = |name: &str, more: &[(&str, &str)]| {
        page.sum(&format!("kasprop_{name}"), &[app.as_slice(), more].concat())
    };
    let passes = sum("reconcile_total", &[]);
    assert!(passes >= 4.0, "{passes} passes");
    assert!(sum("reconcile_total", &[("result", "failure")]) >= 1.0);
    assert!(sum("reconcile_total", &[("trigger_source", "queue"), ("result", "success")]) >= 1.0);
    assert!(sum("reconcile_total", &[("trigger_source", "timer")]) >= 1.0);
    for twin in ["reconcile_duration_seconds", "reconcile_queue_wait_seconds"] {
        assert!((sum(twin, &[]) - passes).abs() < 0.5, "{twin}");
    }
    for (kind, resource) in [
        ("service", "shop-app-api"),
        ("headless_service", "shop-app"),
        ("service_account", "shop-app"),
        ("config_map", "shop-app-config"),
        ("hpa", "shop-app-hpa"),
        ("stateful_set", "shop-app"),
    ] {
        let labels =
            [("resource_type", kind), ("resource_name", resource), ("component_name", "shop")];
        let made = [labels.as_slice(), &[("operation", "create"), ("result", "success")]].concat();
        assert!((sum("resource_sync_total", &made) - 1.0).abs() < 0.5, "{labels:?}");
        assert!(sum("resource_sync_duration_seconds", &labels) >= 1.0, "{labels:?}");
    }
    let table = [("component_name", "prices"), ("resource_name", "prices-table")];
    assert!(sum("resource_sync_total", &[table[0], table[1], ("operation", "create")]) >= 1.0);
    assert!(sum("resource_sync_total", &[table[0], table[1], ("operation", "patch")]) >= 1.0);
    for field in ["conditions", "observedGeneration", "template", "replicas"] {
        assert!(sum("status_updates_total", &[("update_field", field)]) >= 1.0, "{field}");
    }
    let one = |name: &str, labels: &[(&str, &str)]| page.sum(&format!("kasprop_{name}"), labels);
    assert!(one("api_requests_total", &[("verb", "apply"), ("kind", "StatefulSet")]) >= 1.0);
    assert!(one("api_requests_total", &[("kind", "Lease"), ("outcome", "done")]) >= 1.0);
    assert!(one("due_to_request_seconds", &[]) >= 4.0);
    assert!((one("lease_held", &[]) - 1.0).abs() < 0.5);
    assert!((one("lease_transitions_total", &[("to", "held")]) - 1.0).abs() < 0.5);
    assert!((one("watch_up", &[]) - 13.0).abs() < 0.5, "{:?}", page.families["kasprop_watch_up"]);
    assert!(one("watch_refused", &[]).abs() < 0.5);
    assert!(one("sensor_facts_dropped_total", &[]).abs() < 0.5);
    assert!(page.sum("process_resident_memory_bytes", &[]) > 1e6);
    assert!(page.sum("process_start_time_seconds", &[]) > 1.7e9);
}
