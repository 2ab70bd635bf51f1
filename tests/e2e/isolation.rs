//! What fails, fails alone.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::kit::fixtures::{app, broken_of_each_kind, one_of_each_kind};
use crate::kit::{Cluster, Operator, Space, condition, e2e_alone, eventually, name_of};

/// How much longer others may take because one fails, in the median of the rounds.
const FACTOR: f64 = 1.2;
const SLACK: Duration = Duration::from_secs(1);
const ROUNDS: usize = 3;

#[test]
fn one_failing_app_does_not_slow_twenty_others_down() {
    e2e_alone(async |cluster: &'static Cluster| {
        let (mut alone, mut beside) = (Vec::new(), Vec::new());
        for _ in 0..ROUNDS {
            let (one, other) = both(cluster).await;
            eprintln!("20 apps converge in {one:.1?}, beside a failing one in {other:.1?}");
            alone.push(one);
            beside.push(other);
        }
        let limit = median(alone).mul_f64(FACTOR) + SLACK;
        assert!(median(beside.clone()) <= limit, "{beside:.1?}, not within {limit:.1?}");
    });
}

fn median(mut all: Vec<Duration>) -> Duration {
    all.sort_unstable();
    all[all.len() / 2]
}

/// How long it takes alone, and beside one that fails.
async fn both(cluster: &'static Cluster) -> (Duration, Duration) {
    // Neither namespace goes before both are measured: that is work for the machine, too.
    let first = Space::new(cluster, "alone").await;
    let second = Space::new(cluster, "beside").await;
    let alone = takes(cluster, &first, &[]).await;
    let mut failing = app("failing");
    failing["spec"]["template"] = json!({"pod": {"nodeSelector": {"disk": "not a label value"}}});
    let mut bad = vec![failing];
    bad.extend(one_of_each_kind("failing"));
    bad.extend(broken_of_each_kind("app-00"));
    let beside = takes(cluster, &second, &bad).await;
    first.done().await;
    second.done().await;
    (alone, beside)
}

/// How long twenty apps need to converge beside some bad manifests.
async fn takes(cluster: &'static Cluster, space: &Space, bad: &[Value]) -> Duration {
    let operator = Operator::of(cluster, &[&space.name]);
    operator.is_ready().await;
    space.apply(bad).await;
    if !bad.is_empty() {
        space.says("KasprApp", "failing", "Progressing", "Error").await;
    }
    let apps: Vec<Value> = (0..20).map(|number| app(&format!("app-{number:02}"))).collect();
    let begin = Instant::now();
    space.apply(&apps).await;
    eventually("twenty apps are ready", async || {
        let live = space.list("KasprApp").await;
        let ready = live.iter().filter(|app| condition(app, "Ready")["status"] == "True");
        let names: Vec<&str> = ready.map(name_of).collect();
        if names.len() >= 20 { Ok(()) } else { Err(format!("{} are", names.len())) }
    })
    .await;
    let took = begin.elapsed();
    for broken in bad.iter().filter(|one| name_of(one).starts_with("broken-")) {
        let kind = broken["kind"].as_str().unwrap();
        space.says(kind, name_of(broken), "Accepted", "InvalidSpec").await;
    }
    took
}
