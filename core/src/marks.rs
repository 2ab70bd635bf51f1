//! Since when this process knows a dated word of the status.
//!
//! Times in a status are for people: they were written by a clock that may jump, perhaps by another
//! process. How long something has stood there is measured from when this process first saw it, which
//! is later than it was written; so a span that has passed by this measure has passed for everybody.
//! A process that starts anew measures anew, and is late at worst.

use std::collections::{BTreeMap, BTreeSet};

use crate::status::AppStatus;
use crate::status::memory::{Attempt, Entry, Strikes};
use crate::time::Uptime;

/// When this process first saw each mark that the status still has.
pub type Marks = BTreeMap<String, Uptime>;

/// When a mark was first seen: now, if nobody knows.
pub fn seen_at(marks: &Marks, mark: &str, now: Uptime) -> Uptime {
    marks.get(mark).copied().unwrap_or(now)
}

/// Keeps the marks that `status` has, and notes the new ones as seen at `now`.
pub fn note(marks: &mut Marks, status: &AppStatus, now: Uptime) {
    let present = of(status);
    marks.retain(|mark, _| present.contains(mark));
    for mark in present {
        marks.entry(mark).or_insert(now);
    }
}

/// Every mark of a status.
fn of(status: &AppStatus) -> BTreeSet<String> {
    let mut marks = BTreeSet::new();
    for strikes in &status.memory.strikes {
        marks.insert(strike(strikes));
        marks.insert(stuck(strikes));
    }
    for termination in &status.memory.terminations {
        marks.insert(entry(termination));
        marks.extend(lapsed(termination));
    }
    marks.extend(
        status.rollout.as_ref().and_then(|rollout| {
            rollout.withdrawn.as_ref().map(|at| withdrawn(&rollout.inputs, at))
        }),
    );
    let rebalance = &status.memory.rebalance;
    if let Some(debt) = &rebalance.debt {
        marks.extend(debt.attempt.as_ref().map(|at| attempt(rebalance.generation, at)));
    }
    marks.extend(rebalance.last.as_ref().map(|last| rebalanced(last.generation)));
    marks
}

/// The last strike of a member.
pub(crate) fn strike(strikes: &Strikes) -> String {
    let last = strikes.at.last().map(String::as_str).unwrap_or_default();
    format!("strike/{}/{}/{last}", strikes.pod_uid, strikes.at.len())
}

/// The time for which a member was stuck, as it was written.
pub(crate) fn stuck(strikes: &Strikes) -> String {
    format!("stuck/{}/{}", strikes.pod_uid, strikes.stuck_for)
}

/// An entry of the ledger.
pub(crate) fn entry(entry: &Entry) -> String {
    format!("entry/{}/{}", entry.pod_uid, entry.since)
}

/// That an entry lapsed.
pub(crate) fn lapsed(entry: &Entry) -> Option<String> {
    entry.lapsed.as_ref().map(|at| format!("lapsed/{}/{at}", entry.pod_uid))
}

/// That the intent to roll out was taken back.
pub(crate) fn withdrawn(inputs: &str, at: &str) -> String {
    format!("withdrawn/{inputs}/{at}")
}

/// An attempt at a rebalance, in its state.
pub(crate) fn attempt(generation: i64, attempt: &Attempt) -> String {
    format!("attempt/{generation}/{}/{}", attempt.n, attempt.came.code())
}

/// A rebalance that is through.
pub(crate) fn rebalanced(generation: i64) -> String {
    format!("rebalanced/{generation}")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_mark_keeps_its_instant_while_it_stands() {
        let status = |lapsed: Option<&str>| {
            AppStatus::of(&json!({"status": {"terminations": [
                {"ordinal": 1, "podUID": "u", "since": "a", "lapsed": lapsed}]}}))
        };
        let mut marks = Marks::new();
        note(&mut marks, &status(None), Uptime(1));
        note(&mut marks, &status(Some("b")), Uptime(2));
        assert_eq!(
            marks,
            [("entry/u/a".into(), Uptime(1)), ("lapsed/u/b".into(), Uptime(2))].into()
        );
        note(&mut marks, &AppStatus::of(&json!({})), Uptime(3));
        assert!(marks.is_empty());
        assert_eq!(seen_at(&marks, "entry/u/a", Uptime(4)), Uptime(4));
    }
}
