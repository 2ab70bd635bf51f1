//! Walks a plan: status first, in order, within the deadline; a failure skips what depends on it.

use kaspr_core::limits;
use kaspr_core::outcome::{Answer, Refusal};
use kaspr_core::plan::{Plan, Stage, Step};
use kaspr_core::time::Uptime;

use crate::perform::{Clock, Fence, Perform};
use crate::report::{Dropped, Report, Sent, Skipped};

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
        let at = world.now().uptime;
        report.sent.push(Sent {
            action: step.action.clone(),
            answer,
            at,
            took: at.since(asked_at),
        });
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
        } else if !world.is_open() {
            Some(Dropped::HeldBack)
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
            Stage::Aside | Stage::Workload | Stage::Members | Stage::ComponentStatus => {}
        }
    }
}

fn is_done(answer: &Answer) -> bool {
    matches!(answer, Answer::Done { .. })
}

#[cfg(test)]
mod tests {
    use std::cell::{Cell, RefCell};
    use std::collections::VecDeque;
    use std::time::Duration;

    use kaspr_core::action::{Action, Manifest, Precondition};
    use kaspr_core::key::{ObjectKind, ObjectRef};
    use kaspr_core::reason::Reason;
    use kaspr_core::time::Now;
    use serde_json::json;

    use super::*;

    /// A world of one thread that answers from a list; each answer takes a second.
    struct Script {
        answers: RefCell<VecDeque<Answer>>,
        uptime: Cell<u64>,
        leads_for: Cell<usize>,
        open_for: Cell<usize>,
    }

    impl Script {
        fn of(answers: &[Answer]) -> Self {
            Self {
                answers: RefCell::new(answers.iter().cloned().collect()),
                uptime: Cell::new(0),
                leads_for: Cell::new(usize::MAX),
                open_for: Cell::new(usize::MAX),
            }
        }
    }

    impl Perform for Script {
        fn perform(&self, _: &Action) -> impl Future<Output = Answer> + Send {
            self.uptime.set(self.uptime.get() + 1_000);
            let answer = self.answers.borrow_mut().pop_front().unwrap_or_else(done);
            std::future::ready(answer)
        }
    }

    impl Clock for Script {
        fn now(&self) -> Now {
            Now { wall: jiff::Timestamp::UNIX_EPOCH, uptime: Uptime(self.uptime.get()) }
        }
    }

    impl Fence for Script {
        fn may_act(&self) -> bool {
            let left = self.leads_for.get();
            self.leads_for.set(left.saturating_sub(1));
            left > 0
        }

        fn is_open(&self) -> bool {
            let left = self.open_for.get();
            self.open_for.set(left.saturating_sub(1));
            left > 0
        }
    }

    fn done() -> Answer {
        Answer::Done { resource_version: None, generation: None, digest: String::new() }
    }

    fn refused(refusal: Refusal) -> Answer {
        Answer::Refused { refusal, message: String::new() }
    }

    fn object(kind: ObjectKind) -> ObjectRef {
        ObjectRef::new(kind, "ns", "a")
    }

    fn step(stage: Stage, action: Action) -> Step {
        Step { stage, action, because: Reason::Missing }
    }

    fn apply(stage: Stage, kind: ObjectKind) -> Step {
        let manifest = Manifest { object: object(kind), body: json!({}) };
        step(stage, Action::Apply { manifest, over: Precondition::Absent })
    }

    fn roll() -> Step {
        let manifest = Manifest { object: object(ObjectKind::StatefulSet), body: json!({}) };
        step(Stage::Workload, Action::Roll { manifest, over: Precondition::Absent })
    }

    /// Status, one foundation, one aside, one rollout, one component.
    fn plan() -> Plan {
        let status = |kind| {
            let (of, seen) = (object(kind), "1".to_owned());
            Action::PatchStatus { of, seen, status: json!({}) }
        };
        let steps = vec![
            step(Stage::Status, status(ObjectKind::App)),
            apply(Stage::Foundation, ObjectKind::ConfigMap),
            apply(Stage::Aside, ObjectKind::Autoscaler),
            roll(),
            step(Stage::ComponentStatus, status(ObjectKind::Agent)),
        ];
        Plan { steps, ..Plan::default() }
    }

    /// What was sent, as verbs, and what was not, as verbs with the reason.
    fn check(world: &Script, sent: &[&str], skipped: &[(&str, Dropped)]) {
        let report = futures::executor::block_on(interpret(&plan(), Uptime(0), world));
        let verbs: Vec<&str> = report.sent.iter().map(|sent| sent.action.verb()).collect();
        assert_eq!(verbs, sent);
        assert!(report.sent.iter().all(|sent| sent.took == Duration::from_secs(1)));
        let dropped: Vec<(&str, Dropped)> =
            report.skipped.iter().map(|skipped| (skipped.action.verb(), skipped.why)).collect();
        assert_eq!(dropped, skipped);
    }

    const ALL: [&str; 5] = ["PatchStatus", "Create", "Create", "Roll", "PatchStatus"];

    #[test]
    fn a_plan_without_trouble_is_sent_in_order() {
        check(&Script::of(&[]), &ALL, &[]);
    }

    #[test]
    fn a_conflict_on_the_status_voids_the_plan() {
        let voided =
            ["Create", "Create", "Roll", "PatchStatus"].map(|verb| (verb, Dropped::Voided));
        check(&Script::of(&[refused(Refusal::Conflict)]), &ALL[..1], &voided);
        check(&Script::of(&[refused(Refusal::Gone)]), &ALL[..1], &voided);
    }

    #[test]
    fn another_refusal_of_the_status_drops_only_what_cannot_be_undone() {
        let sent = ["PatchStatus", "Create", "Create", "PatchStatus"];
        for refusal in [Refusal::Forbidden, Refusal::Pruned, Refusal::Invalid, Refusal::AnswerLost]
        {
            check(&Script::of(&[refused(refusal)]), &sent, &[("Roll", Dropped::StatusRefused)]);
        }
    }

    #[test]
    fn a_failed_foundation_skips_the_workload_and_nothing_else() {
        let answers = [done(), refused(Refusal::Forbidden)];
        let sent = ["PatchStatus", "Create", "Create", "PatchStatus"];
        check(&Script::of(&answers), &sent, &[("Roll", Dropped::NeedFailed)]);
        let answers = [done(), Answer::Exists { found: None }];
        check(&Script::of(&answers), &sent, &[("Roll", Dropped::NeedFailed)]);
    }

    #[test]
    fn a_broken_autoscaler_stops_nothing() {
        check(&Script::of(&[done(), done(), refused(Refusal::Invalid)]), &ALL, &[]);
    }

    #[test]
    fn who_lost_the_lease_sends_nothing_more() {
        let world = Script::of(&[]);
        world.leads_for.set(2);
        let left = ["Create", "Roll", "PatchStatus"].map(|verb| (verb, Dropped::NotLeading));
        check(&world, &ALL[..2], &left);
    }

    #[test]
    fn a_world_that_fails_as_a_whole_is_left_alone() {
        let world = Script::of(&[done(), refused(Refusal::Unreachable)]);
        world.open_for.set(2);
        let left = ["Create", "Roll", "PatchStatus"].map(|verb| (verb, Dropped::HeldBack));
        check(&world, &ALL[..2], &left);
    }

    #[test]
    fn what_comes_after_the_deadline_is_dropped() {
        let world = Script::of(&[refused(Refusal::Forbidden)]);
        world.uptime.set(29_000);
        let late = ["Create", "Roll", "PatchStatus"].map(|verb| (verb, Dropped::TooLate));
        check(&world, &ALL[..2], &late);
    }

    #[test]
    fn a_status_that_was_written_renews_the_deadline() {
        let world = Script::of(&[]);
        world.uptime.set(29_000);
        check(&world, &ALL, &[]);
    }
}
