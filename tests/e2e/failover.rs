//! Of two operators one works; the other takes over when it may, and not before.

use std::time::{Duration, Instant};

use futures::future::join_all;
use serde_json::json;

use crate::kit::fixtures::app;
use crate::kit::{Asked, Audit, Cluster, Operator, Space, e2e_alone, eventually};

const TRIALS: usize = 20;
/// So many pairs at a time: most of a trial is waiting.
const PAIRS: usize = 4;

/// As the flags below say.
const LEASE: Duration = Duration::from_secs(3);
/// A leader that is told to stop hands over within this time.
const HANDED_OVER: Duration = Duration::from_secs(2);
/// A leader that dies is followed within this time after its lease.
const FOLLOWED: Duration = Duration::from_secs(1);

#[test]
fn a_leader_that_is_told_to_stop_hands_over() {
    each_pair("handed", HANDED_OVER, async |pair, _| {
        let begin = Instant::now();
        pair.leader.stop();
        pair.successor_leads().await;
        let took = begin.elapsed();
        pair.works(2).await;
        took
    });
}

#[test]
fn a_leader_that_dies_is_followed() {
    each_pair("followed", LEASE + FOLLOWED, async |pair, _| {
        let begin = Instant::now();
        pair.leader.kill();
        pair.successor_leads().await;
        let took = begin.elapsed();
        pair.works(2).await;
        took
    });
}

#[test]
fn a_leader_that_stood_still_beyond_its_lease_writes_nothing_on_an_old_view() {
    each_pair("still", LEASE + FOLLOWED, async |pair, trial| {
        // It stands still in the middle of its work: somewhere between hearing and the last answer.
        pair.edit(2).await;
        tokio::time::sleep(Duration::from_millis(2 * u64::try_from(trial).unwrap())).await;
        pair.leader.signal("STOP");
        let begin = Instant::now();
        pair.successor_leads().await;
        let took = begin.elapsed();
        pair.works(3).await;
        pair.space.rests("shop").await;
        let audit = Audit::since_now(pair.cluster).await;
        pair.leader.signal("CONT");
        eventually("the old leader has noticed", async || {
            let is_told = pair.leader.log().contains("leads no more");
            if is_told { Ok(()) } else { Err("it has not said so".to_owned()) }
        })
        .await;
        // It ends after the requests that it had begun.
        pair.leader.stop();
        let asked = audit.asked(&[&pair.space.name]).await;
        // What was on its way when it stood still is refused: each request names what it was
        // decided on.
        let is_accepted = |one: &&Asked| one.is_write() && one.is_of_app() && one.code < 300;
        let writes: Vec<_> = asked.iter().filter(is_accepted).collect();
        assert!(writes.is_empty(), "on an old view: {writes:#?}");
        took
    });
}

/// Two operators under one lease of their own, and an app.
struct Pair {
    cluster: &'static Cluster,
    space: Space,
    leader: Operator,
    successor: Operator,
}

/// Runs every trial with a fresh pair, and says how long it took until the successor led.
fn each_pair(
    name: &'static str,
    within: Duration,
    trial: impl AsyncFn(&mut Pair, usize) -> Duration,
) {
    e2e_alone(async |cluster: &'static Cluster| {
        let one = async |number: usize| {
            let mut pair = Pair::start(cluster, name).await;
            let took = trial(&mut pair, number).await;
            pair.space.done().await;
            took
        };
        let mut took = Vec::new();
        for round in 0..TRIALS / PAIRS {
            let trials = (0..PAIRS).map(|at| one(round * PAIRS + at));
            took.extend(join_all(trials).await);
        }
        took.sort_unstable();
        let (least, most) = (took[0], took[TRIALS - 1]);
        eprintln!("{name}: from {least:.2?} to {most:.2?}");
        assert!(most <= within, "{name}: not within {within:.0?}: {took:.2?}");
    });
}

impl Pair {
    async fn start(cluster: &'static Cluster, name: &str) -> Self {
        let space = Space::new(cluster, name).await;
        space.may_lead().await;
        let start = || {
            let flags = [
                ["--lease-namespace", &space.name],
                ["--lease-duration", "3s"],
                ["--lease-renew", "1s"],
                ["--settle", "0s"],
                // What the successor writes of members would be taken for a write on an old view.
                ["--member-poll-interval", "1h"],
            ];
            Operator::with(cluster, &[&space.name], flags.as_flattened())
        };
        let leader = start();
        leader.leads(&space.name).await;
        let successor = start();
        successor.is_ready().await;
        let pair = Self { cluster, space, leader, successor };
        let mut small = app("shop");
        small["spec"]["replicas"] = json!(1);
        pair.space.apply(&[small]).await;
        pair.space.is_settled("shop").await;
        assert!(pair.leader.has_worked() && !pair.successor.has_worked(), "one works");
        pair
    }

    async fn successor_leads(&self) {
        self.successor.leads(&self.space.name).await;
    }

    async fn edit(&self, replicas: i64) {
        self.space.edit("KasprApp", "shop", json!({"spec": {"replicas": replicas}})).await;
    }

    /// Somebody carries out an edit.
    async fn works(&self, replicas: i64) {
        self.edit(replicas).await;
        let scaler = "HorizontalPodAutoscaler";
        self.space.has(scaler, "shop-app-hpa", "/spec/maxReplicas", &json!(replicas)).await;
        self.space.is_settled("shop").await;
    }
}
