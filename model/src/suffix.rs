//! That all ends well, checked as safety: from every world a fair and quiet end of the story comes to rest
//! where it should.

use std::collections::HashSet;
use std::hash::{BuildHasher, RandomState};
use std::sync::{Mutex, PoisonError};

use crate::acts::{Answer, carry_out};
use crate::events::{Check, complete, is_born};
use crate::time::{Due, due};
use crate::world::{Budget, Ghost, Health, Mode, Phase, Pod, World};

/// A story that is not over after so many rounds never is.
const ROUNDS: usize = 60;

/// Worlds that are known to end well.
pub struct Endings {
    hasher: RandomState,
    known: Vec<Mutex<HashSet<u64>>>,
}

impl Default for Endings {
    fn default() -> Self {
        let known = (0..64).map(|_| Mutex::default()).collect();
        Self { hasher: RandomState::new(), known }
    }
}

impl Endings {
    fn shelf(&self, mark: u64) -> std::sync::MutexGuard<'_, HashSet<u64>> {
        let place = usize::try_from(mark % 64).unwrap_or(0);
        self.known[place].lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn keep(&self, path: &[u64]) {
        for mark in path {
            self.shelf(*mark).insert(*mark);
        }
    }
}

/// How the operators take turns.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Turns {
    /// One looks and acts, then the other.
    InTurn,
    /// Both look, then both act.
    Together,
}

impl Check {
    /// Whether the story ends well from here.
    ///
    /// # Errors
    /// Says what is wrong in the end.
    pub fn ends_well(&self, world: &World) -> Result<(), &'static str> {
        if world.ghost.broken != 0 {
            return Ok(());
        }
        self.ends(world, Turns::InTurn)?;
        if self.config.operators == 2 {
            self.ends(world, Turns::Together)?;
        }
        Ok(())
    }

    fn ends(&self, from: &World, turns: Turns) -> Result<(), &'static str> {
        let mut world = *from;
        world.now.mode = Mode::Normal;
        world.plans().for_each(|plan| plan.is_excused = false);
        for operator in &mut world.operators {
            operator.old = None;
        }
        if let Some(plan) = world.late.take() {
            carry_out(&self.config, &mut world, None, plan, Answer::Heard);
        }
        let mut path = Vec::new();
        if self.rests(&mut world, turns, false, &mut path)? {
            self.endings.keep(&path);
            return Ok(());
        }
        let stuck = world.now.pods[..self.config.pods].iter().any(|pod| pod.never_starts);
        if stuck {
            self.is_right_beside_a_stuck_one(&world)?;
            // The next template starts: that is what people do.
            let now = &world.now;
            let known = [now.wanted, now.live, now.status.tracked, now.assigned.unwrap_or(0)];
            let intent = now.status.intent.map_or(0, |intent| intent.template);
            world.now.wanted = known.into_iter().fold(intent, u8::max) + 1;
            world.now.list += 1;
            if self.rests(&mut world, turns, true, &mut path)? {
                self.endings.keep(&path);
                return Ok(());
            }
            if world.now.pods[..self.config.pods].iter().any(|pod| pod.never_starts) {
                return Err("L8: a template that starts does not repair");
            }
        }
        self.is_right(&world)?;
        self.endings.keep(&path);
        Ok(())
    }

    /// Goes on until nothing happens any more. Says whether it got where the end is known.
    fn rests(
        &self,
        world: &mut World,
        turns: Turns,
        is_mended: bool,
        path: &mut Vec<u64>,
    ) -> Result<bool, &'static str> {
        for _ in 0..ROUNDS {
            *world = plain(*world);
            let mark = self.endings.hasher.hash_one((*world, turns, is_mended));
            if self.endings.shelf(mark).contains(&mark) {
                return Ok(true);
            }
            path.push(mark);
            let before = *world;
            self.pods_go_on(world);
            self.operators_go_on(world, turns);
            if plain(*world) == before {
                return Ok(false);
            }
        }
        Err("L7: it never comes to rest")
    }

    fn pods_go_on(&self, world: &mut World) {
        for ordinal in 0..self.config.pods {
            let may_start = self.may_start(world, ordinal);
            let pod = &mut world.now.pods[ordinal];
            match (pod.phase, pod.health) {
                (Phase::Leaving, _) => {
                    let (uid, revision) = (pod.uid, pod.revision);
                    *pod = Pod { uid, revision, phase: Phase::Absent, ..Pod::default() };
                }
                (Phase::Absent, _) => is_born(world, ordinal),
                (Phase::Starting, _) if may_start => pod.phase = Phase::Ready,
                (Phase::Ready, Health::Stuck) => pod.health = Health::Hung,
                (Phase::Starting | Phase::Ready, _) => {}
            }
        }
        if let Some(ordinal) = self.rolls(world) {
            world.now.pods[ordinal].phase = Phase::Leaving;
        }
        complete(&self.config, world);
    }

    fn operators_go_on(&self, world: &mut World, turns: Turns) {
        let all = 0..self.config.operators;
        match turns {
            Turns::InTurn => {
                for of in all {
                    self.looks(world, of);
                    self.acts(world, of);
                }
            }
            Turns::Together => {
                for of in all.clone() {
                    self.looks(world, of);
                }
                for of in all.rev() {
                    self.acts(world, of);
                }
            }
        }
    }

    fn looks(&self, world: &mut World, of: usize) {
        if world.operators[of].plan.is_some() {
            return;
        }
        let mut plan = self.look(world, of, Due::default());
        if plan.is_empty() {
            plan = self.look(world, of, due(&self.config, world, of));
        }
        self.begin(world, of, plan);
    }

    fn acts(&self, world: &mut World, of: usize) {
        while let Some(plan) = world.operators[of].plan.take() {
            let rest = carry_out(&self.config, world, Some(of), plan, Answer::Heard);
            world.operators[of].plan = rest;
        }
    }

    /// A pod that never starts: its hung neighbour is replaced, unless the budget or a rollout is why not.
    fn is_right_beside_a_stuck_one(&self, world: &World) -> Result<(), &'static str> {
        let now = &world.now;
        let pods = &now.pods[..self.config.pods];
        let is_rolling = now.status.intent.is_some() || now.current != now.live;
        let has_entry = now.status.ledger.iter().any(Option::is_some);
        let is_hung = |pod: &Pod| pod.phase == Phase::Ready && pod.health == Health::Hung;
        if !is_rolling && !has_entry && pods.iter().any(is_hung) {
            return Err("L1: who hangs beside a stuck one is not replaced");
        }
        Ok(())
    }

    fn is_right(&self, world: &World) -> Result<(), &'static str> {
        let (now, status) = (&world.now, &world.now.status);
        let pods = &now.pods[..self.config.pods];
        let is_hung = |pod: &Pod| pod.phase == Phase::Ready && pod.health == Health::Hung;
        let is_on = |pod: &Pod| pod.phase == Phase::Ready && pod.revision == now.wanted;
        let is_stalled = status.debt.is_some_and(|debt| debt.unconfirmed >= 3);
        let has_strikes = status.strikes.iter().any(|(_, count)| *count > 0);
        let has_entries = status.ledger.iter().any(Option::is_some);
        if pods.iter().any(is_hung) {
            return Err("L1: who hangs is not replaced");
        }
        if now.live != now.wanted || !pods.iter().all(is_on) {
            return Err("L3: not on the wanted template");
        }
        if has_entries || has_strikes || status.intent.is_some() || status.tracked != now.wanted {
            return Err("L3: the status is not at rest");
        }
        if (status.debt.is_some() || now.assigned != Some(now.wanted)) && !is_stalled {
            return Err("L2: a rebalance that was owed is lost");
        }
        Ok(())
    }
}

/// A world in which only what the end depends on is told apart.
fn plain(mut world: World) -> World {
    world.ghost = Ghost::default();
    // Time passes, and no process that lives takes two deadlines to send what it booked.
    world.left = Budget { age: 1, ..Budget::default() };
    world.canonical()
}
