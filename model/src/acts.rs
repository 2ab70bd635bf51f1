//! What one request of a plan does, and what it is accused of.
//!
//! The order and the conditions are those of `kaspr_effects::interpret` and of the requests themselves: the
//! status over the version that was read, the template over that of the StatefulSet, a deletion of one uid,
//! a signal to one pod.

use crate::runs::{Config, Without};
use crate::world::{At, Entry, Ghost, Heard, Mode, Outcome, Phase, Plan, Pod, Status, World};

/// S1: only who earned it is deleted.
pub const EARNED: u16 = 1;
/// S2: no more than the budget is down for us.
pub const BUDGET: u16 = 2;
/// S2, and one more for each request that came late.
pub const BUDGET_LATE: u16 = 4;
/// S3: no template changes while an entry can fire.
pub const TEMPLATE_ALONE: u16 = 8;
/// S3: nobody is deleted while pods roll.
pub const DELETION_ALONE: u16 = 16;
/// S6: who says stop is obeyed.
pub const OBEDIENCE: u16 = 32;
/// S7: a signal has a reason.
pub const SIGNAL_DUE: u16 = 64;
/// S7: and no more of them than unknown outcomes allow.
pub const SIGNAL_COUNT: u16 = 128;
/// S10: what is irreversible is in the status first.
pub const WRITTEN_FIRST: u16 = 256;
/// No older set of components replaces a newer one.
pub const FORWARD: u16 = 512;

/// What becomes of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// It arrives, and so does the answer.
    Heard,
    /// It arrives, and the answer is lost.
    Unheard,
    /// It does not arrive.
    Failed,
    /// A signal is accepted, and nothing comes of it.
    Idle,
}

/// Carries out the next request of `plan`; what is left of it. `of` remembers the outcome, if its process
/// still waits for it.
pub fn carry_out(
    config: &Config,
    world: &mut World,
    of: Option<usize>,
    mut plan: Plan,
    answer: Answer,
) -> Option<Plan> {
    let arrives = answer != Answer::Failed;
    if let Some(status) = plan.status.take() {
        return write(config, world, of, plan, (status, answer));
    }
    if is_outdated(config, &plan) {
        return None;
    }
    if let Some(template) = plan.template.take() {
        let fits = plan.set_holds || config.without == Some(Without::SetVersion);
        if arrives && fits {
            apply(config, world, of, &plan, template);
            plan.set_holds = false;
        }
    } else if let Some(ordinal) = plan.delete.iter().position(Option::is_some) {
        let uid = plan.delete[ordinal].take();
        let pod = &world.now.pods[ordinal];
        let fits = uid == Some(pod.uid) || config.without == Some(Without::UidPrecondition);
        if arrives && fits && pod.stays() {
            delete(config, world, &plan, ordinal);
        }
    } else if let Some(signal) = plan.signal.take() {
        let next = Plan { signal: Some(signal), ..plan };
        ask(config, world, of, &next, answer);
    }
    (!plan.is_empty()).then_some(plan)
}

/// A plan whose status was read long ago has it confirmed before the first thing that is irreversible (V5).
fn is_outdated(config: &Config, plan: &Plan) -> bool {
    plan.is_old && !plan.status_holds && config.without != Some(Without::Confirmation)
}

/// A status is written over the version that was read, or voids the plan.
fn write(
    config: &Config,
    world: &mut World,
    of: Option<usize>,
    mut plan: Plan,
    (status, answer): (Status, Answer),
) -> Option<Plan> {
    if answer == Answer::Failed {
        return None;
    }
    if !plan.status_holds && config.without != Some(Without::StatusVersion) {
        if let Some(of) = of.filter(|_| config.without == Some(Without::Outcomes)) {
            world.operators[of].outcome = None;
        }
        (plan.template, plan.signal) = (None, None);
        let goes_on = config.without == Some(Without::EntryWritten) && !plan.is_empty();
        return goes_on.then_some(plan);
    }
    commit(config, world, of, &plan, (status, answer == Answer::Heard));
    (plan.status_holds, plan.is_old) = (true, false);
    (answer == Answer::Heard && !plan.is_empty()).then_some(plan)
}

fn commit(
    config: &Config,
    world: &mut World,
    of: Option<usize>,
    plan: &Plan,
    (next, is_heard): (Status, bool),
) {
    let old = world.now.status;
    for ordinal in 0..config.pods {
        let pod = world.now.pods[ordinal];
        let bit = 1 << ordinal;
        let ghost = &mut world.ghost;
        if plan.struck & bit != 0 && next.strikes[ordinal].0 == pod.uid {
            ghost.strikes[ordinal] = (ghost.strikes[ordinal] + 1).min(3);
            ghost.earned |= if ghost.strikes[ordinal] == 3 { bit } else { 0 };
        } else if next.strikes[ordinal].1 == 0 {
            ghost.strikes[ordinal] = 0;
        }
        if next.ledger[ordinal].is_some_and(|entry| entry.uid == pod.uid) {
            ghost.entered |= bit;
        }
        if lapses(old.ledger[ordinal], next.ledger[ordinal]) && is_wanted_gone(world, pod) {
            world.left.age = world.left.age.saturating_sub(1);
        }
    }
    give_up(world, of, &old, &next);
    world.ghost.tracked |= 1 << next.tracked.min(7);
    world.now.status = next;
    world.plans().for_each(|plan| plan.status_holds = false);
    world.olds().for_each(|old| old.status_holds = false);
    if let Some(of) = of.filter(|_| is_heard)
        && let Some(old) = &mut world.operators[of].old
    {
        old.is_own = false;
    }
}

fn lapses(old: Option<Entry>, next: Option<Entry>) -> bool {
    old.is_some_and(|entry| !entry.is_lapsed) && next.is_some_and(|entry| entry.is_lapsed)
}

/// Nothing but its age can make the entry of this pod lapse.
fn is_wanted_gone(world: &World, pod: Pod) -> bool {
    world.now.mode == Mode::Normal && pod.health == crate::world::Health::Hung
}

/// An attempt whose outcome nobody will learn any more may have been a signal.
fn give_up(world: &mut World, of: Option<usize>, old: &Status, next: &Status) {
    let Some(before) = old.debt else { return };
    let is_booked = matches!(before.at, At::Booked { .. });
    if old.generation != next.generation {
        if is_booked {
            unknown(&mut world.ghost, old.generation);
        }
        return;
    }
    let Some(after) = next.debt else { return };
    let by = if let At::Booked { by, .. } = before.at { Some(usize::from(by)) } else { None };
    let is_living = by.is_some_and(|by| by < world.operators.len());
    let is_overtaken = is_living && by != of && before.at != after.at;
    if is_overtaken {
        world.left.overtake = world.left.overtake.saturating_sub(1);
    }
    if is_overtaken || after.unconfirmed > before.unconfirmed {
        unknown(&mut world.ghost, old.generation);
    }
}

/// One more attempt of this generation of which nobody will know whether it was a signal.
pub fn unknown(ghost: &mut Ghost, generation: u8) {
    let known = &mut ghost.unknown[usize::from(generation).min(crate::world::GENERATIONS - 1)];
    *known = (*known + 1).min(9);
}

/// What is broken after a request has landed late is only noted, so that the search goes on.
fn blame(config: &Config, world: &mut World, is_late: bool, what: u16) {
    let has_slipped = what != OBEDIENCE && world.left.slip < config.budget.slip;
    if is_late || has_slipped {
        world.ghost.slipped |= what;
    } else {
        world.ghost.broken |= what;
    }
}

fn apply(
    config: &Config,
    world: &mut World,
    of: Option<usize>,
    plan: &Plan,
    (template, list): (u8, u8),
) {
    let is_condemned = |(pod, entry): (&Pod, &Option<Entry>)| {
        pod.exists() && entry.is_some_and(|entry| entry.uid == pod.uid)
    };
    if world.now.pods.iter().zip(&world.now.status.ledger).any(is_condemned) {
        blame(config, world, false, TEMPLATE_ALONE);
    }
    if world.now.mode == Mode::Paused && !plan.is_excused {
        blame(config, world, of.is_none(), OBEDIENCE);
    }
    if world.ghost.tracked >> template.min(7) & 1 == 0 {
        world.ghost.broken |= WRITTEN_FIRST;
    }
    if list < world.ghost.live_list {
        world.ghost.broken |= FORWARD;
    }
    world.ghost.live_list = list;
    world.now.live = template;
    world.plans().for_each(|plan| plan.set_holds = false);
    world.olds().for_each(|old| old.set_holds = false);
}

fn delete(config: &Config, world: &mut World, plan: &Plan, ordinal: usize) {
    let bit = 1 << ordinal;
    world.now.pods[ordinal].phase = Phase::Leaving;
    let now = world.now;
    let ghost = &mut world.ghost;
    ghost.killed |= bit;
    ghost.broken |= if ghost.earned & bit == 0 { EARNED } else { 0 };
    ghost.broken |= if ghost.entered & bit == 0 { WRITTEN_FIRST } else { 0 };
    let is_told = now.mode != Mode::Normal && !plan.is_excused;
    ghost.broken |= if is_told || plan.lapsed & bit != 0 { OBEDIENCE } else { 0 };
    let down = usize::try_from(ghost.killed.count_ones()).unwrap_or(usize::MAX);
    let late = usize::from(config.budget.slip - world.left.slip);
    if now.pods[..config.pods].iter().any(|pod| pod.exists() && pod.revision != now.live) {
        blame(config, world, false, DELETION_ALONE);
    }
    if down > config.most_down() {
        blame(config, world, false, BUDGET);
    }
    if down > config.most_down() + late {
        world.ghost.broken |= BUDGET_LATE;
    }
}

fn ask(config: &Config, world: &mut World, of: Option<usize>, plan: &Plan, answer: Answer) {
    let Some(signal) = plan.signal else { return };
    let pod = world.now.pods[usize::from(signal.ordinal)];
    let arrives = answer != Answer::Failed && pod.phase == Phase::Ready && pod.uid == signal.uid;
    let heard = match answer {
        _ if !arrives => Heard::No,
        Answer::Unheard => Heard::Nothing,
        _ if of.is_none() => Heard::Nothing,
        Answer::Heard | Answer::Idle | Answer::Failed => Heard::Yes,
    };
    if arrives {
        if !signal.is_due {
            world.ghost.broken |= SIGNAL_DUE;
        }
        if world.now.mode == Mode::Paused && !plan.is_excused {
            blame(config, world, of.is_none(), OBEDIENCE);
        }
        let (generation, _) = signal.attempt;
        if answer == Answer::Unheard {
            unknown(&mut world.ghost, generation);
        }
        let ghost = &mut world.ghost;
        let place = usize::from(generation).min(crate::world::GENERATIONS - 1);
        ghost.signals[place] = ghost.signals[place].saturating_add(1);
        if ghost.signals[place] > 1 + ghost.unknown[place] {
            ghost.broken |= SIGNAL_COUNT;
        }
        let pods = &world.now.pods[..config.pods];
        let revision = world.now.pods[0].revision;
        let is_one = |pod: &Pod| pod.phase == Phase::Ready && pod.revision == revision;
        if answer != Answer::Idle && pods.iter().all(is_one) {
            world.now.assigned = Some(revision);
        }
    }
    if let Some(of) = of {
        world.operators[of].outcome = Some(Outcome { attempt: signal.attempt, answer: heard });
    }
}
