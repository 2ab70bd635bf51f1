//! Walks a plan: status first, in order, within the deadline; a failure skips what depends on it.

use kaspr_core::action::Action;
use kaspr_core::limits;
use kaspr_core::outcome::{Answer, Refusal};
use kaspr_core::plan::{Plan, Stage, Step};
use kaspr_core::time::Uptime;

use crate::perform::{Clock, Fence, Perform};

/// What came of a plan.
#[derive(Debug, Default, PartialEq)]
pub struct Report {
    /// The actions that were sent, with their answers, in order.
    pub outcomes: Vec<(Action, Answer)>,
    /// The actions that were not sent, in order.
    pub skipped: Vec<Skipped>,
}

/// One action that was not sent, and why. It is no outcome: nothing came of it.
#[derive(Debug, PartialEq)]
pub struct Skipped {
    /// The action.
    pub action: Action,
    /// Why it was not sent.
    pub why: Dropped,
}

/// Why an action was not sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dropped {
    /// The app's status was not as decided on: the whole plan rests on something else.
    Voided,
    /// The app's status was refused, and this action cannot be undone.
    StatusRefused,
    /// Something that it needs failed in this plan.
    NeedFailed,
    /// The deadline of the plan passed.
    TooLate,
    /// This process no longer leads.
    NotLeading,
}

impl Report {
    /// Whether the plan was given up because its status did not hold.
    pub fn is_voided(&self) -> bool {
        self.skipped.iter().any(|skipped| skipped.why == Dropped::Voided)
    }

    /// Whether a status of the app was accepted.
    pub fn wrote_app_status(&self) -> bool {
        self.outcomes.iter().any(|(action, answer)| {
            matches!(action, Action::PatchStatus { of, .. } if !of.kind.is_component())
                && is_done(answer)
        })
    }
}

/// Carries out `plan`, whose status was read at `read_at`.
///
/// Never decides: it knows order ([`Stage`]), dependencies (a foundation that failed skips the
/// workload; a refused status skips what is irreversible), the deadline of the plan
/// ([`limits::PLAN_DEADLINE`] from `read_at`, renewed by a status that the answer confirms) and
/// the fence, which it asks before each request.
pub async fn interpret<W>(plan: &Plan, read_at: Uptime, world: &W) -> Report
where
    W: Perform + Clock + Fence,
{
    let mut walk = Walk { read_at, voided: false, status_refused: false, foundation_failed: false };
    let mut report = Report::default();
    for step in &plan.steps {
        if let Some(why) = walk.why_not(step, world) {
            report.skipped.push(Skipped { action: step.action.clone(), why });
            continue;
        }
        let asked_at = world.now().uptime;
        let answer = world.perform(&step.action).await;
        walk.learn(step, &answer, asked_at);
        report.outcomes.push((step.action.clone(), answer));
    }
    report
}

/// What the answers so far mean for the rest of the plan.
struct Walk {
    read_at: Uptime,
    voided: bool,
    status_refused: bool,
    foundation_failed: bool,
}

impl Walk {
    fn why_not<W: Clock + Fence>(&self, step: &Step, world: &W) -> Option<Dropped> {
        if self.voided {
            Some(Dropped::Voided)
        } else if !world.may_act() {
            Some(Dropped::NotLeading)
        } else if world.now().uptime.since(self.read_at) > limits::PLAN_DEADLINE {
            Some(Dropped::TooLate)
        } else if self.status_refused && step.action.is_irreversible() {
            Some(Dropped::StatusRefused)
        } else if self.foundation_failed && step.stage == Stage::Workload {
            Some(Dropped::NeedFailed)
        } else {
            None
        }
    }

    fn learn(&mut self, step: &Step, answer: &Answer, asked_at: Uptime) {
        match step.stage {
            Stage::Status => match answer {
                // The answer shows the status as it is: reading it back, as of when it was asked.
                Answer::Done { .. } => self.read_at = asked_at,
                Answer::Refused { refusal: Refusal::Conflict | Refusal::Gone, .. }
                | Answer::Exists { .. } => self.voided = true,
                Answer::Refused { .. } => self.status_refused = true,
            },
            Stage::Foundation => self.foundation_failed |= !is_done(answer),
            Stage::Aside | Stage::Workload | Stage::ComponentStatus => {}
        }
    }
}

fn is_done(answer: &Answer) -> bool {
    matches!(answer, Answer::Done { .. })
}
