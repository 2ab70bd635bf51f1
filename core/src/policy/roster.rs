//! The members as the status names them: what each answered last, and since when it is so.

use kaspr_crds::MemberStatus;

use crate::limits;
use crate::members::Member;
use crate::poll::Said;
use crate::time::Now;

/// What the members say, all of them, by ordinal.
///
/// A member that does not answer keeps what it said last: silence is told beside it. One that nobody
/// has asked yet stays as it is; a pod that is gone is not named.
pub(crate) fn next(old: &[MemberStatus], members: &[Member], now: &Now) -> Vec<MemberStatus> {
    members.iter().filter_map(|member| entry(old, member, now)).collect()
}

/// Those that a status has room for: what needs attention comes first.
pub(crate) fn cut(mut members: Vec<MemberStatus>) -> Vec<MemberStatus> {
    let is_well =
        |member: &MemberStatus| member.silent.is_none() && member.rebalancing == Some(false);
    members.sort_by_key(|member| (is_well(member), member.id));
    members.truncate(limits::MEMBERS_TOLD_MAX);
    members.sort_by_key(|member| member.id);
    members
}

fn entry(old: &[MemberStatus], member: &Member, now: &Now) -> Option<MemberStatus> {
    let old = old
        .iter()
        .find(|old| old.id == member.ordinal && old.pod_uid.as_deref() == Some(&member.uid));
    let Some(run) = &member.run else { return old.cloned() };
    let mut next = MemberStatus {
        id: member.ordinal,
        pod_uid: Some(member.uid.clone()),
        pod_creation_time: member.created.map(|at| at.to_string()),
        ..old.cloned().unwrap_or_default()
    };
    match &run.said {
        Said::Known(word) => {
            next.leader = word.leader;
            next.rebalancing = word.rebalancing;
            next.recovering = word.recovering;
            next.silent = None;
        }
        Said::Silent(why) => next.silent = Some(why.code().to_owned()),
    }
    // Leadership alone is no change of a member's own state.
    let state = |one: &MemberStatus| (one.rebalancing, one.recovering);
    let is_same = old.is_some_and(|old| state(old) == state(&next));
    if !is_same || next.last_transition_time.is_none() {
        next.last_transition_time = Some(now.stamp());
    }
    Some(next)
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use std::time::Duration;

    use super::*;
    use crate::poll::{Heard, Run, Silence, Word};
    use crate::time::Uptime;

    fn at(second: i64) -> Now {
        let wall = Timestamp::from_second(second).unwrap();
        Now { wall, uptime: Uptime(u64::try_from(second).unwrap() * 1_000) }
    }

    fn member(said: Said, second: i64) -> Member {
        let interval = Duration::from_secs(30);
        let heard = Heard { said, round: 1, now: at(second) };
        let run = Run::next(None, "u".to_owned(), heard, interval);
        Member { uid: "u".to_owned(), run: Some(run), ..Member::default() }
    }

    fn known(leader: bool, rebalancing: bool) -> Said {
        let (leader, rebalancing) = (Some(leader), Some(rebalancing));
        Said::Known(Word { leader, rebalancing, recovering: Some(false), ..Word::default() })
    }

    /// B6 and F of the original: a lost answer and a new leader restarted the clock.
    #[test]
    fn the_clock_of_a_member_follows_its_own_state() {
        let first = next(&[], &[member(known(false, true), 1)], &at(1));
        let second = next(&first, &[member(known(true, true), 2)], &at(2));
        let silent = next(&second, &[member(Said::Silent(Silence::Timeout), 3)], &at(3));
        assert_eq!(silent[0].silent.as_deref(), Some("Timeout"));
        assert_eq!(silent[0].rebalancing, Some(true));
        let again = next(&silent, &[member(known(true, true), 4)], &at(4));
        let times =
            [&first, &second, &silent, &again].map(|list| list[0].last_transition_time.clone());
        assert!(times.iter().all(|time| *time == times[0]));
        assert_eq!(again[0].silent, None);
        let well = next(&again, &[member(known(true, false), 5)], &at(5));
        assert_ne!(well[0].last_transition_time, times[0]);
    }

    #[test]
    fn who_was_not_asked_stays_as_it_is() {
        let first = next(&[], &[member(known(false, true), 1)], &at(1));
        let unasked = Member { uid: "u".to_owned(), ..Member::default() };
        assert_eq!(next(&first, &[unasked], &at(2)), first);
        let other = Member { uid: "v".to_owned(), ..Member::default() };
        assert!(next(&first, &[other], &at(2)).is_empty());
    }
}
