//! What a pass says of members, for those who count.

use kaspr_core::action::Action;
use kaspr_core::key::ObjectKind;
use kaspr_core::plan::Plan;
use kaspr_core::poll::Run;
use kaspr_core::snapshot::Snapshot;
use kaspr_core::status::AppStatus;
use kaspr_core::status::memory::Memory;
use serde_json::{Value, json};

use super::fact::{Came, StepFact};

/// The members of an app after a pass.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MembersFact {
    /// Those of which there is something to tell.
    pub told: Vec<MemberTold>,
    /// Pods that got a strike, now that the status says so.
    pub struck: Vec<String>,
    /// How many are in replacement.
    pub in_replacement: usize,
    /// Whether a rebalance is owed, and for what.
    pub owes: Option<&'static str>,
}

/// One member.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MemberTold {
    /// Its pod.
    pub pod: String,
    /// Its strikes.
    pub strikes: usize,
    /// Seconds for which it has been seen stuck.
    pub stuck_for: u64,
    /// Whether it runs and has not answered for some rounds.
    pub is_silent: bool,
}

impl MembersFact {
    /// What is told of a look, the plan that was made of it, and what came of that.
    pub fn of(snapshot: &Snapshot, plan: &Plan, steps: &[StepFact]) -> Self {
        let Some(app) = snapshot.app.present() else { return Self::default() };
        let before = AppStatus::of(app).memory;
        let after = status_after(app, plan, steps)
            .map(|status| AppStatus::of(&json!({ "status": status })).memory);
        let after = after.as_ref().unwrap_or(&before);
        let strikes = |memory: &Memory, uid: &str| {
            memory.strikes.iter().find(|strikes| strikes.pod_uid == uid).cloned()
        };
        let last = |memory: &Memory, uid: &str| strikes(memory, uid)?.at.last().cloned();
        let is_struck =
            |uid: &str| last(after, uid).is_some_and(|at| last(&before, uid) != Some(at));
        let polls = || snapshot.polls.iter();
        let told = |(pod, run): (&String, &Run)| {
            let strikes = strikes(after, &run.pod_uid);
            let is_silent = run.lasting_silence().is_some();
            (strikes.is_some() || is_silent).then(|| MemberTold {
                pod: pod.clone(),
                strikes: strikes.as_ref().map_or(0, |strikes| strikes.at.len()),
                stuck_for: strikes.as_ref().map_or(0, |strikes| strikes.stuck_for),
                is_silent,
            })
        };
        Self {
            told: polls().filter_map(told).collect(),
            struck: polls()
                .filter(|(_, run)| is_struck(&run.pod_uid))
                .map(|(pod, _)| pod.clone())
                .collect(),
            in_replacement: after.terminations.len(),
            owes: after.rebalance.debt.as_ref().map(|debt| debt.cause.code()),
        }
    }
}

/// The patch of the app's status that was accepted, if one was.
fn written<'a>(plan: &'a Plan, steps: &[StepFact]) -> Option<&'a Value> {
    let came = steps.iter().map(|step| &step.came);
    plan.steps.iter().zip(came).find_map(|(step, came)| match &step.action {
        Action::PatchStatus { of, status, .. }
            if of.kind == ObjectKind::App && *came == Came::Done =>
        {
            Some(status)
        }
        _ => None,
    })
}

/// The status of `app` after a pass that wrote it.
pub(super) fn status_after(app: &Value, plan: &Plan, steps: &[StepFact]) -> Option<Value> {
    let mut next = app.get("status").cloned().unwrap_or_else(|| json!({}));
    json_patch::merge(&mut next, written(plan, steps)?);
    Some(next)
}

#[cfg(test)]
mod tests {
    use kaspr_core::action::Action;
    use kaspr_core::key::ObjectRef;
    use kaspr_core::plan::{Stage, Step};
    use kaspr_core::reason::Reason;
    use kaspr_core::snapshot::Snapshot;

    use super::*;
    use crate::sensors::fact::{Came, StepFact};

    fn strikes(count: usize) -> Value {
        let at: Vec<String> = (0..count).map(|at| at.to_string()).collect();
        json!([{"ordinal": 0, "podUID": "u", "stuckFor": 60 * count, "strikes": at}])
    }

    fn snapshot() -> Snapshot {
        serde_json::from_value(json!({
            "version": 1, "key": {"namespace": "n", "name": "a"},
            "now": {"wall": "2030-01-01T00:00:00Z", "uptime": 1000},
            "app": {"present": {"metadata": {"name": "a"}, "status": {
                "strikes": strikes(1),
                "rebalance": {"generation": 1, "owedSince": "x", "cause": "Manual", "unconfirmed": 0},
            }}},
            "polls": {"a-app-0": {
                "podUID": "u", "said": {"known": {"rebalancing": true, "recovering": false}},
                "first": 1, "last": 1, "at": "2030-01-01T00:00:00Z", "count": 1, "round": 1,
            }},
        }))
        .unwrap()
    }

    fn fact(patch: Value, came: Came) -> MembersFact {
        let of = ObjectRef::new(ObjectKind::App, "n", "a");
        let action = Action::PatchStatus { of: of.clone(), seen: "1".to_owned(), status: patch };
        let step = StepFact {
            verb: action.verb(),
            object: of,
            fields: Vec::new(),
            because: Reason::StatusOutdated,
            came,
            took: std::time::Duration::ZERO,
        };
        let mut plan = Plan::default();
        let because = Reason::StatusOutdated;
        plan.steps.push(Step { stage: Stage::Status, action, because });
        MembersFact::of(&snapshot(), &plan, &[step])
    }

    #[test]
    fn what_was_written_is_told_and_nothing_else() {
        let patch =
            || json!({"strikes": strikes(2), "rebalance": {"owedSince": null, "cause": null}});
        let written = fact(patch(), Came::Done);
        assert_eq!((&*written.struck, written.told[0].strikes), (&["a-app-0".to_owned()][..], 2));
        assert_eq!(written.owes, None);
        let conflict = fact(patch(), Came::Exists);
        assert!(conflict.struck.is_empty());
        assert_eq!((conflict.told[0].strikes, conflict.owes), (1, Some("manual")));
        let nothing = MembersFact::of(&snapshot(), &Plan::default(), &[]);
        assert_eq!(nothing, conflict);
    }
}
