//! What a pass says of members, for those who count.

use kaspr_core::action::Action;
use kaspr_core::poll::{Run, State};
use kaspr_core::snapshot::Snapshot;
use kaspr_core::status::AppStatus;
use kaspr_core::status::memory::{Memory, Strikes};
use kaspr_core::{Plan, limits};
use serde_json::{Map, Value, json};

/// The members of an app after a pass.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MembersFact {
    /// Those of which there is something to tell.
    pub told: Vec<MemberTold>,
    /// Pods that got a strike, if the status that says so was written.
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
    /// What is told of a look and the plan that was made of it.
    pub fn of(snapshot: &Snapshot, plan: &Plan) -> Self {
        let before = snapshot.app.present().map(AppStatus::of).unwrap_or_default();
        let after = after(&before.raw, plan);
        let base = format!("{}-app", snapshot.key.name);
        let pod = |strikes: &Strikes| format!("{base}-{}", strikes.ordinal);
        let count = |memory: &Memory, uid: &str| {
            let known = memory.strikes.iter().find(|strikes| strikes.pod_uid == uid);
            known.map_or(0, |known| known.at.len())
        };
        let struck = after
            .strikes
            .iter()
            .filter(|now| now.at.len() > count(&before.memory, &now.pod_uid))
            .map(pod)
            .collect();
        let told = |(name, run): (&String, &Run)| {
            let strikes = after.strikes.iter().find(|strikes| strikes.pod_uid == run.pod_uid);
            let is_silent =
                matches!(run.said.state(), State::Silent(_)) && run.count >= limits::SILENT_ROUNDS;
            (strikes.is_some() || is_silent).then(|| MemberTold {
                pod: name.clone(),
                strikes: strikes.map_or(0, |strikes| strikes.at.len()),
                stuck_for: strikes.map_or(0, |strikes| strikes.stuck_for),
                is_silent,
            })
        };
        Self {
            told: snapshot.polls.iter().filter_map(told).collect(),
            struck,
            in_replacement: after.terminations.len(),
            owes: after.rebalance.debt.map(|debt| debt.cause.code()),
        }
    }
}

/// What the status remembers once the plan has written it.
fn after(before: &Map<String, Value>, plan: &Plan) -> Memory {
    let mut status = before.clone();
    for step in &plan.steps {
        if let Action::PatchStatus { of, status: patch, .. } = &step.action
            && !of.kind.is_component()
            && let Some(fields) = patch.as_object()
        {
            for field in ["strikes", "terminations"] {
                if let Some(value) = fields.get(field) {
                    status.insert(field.to_owned(), value.clone());
                }
            }
            if let Some(Value::Object(changed)) = fields.get("rebalance") {
                let place = status.entry("rebalance").or_insert_with(|| json!({}));
                if let Some(place) = place.as_object_mut() {
                    place.extend(changed.clone());
                    place.retain(|_, value| !value.is_null());
                }
            }
        }
    }
    AppStatus::of(&json!({ "status": status })).memory
}
