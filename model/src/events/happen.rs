//! What each event does to the world.

use super::{Check, Event, Part};
use crate::acts::Answer;
use crate::acts::{self, carry_out};
use crate::runs::{Config, Without};
use crate::time::Due;
use crate::world::{
    At, DEAD, Debt, Health, Heard, Mode, Old, Operator, Outcome, PODS, Phase, Plan, Pod, Status,
    View, World,
};

impl Check {
    pub(super) fn happen(&self, world: &mut World, event: Event) -> Option<()> {
        match event {
            Event::Hang(_)
            | Event::Threshold(_)
            | Event::Heal(_)
            | Event::Start(_)
            | Event::NeverStart(_)
            | Event::Stop(_)
            | Event::Create(_)
            | Event::Roll(_)
            | Event::Evict(_) => happen_to_pod(&self.config, world, event),
            Event::Want(template) => {
                world.left.change -= 1;
                world.now.wanted = template;
                world.now.list += 1;
            }
            Event::Set(mode) => {
                let stops = mode != Mode::Normal;
                world.left.mode -= u8::from(stops);
                world.now.mode = mode;
                world.plans().for_each(|plan| plan.is_excused = stops);
                world.olds().for_each(|old| old.is_excused = stops);
            }
            Event::Look(of, due) => {
                let plan = self.look(world, of, due);
                if due.is_any() && plan == self.look(world, of, Due::default()) {
                    return None;
                }
                // A process never decides on something older than what it has decided on (V3).
                if self.config.without != Some(Without::ForwardReading) {
                    world.operators[of].old = None;
                }
                self.begin(world, of, plan);
            }
            Event::LookBack(of, part) => {
                let plan = self.look_back(world, of, part)?;
                if part != Part::Components {
                    world.operators[of].old = None;
                }
                world.operators[of].plan = (!plan.is_empty()).then_some(plan);
            }
            Event::Remember(of) => {
                world.left.stale -= 1;
                world.operators[of].old = Some(Old {
                    view: world.now,
                    is_own: true,
                    status_holds: true,
                    set_holds: true,
                    is_excused: false,
                });
            }
            Event::Act(of, answer) => {
                world.left.loss -= u8::from(matches!(answer, Answer::Unheard | Answer::Failed));
                world.left.idle_signal -= u8::from(answer == Answer::Idle);
                let plan = world.operators[of].plan.take()?;
                let rest = carry_out(&self.config, world, Some(of), plan, answer);
                world.operators[of].plan = rest;
            }
            Event::Crash(of) => crash(world, of),
            Event::Slip(of) => slip(world, of)?,
            Event::Land => {
                let plan = world.late.take()?;
                carry_out(&self.config, world, None, plan, Answer::Heard);
            }
        }
        Some(())
    }

    /// A process takes up a plan; an outcome that no status waits for is not remembered.
    pub(crate) fn begin(&self, world: &mut World, of: usize, plan: Plan) {
        let status = world.now.status;
        let booked = |status: &Status| {
            let debt = status.debt?;
            matches!(debt.at, At::Booked { .. }).then_some((status.generation, debt.n))
        };
        let operator = &mut world.operators[of];
        // Who never reads backwards could forget it with the booking; production keeps it in any case.
        let keeps = self.config.without != Some(Without::ForwardReading);
        let old = operator.old.filter(|_| keeps).and_then(|old| booked(&old.view.status));
        let waits = |attempt| booked(&status) == Some(attempt) || old == Some(attempt);
        operator.outcome = operator.outcome.filter(|outcome| waits(outcome.attempt));
        operator.plan = (!plan.is_empty()).then_some(plan);
    }
}

/// The identity of a living process.
pub(crate) fn name(operator: usize) -> u8 {
    u8::try_from(operator).unwrap_or(DEAD)
}

/// Whether a signal has a reason: all are Ready on the revision that carries the tracked set.
pub(super) fn justify(config: &Config, view: &View, plan: &mut Plan) {
    let Some(signal) = &mut plan.signal else { return };
    let is_on = |pod: &Pod| pod.phase == Phase::Ready && pod.revision == view.live;
    let all = view.pods[..config.pods].iter().all(is_on);
    signal.is_due = all && view.live == view.status.tracked;
}

/// The next pod of an ordinal.
pub(crate) fn is_born(world: &mut World, ordinal: usize) {
    let pod = &mut world.now.pods[ordinal];
    let (uid, revision) = (pod.uid + 1, world.now.live);
    *pod = Pod { uid, revision, phase: Phase::Starting, ..Pod::default() };
    let ghost = &mut world.ghost;
    ghost.strikes[ordinal] = 0;
    ghost.earned &= !(1 << ordinal);
    ghost.entered &= !(1 << ordinal);
}

/// The StatefulSet controller calls a rollout complete when all pods are Ready on the new revision.
/// Source: kubernetes/pkg/controller/statefulset, `completeRollingUpdate`.
pub(crate) fn complete(config: &Config, world: &mut World) {
    let live = world.now.live;
    let is_on = |pod: &Pod| pod.phase == Phase::Ready && pod.revision == live;
    if world.now.pods[..config.pods].iter().all(is_on) {
        world.now.current = live;
    }
}

fn happen_to_pod(config: &Config, world: &mut World, event: Event) {
    let left = &mut world.left;
    let pods = &mut world.now.pods;
    match event {
        Event::Hang(ordinal) => {
            left.hang -= 1;
            let health = if config.hangs_at_once { Health::Hung } else { Health::Stuck };
            pods[ordinal].health = health;
        }
        Event::Threshold(ordinal) => pods[ordinal].health = Health::Hung,
        Event::Heal(ordinal) => pods[ordinal].health = Health::Well,
        Event::Start(ordinal) => {
            pods[ordinal].phase = Phase::Ready;
            world.ghost.killed &= !(1 << ordinal);
        }
        Event::NeverStart(ordinal) => {
            left.stuck -= 1;
            pods[ordinal].never_starts = true;
        }
        Event::Stop(ordinal) => {
            let (uid, revision) = (pods[ordinal].uid, pods[ordinal].revision);
            pods[ordinal] = Pod { uid, revision, phase: Phase::Absent, ..Pod::default() };
            if config.stops_at_once {
                is_born(world, ordinal);
            }
        }
        Event::Create(ordinal) => is_born(world, ordinal),
        Event::Evict(ordinal) => {
            left.evict -= 1;
            pods[ordinal].phase = Phase::Leaving;
        }
        Event::Roll(ordinal) => pods[ordinal].phase = Phase::Leaving,
        _ => {}
    }
    complete(config, world);
}

/// The process that starts has another identity: what the old one booked is nobody's to send.
fn crash(world: &mut World, of: usize) {
    world.left.crash -= 1;
    let by = name(of);
    let bury = |status: &mut Status| {
        if let Some(Debt { at: At::Booked { by: booker, .. }, .. }) = &mut status.debt
            && *booker == by
        {
            *booker = DEAD;
        }
    };
    let status = world.now.status;
    if status
        .debt
        .is_some_and(|debt| matches!(debt.at, At::Booked { by: booker, .. } if booker == by))
    {
        acts::unknown(&mut world.ghost, status.generation);
    }
    world.operators[of] = Operator::default();
    bury(&mut world.now.status);
    world.plans().filter_map(|plan| plan.status.as_mut()).for_each(bury);
    world.olds().for_each(|old| bury(&mut old.view.status));
}

fn slip(world: &mut World, of: usize) -> Option<()> {
    world.left.slip -= 1;
    let plan = world.operators[of].plan.take()?;
    let mut one = Plan { status: None, template: None, delete: [None; PODS], signal: None, ..plan };
    if plan.status.is_some() {
        one.status = plan.status;
    } else if plan.template.is_some() {
        one.template = plan.template;
    } else if let Some(ordinal) = plan.delete.iter().position(Option::is_some) {
        one.delete[ordinal] = plan.delete[ordinal];
    } else {
        let signal = plan.signal?;
        one.signal = Some(signal);
        let answer = Heard::Nothing;
        let outcome = Outcome { attempt: signal.attempt, answer };
        world.operators[of].outcome = Some(outcome);
        acts::unknown(&mut world.ghost, signal.attempt.0);
    }
    world.late = Some(one);
    Some(())
}
