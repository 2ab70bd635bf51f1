//! The stories in which simpler rules fail (`member-model.md`, V1 to V8): each fails without its rule.
//!
//! V3 is kept by the cache (`engine/src/cache/tests.rs`, no older version is taken), V4 by the lists
//! (`properties::an_older_list_decides_nothing`), V5 by the read that a plan rests on (`effects`,
//! `engine/src/pass.rs`).

use kaspr_core::marks::Marks;
use kaspr_core::members::Member;
use kaspr_core::policy::hung::{self, Memory};
use kaspr_core::policy::rebalance;
use kaspr_core::poll::{Heard, Run};
use kaspr_core::status::memory::{Attempt, Came, Cause, Debt, Entry, Rebalance, Strikes};
use kaspr_core::{Reason, Uptime};

use super::hung::marks;
use super::{INTERVAL, at, member, run, word};

const NOW: u64 = 100_000;

fn entry(ordinal: i32, uid: &str, created: u64, lapsed: bool) -> Entry {
    Entry {
        ordinal,
        pod_uid: uid.to_owned(),
        created: at(created).wall.to_string(),
        since: at(NOW - 200).stamp(),
        lapsed: lapsed.then(|| at(NOW - 150).stamp()),
    }
}

fn well(ordinal: i32, uid: &str) -> Member {
    member(ordinal, uid, Some(run(uid, &word(ordinal == 0, false, false), 2, NOW)))
}

fn stuck(ordinal: i32, uid: &str) -> Member {
    member(ordinal, uid, Some(run(uid, &word(false, true, false), 20, NOW)))
}

/// Decides with everything seen long ago.
fn decide(members: &[Member], memory: &Memory, gate: Option<&Reason>) -> hung::Verdict {
    let knobs = super::hung::knobs();
    let marks = marks(memory, Uptime((NOW - 500) * 1_000));
    let desired = i32::try_from(members.len()).unwrap().max(2);
    hung::decide(&hung::Case {
        now: at(NOW),
        process: "me",
        knobs: &knobs,
        gate,
        is_paused: false,
        desired,
        members,
        memory,
        marks: &marks,
        elsewhere: 0,
    })
}

fn three_strikes(ordinal: i32, uid: &str) -> Strikes {
    Strikes {
        ordinal,
        pod_uid: uid.to_owned(),
        stuck_for: 500,
        at: ["1", "2", "3"].map(str::to_owned).into(),
        by: "me".to_owned(),
        round: 0,
    }
}

/// V1: an intent that was taken back closes the gate like any other.
#[test]
fn v1_no_entry_while_an_intent_that_was_taken_back_may_be_carried_out() {
    let memory = Memory { strikes: vec![three_strikes(1, "u1")], ..Memory::default() };
    let members = [well(0, "u0"), stuck(1, "u1")];
    assert_eq!(decide(&members, &memory, None).memory.terminations.len(), 1);
    let gate = Reason::RolloutUnderWay;
    assert!(decide(&members, &memory, Some(&gate)).memory.terminations.is_empty());
}

/// V2: a lapsed entry that was carried out after all ends like any other, by a Ready replacement.
#[test]
fn v2_a_lapsed_entry_whose_pod_is_gone_still_counts() {
    let entries = vec![entry(1, "u1", 10, true)];
    let memory = Memory { terminations: entries, ..Memory::default() };
    let mut coming = well(1, "u2");
    coming.is_ready = false;
    coming.created = Some(at(NOW - 100).wall);
    let verdict = decide(&[well(0, "u0"), coming.clone()], &memory, None);
    assert_eq!(verdict.memory.terminations.len(), 1, "its replacement is not Ready");
    coming.is_ready = true;
    assert!(decide(&[well(0, "u0"), coming], &memory, None).memory.terminations.is_empty());
    // Where the pod stands, and nobody can carry it out any more, it goes.
    assert!(decide(&[well(0, "u0"), well(1, "u1")], &memory, None).memory.terminations.is_empty());
    let mut leaving = well(1, "u1");
    leaving.is_leaving = true;
    assert_eq!(decide(&[well(0, "u0"), leaving], &memory, None).memory.terminations.len(), 1);
}

/// V6: a neighbour that cannot get Ready does not block the recovery of the member that it waits for.
#[test]
fn v6_one_is_allowed_whatever_else_is_not_ready() {
    let memory = Memory { strikes: vec![three_strikes(1, "u1")], ..Memory::default() };
    let mut waits = well(0, "u0");
    waits.is_ready = false;
    let verdict = decide(&[waits, stuck(1, "u1")], &memory, None);
    assert_eq!(verdict.memory.terminations.len(), 1);
}

/// V7: a pod that was there before the condemned one does not replace it.
#[test]
fn v7_an_older_pod_is_no_replacement() {
    let memory = Memory { terminations: vec![entry(0, "u2", 50, false)], ..Memory::default() };
    let mut older = well(0, "u1");
    older.created = Some(at(10).wall);
    let verdict = decide(&[older.clone(), well(1, "x")], &memory, None);
    assert_eq!(verdict.memory.terminations.len(), 1);
    older.created = None;
    let verdict = decide(&[older.clone(), well(1, "x")], &memory, None);
    assert_eq!(verdict.memory.terminations.len(), 1, "nobody knows: wait");
    older.created = Some(at(51).wall);
    assert!(decide(&[older, well(1, "x")], &memory, None).memory.terminations.is_empty());
}

/// V8: what was seen before the attempt, or without a change, says nothing of it.
#[test]
fn v8_old_evidence_confirms_nothing() {
    let attempt = Attempt {
        n: 1,
        by: "me".to_owned(),
        pod_uid: "u0".to_owned(),
        at: String::new(),
        came: Came::Accepted,
    };
    let debt = Debt {
        owed_since: String::new(),
        cause: Cause::SubscriptionChange,
        topics: vec!["in".to_owned()],
        unconfirmed: 0,
        attempt: Some(attempt),
    };
    let memory = Rebalance { generation: 3, subscriptions: None, debt: Some(debt), last: None };
    let accepted_at = NOW - 20;
    let marks: Marks = [("attempt/3/1/Accepted".to_owned(), Uptime(accepted_at * 1_000))].into();
    let knobs = super::rebalance::knobs();
    let settles = |said_at: u64| {
        let said = word(true, false, false);
        let heard = Heard { said, round: 1, now: at(said_at) };
        let run = Run::next(None, "u0".to_owned(), heard, INTERVAL);
        let members = [member(0, "u0", Some(run))];
        let verdict = rebalance::decide(&rebalance::Case {
            now: at(NOW),
            process: "me",
            knobs: &knobs,
            is_asked_for: false,
            advance: None,
            obstacle: None,
            desired: 1,
            revision: "new",
            members: &members,
            memory: &memory,
            marks: &marks,
            outcome: None,
        });
        verdict.memory.debt.is_none()
    };
    assert!(!settles(accepted_at - 1), "the topic was assigned before");
    assert!(settles(accepted_at + 1));
}
