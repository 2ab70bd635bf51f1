//! Rules that are left out: what the policies concluded, as if they did not know them.

use kaspr_core::Reason;
use kaspr_core::policy::rollout;

use super::Look;
use crate::runs::{Config, Without};
use crate::world::{Health, Mode, PODS, Phase, Plan, View};

/// Rules about the template that are left out.
pub(super) fn rollout(config: &Config, view: &View, verdict: &mut rollout::Verdict) {
    match config.without {
        Some(Without::Withdrawal) => {
            let rollout = &mut verdict.memory.rollout;
            *rollout = rollout.take().filter(|rollout| rollout.withdrawn.is_none());
        }
        Some(Without::QuickTemplate) => {
            let has_entry = view.status.ledger.iter().any(Option::is_some);
            if has_entry && matches!(verdict.choice, rollout::Choice::Change(_)) {
                let because = Reason::TerminationPending;
                verdict.choice = rollout::Choice::Keep(because, None);
            }
        }
        _ => {}
    }
}

/// Rules about members that are left out.
pub(super) fn members(config: &Config, look: &Look, plan: &mut Plan) {
    let view = &look.view;
    let Some(without) = config.without else { return };
    let mut next = plan.status.unwrap_or(view.status);
    let is_there =
        |ordinal: usize, uid: u8| view.pods[ordinal].exists() && view.pods[ordinal].uid == uid;
    for ordinal in 0..PODS {
        let (old, new) = (view.status.ledger[ordinal], &mut next.ledger[ordinal]);
        match (without, old) {
            // A lapsed entry that is not counted is not forgotten either.
            (Without::LapsedCounts, Some(entry)) if entry.is_lapsed && new.is_none() => {
                let is_over = look.due.lapse && is_there(ordinal, entry.uid);
                *new = old.filter(|_| !is_over);
            }
            (Without::LapsedStays, Some(entry)) if entry.is_lapsed && look.due.lapse => *new = None,
            (Without::LastingEntry, Some(entry)) if !is_there(ordinal, entry.uid) => *new = None,
            (Without::OnlyLapse, Some(_)) => *new = new.filter(|entry| !entry.is_lapsed),
            (Without::LapsedIsDead, Some(entry)) if is_there(ordinal, entry.uid) => {
                let pod = &view.pods[ordinal];
                if entry.is_lapsed && view.mode == Mode::Normal && pod.health == Health::Hung {
                    plan.delete[ordinal] = Some(entry.uid);
                    plan.lapsed |= 1 << ordinal;
                }
            }
            (Without::EntryWritten | Without::EntryReadBack, None) => {
                plan.delete[ordinal] = new.filter(|entry| !entry.is_lapsed).map(|entry| entry.uid);
            }
            (Without::OneWhateverElse, None) => {
                let others = (0..config.pods).filter(|other| *other != ordinal);
                let is_down = |other: usize| view.pods[other].phase != Phase::Ready;
                let down = others.filter(|other| is_down(*other)).count();
                *new = new.filter(|_| down < config.most_down());
            }
            _ => {}
        }
    }
    let debt =
        view.status.debt.zip(next.debt).filter(|_| view.status.generation == next.generation);
    match without {
        Without::FreshEvidence => {
            let is_tried = debt.is_some_and(|(old, _)| old.n > 0);
            if is_tried && view.assigned == Some(next.tracked) {
                (next.debt, plan.signal) = (None, None);
            }
        }
        Without::DebtStays if plan.signal.is_some() => next.debt = None,
        _ => {}
    }
    plan.status = Some(next).filter(|next| *next != view.status);
}
