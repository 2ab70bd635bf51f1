//! What one decision concludes: steps with reasons, waits with reasons, and when to look again.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::action::{Action, ActionId, Uid};
use crate::key::{ObjectKind, ObjectRef};
use crate::policy::rebalance;
use crate::reason::Reason;
use crate::snapshot::Snapshot;
use crate::status::AppStatus;
use crate::status::memory::{Came, Entry};
use crate::time::Uptime;

/// The whole conclusion for one app key.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Plan {
    /// What to do, in order of [`Stage`].
    pub steps: Vec<Step>,
    /// What is not done, and why.
    pub waits: Vec<Wait>,
    /// What people are told once the status that says it is written.
    pub notices: Vec<Notice>,
    /// The kinds of components whose list is too old to decide on: it is to be read anew.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub stale: Vec<ObjectKind>,
    /// When to look again at the latest; events come sooner.
    pub wake_up: Option<Uptime>,
}

/// One action with its place and its reason.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Step {
    /// What it depends on, and what depends on it.
    pub stage: Stage,
    /// What to do.
    pub action: Action,
    /// Why.
    pub because: Reason,
}

/// The order of a plan. A failure skips what depends on it and nothing else: a foundation that
/// failed skips the workload, a status that was refused skips what is irreversible.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Stage {
    /// The app's status, or its confirmation: first; a conflict voids the plan.
    Status,
    /// What pods need to start: ServiceAccount, ConfigMaps, Services.
    Foundation,
    /// What stands alone: the autoscaler, things no longer wanted.
    Aside,
    /// The StatefulSet: needs every foundation.
    Workload,
    /// The members: pods that are deleted, signals that are sent. They stand alone.
    Members,
    /// The components' statuses: last; they void nothing.
    ComponentStatus,
}

/// Something that is not done, and why.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Wait {
    /// What is left alone.
    pub object: ObjectRef,
    /// Why.
    pub because: Reason,
    /// When to look again at the latest, if time alone can change it.
    pub until: Option<Uptime>,
}

/// One thing for people to read in `kubectl describe`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Notice {
    /// The object that it is about.
    pub about: ObjectRef,
    /// Its uid.
    pub uid: Uid,
    /// Whether it needs attention.
    pub kind: NoticeKind,
    /// The stable word.
    pub reason: String,
    /// The sentence.
    pub note: String,
}

/// The two types of Kubernetes Events.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum NoticeKind {
    /// As it should be.
    Normal,
    /// Somebody should look.
    Warning,
}

/// A broken invariant of a plan: a defect of this program, never of its input.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the plan breaks an invariant: {0}")]
pub struct Broken(pub String);

impl Plan {
    /// Whether nothing is to be done.
    pub fn is_silent(&self) -> bool {
        self.steps.is_empty()
    }

    /// Whether it holds an action that cannot be undone.
    pub fn has_irreversible(&self) -> bool {
        self.steps.iter().any(|step| step.action.is_irreversible())
    }

    /// Whether the plan has anything to do with the object of an earlier action. What was refused
    /// and is no longer wanted says nothing about what is wanted next.
    pub fn mentions(&self, id: &ActionId) -> bool {
        let steps = self.steps.iter().map(|step| step.action.object());
        let waits = self.waits.iter().map(|wait| &wait.object);
        steps.chain(waits).any(|object| id.is_about(object))
    }

    /// Holds the plan against what must be true of every plan made from `snapshot`.
    ///
    /// # Errors
    /// Names the first invariant that is broken; such a plan must not be carried out.
    pub fn check(&self, snapshot: &Snapshot) -> Result<(), Broken> {
        let broken = |text: String| Err(Broken(text));
        if !self.steps.is_sorted_by_key(|step| step.stage) {
            return broken("steps are out of order".to_owned());
        }
        for step in &self.steps {
            let object = step.action.object();
            if object.namespace != snapshot.key.namespace {
                return broken(format!("{object} lies in another namespace"));
            }
            let is_late = matches!(step.stage, Stage::Workload | Stage::Members);
            if step.action.is_irreversible() && !is_late {
                return broken(format!("{object} is changed for good outside its stage"));
            }
            if let Some(broken) = unearned(&step.action, snapshot) {
                return Err(broken);
            }
        }
        if let Some(wake_up) = self.wake_up
            && wake_up <= snapshot.now.uptime
        {
            return broken("the wake-up is not later than now".to_owned());
        }
        Ok(())
    }
}

/// A deletion or a signal that the observed status does not mean (S10: intent before the
/// irreversible).
fn unearned(action: &Action, snapshot: &Snapshot) -> Option<Broken> {
    let memory = || snapshot.app.present().map(AppStatus::of).unwrap_or_default().memory;
    match action {
        Action::DeletePod { pod, uid } => {
            let is_this = |entry: &Entry| entry.pod_uid == *uid && entry.lapsed.is_none();
            let is_earned = memory().terminations.iter().any(is_this);
            (!is_earned).then(|| Broken(format!("{pod} is deleted without an entry")))
        }
        Action::Signal { pod, attempt, .. } => {
            let rebalance = memory().rebalance;
            let booked = rebalance.debt.as_ref().and_then(|debt| debt.attempt.as_ref());
            let is_booked = booked.is_some_and(|booked| {
                rebalance::name(rebalance.generation, booked.n) == *attempt
                    && booked.by == snapshot.process
                    && booked.came == Came::Booked
            });
            (!is_booked).then(|| Broken(format!("{pod} is signalled without a booking")))
        }
        Action::PatchStatus { .. }
        | Action::ConfirmStatus { .. }
        | Action::Apply { .. }
        | Action::Roll { .. }
        | Action::TakeOwnership { .. }
        | Action::Scale { .. }
        | Action::Delete { .. }
        | Action::RemoveAnnotation { .. }
        | Action::RemoveLeftovers { .. } => None,
    }
}

impl fmt::Display for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Status => "status",
            Self::Foundation => "foundation",
            Self::Aside => "aside",
            Self::Workload => "workload",
            Self::Members => "members",
            Self::ComponentStatus => "component",
        })
    }
}
