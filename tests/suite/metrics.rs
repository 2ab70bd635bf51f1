//! Pages of metrics: well-formed whatever is counted, complete, bounded, and forgotten in time.

use std::collections::BTreeSet;
use std::time::Duration;

use jiff::Timestamp;
use kaspr_core::key::{AppKey, ObjectKind, ObjectRef};
use kaspr_core::outcome::Refusal;
use kaspr_core::plan::Plan;
use kaspr_core::poll::{Silence, State as PollState};
use kaspr_core::reason::Reason;
use kaspr_core::seen::Seen;
use kaspr_core::snapshot::{ComponentFacts, Snapshot};
use kaspr_core::time::{Now, Uptime};
use kaspr_core::{Settings, Wait};
use kaspr_engine::cache::Scope;
use kaspr_engine::polls::Turned;
use kaspr_engine::schedule::{Cause, Taken};
use kaspr_runtime::clock::ProcessClock;
use kaspr_runtime::limits;
use kaspr_runtime::sensors::Fact;
use kaspr_runtime::sensors::fact::{
    Came, EventFact, LeaseFact, OldDefinitionFact, PassFact, PassResult, PollFact, RequestFact,
    StepFact, WatchFact, WatchState,
};
use kaspr_runtime::sensors::members::{MemberTold, MembersFact};
use kaspr_runtime::sensors::packages::InstallationFact;
use kaspr_runtime::sensors::prometheus::{Metrics, Page, State, families};
use kaspr_tests::exposition::Exposition;
use serde_json::{Value, json};

fn snapshot(app: &str, components: &[String], is_there: bool) -> Snapshot {
    let object = |name: &String| json!({"metadata": {"name": name}});
    let agents: Vec<Value> = components.iter().map(object).collect();
    let now = Now { wall: Timestamp::UNIX_EPOCH, uptime: Uptime(0) };
    let nothing = Snapshot::of_nothing(AppKey::new("n", app), now, Settings::default());
    Snapshot {
        app: if is_there { Seen::Present(json!({})) } else { Seen::Absent },
        components: ComponentFacts { agents: Seen::Present(agents), ..nothing.components },
        ..nothing
    }
}

/// A pass over an app with these agents, all of whose objects are made.
fn pass(app: &str, components: &[String]) -> PassFact {
    let mut kinds: Vec<(ObjectKind, String)> = vec![
        (ObjectKind::ServiceAccount, format!("{app}-app")),
        (ObjectKind::ConfigMap, format!("{app}-app-config")),
        (ObjectKind::Service, format!("{app}-app-api")),
        (ObjectKind::Service, format!("{app}-app")),
        (ObjectKind::Autoscaler, format!("{app}-app-hpa")),
        (ObjectKind::StatefulSet, format!("{app}-app")),
    ];
    kinds.extend(components.iter().map(|name| (ObjectKind::ConfigMap, format!("{name}-agent"))));
    let create = |(kind, name)| step("Create", kind, name, Reason::Missing, Came::Done);
    let mut steps: Vec<StepFact> = kinds.into_iter().map(create).collect();
    let mut status =
        step("PatchStatus", ObjectKind::App, app.to_owned(), Reason::StatusOutdated, Came::Done);
    status.fields = ["conditions", "observedGeneration", "selector"].map(str::to_owned).into();
    steps.push(status);
    let taken = Taken {
        key: AppKey::new("n", app),
        due: Uptime(0),
        waited: Duration::from_millis(30),
        cause: Cause::Event,
    };
    let snapshot = snapshot(app, components, true);
    PassFact {
        took: Duration::from_millis(700),
        due_to_request: Some(Duration::from_millis(4)),
        steps,
        result: PassResult::Acted,
        ..PassFact::of(&taken, "1f-1".to_owned(), &snapshot, &Plan::default())
    }
}

fn step(
    verb: &'static str,
    kind: ObjectKind,
    name: String,
    because: Reason,
    came: Came,
) -> StepFact {
    let (object, took) = (ObjectRef::new(kind, "n", name), Duration::from_millis(20));
    StepFact { verb, object, fields: Vec::new(), because, came, took }
}

fn counted(facts: impl IntoIterator<Item = Fact>) -> Metrics {
    let metrics = Metrics::new(ProcessClock::start());
    facts.into_iter().for_each(|fact| metrics.count(&fact));
    metrics
}

fn told(pass: PassFact) -> Fact {
    Fact::Pass(Box::new(pass))
}

fn page(metrics: &Metrics, state: State) -> Exposition {
    let text: String = Page::new(metrics.clone(), state).collect();
    Exposition::read(&text).unwrap()
}

fn agents(count: usize) -> Vec<String> {
    (0..count).map(|number| format!("agent-{number}")).collect()
}

/// A pass over an app with a member that hangs, and the round that found it.
fn of_members() -> (PassFact, PollFact) {
    let mut members = self::pass("flock", &[]);
    members.installation = Some(InstallationFact::Installed(Some(4.2)));
    members.members = MembersFact {
        told: vec![MemberTold {
            pod: "flock-app-2".to_owned(),
            strikes: 3,
            stuck_for: 400,
            is_silent: true,
        }],
        struck: vec!["flock-app-2".to_owned()],
        in_replacement: 1,
        owes: Some("subscription_change"),
    };
    members.steps = [
        ("PatchStatus", ObjectKind::App, "flock"),
        ("DeletePod", ObjectKind::Pod, "flock-app-2"),
        ("Signal", ObjectKind::App, "flock"),
    ]
    .map(|(verb, kind, name)| StepFact {
        verb,
        object: ObjectRef::new(kind, "n", name),
        fields: Vec::new(),
        because: Reason::StatusOutdated,
        came: Came::Done,
        took: Duration::ZERO,
    })
    .into();
    let turned = Turned {
        pod: "flock-app-2".to_owned(),
        from: Some(PollState::Healthy),
        to: PollState::Stuck,
    };
    let poll = PollFact {
        key: AppKey::new("n", "flock"),
        states: vec![PollState::Stuck, PollState::Silent(Silence::Timeout)],
        turned: vec![turned],
        took: Some(Duration::from_millis(30)),
    };
    (members, poll)
}

/// Facts of every sort.
fn everything() -> Vec<Fact> {
    let mut pass = pass("shop", &agents(1));
    let refused = |refusal| Came::Refused(refusal, "no".to_owned());
    let drift = Reason::Drift("spec.ports[http].port".to_owned());
    let service = "shop-app-api".to_owned();
    pass.steps.push(step("Apply", ObjectKind::Service, service, drift, Came::Done));
    let data = Reason::Drift("data.x".to_owned());
    let came = refused(Refusal::Forbidden);
    pass.steps.push(step("Apply", ObjectKind::ConfigMap, "agent-0-agent".to_owned(), data, came));
    let object = ObjectRef::new(ObjectKind::App, "n", "shop");
    pass.waits.push(Wait { object, because: Reason::Settling, until: None });
    pass.result = PassResult::Refused;
    let request = RequestFact {
        verb: "apply",
        kind: "Service",
        outcome: "done",
        took: Duration::from_millis(3),
    };
    let state =
        WatchState::Failed { why: "gone".to_owned(), pause: Duration::ZERO, is_repeated: false };
    let watch = WatchFact { kind: ObjectKind::Agent, scope: Scope::All, state };
    let mut broken = self::pass("broken", &[]);
    broken.steps.clear();
    broken.result = PassResult::Defect("broken".to_owned());
    broken.installation = Some(InstallationFact::Failed("timeout"));
    let (members, poll) = of_members();
    vec![
        told(pass),
        told(broken),
        told(members),
        Fact::Poll(poll),
        Fact::Request(request),
        Fact::Watch(watch),
        Fact::Lease(LeaseFact::Gained),
        Fact::Event(EventFact::Published),
        Fact::OldDefinition(OldDefinitionFact { kind: "KasprAgent", what: "x".to_owned() }),
        Fact::Panic,
    ]
}

fn state() -> State {
    State {
        waiting: [AppKey::new("n", "shop")].into(),
        watches: vec![("KasprAgent", "all namespaces".to_owned(), true, false)],
        leads: true,
        dropped: vec![("log", 0)],
    }
}

#[test]
fn every_metric_is_there_with_just_its_labels_and_in_the_documentation() {
    let page = page(&counted(everything()), state());
    let document = include_str!("../../docs/metrics.md");
    for family in families::ALL {
        let found = page.families.get(family.name);
        let found = found.unwrap_or_else(|| panic!("{} is not on the page", family.name));
        let labels: BTreeSet<&str> = family.labels.iter().map(|label| label.name()).collect();
        let expected = BTreeSet::from([labels.into_iter().collect::<Vec<_>>()]);
        assert_eq!(found.label_names(), expected, "{}", family.name);
        let name = format!("`{}`", family.name);
        let row = document.lines().find(|line| line.starts_with("| `") && line.contains(&name));
        let row = row.unwrap_or_else(|| panic!("{name} is not documented"));
        let of_all_apps = ["app_name", "namespace"];
        for label in family.labels.iter().map(|label| label.name()) {
            let is_said = row.contains(&format!("`{label}`"))
                || family.is_per_app() && of_all_apps.contains(&label);
            assert!(is_said, "label {label} of {name} is not documented");
        }
    }
    assert_eq!(page.families.len(), families::ALL.len());
}

/// B5 and E1 of the original: terminations were counted whatever came of them, and gauges stayed.
#[test]
fn what_is_told_of_members_goes_with_it() {
    let mut facts = everything();
    let count = |page: &Exposition, name: &str| {
        let labels = [("app_name", "flock"), ("member_id", "2")];
        page.sum(&format!("kasprop_{name}"), &labels)
    };
    let page = page(&counted(everything()), state());
    for (name, expected) in [
        ("hung_members_detected_total", 1.0),
        ("hung_member_consecutive_detections", 3.0),
        ("hung_member_duration_seconds", 400.0),
        ("member_terminations_total", 1.0),
        ("member_state_transitions_total", 1.0),
        ("member_silent", 1.0),
    ] {
        assert!((count(&page, name) - expected).abs() < 1e-9, "{name}");
    }
    let requests = [("app_name", "flock"), ("trigger_reason", "subscription_change")];
    assert!((page.sum("kasprop_rebalance_total", &requests) - 1.0).abs() < 1e-9);
    let mut refused = self::pass("flock", &[]);
    refused.steps = vec![StepFact {
        verb: "DeletePod",
        object: ObjectRef::new(ObjectKind::Pod, "n", "flock-app-2"),
        fields: Vec::new(),
        because: Reason::MemberHung,
        came: Came::Refused(Refusal::Forbidden, String::new()),
        took: Duration::ZERO,
    }];
    facts.push(Fact::Pass(Box::new(refused)));
    let later = self::page(&counted(facts), state());
    assert!((count(&later, "member_terminations_total") - 1.0).abs() < 1e-9);
    assert!(!later.families.contains_key("kasprop_hung_member_consecutive_detections"));
}

#[test]
fn what_is_counted_has_the_words_of_the_original() {
    let page = page(&counted(everything()), state());
    let check = |name: &str, labels: &[(&str, &str)], expected: f64| {
        let found = page.sum(&format!("kasprop_{name}"), labels);
        assert!((found - expected).abs() < 1e-9, "{name} {labels:?} is {found}");
    };
    let app = [("app_name", "shop"), ("component_name", "shop"), ("namespace", "n")];
    check("reconcile_total", &[app[0], app[1], ("trigger_source", "queue")], 1.0);
    check("reconcile_total", &[("app_name", "shop"), ("result", "failure")], 1.0);
    check("reconcile_duration_seconds", &app, 1.0);
    check("reconcile_queue_wait_seconds", &app, 1.0);
    check("reconcile_queue_depth", &app, 1.0);
    check("reconcile_queue_depth", &[("app_name", "broken")], 0.0);
    let errors = [("component_name", "agent-0"), ("error_type", "Forbidden")];
    check("reconcile_errors_total", &errors, 1.0);
    check("reconcile_errors_total", &[("app_name", "broken"), ("error_type", "Defect")], 1.0);
    for (kind, count) in [
        ("service", 2.0),
        ("headless_service", 1.0),
        ("service_account", 1.0),
        ("config_map", 3.0),
        ("hpa", 1.0),
        ("stateful_set", 1.0),
    ] {
        let kind = ("resource_type", kind);
        check("resource_sync_total", &[("app_name", "shop"), kind], count);
        check("resource_sync_duration_seconds", &[("app_name", "shop"), kind], count);
    }
    let agent = [("component_name", "agent-0"), ("resource_name", "agent-0-agent")];
    let failed = [agent[0], agent[1], ("operation", "patch"), ("result", "failure")];
    check("resource_sync_total", &failed, 1.0);
    check("resource_sync_errors_total", &[agent[0], ("error_type", "Forbidden")], 1.0);
    check("resource_drift_detected_total", &[agent[1], ("drift_field", "data")], 1.0);
    let service = [("resource_name", "shop-app-api"), ("drift_field", "spec")];
    check("resource_drift_detected_total", &service, 1.0);
    check("status_updates_total", &[("update_field", "conditions")], 1.0);
    check("apps_waiting", &[("reason", "Settling")], 1.0);
    check("plans_broken_total", &[], 1.0);
}

#[test]
fn ten_thousand_hostile_names_break_no_page_and_take_no_more_than_the_room_there_is() {
    let nasty = "\"} 1\n# TYPE x counter\nx{a=\"\\";
    let agents: Vec<String> = (0..10_000).map(|number| format!("{number}{nasty}")).collect();
    let mut facts = vec![told(pass("greedy", &agents))];
    facts.extend((0..10_000).map(|number| {
        let mut one = pass(&format!("{number}{nasty}"), &[]);
        one.steps.truncate(1);
        told(one)
    }));
    let chunks: Vec<String> = Page::new(counted(facts), State::default()).collect();
    let longest = chunks.iter().map(String::len).max().unwrap();
    // A chunk, and what one app may have of one metric: eleven lines for each series.
    let most = limits::METRICS_CHUNK + limits::SERIES_PER_APP_MAX * 11 * 300;
    assert!(chunks.len() > 100 && longest < most, "{} chunks, {longest}", chunks.len());
    let page = Exposition::read(&chunks.concat()).unwrap();
    // Apps have these, besides one that is not stored.
    let stored = page.sum("kasprop_app_series", &[]);
    assert!(stored <= limits::SERIES_OF_APPS_MAX as f64, "{stored}");
    let series: usize = page.families.values().map(|family| family.values.len()).sum();
    // What is the count of a histogram is told twice.
    assert!(series <= 2 * limits::SERIES_OF_APPS_MAX, "{series}");
    assert!(page.series_with("app_name", "greedy") <= 2 * limits::SERIES_PER_APP_MAX);
    assert!(page.sum("kasprop_app_series_refused_total", &[]) > 9_000.0);
    assert_eq!(page.series_with("app_name", &format!("7{nasty}")), 6);
}

#[tokio::test(start_paused = true)]
async fn what_is_gone_is_told_for_less_than_a_minute_more() {
    let both = ["stays", "goes"].map(str::to_owned);
    let metrics = counted([told(pass("shop", &both)), told(pass("gone", &both))]);
    let look = |app: &str, parts: &[String], is_there: bool| {
        let snapshot = snapshot(app, parts, is_there);
        let cause = Cause::Event;
        let taken =
            Taken { key: AppKey::new("n", app), due: Uptime(0), waited: Duration::ZERO, cause };
        told(PassFact::of(&taken, String::new(), &snapshot, &Plan::default()))
    };
    metrics.count(&look("shop", &both[..1], true));
    metrics.count(&look("gone", &[], false));
    let there =
        |what: (&str, &str)| page(&metrics, State::default()).series_with(what.0, what.1) > 0;
    let all = [
        ("app_name", "shop"),
        ("component_name", "stays"),
        ("component_name", "goes"),
        ("app_name", "gone"),
    ];
    tokio::time::advance(Duration::from_secs(30)).await;
    assert_eq!(all.map(there), [true; 4]);
    tokio::time::advance(Duration::from_secs(29)).await;
    assert_eq!(all.map(there), [true, true, false, false]);
    // Components alone make no series.
    metrics.count(&look("gone", &both, false));
    assert!(!there(("app_name", "gone")));
    // Nor does a process that leads no more.
    metrics.count(&Fact::Lease(LeaseFact::Lost { to: None }));
    tokio::time::advance(Duration::from_secs(59)).await;
    assert_eq!(all.map(there), [false; 4]);
}

#[test]
fn a_page_that_prometheus_would_not_take_is_not_taken_here() {
    let good = "# HELP a_total x\n# TYPE a_total counter\na_total{b=\"c\"} 1\n";
    assert!(Exposition::read(good).is_ok());
    let histogram = |lines: &str| format!("# HELP h x\n# TYPE h histogram\n{lines}");
    let full = "h_bucket{le=\"1\"} 1\nh_bucket{le=\"+Inf\"} 2\nh_sum 3\nh_count 2\n";
    assert!(Exposition::read(&histogram(full)).is_ok());
    for bad in [
        good.trim_end().to_owned(),
        good.replace("# HELP a_total x\n", ""),
        good.replace("# TYPE a_total counter\n", ""),
        good.replace("counter", "gauge"),
        good.replace("a_total", "a"),
        good.replace("\"c\"", "c"),
        good.replace("\"c\"", "\"\\c\""),
        good.replace("b=", "1b="),
        good.replace("} 1", "} x"),
        good.replace("} 1", "} 1\na_total{b=\"c\"} 1"),
        good.replace("} 1", "} 1\na_total{d=\"c\"} 1"),
        good.replace("} 1", "} -1"),
        format!("{good}{good}"),
        format!("{good}other 1\n"),
        histogram(&full.replace("h_sum 3\n", "")),
        histogram(&full.replace("h_count 2", "h_count 3")),
        histogram(&full.replace("} 1\n", "} 9\n")),
        histogram(&full.replace("h_bucket{le=\"+Inf\"} 2\n", "")),
    ] {
        assert!(Exposition::read(&bad).is_err(), "{bad}");
    }
}
