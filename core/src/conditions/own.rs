//! The conditions that speak of members, and those that generic tools look for.

use kaspr_crds::ConditionStatus;
use kaspr_crds::keys::{
    CONDITION_MEMBERS_HEALTHY, CONDITION_MEMBERS_IDLE, CONDITION_PROGRESSING, CONDITION_READY,
    CONDITION_REBALANCED, CONDITION_RECONCILING, CONDITION_ROLLOUT_PENDING, CONDITION_STALLED,
    CONDITION_STORAGE_RESIZING,
};

use super::{MESSAGE_MAX, Observed, Reason, Stated, members};
use crate::invalid;
use crate::members::Member;
use crate::policy::children;
use crate::poll::State;
use crate::references;
use crate::status::memory::Debt;

/// While pods of hung members are replaced, the app is not ready, in the original's words.
pub(super) fn hung(verdict: &members::Verdict, stated: &mut [Stated]) {
    let firing = verdict.memory.terminations.iter().filter(|entry| entry.lapsed.is_none());
    let ids: Vec<i32> = firing.map(|entry| entry.ordinal).collect();
    let is_told = |one: &Stated| matches!(one.reason.as_str(), "Healthy" | "NotReady");
    if ids.is_empty() {
        return;
    }
    for one in stated.iter_mut().filter(|one| one.kind == CONDITION_READY && is_told(one)) {
        let message = format!("Members {ids:?} hung in rebalancing state - terminating pods");
        *one = Stated::new(CONDITION_READY, false, "HungMembers", message);
    }
}

/// What waits for the next rollout, while something does.
pub(super) fn pending(paths: &[String]) -> Option<Stated> {
    const NAMED: usize = 3;
    if paths.is_empty() {
        return None;
    }
    let named: Vec<&str> = paths.iter().take(NAMED).map(String::as_str).collect();
    let more = match paths.len().saturating_sub(NAMED) {
        0 => String::new(),
        count => format!(", and {count} more"),
    };
    let named = named.join(", ");
    let message = format!(
        "No pod is restarted for what only this operator renders in another way: the next rollout \
         also brings {named}{more}"
    );
    let message = invalid::cut(&message, MESSAGE_MAX);
    Some(Stated::new(CONDITION_ROLLOUT_PENDING, true, "WaitsForRollout", message))
}

/// That members have nothing to read, while some have not.
pub(super) fn idle(idle: Option<(i64, i64)>) -> Option<Stated> {
    let (idle, most) = idle?;
    let message = references::too_many_members(idle, most).to_string();
    Some(Stated::new(CONDITION_MEMBERS_IDLE, true, "MoreMembersThanPartitions", message))
}

/// Which claims have not got yet what they ask for, while some have not.
pub(super) fn resizing(observed: &Observed<'_>) -> Option<Stated> {
    let claims = children::growing(observed);
    let message = format!(
        "These claims are smaller than they were asked to be, and grow as their class lets them: {}",
        claims.join(", ")
    );
    let message = invalid::cut(&message, MESSAGE_MAX);
    let stated = Stated::new(CONDITION_STORAGE_RESIZING, true, "WaitingForStorage", message);
    (!claims.is_empty()).then_some(stated)
}

/// Whether every member answers and none hangs; nothing before any was asked.
pub(super) fn healthy(observed: &Observed<'_>, verdict: &members::Verdict) -> Option<Stated> {
    let live = observed.app.present();
    let old = live.and_then(|live| live.status.condition(CONDITION_MEMBERS_HEALTHY));
    let unknown = |reason: &str, message: String| {
        let kind = CONDITION_MEMBERS_HEALTHY;
        let status = ConditionStatus::Unknown;
        Some(Stated { kind, status, reason: reason.to_owned(), message })
    };
    if !observed.settings.polls_members {
        let message = "Members are not asked how they are: hung ones are not found, and no rebalance \
                       is asked for";
        return unknown("StatusCheckDisabled", message.to_owned());
    }
    if let Some(why) = verdict.unknown {
        return unknown("Unknown", format!("Nobody can say how the members are: pods {why}"));
    }
    let members = observed.members.present()?;
    // Nobody was asked yet, as after a start: what was known stays.
    if !members.iter().any(|member| member.run.is_some()) {
        return old.filter(|_| !members.is_empty()).map(|old| Stated {
            kind: CONDITION_MEMBERS_HEALTHY,
            status: old.status,
            reason: old.reason.clone(),
            message: old.message.clone().unwrap_or_default(),
        });
    }
    let (reason, message) = complaint(verdict, members);
    let is_healthy = reason == "MembersWell";
    Some(Stated::new(CONDITION_MEMBERS_HEALTHY, is_healthy, reason, message))
}

fn complaint(verdict: &members::Verdict, members: &[Member]) -> (&'static str, String) {
    let off = if verdict.knobs.hung.is_on { "" } else { "; replacing hung members is off" };
    let threshold = verdict.knobs.hung.threshold.as_secs();
    // Who fell silent is not known to be stuck any more.
    let is_silent = |uid: &str| {
        let member = members.iter().find(|member| member.uid == uid);
        matches!(member.and_then(Member::state), Some(State::Silent(_)))
    };
    let strikes = verdict.memory.strikes.iter();
    let hung: Vec<i32> = strikes
        .filter(|one| one.stuck_for >= threshold && !is_silent(&one.pod_uid))
        .map(|one| one.ordinal)
        .collect();
    if verdict.is_group_stalled && !hung.is_empty() {
        let message = format!(
            "All members are stuck in a rebalance since about one instant, so the reason is rather \
             the broker than one of them{off}"
        );
        return ("GroupStalled", message);
    }
    if !hung.is_empty() {
        let message =
            format!("Members {hung:?} are stuck in a rebalance for {threshold} s or more{off}");
        return ("MembersHung", message);
    }
    let entries = verdict.memory.terminations.iter();
    let replaced: Vec<i32> =
        entries.filter(|entry| entry.lapsed.is_none()).map(|entry| entry.ordinal).collect();
    if !replaced.is_empty() {
        return ("MembersHung", format!("Members {replaced:?} hung and are being replaced{off}"));
    }
    let silent: Vec<String> = members.iter().filter_map(silence).collect();
    if !silent.is_empty() {
        let message = format!("Members run and do not answer: {}", silent.join("; "));
        return ("MembersSilent", invalid::cut(&message, MESSAGE_MAX));
    }
    ("MembersWell", format!("Every member that was asked answers, and none hangs{off}"))
}

/// A member that runs and has not answered for some rounds.
fn silence(member: &Member) -> Option<String> {
    let why = member.run.as_ref().filter(|_| member.is_asked())?.lasting_silence()?;
    Some(format!("{} ({why})", member.ordinal))
}

/// Whether a rebalance is owed; nothing before one ever was.
pub(super) fn rebalanced(verdict: &members::Verdict) -> Option<Stated> {
    let rebalance = &verdict.memory.rebalance;
    match (&rebalance.debt, &rebalance.last) {
        (Some(debt), _) => Some(owed(debt, verdict.rebalance_waits.as_ref().map(|(why, _)| why))),
        (None, Some(_)) => {
            let message = "The last rebalance that was owed came true";
            Some(Stated::new(CONDITION_REBALANCED, true, "RebalanceConfirmed", message))
        }
        (None, None) => None,
    }
}

fn owed(debt: &Debt, waits: Option<&Reason>) -> Stated {
    let why = waits.map(|why| format!(": {why}")).unwrap_or_default();
    let message =
        format!("A rebalance is owed since {} ({}){why}", debt.owed_since, debt.cause.code());
    if waits == Some(&Reason::RebalanceStalled) {
        return Stated::new(CONDITION_REBALANCED, false, "RebalanceStalled", message);
    }
    Stated::new(CONDITION_REBALANCED, false, "RebalanceOwed", message)
}

/// Conditions that are there only while they are true.
/// Source: kstatus (sigs.k8s.io/cli-utils/pkg/kstatus): Reconciling and Stalled.
pub(super) fn generic(stated: &mut Vec<Stated>) {
    let find = |kind: &str| stated.iter().find(|one| one.kind == kind).cloned();
    let progressing = find(CONDITION_PROGRESSING);
    let rebalanced = find(CONDITION_REBALANCED);
    let stalled = progressing
        .iter()
        .filter(|one| {
            let reason = one.reason.as_str();
            ["InvalidSpec", "NameConflict", "OriginalStillRunning", "SecretMissing"]
                .contains(&reason)
        })
        .chain(rebalanced.iter().filter(|one| one.reason == "RebalanceStalled"))
        .next()
        .map(|one| Stated {
            kind: CONDITION_STALLED,
            status: ConditionStatus::True,
            ..one.clone()
        });
    let reconciling = progressing
        .filter(|one| one.status == ConditionStatus::True)
        .map(|one| Stated { kind: CONDITION_RECONCILING, ..one });
    stated.extend(reconciling);
    stated.extend(stalled);
}
