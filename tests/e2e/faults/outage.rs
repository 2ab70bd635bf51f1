//! The API server answers nothing but 500 for a while: it is left in peace, and made up for
//! quickly.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use futures::future::join_all;
use serde_json::{Value, json};

use super::{FLAGS, RECOVERY, seconds, small};
use crate::kit::{
    Cluster, Fault, Operator, PATIENCE, Proxy, Record, Rule, Space, at_last_within, condition,
    e2e_alone, name_of,
};

const APPS: usize = 100;

/// All requests of the process together, watches and Events included.
const REQUESTS_PER_SECOND: usize = 10;

/// The rate is that of each of these spans: the first failures come all at once.
const SPAN: Duration = Duration::from_secs(30);

/// How long the watches of before go on: edits are still seen, and nothing can be done.
const WATCHES_LAST: Duration = Duration::from_secs(5);

/// Five minutes are asked for; a minute shows most of it.
fn outage_lasts() -> Duration {
    seconds("KASPR_E2E_OUTAGE_SECONDS", 60)
}

#[test]
fn a_server_that_fails_is_left_in_peace_and_made_up_for_quickly() {
    e2e_alone(async |cluster: &'static Cluster| {
        let space = Space::new(cluster, "outage").await;
        let proxy = Proxy::of(cluster).await;
        let mut operator = Operator::through(&proxy, cluster, &[&space.name], &FLAGS);
        let names: Vec<String> = (0..APPS).map(|number| format!("app-{number:03}")).collect();
        let apps: Vec<Value> = names.iter().map(|name| small(name).swap_remove(0)).collect();
        space.apply(&apps).await;
        let late = late_after(&space, "", PATIENCE).await;
        assert!(late.is_empty(), "not up: {late:?}");

        is_quiet(&proxy).await;
        let before = proxy.log().len();
        let begin = Instant::now();
        let outage = proxy.add(Rule::all(Fault::Status(500)));
        let image = "kasprio/kaspr:other";
        let change = json!({"spec": {"image": image}});
        join_all(names.iter().map(|name| space.edit("KasprApp", name, change.clone()))).await;
        tokio::time::sleep(WATCHES_LAST).await;
        proxy.cut();
        tokio::time::sleep(outage_lasts().saturating_sub(begin.elapsed())).await;
        outage.off();

        let end = Instant::now();
        let failed = proxy.log().split_off(before);
        let late = late_after(&space, image, RECOVERY).await;
        eprintln!("{}", figures(&failed, end - begin));
        eprintln!("{} s after it {} of {APPS} apps are late", end.elapsed().as_secs(), late.len());
        assert!(busiest(&failed, SPAN) <= limit(SPAN), "{:#?}", sorts(&failed));
        assert!(operator.is_alive() && !operator.log().contains("panicked"));
        assert!(late.is_empty(), "after {RECOVERY:.0?} of a working server late are {late:?}");
        space.done().await;
    });
}

/// The apps that are not ready or do not run the image, whatever it is if none is named.
async fn late(space: &Space, image: &str) -> Vec<String> {
    let has_image = |set: &Value| {
        let place = "/spec/template/spec/containers/0/image";
        image.is_empty() || set.pointer(place).and_then(Value::as_str) == Some(image)
    };
    let sets: BTreeSet<String> = space
        .list("StatefulSet")
        .await
        .iter()
        .filter(|set| has_image(set))
        .map(|set| name_of(set).to_owned())
        .collect();
    let is_late = |app: &&Value| {
        let is_seen = app["status"]["observedGeneration"] == app["metadata"]["generation"];
        let is_ready = condition(app, "Ready")["status"] == "True";
        !(is_seen && is_ready && sets.contains(&format!("{}-app", name_of(app))))
    };
    let apps = space.list("KasprApp").await;
    apps.iter().filter(is_late).map(|app| name_of(app).to_owned()).collect()
}

/// The same once there are none, or when the time is over.
async fn late_after(space: &Space, image: &str, limit: Duration) -> Vec<String> {
    let none_is = async || {
        let late = late(space, image).await;
        if late.is_empty() { Ok(()) } else { Err(late) }
    };
    at_last_within(limit, none_is).await.err().unwrap_or_default()
}

/// Waits until the operator has told all it has to tell.
async fn is_quiet(proxy: &Proxy) {
    loop {
        let before = proxy.log().len();
        tokio::time::sleep(Duration::from_secs(3)).await;
        if proxy.log().len() == before {
            return;
        }
    }
}

fn figures(failed: &[Record], lasted: Duration) -> String {
    let busiest = |span: Duration| busiest(failed, span);
    format!(
        "{} requests in {lasted:.0?} of outage, {} in the busiest {SPAN:.0?}, {} in the busiest \
         second",
        failed.len(),
        busiest(SPAN),
        busiest(Duration::from_secs(1)),
    )
}

/// The most requests that any span of this length holds.
fn busiest(log: &[Record], span: Duration) -> usize {
    let from = |at: usize| log[at..].iter().take_while(move |record| record.at < log[at].at + span);
    (0..log.len()).map(|at| from(at).count()).max().unwrap_or(0)
}

fn limit(span: Duration) -> usize {
    REQUESTS_PER_SECOND * usize::try_from(span.as_secs()).unwrap()
}

fn sorts(log: &[Record]) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    for record in log {
        *counts.entry(format!("{:?} {}", record.asked.verb, record.asked.resource)).or_default() +=
            1;
    }
    counts
}
