//! When a debt is due, who may send for it, and what came of that.

use super::{
    Answer, Attempt, Came, Case, Debt, Duration, Member, News, Outcome, Reason, Refusal, Settled,
    Signal, Uptime, Verdict, limits, marks, name,
};

/// Whether a person is asked: it was tried in vain too often.
pub(super) fn is_stalled(debt: &Debt) -> bool {
    debt.unconfirmed >= limits::UNCONFIRMED_MAX
}

/// Whether an attempt was, or may have been, made, and nothing has come of it yet.
pub(super) fn is_out(debt: &Debt) -> bool {
    let came = debt.attempt.as_ref().map(|attempt| attempt.came);
    matches!(came, Some(Came::Booked | Came::Accepted | Came::Lost))
}

/// Takes the debt one step further.
pub(super) fn pursue(case: &Case<'_>, debt: &Debt, verdict: &mut Verdict) {
    if is_settled_by_restart(case, debt) {
        settle(case, debt, verdict);
        return;
    }
    match &debt.attempt {
        Some(attempt) if attempt.came == Came::Booked => booked(case, debt, attempt, verdict),
        Some(attempt) if attempt.came == Came::Accepted => accepted(case, debt, attempt, verdict),
        // A request whose answer was lost may have arrived.
        Some(attempt)
            if attempt.came == Came::Lost
                && why_not(case, debt).is_none()
                && has_come_true(case, debt, sent_at(case, attempt)) =>
        {
            settle(case, debt, verdict);
        }
        _ => match ready_leader(case, debt) {
            Ok(leader) => book(case, debt, leader, verdict),
            Err(wait) => verdict.wait = Some(wait),
        },
    }
}

/// Who is to be asked now; if nobody, why, and until when.
fn ready_leader<'a>(case: &Case<'a>, debt: &Debt) -> Result<&'a Member, (Reason, Option<Uptime>)> {
    if let Some(why) = why_not(case, debt) {
        return Err((why, None));
    }
    if let Some(until) = paused_until(case, debt) {
        return Err((Reason::CoolingDown, Some(until)));
    }
    leader(case).map_err(|why| (why, None))
}

/// Members without a fixed identity leave their group and join it when their pods are replaced: the
/// rollout that brought the set was the rebalance.
fn is_settled_by_restart(case: &Case<'_>, debt: &Debt) -> bool {
    !debt.is_manual() && !case.knobs.is_static && case.obstacle.is_none() && all_ready(case)
}

/// The debt is settled.
fn settle(case: &Case<'_>, debt: &Debt, verdict: &mut Verdict) {
    verdict.memory.debt = None;
    verdict.memory.last = Some(Settled {
        generation: case.memory.generation,
        cause: debt.cause,
        at: case.now.stamp(),
        attempts: debt.attempt.as_ref().map_or(0, |attempt| attempt.n),
    });
    verdict.news = Some(News::Confirmed);
}

/// When an attempt was answered, or first known to have been.
fn sent_at(case: &Case<'_>, attempt: &Attempt) -> Uptime {
    case.outcome_of(attempt).map_or_else(|| case.seen_at(attempt), |outcome| outcome.at)
}

/// Why a debt is not due, if it is not: in the order in which people would ask.
fn why_not(case: &Case<'_>, debt: &Debt) -> Option<Reason> {
    let knobs = case.knobs;
    let is_manual = debt.is_manual();
    let why = if is_stalled(debt) {
        Reason::RebalanceStalled
    } else if !is_manual && !knobs.is_automatic {
        Reason::AutoRebalanceOff
    } else if !is_manual && !knobs.is_static {
        Reason::DynamicMembership
    } else if !knobs.is_polling {
        Reason::StatusCheckDisabled
    } else if case.is_asked_for {
        Reason::AnnotationFirst
    } else if let Some(obstacle) = case.obstacle {
        obstacle.clone()
    } else if case.desired < 1 {
        Reason::NoMembers
    } else if !all_ready(case) {
        Reason::MembersNotReady
    } else {
        return None;
    };
    Some(why)
}

/// Whether each wanted member, and nobody else, is Ready on the revision that carries the set.
fn all_ready(case: &Case<'_>) -> bool {
    let is_ready =
        |member: &Member| member.is_ready && !member.is_leaving && member.revision == case.revision;
    let wanted: Vec<i32> = (0..case.desired).collect();
    let found: Vec<i32> = case.members.iter().map(|member| member.ordinal).collect();
    wanted == found && case.members.iter().all(is_ready)
}

/// Until when the pause after the last attempt, or after the last rebalance, lasts.
fn paused_until(case: &Case<'_>, debt: &Debt) -> Option<Uptime> {
    let after_attempt = debt.attempt.as_ref().map(|attempt| {
        let pause = match attempt.came {
            Came::Refused => refused_pause(attempt.n),
            Came::Booked | Came::Accepted | Came::Unconfirmed | Came::Lost => case.knobs.cooldown,
        };
        case.seen_at(attempt).after(pause)
    });
    let after_last = case.memory.last.as_ref().map(|last| {
        let mark = marks::rebalanced(last.generation);
        marks::seen_at(case.marks, &mark, case.uptime()).after(case.knobs.cooldown)
    });
    let until = after_attempt.into_iter().chain(after_last).max()?;
    (until > case.uptime()).then_some(until)
}

fn refused_pause(n: i64) -> Duration {
    let doublings = u32::try_from(n.clamp(1, 10) - 1).unwrap_or(0);
    limits::ATTEMPT_FIRST.saturating_mul(1 << doublings).min(limits::ATTEMPT_MAX)
}

/// The one member that says it leads and shows what it holds.
fn leader<'a>(case: &Case<'a>) -> Result<&'a Member, Reason> {
    let leads = |member: &&Member| member.word().is_some_and(|word| word.leader == Some(true));
    let mut leaders = case.members.iter().filter(leads);
    match (leaders.next(), leaders.next()) {
        (None, _) => Err(Reason::LeaderMissing),
        (Some(_), Some(_)) => Err(Reason::LeaderAmbiguous),
        (Some(one), None) if one.word().is_some_and(|word| word.topics.is_empty()) => {
            Err(Reason::LeaderUnassigned)
        }
        (Some(one), None) => Ok(one),
    }
}

/// The next attempt is written down before it is sent.
fn book(case: &Case<'_>, debt: &Debt, leader: &Member, verdict: &mut Verdict) {
    let n = debt.attempt.as_ref().map_or(1, |last| last.n.saturating_add(1));
    let attempt = Attempt {
        n,
        by: case.process.to_owned(),
        pod_uid: leader.uid.clone(),
        at: case.now.stamp(),
        came: Came::Booked,
    };
    remember(debt, attempt, verdict);
    verdict.wait = Some((Reason::BookingFirst, None));
}

fn remember(debt: &Debt, attempt: Attempt, verdict: &mut Verdict) {
    verdict.memory.debt = Some(Debt { attempt: Some(attempt), ..debt.clone() });
}

/// An attempt stands in the status and is not known to have been sent.
fn booked(case: &Case<'_>, debt: &Debt, attempt: &Attempt, verdict: &mut Verdict) {
    let seen_at = case.seen_at(attempt);
    if attempt.by != case.process {
        let until = seen_at.after(limits::TWO_DEADLINES);
        if case.uptime() < until {
            verdict.wait = Some((Reason::BookedElsewhere, Some(until)));
        } else {
            conclude(case, debt, attempt, Came::Lost, verdict);
        }
        return;
    }
    if let Some(outcome) = case.outcome_of(attempt) {
        conclude(case, debt, attempt, came_of(outcome), verdict);
        return;
    }
    let may_send_until = seen_at.after(limits::PLAN_DEADLINE);
    // Nothing was sent, and now nothing will be: the next look may book anew.
    let is_over = case.uptime() >= may_send_until;
    let leader = leader(case).ok().filter(|leader| leader.uid == attempt.pod_uid);
    match (why_not(case, debt), leader) {
        (None, Some(leader)) if !is_over => {
            verdict.signal = Some(Signal {
                pod: leader.pod.clone(),
                uid: leader.uid.clone(),
                attempt: name(case.memory.generation, attempt.n),
            });
        }
        _ => conclude(case, debt, attempt, Came::Refused, verdict),
    }
}

/// Whether a member was asked; a pod that was gone before was not.
fn was_sent(outcome: &Outcome) -> bool {
    !matches!(outcome.answer, Answer::Refused { refusal: Refusal::Gone, .. })
}

fn came_of(outcome: &Outcome) -> Came {
    match &outcome.answer {
        Answer::Done { .. } => Came::Accepted,
        Answer::Refused { refusal: Refusal::AnswerLost, .. } => Came::Lost,
        Answer::Refused { .. } | Answer::Exists { .. } => Came::Refused,
    }
}

/// What came of the attempt is written down, and told.
fn conclude(case: &Case<'_>, debt: &Debt, attempt: &Attempt, outcome: Came, verdict: &mut Verdict) {
    let mut next = debt.clone();
    if outcome == Came::Unconfirmed {
        next.unconfirmed = next.unconfirmed.saturating_add(1);
    }
    let is_last = is_stalled(&next);
    verdict.news = match outcome {
        Came::Booked | Came::Accepted => None,
        Came::Refused => case.outcome_of(attempt).is_some_and(was_sent).then_some(News::Refused),
        Came::Lost => Some(News::Lost),
        Came::Unconfirmed if is_last => Some(News::Stalled),
        Came::Unconfirmed => Some(News::Unconfirmed),
    };
    remember(&next, Attempt { came: outcome, ..attempt.clone() }, verdict);
    verdict.wait = Some((Reason::OutcomeFirst, None));
}

/// The member said yes: the debt is settled once a rebalance, or its work, was seen.
fn accepted(case: &Case<'_>, debt: &Debt, attempt: &Attempt, verdict: &mut Verdict) {
    let until = case.seen_at(attempt).after(limits::CONFIRM_WITHIN);
    // What is seen while pods are replaced anyway says nothing about this attempt.
    if let Some(why) = why_not(case, debt) {
        verdict.wait = Some((why, None));
    } else if has_come_true(case, debt, sent_at(case, attempt)) {
        settle(case, debt, verdict);
    } else if case.uptime() >= until {
        conclude(case, debt, attempt, Came::Unconfirmed, verdict);
    } else {
        verdict.wait = Some((Reason::Confirming, Some(until)));
    }
}

/// Whether answers that came after the attempt show a rebalance that began after it, or the new topics
/// assigned.
fn has_come_true(case: &Case<'_>, debt: &Debt, after: Uptime) -> bool {
    let is_later = |at: Uptime| at > after;
    let rebalanced = case
        .members
        .iter()
        .any(|member| member.run.as_ref().and_then(|run| run.rebalanced).is_some_and(is_later));
    let assigned = |topic: &String| {
        case.members.iter().any(|member| {
            member.run.as_ref().is_some_and(|run| is_later(run.last))
                && member.word().is_some_and(|word| word.topics.contains(topic))
        })
    };
    rebalanced || (!debt.topics.is_empty() && debt.topics.iter().all(assigned))
}
