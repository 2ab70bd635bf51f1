//! The ledger of terminations: who may be deleted, who still counts, and when an entry ends.
//!
//! An entry is never simply withdrawn: somebody may be about to carry it out. It ends when the pod
//! was replaced, and one that lapsed only when nobody can still carry it out.

use std::time::Duration;

use jiff::Timestamp;

use super::strikes::{self, Counted};
use super::{Case, Entry, Member, Replacements, State, Verdict, is_well};
use crate::limits;
use crate::marks;
use crate::reason::Reason;
use crate::time::Uptime;

/// What becomes of an entry.
enum Next {
    /// It is over.
    Ends,
    /// It stands, and its pod is deleted.
    Fires(String),
    /// It stands, and waits.
    Waits(Reason, Option<Uptime>),
    /// It never fires from now on.
    Lapses,
}

/// The entries that stand, as they are after this look.
pub(super) fn carry_on(case: &Case<'_>) -> Verdict {
    let mut verdict = Verdict::default();
    verdict.memory.replacements = strikes::offenders(case);
    for entry in &case.memory.terminations {
        let mut kept = entry.clone();
        match next(case, entry) {
            Next::Ends => {
                // What was never carried out was no replacement.
                if case.by_uid(&entry.pod_uid).is_some() {
                    replaced_once_less(entry.ordinal, &mut verdict.memory.replacements);
                }
                continue;
            }
            Next::Fires(pod) => verdict.deletions.push((pod, entry.pod_uid.clone())),
            Next::Waits(why, until) => verdict.waits.push((pod_name(case, entry), why, until)),
            Next::Lapses => {
                kept.lapsed = Some(case.now.stamp());
                verdict.waits.push((pod_name(case, entry), Reason::TerminationLapsed, None));
            }
        }
        verdict.memory.terminations.push(kept);
    }
    verdict
}

fn next(case: &Case<'_>, entry: &Entry) -> Next {
    let Some(member) = case.by_uid(&entry.pod_uid) else { return gone(case, entry) };
    // The deletion was accepted, whoever asked for it: it counts until the new pod is Ready.
    if member.is_leaving {
        return Next::Waits(Reason::ReplacementComing, None);
    }
    if let Some(mark) = marks::lapsed(entry) {
        let until = marks::seen_at(case.marks, &mark, case.uptime()).after(limits::TWO_DEADLINES);
        return if case.uptime() >= until {
            Next::Ends
        } else {
            Next::Waits(Reason::TerminationLapsed, Some(until))
        };
    }
    let is_unwanted = case.is_paused || !case.knobs.is_on || is_well(member);
    if is_unwanted || is_too_old(case, entry) {
        return Next::Lapses;
    }
    // The member may have got well since it was heard last, by whichever process.
    if member.state() != Some(State::Stuck) {
        return Next::Waits(Reason::AnswerAwaited, None);
    }
    Next::Fires(member.pod.clone())
}

/// The pod is gone: the entry ends with a Ready pod that was made later, or with the ordinal.
///
/// Older looks may show the pod before the condemned one; that one was made before it. Both instants
/// are of the API server's clock.
fn gone(case: &Case<'_>, entry: &Entry) -> Next {
    if !(0..case.desired).contains(&entry.ordinal) {
        return Next::Ends;
    }
    let condemned = entry.created.parse::<Timestamp>().ok();
    let is_replacement = |member: &Member| {
        member.ordinal == entry.ordinal
            && member.is_ready
            && !member.is_leaving
            && condemned.zip(member.created).is_some_and(|(old, new)| new > old)
    };
    if case.members.iter().any(is_replacement) {
        Next::Ends
    } else {
        Next::Waits(Reason::ReplacementComing, None)
    }
}

/// Whether an entry was not carried out in time. A clock that jumps lets it lapse early at worst.
fn is_too_old(case: &Case<'_>, entry: &Entry) -> bool {
    let seen_at = marks::seen_at(case.marks, &marks::entry(entry), case.uptime());
    let since = entry.since.parse::<Timestamp>().ok();
    let by_clock = since
        .and_then(|since| Duration::try_from(case.now.wall.duration_since(since)).ok())
        .unwrap_or_default();
    case.uptime().since(seen_at).max(by_clock) > limits::ENTRY_FIRES_WITHIN
}

/// Enters the members that have earned it, the lowest ordinals first, as far as there is room.
pub(super) fn enter(case: &Case<'_>, counted: &Counted, verdict: &mut Verdict) {
    for member in &counted.earned {
        let Some(member) = case.members.iter().find(|one| one.ordinal == *member) else { continue };
        let ledger = &verdict.memory.terminations;
        // Also a lapsed one: it ends first.
        if ledger.iter().any(|entry| entry.ordinal == member.ordinal) {
            continue;
        }
        if let Err(why) = case.room(ledger, member) {
            verdict.waits.push((member.pod.clone(), why, None));
            continue;
        }
        let entry = Entry {
            ordinal: member.ordinal,
            pod_uid: member.uid.clone(),
            created: member.created.map(|at| at.to_string()).unwrap_or_default(),
            since: case.now.stamp(),
            lapsed: None,
        };
        verdict.memory.terminations.push(entry);
        verdict.memory.terminations.sort_by_key(|entry| entry.ordinal);
        verdict.waits.push((member.pod.clone(), Reason::EntryFirst, None));
        replaced_once_more(member.ordinal, &mut verdict.memory.replacements);
    }
}

fn replaced_once_more(ordinal: i32, replacements: &mut Vec<Replacements>) {
    if let Some(known) = replacements.iter_mut().find(|one| one.ordinal == ordinal) {
        known.count = known.count.saturating_add(1);
    } else {
        replacements.push(Replacements { ordinal, count: 1 });
        replacements.sort_by_key(|one| one.ordinal);
    }
}

fn replaced_once_less(ordinal: i32, replacements: &mut Vec<Replacements>) {
    for known in replacements.iter_mut().filter(|one| one.ordinal == ordinal) {
        known.count = known.count.saturating_sub(1);
    }
    replacements.retain(|one| one.count > 0);
}

/// The pod of an entry, by the names of a StatefulSet; what is gone has the name of its successor.
fn pod_name(case: &Case<'_>, entry: &Entry) -> String {
    let of_ordinal = |member: &&Member| member.ordinal == entry.ordinal;
    let member = case.by_uid(&entry.pod_uid).or_else(|| case.members.iter().find(of_ordinal));
    member.map_or_else(|| format!("ordinal {}", entry.ordinal), |member| member.pod.clone())
}
