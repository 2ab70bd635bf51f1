//! One app is edited again and again: it is written in measure, and nobody waits for it.

use std::collections::BTreeMap;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use futures::{Stream, StreamExt};
use serde_json::{Value, json};

use super::{FLAGS, seconds, small};
use crate::kit::{Asked, Audit, Cluster, Operator, Space, e2e_alone, name_of, summary};

const OTHERS: usize = 10;
const SAMPLES: usize = 40;

/// Edits of one app.
const EDIT_EVERY: Duration = Duration::from_millis(20);

/// Writes of that app and its objects.
const WRITES_PER_SECOND: usize = 10;

/// What is asked for is 50; a busy machine manages less.
const EDITS_PER_SECOND_MIN: usize = 20;

/// A machine that others use too makes somebody wait now and then. Who waits because of the storm
/// waits each time.
const ROUNDS: usize = 3;

/// How much longer the others may wait.
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
        let _operator = Operator::with(cluster, &[&space.name], &FLAGS);
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
            let quiet = p99(&editor.samples(EDIT_EVERY * 5).await);
            let stormy = stormy(cluster, &space, &mut editor).await;
            eprintln!("edit to child, p99: {quiet:.1?} when quiet, {stormy:.1?} in the storm");
            rounds.push((quiet, stormy));
            if stormy <= quiet * FACTOR + SLACK {
                return space.done().await;
            }
        }
        panic!("others wait longer in a storm, each time: {rounds:.1?}");
    });
}

/// How long the others wait in a storm, whose own app is written in measure.
async fn stormy(cluster: &Cluster, space: &Space, editor: &mut Editor<'_>) -> Duration {
    let audit = Audit::since_now(cluster).await;
    let (is_over, edits) = (AtomicBool::new(false), AtomicUsize::new(0));
    let begin = Instant::now();
    let measure = async {
        let samples = editor.samples(storm_lasts() / u32::try_from(SAMPLES).unwrap()).await;
        is_over.store(true, Ordering::Relaxed);
        samples
    };
    let (samples, ()) = tokio::join!(measure, storm(space, &is_over, &edits));
    let (lasted, edits) = (begin.elapsed(), edits.load(Ordering::Relaxed));
    let asked = audit.asked(&[&space.name]).await;
    let is_of_storm = |one: &Asked| one.is_write() && one.name.starts_with("storm");
    let writes: Vec<Asked> =
        asked.into_iter().filter(|one| is_of_storm(one) && one.is_of_app()).collect();
    eprintln!("{edits} edits in {lasted:.1?} gave {:#?}", summary(&writes));
    let seconds = usize::try_from(lasted.as_secs()).unwrap() + 1;
    assert!(edits > EDITS_PER_SECOND_MIN * seconds, "no storm: {edits} edits in {lasted:.0?}");
    // A refused write is none; but no object is asked for more often than that either.
    let accepted = writes.iter().filter(|one| one.code < 300).count();
    assert!(accepted <= WRITES_PER_SECOND * seconds, "{accepted} writes in {lasted:.0?}");
    let mut of_each = BTreeMap::<&str, usize>::new();
    writes.iter().for_each(|one| *of_each.entry(&one.resource).or_default() += 1);
    let most = of_each.values().max().copied().unwrap_or(0);
    assert!(most <= WRITES_PER_SECOND * seconds, "{most} requests for one object");
    p99(&samples)
}

/// Edits `storm` until it is over.
async fn storm(space: &Space, is_over: &AtomicBool, edits: &AtomicUsize) {
    let mut ticks = tokio::time::interval(EDIT_EVERY);
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

    async fn samples(&mut self, pause: Duration) -> Vec<Duration> {
        let mut all = Vec::new();
        for _ in 0..SAMPLES {
            tokio::time::sleep(pause).await;
            all.push(self.sample().await);
        }
        all.sort();
        all
    }

    /// From the answer to the editor to the event of the child.
    async fn sample(&mut self) -> Duration {
        let name = self.names[self.made % self.names.len()].clone();
        let most = json!(2 + self.made);
        self.made += 1;
        let edited = async {
            self.space.edit("KasprApp", &name, json!({"spec": {"replicas": most}})).await;
            Instant::now()
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
        let (from, to) = tokio::join!(edited, followed);
        to.saturating_duration_since(from)
    }
}

fn p99(sorted: &[Duration]) -> Duration {
    sorted[(sorted.len() * 99).div_ceil(100) - 1]
}
