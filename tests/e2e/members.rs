//! Members that hang are replaced in time, and rebalances that are owed are asked for once: on a real
//! API server, with workers that are played.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::crashes::children;
use crate::kit::fixtures::{agent, app};
use crate::kit::{
    Audit, Cluster, Flock, HOSTILE, Mood, Operator, Random, Space, condition, differ, e2e,
    eventually,
};

/// T: after how long a stuck member gets strikes.
const THRESHOLD: Duration = Duration::from_secs(10);
/// I: the pause between two rounds.
const INTERVAL: Duration = Duration::from_secs(2);
/// What requests may take beside the policy.
const SLACK: Duration = Duration::from_millis(500);

const FLAGS: [&str; 8] = [
    "--settle",
    "300ms",
    "--member-poll-interval",
    "2s",
    "--hung-threshold",
    "10",
    "--rebalance-cooldown",
    "5s",
];

fn flags() -> Vec<&'static str> {
    ["--no-lease"].into_iter().chain(FLAGS).collect()
}

/// How many apps show that something holds every time; `just members` tries more.
fn trials() -> usize {
    let set = std::env::var("KASPR_E2E_TRIALS").ok();
    set.map_or(20, |text| text.parse().unwrap())
}

/// Apps of two members, each with one agent, and nothing owed: the agent is known before its app is.
async fn apps(space: &Space, names: &[String]) {
    let first = |name: &str| format!("{name}-first");
    for name in names {
        space.apply(&[agent(name, &first(name))]).await;
    }
    for name in names {
        space.says("KasprAgent", &first(name), "Ready", "AppNotFound").await;
    }
    for name in names {
        let mut manifest = app(name);
        manifest["spec"]["replicas"] = json!(2);
        manifest["spec"]["storage"] = json!({ "type": "ephemeral" });
        space.apply(&[manifest]).await;
    }
    for name in names {
        space.is_settled(name).await;
        let seen = "/status/members/1/rebalancing";
        space.has("KasprApp", name, seen, &json!(false)).await;
    }
}

fn names(prefix: &str, count: usize) -> Vec<String> {
    (0..count).map(|at| format!("{prefix}-{at}")).collect()
}

/// Makes a member of each app hang, and waits until all are replaced. Every deletion was in time, and
/// of a pod that hung.
async fn are_replaced_in_time(
    cluster: &Cluster,
    space: &Space,
    flock: &Flock,
    pods: &[(String, Mood)],
) {
    let mut random = Random::new();
    let audit = Audit::since_now(cluster).await;
    let before: BTreeMap<String, String> = space.pods().await.into_iter().collect();
    let mut hangs = BTreeMap::new();
    for (pod, mood) in pods {
        flock.is(pod, *mood);
        hangs.insert(pod.clone(), Timestamp::now());
        tokio::time::sleep(random.below(INTERVAL / 8)).await;
    }
    eventually("every member that hung is replaced", async || {
        let now: BTreeMap<String, String> = space.pods().await.into_iter().collect();
        let same = pods.iter().find(|(pod, _)| now.get(pod).is_none_or(|uid| *uid == before[pod]));
        same.map_or(Ok(()), |(pod, _)| Err(format!("{pod} is the same")))
    })
    .await;
    let asked = audit.asked(&[&space.name]).await;
    let deletions = asked.iter().filter(|one| one.verb == "delete" && one.resource == "pods");
    let mut deleted = BTreeMap::new();
    for one in deletions {
        let at: Timestamp = one.at.parse().unwrap();
        let twice = deleted.insert(one.name.clone(), at);
        assert!(twice.is_none(), "{} was deleted twice", one.name);
    }
    assert_eq!(deleted.keys().collect::<Vec<_>>(), hangs.keys().collect::<Vec<_>>());
    let (least, most) = (THRESHOLD + 2 * INTERVAL, THRESHOLD + 4 * INTERVAL + SLACK);
    for (pod, at) in &deleted {
        let took = Duration::try_from(at.duration_since(hangs[pod])).unwrap();
        assert!(least <= took && took <= most, "{pod}: {took:?}, not {least:?} to {most:?}");
    }
}

/// L1, D6, D8, D10: three strikes in three rounds, at the address of the pod, by its uid.
#[test]
fn a_member_that_hangs_is_replaced_in_time_and_a_healthy_one_never() {
    e2e(async |cluster: &'static Cluster| {
        let space = Space::new(cluster, "hangs").await;
        let flock = Flock::of(&space);
        let _operator = Operator::with(cluster, &[&space.name], &flags());
        let names = names("app", trials());
        apps(&space, &names).await;
        // Either ordinal: the real ones are asked, not the first so many.
        let pods: Vec<(String, Mood)> = names
            .iter()
            .enumerate()
            .map(|(at, name)| (format!("{name}-app-{}", at % 2), Mood::Stuck))
            .collect();
        are_replaced_in_time(cluster, &space, &flock, &pods).await;
        space.says("KasprApp", "app-0", "Ready", "Healthy").await;
        space.done().await;
    });
}

/// D7, F8: what a neighbour does harms nobody but itself, and nobody follows where it points.
#[test]
fn a_hostile_neighbour_delays_nothing() {
    e2e(async |cluster: &'static Cluster| {
        let space = Space::new(cluster, "hostile").await;
        let flock = Flock::of(&space);
        let operator = Operator::with(cluster, &[&space.name], &flags());
        let names = names("app", HOSTILE.len() + 1);
        apps(&space, &names).await;
        for (name, mood) in names.iter().zip(HOSTILE) {
            flock.is_always(&format!("{name}-app-1"), mood);
        }
        let hostile: Vec<String> =
            names.iter().take(HOSTILE.len()).map(|name| format!("{name}-app-1")).collect();
        are_asked(&flock, &hostile, 3).await;
        let mut pods: Vec<(String, Mood)> = names
            .iter()
            .take(HOSTILE.len())
            .map(|name| (format!("{name}-app-0"), Mood::Stuck))
            .collect();
        let last = names.last().unwrap();
        pods.push((format!("{last}-app-1"), Mood::Impostor));
        are_replaced_in_time(cluster, &space, &flock, &pods).await;
        let live = space.get("KasprApp", &names[0]).await;
        let members = live["status"]["members"].as_array().unwrap();
        let silent = members.iter().find(|member| member["id"] == 1).unwrap();
        assert_eq!(silent["silent"], "Timeout", "{}", live["status"]);
        let only_status = |line: &str| line == "GET /status/";
        let heard = flock.heard();
        assert!(heard.iter().all(|one| only_status(&one.line)), "somebody was asked for more");
        let memory = operator.metrics().sum("process_resident_memory_bytes", &[]);
        assert!(memory < 48.0 * 1024.0 * 1024.0 * DEBUG_BUILD, "{memory} bytes");
        space.done().await;
    });
}

/// The binary of the tests is not optimised and holds its symbols.
const DEBUG_BUILD: f64 = 4.0;

/// Fifty apps' worth of members, one in twenty of them hostile: each round ends in its time, and memory does
/// not grow with what they send. `KASPR_E2E_MEMBERS=1000` is the number that counts (`just members`).
#[test]
fn many_members_are_asked_in_time() {
    e2e(async |cluster: &'static Cluster| {
        const OF_AN_APP: usize = 50;
        const ROUNDS: usize = 4;
        let set = std::env::var("KASPR_E2E_MEMBERS").ok();
        let members: usize = set.map_or(200, |text| text.parse().unwrap());
        let space = Space::new(cluster, "many").await;
        let flock = Flock::of(&space);
        // The autoscaler would take minutes to bring that many.
        let variables = [
            ("HPA_SCALE_UP_POLICY_PODS_PER_STEP".to_owned(), OF_AN_APP.to_string()),
            ("MEMBER_POLL_INTERVAL_SECONDS".to_owned(), "10".to_owned()),
        ];
        let operator = Operator::plain(&variables, cluster, &[&space.name]);
        let names = names("app", members / OF_AN_APP);
        for name in &names {
            let mut manifest = app(name);
            manifest["spec"]["replicas"] = json!(OF_AN_APP);
            manifest["spec"]["storage"] = json!({ "type": "ephemeral" });
            space.apply(&[manifest]).await;
        }
        for name in &names {
            space.is_settled(name).await;
        }
        let all = names
            .iter()
            .flat_map(|name| (0..OF_AN_APP).map(move |ordinal| format!("{name}-app-{ordinal}")));
        let (hostile, well): (Vec<_>, Vec<_>) =
            all.enumerate().partition(|(place, _)| place % 20 == 7);
        for ((_, pod), mood) in hostile.iter().zip(HOSTILE.iter().cycle()) {
            flock.is_always(pod, *mood);
        }
        let well: Vec<String> = well.into_iter().map(|(_, pod)| pod).collect();
        // The last of them may not be over.
        are_asked(&flock, &well, ROUNDS + 1).await;
        let metrics = operator.metrics();
        let (_, page) = operator.page("/metrics");
        let rounds = |suffix: &str| -> f64 {
            let begin = format!("kasprop_member_round_duration_seconds{suffix} ");
            let line = page.lines().find_map(|line| line.strip_prefix(&begin)).unwrap();
            line.parse().unwrap()
        };
        let (all, in_time) = (rounds("_count"), rounds("_bucket{le=\"10\"}"));
        let memory = metrics.sum("process_resident_memory_bytes", &[]) / (1024.0 * 1024.0);
        eprintln!(
            "{members} members, {} of them hostile: {all} rounds, {in_time} within 10 s, {memory:.1} MiB",
            hostile.len(),
        );
        assert!(all >= (ROUNDS * names.len()) as f64);
        assert!(all - in_time < 1.0, "a round took longer than it may");
        assert!(memory < 48.0 * DEBUG_BUILD, "{memory} MiB");
        space.done().await;
    });
}

/// C1, C2, D1, D17: the original forgot the rebalance, or asked for it too early.
#[test]
fn a_new_topic_in_a_rollout_is_rebalanced_once_and_after_it() {
    e2e(async |cluster: &'static Cluster| {
        let space = Space::new(cluster, "topics").await;
        let flock = Flock::of(&space);
        let _operator = Operator::with(cluster, &[&space.name], &flags());
        let names = names("app", trials());
        apps(&space, &names).await;
        let mut random = Random::new();
        for name in &names {
            let memory = json!({"spec": {"resources": {"requests": {"memory": "256Mi"}}}});
            space.edit("KasprApp", name, memory).await;
            tokio::time::sleep(random.below(Duration::from_millis(700))).await;
            space.apply(&[agent(name, &format!("{name}-second"))]).await;
        }
        for name in &names {
            is_rebalanced(&space, name, 2).await;
            let signals = flock.signals(name);
            assert_eq!(signals.len(), 1, "{name}: {signals:?}");
            let pods = space.pods().await;
            let heard = &signals[0];
            let is_last = pods.contains(&(heard.pod.clone(), heard.uid.clone()));
            assert!(is_last, "{name}: {heard:?} was a pod of before the rollout: {pods:?}");
        }
        space.done().await;
    });
}

/// Waits until the rebalance of this generation, or a later one, has come true.
async fn is_rebalanced(space: &Space, name: &str, generation: i64) {
    eventually(&format!("{name} is rebalanced"), async || {
        space.settled(name).await?;
        let live = space.get("KasprApp", name).await;
        let rebalance = &live["status"]["rebalance"];
        let is_through = rebalance["owedSince"].is_null()
            && rebalance["last"]["generation"].as_i64() >= Some(generation)
            && live["status"]["rebalanceRequired"] == false;
        if is_through { Ok(()) } else { Err(live["status"].to_string()) }
    })
    .await;
}

/// C3, C4, C5, C8: refusals are retried, `"false"` asks for nothing, and what came of it is told.
#[test]
fn a_rebalance_that_is_asked_for_survives_refusals() {
    e2e(async |cluster: &'static Cluster| {
        let space = Space::new(cluster, "asked-for").await;
        let flock = Flock::of(&space);
        let _operator = Operator::with(cluster, &[&space.name], &flags());
        apps(&space, &["shop".to_owned()]).await;
        let ask = |value: &str| json!({"metadata": {"annotations": {"kaspr.io/rebalance": value}}});
        space.edit("KasprApp", "shop", ask("false")).await;
        // A rebalance would be asked for long before these rounds are over.
        are_asked(&flock, &["shop-app-0".to_owned()], 2).await;
        assert!(flock.signals("shop").is_empty(), "\"false\" asks for nothing");
        flock.refuses(1);
        space.edit("KasprApp", "shop", ask("now")).await;
        is_rebalanced(&space, "shop", 2).await;
        assert_eq!(flock.signals("shop").len(), 2);
        let live = space.get("KasprApp", "shop").await;
        assert!(live["metadata"]["annotations"]["kaspr.io/rebalance"].is_null());
        assert_eq!(condition(&live, "Rebalanced")["reason"], "RebalanceConfirmed");
        eventually("the refusal is told", async || {
            let events = space.list("Event").await;
            let reasons: Vec<&Value> = events.iter().map(|event| &event["reason"]).collect();
            let is_told = reasons.contains(&&json!("RebalanceRequestFailed"));
            if is_told { Ok(()) } else { Err(format!("{reasons:?}")) }
        })
        .await;
        space.done().await;
    });
}

/// Waits until each of these pods was asked so many times more.
async fn are_asked(flock: &Flock, pods: &[String], times: usize) {
    let count = |pod: &String| flock.heard().iter().filter(|one| one.pod == *pod).count();
    let before: Vec<usize> = pods.iter().map(count).collect();
    eventually("members are asked", async || {
        let lacks = |(pod, before): &(&String, &usize)| count(pod) < **before + times;
        let late = pods.iter().zip(&before).find(lacks);
        late.map_or(Ok(()), |(pod, _)| Err(format!("{pod} was asked {} times", count(pod))))
    })
    .await;
}

/// Both stories in each app, at once: one of its members hangs, and its subscriptions change.
async fn both_stories(space: &Space, flock: &Flock, names: &[String]) -> BTreeMap<String, String> {
    let before: BTreeMap<String, String> = space.pods().await.into_iter().collect();
    for (at, name) in names.iter().enumerate() {
        if at % 2 == 0 {
            flock.is(&format!("{name}-app-1"), Mood::Stuck);
        } else {
            space.apply(&[agent(name, &format!("{name}-second"))]).await;
        }
    }
    before
}

/// Each app ends as its story says: only the member that hung was replaced, and the new topic is owed no
/// more.
async fn both_end_well(space: &Space, names: &[String], before: &BTreeMap<String, String>) {
    for (at, name) in names.iter().enumerate() {
        if at % 2 == 1 {
            is_rebalanced(space, name, 2).await;
            continue;
        }
        let pod = format!("{name}-app-1");
        eventually(&format!("{name} has a new member"), async || {
            let now: BTreeMap<String, String> = space.pods().await.into_iter().collect();
            if now.get(&pod) == before.get(&pod) {
                return Err(format!("{pod} is the same"));
            }
            space.settled(name).await?;
            let live = space.get("KasprApp", name).await;
            let is_through =
                live["status"]["terminations"].is_null() && live["status"]["strikes"].is_null();
            if is_through { Ok(()) } else { Err(live["status"].to_string()) }
        })
        .await;
        let now: BTreeMap<String, String> = space.pods().await.into_iter().collect();
        let uid = |all: &BTreeMap<String, String>, ordinal: u32| {
            all[&format!("{name}-app-{ordinal}")].clone()
        };
        assert_eq!(uid(&now, 0), uid(before, 0), "{name}: a healthy member was replaced");
    }
}

#[test]
fn fifty_crashes_lose_no_strike_and_no_rebalance() {
    e2e(async |cluster: &'static Cluster| {
        const CRASHES: usize = 50;
        let space = Space::new(cluster, "crashes").await;
        let calm = Space::new(cluster, "calm").await;
        let (flock, other) = (Flock::of(&space), Flock::of(&calm));
        let mut operator = Operator::with(cluster, &[&space.name], &flags());
        let _calm = Operator::with(cluster, &[&calm.name], &flags());
        let names = names("app", 6);
        apps(&space, &names).await;
        apps(&calm, &names).await;
        let audit = Audit::since_now(cluster).await;
        let before = both_stories(&space, &flock, &names).await;
        let before_of_calm = both_stories(&calm, &other, &names).await;
        let mut random = Random::new();
        let began = Instant::now();
        for _ in 0..CRASHES {
            tokio::time::sleep(random.below(Duration::from_millis(2_500))).await;
            operator.kill();
            operator.start();
        }
        eprintln!("{CRASHES} crashes in {:?}", began.elapsed());
        both_end_well(&space, &names, &before).await;
        both_end_well(&calm, &names, &before_of_calm).await;
        eventually("both have the same objects", async || {
            differ(&children(&space).await, &children(&calm).await)
        })
        .await;
        let asked = audit.asked(&[&space.name]).await;
        for name in names.iter().step_by(2) {
            let pod = format!("{name}-app-1");
            let good = asked.iter().filter(|one| {
                one.verb == "delete" && one.resource == "pods" && one.name == pod && one.code < 300
            });
            assert!(good.count() >= 1, "{pod}");
        }
        for name in names.iter().skip(1).step_by(2) {
            let signals = flock.signals(name).len();
            assert!((1..=1 + CRASHES).contains(&signals), "{name}: {signals} signals");
            eprintln!("{name}: {signals} signals");
        }
        calm.done().await;
        space.done().await;
    });
}

/// L of the original: each of two processes struck and deleted by itself.
#[test]
fn two_operators_without_a_lease_do_what_one_does() {
    e2e(async |cluster: &'static Cluster| {
        let space = Space::new(cluster, "both").await;
        let flock = Flock::of(&space);
        let _one = Operator::with(cluster, &[&space.name], &flags());
        let _two = Operator::with(cluster, &[&space.name], &flags());
        let names = names("app", 8);
        apps(&space, &names).await;
        let before = both_stories(&space, &flock, &names).await;
        both_end_well(&space, &names, &before).await;
        for name in names.iter().skip(1).step_by(2) {
            let signals = flock.signals(name);
            assert_eq!(signals.len(), 1, "{name}: {signals:?}");
        }
        space.done().await;
    });
}
