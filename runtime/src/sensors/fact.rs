//! The facts that sensors hear.

use std::time::Duration;

use jiff::Timestamp;
use kaspr_core::action::Action;
use kaspr_core::key::{AppKey, ObjectKind, ObjectRef};
use kaspr_core::outcome::{Answer, Refusal};
use kaspr_core::plan::{Notice, Plan, Wait};
use kaspr_core::reason::Reason;
use kaspr_effects::{Dropped, Report};

use crate::cache::Scope;

/// Something that happened.
#[derive(Debug)]
pub enum Fact {
    /// One pass over one key.
    Pass(PassFact),
    /// One request to the API server.
    Request(RequestFact),
    /// A watch changed its state.
    Watch(WatchFact),
    /// The lease was gained, lost or given back.
    Lease(LeaseFact),
}

/// One pass: what was decided, and what came of it.
#[derive(Debug)]
pub struct PassFact {
    /// Whose pass it was.
    pub key: AppKey,
    /// `metadata.generation` of the app, if there is one.
    pub generation: Option<i64>,
    /// When it began.
    pub at: Timestamp,
    /// How long it took.
    pub took: Duration,
    /// What was to be done.
    pub steps: Vec<StepFact>,
    /// What was not to be done, and why.
    pub waits: Vec<Wait>,
    /// What people are to be told.
    pub notices: Vec<Notice>,
    /// What came of the whole.
    pub result: PassResult,
}

/// One action of a pass.
#[derive(Debug)]
pub struct StepFact {
    /// The action's verb.
    pub verb: &'static str,
    /// Its object.
    pub object: ObjectRef,
    /// The status fields that it writes; empty for other actions.
    pub fields: Vec<String>,
    /// Why it was planned.
    pub because: Reason,
    /// What came of it.
    pub came: Came,
}

/// What came of an action.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Came {
    /// Accepted.
    Done,
    /// The name was taken.
    Exists,
    /// Refused, with the server's words.
    Refused(Refusal, String),
    /// Not sent.
    Skipped(Dropped),
}

/// What came of a pass.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PassResult {
    /// Nothing was to be done.
    Silent,
    /// All that was to be done was done.
    Acted,
    /// Something was refused or not sent.
    Refused,
    /// The plan broke an invariant and was not carried out: a defect of this program.
    Defect(String),
}

impl PassResult {
    /// The result of a plan that was carried out.
    pub fn of(steps: &[StepFact]) -> Self {
        if steps.is_empty() {
            Self::Silent
        } else if steps.iter().all(|step| step.came == Came::Done) {
            Self::Acted
        } else {
            Self::Refused
        }
    }

    /// A stable word.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Silent => "silent",
            Self::Acted => "acted",
            Self::Refused => "refused",
            Self::Defect(_) => "defect",
        }
    }
}

impl StepFact {
    /// Joins a plan with what came of it.
    pub fn all(plan: &Plan, report: &Report) -> Vec<Self> {
        let mut answers = report.outcomes.iter().peekable();
        let mut skipped = report.skipped.iter().peekable();
        let join = |step: &kaspr_core::Step| {
            let came =
                if let Some((_, answer)) = answers.next_if(|(action, _)| *action == step.action) {
                    Came::of(answer)
                } else {
                    Came::Skipped(skipped.next().map_or(Dropped::Voided, |skipped| skipped.why))
                };
            Self {
                verb: step.action.verb(),
                object: step.action.object().clone(),
                fields: fields(&step.action),
                because: step.because.clone(),
                came,
            }
        };
        plan.steps.iter().map(join).collect()
    }
}

impl Came {
    fn of(answer: &Answer) -> Self {
        match answer {
            Answer::Done { .. } => Self::Done,
            Answer::Exists { .. } => Self::Exists,
            Answer::Refused { refusal, message } => Self::Refused(*refusal, message.clone()),
        }
    }
}

fn fields(action: &Action) -> Vec<String> {
    let Action::PatchStatus { status, .. } = action else { return Vec::new() };
    status.as_object().into_iter().flatten().map(|(name, _)| name.clone()).collect()
}

/// One request to the API server.
#[derive(Clone, Copy, Debug)]
pub struct RequestFact {
    /// The HTTP side of it: `get`, `apply`, `patch`, `create`, `delete`.
    pub verb: &'static str,
    /// The kind of its object.
    pub kind: &'static str,
    /// `done`, or the refusal's code.
    pub outcome: &'static str,
    /// Until the whole answer was there.
    pub took: Duration,
}

/// A watch changed its state.
#[derive(Debug)]
pub struct WatchFact {
    /// The kind that it watches.
    pub kind: ObjectKind,
    /// Where it looks.
    pub scope: Scope,
    /// Its state.
    pub state: WatchState,
}

/// The state of a watch.
#[derive(Debug, PartialEq, Eq)]
pub enum WatchState {
    /// The list is complete.
    Listed {
        /// So many objects of the kind are kept.
        objects: usize,
    },
    /// It cannot go on for now.
    Failed {
        /// The server's words.
        why: String,
        /// Until the next try.
        pause: Duration,
        /// The same as the time before: no news for people.
        is_repeated: bool,
    },
}

/// What happened to the lease.
#[derive(Debug, PartialEq, Eq)]
pub enum LeaseFact {
    /// This process leads.
    Gained,
    /// It leads no more.
    Lost {
        /// The new holder, if there is one.
        to: Option<String>,
    },
    /// Another process leads; this one waits.
    Waiting {
        /// The holder.
        holder: String,
    },
    /// A request about it was refused.
    Refused {
        /// The server's words.
        why: String,
    },
}
