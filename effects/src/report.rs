//! What came of a plan.

use std::time::Duration;

use kaspr_core::action::Action;
use kaspr_core::outcome::Answer;
use kaspr_core::plan::{Notice, Plan, Step};
use kaspr_core::time::Uptime;

/// What came of a plan.
#[derive(Debug, Default, PartialEq)]
pub struct Report {
    /// The actions that were sent, in order.
    pub sent: Vec<Sent>,
    /// The actions that were not sent, in order.
    pub skipped: Vec<Skipped>,
}

/// One action that was sent.
#[derive(Debug, PartialEq)]
pub struct Sent {
    /// The action.
    pub action: Action,
    /// What came of it.
    pub answer: Answer,
    /// When the answer, or the lack of one, was known.
    pub at: Uptime,
    /// How long it took until then.
    pub took: Duration,
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
    /// The world as a whole fails, or asked to be left alone.
    HeldBack,
}

impl Report {
    /// Each step of the plan that this is the report of, with what came of it.
    pub fn steps<'a>(
        &'a self,
        plan: &'a Plan,
    ) -> impl Iterator<Item = (&'a Step, Result<&'a Sent, Dropped>)> {
        let mut sent = self.sent.iter().peekable();
        let mut skipped = self.skipped.iter();
        plan.steps.iter().map(move |step| {
            let why = |skipped: Option<&Skipped>| skipped.map_or(Dropped::Voided, |one| one.why);
            let came =
                sent.next_if(|sent| sent.action == step.action).ok_or_else(|| why(skipped.next()));
            (step, came)
        })
    }

    /// The notices of the plan that are true now: a status that says the same, if the plan writes one,
    /// was written.
    pub fn said<'a>(&'a self, plan: &'a Plan) -> impl Iterator<Item = &'a Notice> {
        plan.notices.iter().filter(move |notice| {
            !self.steps(plan).any(|(step, came)| {
                let is_of =
                    matches!(&step.action, Action::PatchStatus { of, .. } if *of == notice.about);
                let is_written = came.is_ok_and(|sent| matches!(sent.answer, Answer::Done { .. }));
                is_of && !is_written
            })
        })
    }
}

#[cfg(test)]
mod tests {
    use kaspr_core::key::{ObjectKind, ObjectRef};
    use kaspr_core::outcome::Refusal;
    use kaspr_core::plan::{NoticeKind, Stage};
    use kaspr_core::reason::Reason;
    use serde_json::json;

    use super::*;

    fn of(name: &str) -> ObjectRef {
        ObjectRef::new(ObjectKind::Agent, "n", name)
    }

    fn patch(name: &str) -> Action {
        Action::PatchStatus { of: of(name), seen: "1".to_owned(), status: json!({}) }
    }

    /// Writes the statuses of three components and tells of four.
    fn plan() -> Plan {
        let step = |name| Step {
            stage: Stage::ComponentStatus,
            action: patch(name),
            because: Reason::Missing,
        };
        let notice = |name| Notice {
            about: of(name),
            uid: String::new(),
            kind: NoticeKind::Normal,
            reason: "Applied".to_owned(),
            note: String::new(),
        };
        Plan {
            steps: ["a", "b", "c"].map(step).into(),
            notices: ["a", "b", "c", "d"].map(notice).into(),
            ..Plan::default()
        }
    }

    /// The first is written, the second is refused, the third is not sent.
    fn report() -> Report {
        let sent = |name, answer| Sent {
            action: patch(name),
            answer,
            at: Uptime(0),
            took: Duration::ZERO,
        };
        let done = Answer::Done { resource_version: None, generation: None, digest: String::new() };
        let refused = Answer::Refused { refusal: Refusal::Conflict, message: String::new() };
        let skipped = Skipped { action: patch("c"), why: Dropped::TooLate };
        Report { sent: vec![sent("a", done), sent("b", refused)], skipped: vec![skipped] }
    }

    #[test]
    fn each_step_has_what_came_of_it() {
        let (plan, report) = (plan(), report());
        let came: Vec<Option<Dropped>> = report.steps(&plan).map(|(_, came)| came.err()).collect();
        assert_eq!(came, [None, None, Some(Dropped::TooLate)]);
        assert!(report.steps(&plan).all(|(step, came)| {
            came.is_err() || came.is_ok_and(|sent| sent.action == step.action)
        }));
    }

    #[test]
    fn what_no_status_says_is_not_told() {
        let (plan, report) = (plan(), report());
        let said: Vec<&str> = report.said(&plan).map(|notice| &*notice.about.name).collect();
        assert_eq!(said, ["a", "d"]);
    }
}
