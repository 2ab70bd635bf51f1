//! Rare ways to look at members: each was decided wrongly once.

use kaspr_core::members::Member;
use kaspr_core::policy::hung::{self, Memory};
use kaspr_core::poll::Said;
use kaspr_core::status::memory::{Entry, Strikes};
use kaspr_core::{Action, Answer, ObjectKind, ObjectRef, Outcome, Reason, Refusal, Uptime};
use kaspr_fixtures::world::World;
use serde_json::{Value, json};

use super::hung::{knobs, marks};
use super::{at, member, run, silent, word};
use crate::defects::app;
use crate::defects::members::{agent, entered, round, signals, status, world};

const NOW: u64 = 100_000;

fn decide(members: &[Member], memory: &Memory) -> hung::Verdict {
    let knobs = knobs();
    // What stands in the status was seen a while ago.
    let marks = marks(memory, Uptime((NOW - 40) * 1_000));
    hung::decide(&hung::Case {
        now: at(NOW),
        process: "me",
        knobs: &knobs,
        gate: None,
        is_paused: false,
        desired: i32::try_from(members.len()).unwrap(),
        members,
        memory,
        marks: &marks,
        elsewhere: 0,
    })
}

fn says(ordinal: i32, said: &Said, rounds: u64) -> Member {
    let uid = format!("u{ordinal}");
    member(ordinal, &uid, Some(run(&uid, said, rounds, NOW)))
}

fn strikes(ordinal: i32, count: usize, stuck_for: u64) -> Strikes {
    Strikes {
        ordinal,
        pod_uid: format!("u{ordinal}"),
        stuck_for,
        at: (0..count).map(|n| n.to_string()).collect(),
        by: "me".to_owned(),
        round: 0,
    }
}

/// Nobody knows that it still hangs.
#[test]
fn a_member_that_is_silent_is_not_deleted() {
    let entry = Entry {
        ordinal: 1,
        pod_uid: "u1".to_owned(),
        created: at(0).wall.to_string(),
        since: at(NOW - 10).stamp(),
        lapsed: None,
    };
    let memory = Memory { terminations: vec![entry], ..Memory::default() };
    let well = says(0, &word(true, false, false), 1);
    let verdict = decide(&[well.clone(), says(1, &silent(), 1)], &memory);
    assert!(verdict.deletions.is_empty());
    assert!(verdict.waits.iter().any(|(_, why, _)| *why == Reason::AnswerAwaited));
    let verdict = decide(&[well, says(1, &word(false, true, false), 1)], &memory);
    assert_eq!(verdict.deletions.len(), 1);
}

/// The status has room for some only: those that are near their third strike are not cut.
#[test]
fn strikes_are_kept_before_mere_times() {
    let recorded = (0..20).map(|ordinal| match ordinal {
        19 => strikes(19, 2, 400),
        _ => strikes(ordinal, 0, 80),
    });
    let memory = Memory { strikes: recorded.collect(), ..Memory::default() };
    let members: Vec<Member> =
        (0..20).map(|ordinal| says(ordinal, &word(false, true, false), 1)).collect();
    let verdict = decide(&members, &memory);
    let last = verdict.memory.strikes.last().unwrap();
    assert_eq!((last.ordinal, last.at.len()), (19, 3));
    assert_eq!(verdict.memory.terminations[0].ordinal, 19);
    assert!(verdict.memory.strikes.len() < 20);
}

fn annotate(world: &mut World, key: &str, value: &Value) {
    let change = json!({ "metadata": { "annotations": { (key): value } } });
    world.change(ObjectKind::App, "orders", &change);
}

fn condition(world: &World, kind: &str) -> Value {
    let status = status(world);
    let mut all = status["conditions"].as_array().unwrap().iter();
    all.find(|one| one["type"] == kind).unwrap().clone()
}

/// A wait that is over is no reason to look again at once, for ever.
#[test]
fn an_intent_that_was_taken_back_long_ago_wakes_nobody() {
    let mut world = world("shop");
    world.put(app(json!({ "replicas": 3, "image": "kasprio/kaspr:next" })));
    world.pass();
    world.put(app(json!({ "replicas": 3 })));
    world.pass();
    assert!(!status(&world)["rollout"]["withdrawn"].is_null());
    annotate(&mut world, "kaspr.io/pause-reconciliation", &json!("true"));
    world.pass();
    world.elapse(120_000);
    world.pass();
    let plan = world.pass();
    assert!(!status(&world)["rollout"]["withdrawn"].is_null(), "while paused nothing ends it");
    let soon = world.now.uptime.after(std::time::Duration::from_secs(1));
    assert!(plan.wake_up.is_none_or(|at| at > soon), "{:?}", plan.wake_up);
}

/// What a bad spec falls back to is what is mounted, which is not what was tracked last.
#[test]
fn a_change_that_is_taken_back_by_a_bad_spec_is_owed_again() {
    let mut world = world("shop");
    entered(&mut world);
    // Its pod takes long to go, and the template waits for it.
    let leaving = json!({ "metadata": { "deletionTimestamp": "2030-01-01T00:00:00Z" } });
    world.change(ObjectKind::Pod, "orders-app-1", &leaving);
    world.put(agent("other"));
    world.pass();
    let generation = |world: &World| status(world)["rebalance"]["generation"].as_i64().unwrap();
    let first = generation(&world);
    let mut bad = agent("other");
    bad["spec"]["processors"] = json!({ "pipeline": ["missing"], "operations": [] });
    world.put(bad);
    world.pass();
    world.pass();
    assert_eq!(generation(&world), first + 1, "{}", status(&world));
    world.put(agent("other"));
    world.pass();
    world.pass();
    assert_eq!(generation(&world), first + 2, "{}", status(&world));
}

/// A refusal of an earlier attempt holds back no later one: that has a pause of its own.
#[test]
fn an_attempt_that_is_booked_is_sent_whatever_came_of_earlier_ones() {
    let mut world = world("shop");
    annotate(&mut world, "kaspr.io/rebalance", &json!("1"));
    while status(&world)["rebalance"]["attempt"]["came"] != "Booked" {
        round(&mut world, &[], &[]);
    }
    let of = ObjectRef::new(ObjectKind::App, "shop", "orders");
    let answer = Answer::Refused { refusal: Refusal::Invalid, message: String::new() };
    let outcome = Outcome { at: world.now.uptime, attempts: 12, of: "1.9".to_owned(), answer };
    world.outcomes.insert(Action::id_of("Signal", &of), outcome);
    world.elapse(1_000);
    assert_eq!(signals(&world.pass()), 1);
}

/// Members outlive their StatefulSet: orphans are adopted by the next one.
#[test]
fn a_change_while_the_set_is_away_is_owed() {
    let mut world = world("shop");
    annotate(&mut world, "kaspr.io/pause-reconciliation", &json!("true"));
    world.pass();
    world.remove(ObjectKind::StatefulSet, "orders-app");
    world.put(agent("other"));
    world.pass();
    annotate(&mut world, "kaspr.io/pause-reconciliation", &Value::Null);
    world.settle();
    assert_eq!(status(&world)["rebalanceRequired"], true, "{}", status(&world));
}

/// The pod that an entry names may outlive the set, and its deletion may be under way.
#[test]
fn the_ledger_outlives_the_set() {
    let mut world = world("shop");
    entered(&mut world);
    world.remove(ObjectKind::StatefulSet, "orders-app");
    world.pass();
    assert_eq!(status(&world)["terminations"][0]["ordinal"], 1, "{}", status(&world));
}

/// Who scales by hand, or has no metrics for the autoscaler, has as many members as there are.
#[test]
fn the_wanted_members_are_those_of_the_set() {
    let mut world = world("shop");
    annotate(&mut world, "kaspr.io/pause-reconciliation", &json!("true"));
    world.pass();
    world.remove(ObjectKind::Autoscaler, "orders-app-hpa");
    let two = json!({ "spec": { "replicas": 2 } });
    world.change(ObjectKind::StatefulSet, "orders-app", &two);
    while world.run_controllers() {}
    annotate(&mut world, "kaspr.io/rebalance", &json!("now"));
    let mut sent = 0;
    for _ in 0..4 {
        sent += signals(&round(&mut world, &[], &[])) + signals(&world.pass());
    }
    assert_eq!(sent, 1, "{} {:?}", status(&world), world.pass().waits);
}

/// A debt of an app whose spec turned bad waits for the spec, not for members.
#[test]
fn a_bad_spec_is_what_a_debt_waits_for() {
    let mut world = world("shop");
    world.put(agent("other"));
    world.settle();
    world.put(app(json!({ "replicas": 3, "storage": { "type": "persistent" } })));
    let plan = round(&mut world, &[1], &[]);
    let reasons: Vec<&Reason> = plan.waits.iter().map(|wait| &wait.because).collect();
    assert!(!reasons.contains(&&Reason::NoMembers), "{reasons:?}");
    let said = condition(&world, "Rebalanced")["message"].to_string();
    assert!(said.contains(&Reason::InvalidSpec.to_string()), "{said}");
}

/// A rebalance that began before somebody asks is not what they ask for.
#[test]
fn who_asks_while_an_attempt_is_out_gets_another_rebalance() {
    let mut world = world("shop");
    annotate(&mut world, "kaspr.io/rebalance", &json!("1"));
    while status(&world)["rebalance"]["attempt"]["came"] != "Accepted" {
        round(&mut world, &[], &[]);
        world.pass();
    }
    annotate(&mut world, "kaspr.io/rebalance", &json!("2"));
    let before = status(&world)["rebalance"]["generation"].as_i64().unwrap();
    world.pass();
    // The leader shows the rebalance of before.
    round(&mut world, &[0], &[]);
    let rebalance = status(&world)["rebalance"].clone();
    assert_eq!(rebalance["generation"], before + 1, "{rebalance}");
    assert!(!rebalance["owedSince"].is_null(), "{rebalance}");
}

/// What was stuck before it fell silent is not known to be stuck.
#[test]
fn a_member_that_fell_silent_is_told_as_silent() {
    let mut world = world("shop");
    annotate(&mut world, "kaspr.io/hung-member-detection-enabled", &json!("false"));
    let reason = |world: &World| condition(world, "MembersHealthy")["reason"].clone();
    for _ in 0..6 {
        round(&mut world, &[1], &[]);
    }
    assert_eq!(reason(&world), "MembersHung");
    for _ in 0..6 {
        round(&mut world, &[], &[1]);
    }
    assert_eq!(reason(&world), "MembersSilent");
}

/// The status that would say more is refused: what it says rests on less than is known.
#[test]
fn nothing_irreversible_while_the_status_is_refused() {
    let mut world = world("shop");
    world.put(app(json!({ "replicas": 3, "image": "kasprio/kaspr:next" })));
    world.pass();
    assert!(!status(&world)["rollout"].is_null());
    let rolls = |plan: &kaspr_core::Plan| {
        plan.steps.iter().any(|step| matches!(step.action, Action::Roll { .. }))
    };
    let mut other = world.clone();
    assert!(rolls(&other.pass()));
    annotate(&mut world, "kaspr.io/hung-member-detection-enabled", &json!("maybe"));
    let of = ObjectRef::new(ObjectKind::App, "shop", "orders");
    let answer = Answer::Refused { refusal: Refusal::Invalid, message: String::new() };
    let outcome = Outcome { at: world.now.uptime, attempts: 9, of: String::new(), answer };
    world.outcomes.insert(Action::id_of("PatchStatus", &of), outcome);
    world.elapse(1_000);
    assert!(!rolls(&world.pass()));
}

/// A rollout that is undone halfway has one revision again while pods of the other still go.
#[test]
fn pods_of_another_revision_close_the_gate() {
    let mut world = world("shop");
    let labels = json!({ "controller-revision-hash": "of-before" });
    let merge = json!({ "metadata": { "labels": labels } });
    world.change(ObjectKind::Pod, "orders-app-2", &merge);
    for _ in 0..8 {
        let plan = round(&mut world, &[1], &[]);
        assert!(!plan.steps.iter().any(|step| step.action.verb() == "DeletePod"));
    }
    assert_eq!(status(&world)["strikes"][0]["strikes"], Value::Null);
    assert_eq!(status(&world)["terminations"], Value::Null);
}
