//! One app is edited again and again: it is written in measure, and nobody waits for it.

use std::collections::BTreeMap;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use futures::future::join_all;
use futures::{Stream, StreamExt};
use serde_json::{Value, json};

use super::{FLAGS, seconds, small};
use crate::kit::{Cluster, Operator, Proxy, Record, Space, Told, e2e_alone, name_of, text_at};

const OTHERS: usize = 10;
const SAMPLES: usize = 40;

/// Edits of one app, by all who edit it.
const EDIT_EVERY: Duration = Duration::from_millis(20);
const PEOPLE: u32 = 5;

/// Accepted writes of that app and its objects together, and requests about each of them.
const WRITES_PER_SECOND: usize = 10;

/// What is asked for is 50; a busy machine manages less. It is a storm while it is more than may be
/// written.
const EDITS_PER_SECOND_MIN: usize = 15;

/// A machine that others use too makes somebody wait now and then. Who waits because of the storm
/// waits each time.
const ROUNDS: usize = 3;

/// How much longer the others may wait in a storm: for the operator, and for their child as a whole, of
/// which the API server and the machine have most.
const FACTOR: u32 = 2;
/// What a machine that others use may add to anything.
const SLACK: Duration = Duration::from_millis(25);

/// A minute is asked for; a quarter of it shows the same.
fn storm_lasts() -> Duration {
    seconds("KASPR_E2E_STORM_SECONDS", 15)
}

#[test]
fn a_storm_of_edits_of_one_app_is_written_in_measure_and_delays_no_other() {
    e2e_alone(async |cluster: &'static Cluster| {
        let space = Space::new(cluster, "storm").await;
        let proxy = Proxy::of(cluster).await;
        let _operator = Operator::through(&proxy, cluster, &[&space.name], &FLAGS);
        let names: Vec<String> = (0..OTHERS).map(|number| format!("other-{number}")).collect();
        for name in names.iter().map(String::as_str).chain(["storm"]) {
            space.apply(&small(name)[..1]).await;
        }
        for name in names.iter().map(String::as_str).chain(["storm"]) {
            space.is_settled(name).await;
        }
        let mut editor = Editor::of(&space, names).await;
        let mut rounds = Vec::new();
        while rounds.len() < ROUNDS {
            let quiet = editor.samples(EDIT_EVERY * 5).await;
            let quiet = Delays::of(&quiet, &proxy);
            let stormy = stormy(&space, &proxy, &mut editor).await;
            let stormy = Delays::of(&stormy, &proxy);
            eprintln!("p99 when quiet {quiet:.1?}, in the storm {stormy:.1?}");
            let is_borne = |stormy: Duration, quiet: Duration| stormy <= quiet * FACTOR + SLACK;
            if is_borne(stormy.own, quiet.own) && is_borne(stormy.whole, quiet.whole) {
                return space.done().await;
            }
            rounds.push((quiet, stormy));
        }
        panic!("others wait longer in a storm, each time: {rounds:.1?}");
    });
}

/// Edits of others in a storm, whose own app is written in measure.
async fn stormy(space: &Space, proxy: &Proxy, editor: &mut Editor<'_>) -> Vec<Sample> {
    let before = proxy.log().len();
    let (is_over, edits) = (AtomicBool::new(false), AtomicUsize::new(0));
    let begin = Instant::now();
    let measure = async {
        let samples = editor.samples(storm_lasts() / u32::try_from(SAMPLES).unwrap()).await;
        is_over.store(true, Ordering::Relaxed);
        samples
    };
    // They take turns, so that a slow answer does not end the storm.
    let people = (0..PEOPLE).map(|_| storm(space, &is_over, &edits));
    let (samples, _) = tokio::join!(measure, join_all(people));
    let (lasted, edits) = (begin.elapsed(), edits.load(Ordering::Relaxed));
    let mut writes = BTreeMap::<String, BTreeMap<u16, usize>>::new();
    for Record { asked, upstream, .. } in proxy.log().split_off(before) {
        if asked.is_write() && asked.name.starts_with("storm") {
            let codes = writes.entry(asked.resource).or_default();
            *codes.entry(upstream.unwrap_or_default()).or_default() += 1;
        }
    }
    eprintln!("{edits} edits in {lasted:.1?} gave {writes:?}");
    let seconds = usize::try_from(lasted.as_secs()).unwrap() + 1;
    assert!(edits > EDITS_PER_SECOND_MIN * seconds, "no storm: {edits} edits in {lasted:.0?}");
    let limit = WRITES_PER_SECOND * seconds;
    for (resource, codes) in &writes {
        let count: usize = codes.values().sum();
        assert!(count <= limit, "{count} of {resource} in {lasted:.0?}");
    }
    let of_all = writes.values().flatten().filter(|(code, _)| **code < 300);
    let accepted: usize = of_all.map(|(_, count)| count).sum();
    assert!(accepted <= limit, "{accepted} accepted writes in {lasted:.0?}");
    samples
}

/// One edit of one of the others.
struct Sample {
    name: String,
    /// The version that the edit made.
    version: String,
    /// From the answer to the editor to the event of the child.
    whole: Duration,
}

/// The 99th of hundred.
#[derive(Debug)]
struct Delays {
    /// From the answer to the editor to the event of the child: the API server has most of it.
    whole: Duration,
    /// From the event of the edit to the first request that follows from it.
    own: Duration,
}

impl Delays {
    fn of(samples: &[Sample], proxy: &Proxy) -> Self {
        let (told, log) = (proxy.told(), proxy.log());
        let own = |sample: &Sample| {
            let is_it =
                |told: &&Told| told.resource == "kasprapps" && told.version == sample.version;
            let from = told.iter().find(is_it).unwrap().at;
            let follows = |record: &&Record| {
                record.at >= from
                    && record.asked.is_write()
                    && record.asked.name.starts_with(&sample.name)
            };
            log.iter().find(follows).unwrap().at - from
        };
        Self {
            whole: p99(samples.iter().map(|sample| sample.whole).collect()),
            own: p99(samples.iter().map(own).collect()),
        }
    }
}

/// One of the people edits `storm` until it is over.
async fn storm(space: &Space, is_over: &AtomicBool, edits: &AtomicUsize) {
    let mut ticks = tokio::time::interval(EDIT_EVERY * PEOPLE);
    while !is_over.load(Ordering::Relaxed) {
        ticks.tick().await;
        let number = edits.fetch_add(1, Ordering::Relaxed);
        let change = json!({"spec": {"replicas": 2 + number % 50}});
        space.edit("KasprApp", "storm", change).await;
    }
}

/// Edits one app after the other and sees when the autoscaler follows.
struct Editor<'a> {
    space: &'a Space,
    names: Vec<String>,
    autoscalers: Pin<Box<dyn Stream<Item = Value>>>,
    made: usize,
}

impl<'a> Editor<'a> {
    async fn of(space: &'a Space, names: Vec<String>) -> Self {
        let path = space.all("HorizontalPodAutoscaler");
        let autoscalers = Box::pin(space.api.versions(&path).await);
        Self { space, names, autoscalers, made: 0 }
    }

    async fn samples(&mut self, pause: Duration) -> Vec<Sample> {
        let mut all = Vec::new();
        for _ in 0..SAMPLES {
            tokio::time::sleep(pause).await;
            all.push(self.sample().await);
        }
        all
    }

    async fn sample(&mut self) -> Sample {
        let name = self.names[self.made % self.names.len()].clone();
        let most = json!(2 + self.made);
        self.made += 1;
        let edited = async {
            let change = json!({"spec": {"replicas": most}});
            let live = self.space.edit("KasprApp", &name, change).await;
            (text_at(&live, "/metadata/resourceVersion"), Instant::now())
        };
        let followed = async {
            while let Some(live) = self.autoscalers.next().await {
                let is_it = name_of(&live) == format!("{name}-app-hpa");
                if is_it && live["spec"]["maxReplicas"] == most {
                    return Instant::now();
                }
            }
            panic!("the watch ended");
        };
        let ((version, from), to) = tokio::join!(edited, followed);
        Sample { name, version, whole: to.saturating_duration_since(from) }
    }
}

fn p99(mut all: Vec<Duration>) -> Duration {
    all.sort();
    all[(all.len() * 99).div_ceil(100) - 1]
}
