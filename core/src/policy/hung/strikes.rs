//! Strikes: who was stuck in how many rounds, and for how long before.

use std::cmp::Reverse;
use std::time::Duration;

use super::{Case, Member, Replacements, State, Strikes};
use crate::limits;
use crate::marks;
use crate::reason::Reason;
use crate::time::Uptime;

/// What was counted in this look.
#[derive(Debug, Default)]
pub(super) struct Counted {
    pub(super) strikes: Vec<Strikes>,
    /// The ordinals that have earned a place in the ledger by an answer of this look.
    pub(super) earned: Vec<i32>,
    pub(super) waits: Vec<(String, Reason, Option<Uptime>)>,
}

/// Whether two or more members are all stuck since about one instant: what they wait for is not one
/// of them.
pub(super) fn group_stall(case: &Case<'_>) -> bool {
    let times: Option<Vec<Duration>> = case
        .members
        .iter()
        .map(|member| (member.state() == Some(State::Stuck)).then(|| hung_for(case, member)))
        .collect();
    let Some(times) = times.filter(|times| times.len() >= 2) else { return false };
    let (longest, shortest) = (times.iter().max(), times.iter().min());
    let spread = longest.zip(shortest).map(|(long, short)| long.saturating_sub(*short));
    spread.is_some_and(|spread| spread <= case.knobs.interval.saturating_mul(2))
}

/// For how long a member has been seen stuck: what the status says and this process saw after it,
/// or what this process saw itself, whichever is more. Neither counts anything twice.
pub(super) fn hung_for(case: &Case<'_>, member: &Member) -> Duration {
    let Some(stuck) = member.run.as_ref().and_then(|run| run.stuck) else {
        return Duration::ZERO;
    };
    let Some(old) = recorded(case, member) else { return stuck.held() };
    let seen_at = marks::seen_at(case.marks, &marks::stuck(old), case.uptime());
    let before = Duration::from_secs(old.stuck_for);
    stuck.held().max(before.saturating_add(stuck.held_since(seen_at)))
}

fn recorded<'a>(case: &Case<'a>, member: &Member) -> Option<&'a Strikes> {
    case.memory.strikes.iter().find(|strikes| strikes.pod_uid == member.uid)
}

/// How often the ordinals were replaced; who was well for long enough is no offender any more.
pub(super) fn offenders(case: &Case<'_>) -> Vec<Replacements> {
    let is_mended = |ordinal: i32| {
        let member = case.members.iter().find(|member| member.ordinal == ordinal);
        let run = member.and_then(|member| member.run.as_ref());
        let well_for = run
            .filter(|run| run.said.state() == State::Healthy)
            .map(|run| run.last.since(run.first));
        well_for.is_some_and(|time| {
            time >= case.knobs.threshold.saturating_mul(limits::WELL_THRESHOLDS)
        })
    };
    let kept = case
        .memory
        .replacements
        .iter()
        .filter(|one| (0..case.desired).contains(&one.ordinal) && !is_mended(one.ordinal));
    kept.cloned().collect()
}

/// The strikes after this look.
pub(super) fn count(case: &Case<'_>, is_group: bool) -> Counted {
    let mut counted = Counted::default();
    for member in case.members.iter().filter(|member| !member.is_leaving) {
        let old = recorded(case, member);
        let next = match member.state() {
            // Nobody has asked it yet: what is known stays, but for a gate that closed.
            None => old.cloned().map(|old| if case.gate.is_some() { old.without() } else { old }),
            Some(State::Stuck) => {
                let next = strike(case, member, old, is_group, &mut counted);
                Some(next).filter(|next| is_kept(case, next))
            }
            Some(State::Silent(_)) => old.cloned().map(Strikes::without),
            Some(State::Healthy | State::Recovering | State::Vague) => None,
        };
        counted.strikes.extend(next);
    }
    // Who is nearest to the third strike is not cut.
    counted.strikes.sort_by_key(|one| (Reverse(one.at.len()), one.ordinal));
    counted.strikes.truncate(limits::STRIKES_KEPT_MAX);
    counted.strikes.sort_by_key(|one| one.ordinal);
    counted
}

/// A member that has been stuck for a moment only is not remembered: each one that joins is.
fn is_kept(case: &Case<'_>, strikes: &Strikes) -> bool {
    let quarter = case.knobs.threshold / 4;
    !strikes.at.is_empty() || Duration::from_secs(strikes.stuck_for) >= quarter
}

/// A member says that it is stuck.
fn strike(
    case: &Case<'_>,
    member: &Member,
    old: Option<&Strikes>,
    is_group: bool,
    counted: &mut Counted,
) -> Strikes {
    let hung = hung_for(case, member);
    let mut next = old.cloned().unwrap_or_default();
    next.ordinal = member.ordinal;
    next.pod_uid.clone_from(&member.uid);
    next.stuck_for = hung.as_secs();
    if case.gate.is_some() || is_broken(case, member, old) {
        next = next.without();
    }
    if let Some(why) = case.gate {
        counted.waits.push((member.pod.clone(), why.clone(), None));
        return next;
    }
    let threshold = case.knobs.threshold_after(replaced(case, member), is_group);
    if hung < threshold {
        let why = if is_group && hung >= case.knobs.threshold {
            Reason::GroupStalled
        } else if hung >= case.knobs.threshold {
            Reason::OffenderBacksOff
        } else {
            Reason::BelowThreshold
        };
        counted.waits.push((member.pod.clone(), why, None));
        return next.without();
    }
    if is_fresh(case, member, &next) {
        if next.at.len() < limits::STRIKES {
            let run = member.run.as_ref();
            next.at.push(run.map(|run| stamp(run.at)).unwrap_or_default());
            case.process.clone_into(&mut next.by);
            next.round = run.map(|run| run.round).unwrap_or_default();
        }
        if next.at.len() >= limits::STRIKES {
            counted.earned.push(member.ordinal);
        }
    }
    if next.at.len() < limits::STRIKES {
        counted.waits.push((member.pod.clone(), Reason::StrikesCounting, None));
    }
    next
}

/// Milliseconds, so that the strikes of a quick cadence are told apart.
fn stamp(at: jiff::Timestamp) -> String {
    at.strftime("%Y-%m-%dT%H:%M:%S.%3fZ").to_string()
}

/// How often the pods of this ordinal before this one were replaced.
fn replaced(case: &Case<'_>, member: &Member) -> u32 {
    let known = case.memory.replacements.iter().find(|one| one.ordinal == member.ordinal);
    let is_entered = case.memory.terminations.iter().any(|entry| entry.pod_uid == member.uid);
    known.map_or(0, |known| known.count.saturating_sub(u32::from(is_entered)))
}

/// Whether the answer comes well after the one that was the last strike, whichever process counted
/// that: half an interval after this process saw it counted, which is later than it was.
fn is_fresh(case: &Case<'_>, member: &Member, next: &Strikes) -> bool {
    if next.at.is_empty() {
        return true;
    }
    let seen_at = marks::seen_at(case.marks, &marks::strike(next), case.uptime());
    let due = seen_at.after(case.knobs.interval / 2);
    member.run.as_ref().is_some_and(|run| run.last >= due)
}

/// Whether the member has said anything else since its last strike, or nothing.
///
/// A strike of this process has its round. One of another process was counted before this process
/// saw it, and what happened shortly before that is held against the strikes as well.
fn is_broken(case: &Case<'_>, member: &Member, old: Option<&Strikes>) -> bool {
    let broken = member.run.as_ref().and_then(|run| run.broken);
    let Some((old, broken)) = old.filter(|old| !old.at.is_empty()).zip(broken) else {
        return false;
    };
    if old.by == case.process {
        return broken.round > old.round;
    }
    let seen_at = marks::seen_at(case.marks, &marks::strike(old), case.uptime());
    broken.at.after(case.knobs.interval.saturating_mul(2)) > seen_at
}

impl Strikes {
    /// The same without strikes; the time for which it was stuck stays.
    pub(super) fn without(mut self) -> Self {
        self.at.clear();
        self.by.clear();
        self.round = 0;
        self
    }
}
