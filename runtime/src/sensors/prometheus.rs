//! Prometheus metrics, counted from facts. Names and labels of the original where it had them
//! (`kasprop_reconcile_*`, `kasprop_resource_sync_total`, `kasprop_status_updates_total`).

use kaspr_core::key::{ObjectKind, ObjectRef};
use metrics::{counter, describe_counter, describe_gauge, describe_histogram, gauge, histogram};
use metrics_exporter_prometheus::{BuildError, Matcher, PrometheusBuilder, PrometheusHandle};

use super::Hear;
use super::fact::{Came, Fact, LeaseFact, PassFact, PassResult, StepFact, WatchFact, WatchState};

const RECONCILE_BUCKETS: [f64; 9] = [0.1, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0];
const REQUEST_BUCKETS: [f64; 9] = [0.005, 0.01, 0.025, 0.05, 0.1, 0.5, 1.0, 5.0, 20.0];

/// Installs the recorder of the whole process and names its metrics.
///
/// # Errors
/// If the process has a recorder already.
pub fn install() -> Result<PrometheusHandle, BuildError> {
    let duration = Matcher::Full("kasprop_reconcile_duration_seconds".to_owned());
    let request = Matcher::Full("kasprop_api_request_duration_seconds".to_owned());
    let handle = PrometheusBuilder::new()
        .set_buckets_for_metric(duration, &RECONCILE_BUCKETS)?
        .set_buckets_for_metric(request, &REQUEST_BUCKETS)?
        .install_recorder()?;
    describe();
    gauge!("kasprop_build_info", "version" => env!("CARGO_PKG_VERSION")).set(1.0);
    gauge!("kasprop_lease_held").set(0.0);
    Ok(handle)
}

fn describe() {
    describe_counter!("kasprop_reconcile_total", "Passes over one app, by result");
    describe_histogram!(
        "kasprop_reconcile_duration_seconds",
        "Duration of a pass, requests included"
    );
    describe_counter!(
        "kasprop_plans_broken_total",
        "Plans that broke an invariant and were not carried out"
    );
    describe_counter!(
        "kasprop_actions_total",
        "Planned actions, by verb, reason and what came of them"
    );
    describe_counter!("kasprop_resource_sync_total", "Writes of the apps' objects, by result");
    describe_counter!("kasprop_status_updates_total", "Status fields of apps that were written");
    describe_counter!("kasprop_api_requests_total", "Requests to the API server, watches excepted");
    describe_histogram!(
        "kasprop_api_request_duration_seconds",
        "Duration of a request to the API server"
    );
    describe_counter!("kasprop_watch_failures_total", "Watches that were interrupted");
    describe_gauge!("kasprop_watch_up", "1 if the watch is connected");
    describe_gauge!("kasprop_lease_held", "1 if this process leads");
    describe_gauge!("kasprop_queue_depth", "Apps that wait to be looked at");
    describe_gauge!("kasprop_build_info", "The version of this process");
    describe_counter!(
        "kasprop_sensor_facts_dropped_total",
        "Facts that a slow sensor did not hear"
    );
}

/// Counts facts until the end.
pub async fn run(mut hear: Hear) {
    while let Some(fact) = hear.next().await {
        match &*fact {
            Fact::Pass(pass) => count_pass(pass),
            Fact::Request(request) => {
                let (verb, kind) = (request.verb, request.kind);
                counter!("kasprop_api_requests_total",
                    "verb" => verb, "kind" => kind, "outcome" => request.outcome)
                .increment(1);
                histogram!("kasprop_api_request_duration_seconds", "verb" => verb, "kind" => kind)
                    .record(request.took.as_secs_f64());
            }
            Fact::Watch(watch) => count_watch(watch),
            Fact::Lease(LeaseFact::Gained) => gauge!("kasprop_lease_held").set(1.0),
            Fact::Lease(LeaseFact::Lost { .. }) => gauge!("kasprop_lease_held").set(0.0),
            Fact::Lease(LeaseFact::Waiting { .. } | LeaseFact::Refused { .. }) => {}
        }
    }
}

fn count_pass(pass: &PassFact) {
    let result = match pass.result {
        PassResult::Silent | PassResult::Acted => "success",
        PassResult::Refused | PassResult::Defect(_) => "failure",
    };
    // The original's labels: an app is its own component, and its passes came from a queue.
    let labels = [
        ("app_name", pass.key.name.clone()),
        ("component_name", pass.key.name.clone()),
        ("namespace", pass.key.namespace.clone()),
        ("trigger_source", "queue".to_owned()),
        ("result", result.to_owned()),
    ];
    counter!("kasprop_reconcile_total", &labels).increment(1);
    histogram!("kasprop_reconcile_duration_seconds", &labels).record(pass.took.as_secs_f64());
    if matches!(pass.result, PassResult::Defect(_)) {
        counter!("kasprop_plans_broken_total").increment(1);
    }
    pass.steps.iter().for_each(|step| count_step(pass, step));
}

fn count_step(pass: &PassFact, step: &StepFact) {
    let outcome = match &step.came {
        Came::Done => "Done",
        Came::Exists => "Exists",
        Came::Refused(refusal, _) => refusal.code(),
        Came::Skipped(_) => "Skipped",
    };
    counter!("kasprop_actions_total",
        "verb" => step.verb, "reason" => step.because.code(), "outcome" => outcome)
    .increment(1);
    let (app, namespace) = (&pass.key.name, &pass.key.namespace);
    if step.object.kind == ObjectKind::App && step.came == Came::Done {
        for field in &step.fields {
            counter!("kasprop_status_updates_total", "app_name" => app.clone(),
                "namespace" => namespace.clone(), "update_field" => field.clone())
            .increment(1);
        }
    }
    if let (Some(operation), Some(resource_type)) =
        (operation(step.verb), resource_type(&step.object))
        && !matches!(step.came, Came::Skipped(_))
    {
        let result = if step.came == Came::Done { "success" } else { "failure" };
        counter!("kasprop_resource_sync_total", "app_name" => app.clone(),
            "component_name" => app.clone(), "resource_name" => step.object.name.clone(),
            "namespace" => namespace.clone(), "resource_type" => resource_type,
            "operation" => operation, "result" => result)
        .increment(1);
    }
}

/// The original's words for what is written.
fn operation(verb: &str) -> Option<&'static str> {
    match verb {
        "Create" => Some("create"),
        "Apply" | "Roll" | "TakeOwnership" | "Scale" => Some("patch"),
        "Delete" => Some("delete"),
        _ => None,
    }
}

/// The original's words for what it is written to.
fn resource_type(object: &ObjectRef) -> Option<&'static str> {
    match object.kind {
        ObjectKind::ServiceAccount => Some("service_account"),
        ObjectKind::ConfigMap => Some("config_map"),
        ObjectKind::Service if object.name.ends_with("-api") => Some("service"),
        ObjectKind::Service => Some("headless_service"),
        ObjectKind::StatefulSet => Some("stateful_set"),
        ObjectKind::Autoscaler => Some("hpa"),
        ObjectKind::App
        | ObjectKind::Agent
        | ObjectKind::Table
        | ObjectKind::WebView
        | ObjectKind::Task
        | ObjectKind::Join => None,
    }
}

fn count_watch(watch: &WatchFact) {
    if let WatchState::Failed { .. } = watch.state {
        counter!("kasprop_watch_failures_total", "kind" => watch.kind.kind()).increment(1);
    }
}
