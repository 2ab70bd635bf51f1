//! When a refused action may be tried again: pure, from its outcome.

use std::time::Duration;

use crate::action::ActionId;
use crate::digest;
use crate::limits;
use crate::outcome::{Answer, Outcome, Outcomes, Refusal};
use crate::snapshot::Edits;
use crate::time::Uptime;

/// The pause after the `attempts`-th refusal of this kind in a row: doubling, capped, and spread
/// by a quarter to either side so that many apps do not come back in step.
///
/// A refusal that says something of the server, or of the moment, has a low cap: nobody edits
/// anything when the server is back. One that says something of what was asked for has a high one:
/// mostly only an edit mends it, and that ends the wait.
pub fn pause(id: &ActionId, attempts: u32, refusal: Refusal) -> Duration {
    let (first, longest) = match refusal {
        Refusal::Conflict => (limits::BACKOFF_CONFLICT, limits::BACKOFF_AWAY_MAX),
        Refusal::Unreachable | Refusal::AnswerLost | Refusal::Busy => {
            (limits::BACKOFF_FIRST, limits::BACKOFF_AWAY_MAX)
        }
        Refusal::Gone | Refusal::Forbidden | Refusal::Invalid | Refusal::Pruned => {
            (limits::BACKOFF_FIRST, limits::BACKOFF_MAX)
        }
    };
    let doublings = 1u32.checked_shl(attempts.saturating_sub(1)).unwrap_or(u32::MAX);
    let base = first.saturating_mul(doublings).min(longest);
    base.mul_f64(0.75 + digest::fraction(&format!("{id} {attempts}")) / 2.0)
}

/// Until when an action must wait for an earlier outcome of itself; `None` if it may go.
///
/// An edit that came after the outcome overrides it: the reason for the refusal may be mended. A
/// first conflict holds nothing back: it says that the look was old, and this is a newer one.
pub fn blocked_until<'a>(
    id: &ActionId,
    outcomes: &'a Outcomes,
    edits: Option<Edits>,
    now: Uptime,
) -> Option<(Uptime, &'a Outcome)> {
    let outcome = outcomes.get(id)?;
    let refusal = match &outcome.answer {
        Answer::Done { .. } => return None,
        Answer::Refused { refusal, .. } => *refusal,
        // What has the name goes when somebody takes it away, which is an event.
        Answer::Exists { .. } => Refusal::Invalid,
    };
    let until = outcome.at.after(pause(id, outcome.attempts, refusal));
    let is_race = outcome.attempts == 1 && refusal == Refusal::Conflict;
    let is_mended = edits.is_some_and(|edits| edits.last > outcome.at);
    (until > now && !is_mended && !is_race).then_some((until, outcome))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id() -> ActionId {
        ActionId("Apply StatefulSet ns/a-app".to_owned())
    }

    #[test]
    fn pauses_grow_to_a_cap() {
        let pause = |attempts| pause(&id(), attempts, Refusal::Invalid);
        let pauses: Vec<Duration> = (1..=12).map(pause).collect();
        assert!(pauses[0] >= limits::BACKOFF_FIRST.mul_f64(0.75));
        assert!(pauses[4] > pauses[0] * 8);
        assert!(pauses.iter().all(|pause| *pause <= limits::BACKOFF_MAX.mul_f64(1.25)));
        assert!(pause(u32::MAX) >= limits::BACKOFF_MAX.mul_f64(0.75));
    }

    #[test]
    fn a_server_that_was_away_is_tried_again_soon() {
        for refusal in [Refusal::Unreachable, Refusal::AnswerLost, Refusal::Busy, Refusal::Conflict]
        {
            let longest = pause(&id(), u32::MAX, refusal);
            assert!(longest <= limits::BACKOFF_AWAY_MAX.mul_f64(1.25), "{refusal}: {longest:?}");
        }
        assert!(pause(&id(), 2, Refusal::Conflict) < limits::BACKOFF_FIRST);
    }

    #[test]
    fn a_first_conflict_holds_nothing_back() {
        for (attempts, is_blocked) in [(1, false), (2, true)] {
            let answer = Answer::Refused { refusal: Refusal::Conflict, message: String::new() };
            let outcome = Outcome { at: Uptime(1_000), attempts, of: String::new(), answer };
            let outcomes = Outcomes::from([(id(), outcome)]);
            let blocked = blocked_until(&id(), &outcomes, None, Uptime(1_100));
            assert_eq!(blocked.is_some(), is_blocked);
        }
    }

    #[test]
    fn an_edit_after_a_refusal_overrides_it() {
        let outcome = Outcome {
            at: Uptime(1_000),
            attempts: 5,
            of: String::new(),
            answer: Answer::Refused { refusal: Refusal::Invalid, message: String::new() },
        };
        let outcomes = Outcomes::from([(id(), outcome)]);
        let edits = |at| Some(Edits { first: Uptime(at), last: Uptime(at) });
        let now = Uptime(1_100);
        assert!(blocked_until(&id(), &outcomes, None, now).is_some());
        assert!(blocked_until(&id(), &outcomes, edits(999), now).is_some());
        assert!(blocked_until(&id(), &outcomes, edits(1_050), now).is_none());
        assert!(blocked_until(&id(), &outcomes, None, Uptime(1_000_000)).is_none());
    }
}
