//! Which key is next. Pure: no locks, no timers of its own; the time is an argument.

mod allowance;
mod spread;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use kaspr_core::key::AppKey;
use kaspr_core::limits::LOOK_EVERY;
use kaspr_core::time::Uptime;

use self::allowance::Allowance;
use self::spread::Spread;
use crate::feed::Wake;
use crate::limits;

/// How urgent a key is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Lane {
    /// It is looked at because everything is: a restart, a list, the five minutes.
    Backlog,
    /// Something happened to it.
    Live,
}

/// What made a key due.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Cause {
    /// Something happened.
    Event,
    /// Time alone: a wait that is over, the five minutes.
    Time,
}

/// A key that is worked on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Taken {
    /// The key.
    pub key: AppKey,
    /// Since when it could have been taken.
    pub due: Uptime,
    /// How long it waited for its turn.
    pub waited: Duration,
    /// What made it due.
    pub cause: Cause,
}

/// What a pass asks of the schedule when it ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum After {
    /// Look again when the plan says so, and after five minutes at the latest.
    WakeUp(Option<Uptime>),
    /// Look again at once: what came of the plan is a new fact.
    Again,
    /// Nothing names the key any more.
    Gone,
    /// The pass ended in a defect of ours: rest first.
    Defect,
}

/// Keys only; each is in one state at a time, never twice in a queue, never worked on twice.
#[derive(Clone, Debug)]
pub struct Schedule {
    slots: BTreeMap<AppKey, Slot>,
    live: VecDeque<AppKey>,
    backlog: VecDeque<AppKey>,
    timers: BTreeSet<(Uptime, AppKey)>,
    picks: u32,
    /// Since when keys are taken: nobody counts the time before as waiting for a turn.
    opened: Uptime,
    spread: Spread,
}

#[derive(Clone, Debug, Default)]
struct Slot {
    waiting: Option<Lane>,
    /// Since when it is due, and why; kept while it waits, and while it runs if it must run again.
    due: Option<(Uptime, Cause)>,
    is_running: bool,
    /// It became due while it was worked on.
    again: Option<Lane>,
    timer: Option<(Uptime, Lane)>,
    /// It acted too often: only its timer wakes it.
    is_resting: bool,
    allowance: Allowance,
}

impl Schedule {
    /// An empty schedule; `seed` spreads the regular looks.
    pub fn new(seed: u64) -> Self {
        Self {
            slots: BTreeMap::new(),
            live: VecDeque::new(),
            backlog: VecDeque::new(),
            timers: BTreeSet::new(),
            picks: 0,
            opened: Uptime::default(),
            spread: Spread::of(seed),
        }
    }

    /// Keys are taken from `now` on.
    pub fn open(&mut self, now: Uptime) {
        self.opened = now;
    }

    /// Look at `key` as soon as its turn comes. If it is being worked on, once more afterwards.
    pub fn due(&mut self, key: &AppKey, lane: Lane, now: Uptime) {
        self.wait(key, lane, (now, Cause::Event));
    }

    /// Look at `key` at this instant at the latest; what comes sooner is looked at sooner.
    pub fn due_at(&mut self, key: &AppKey, at: Uptime) {
        let slot = self.slots.entry(key.clone()).or_default();
        if slot.is_running {
            slot.again = slot.again.max(Some(Lane::Live));
            slot.due.get_or_insert((at, Cause::Event));
        } else if !slot.is_resting
            && slot.waiting.is_none()
            && slot.timer.is_none_or(|(timer, _)| at < timer)
        {
            self.set_timer(key, at, Lane::Live);
        }
    }

    /// A watch said something.
    pub fn wake(&mut self, wake: &Wake, now: Uptime) {
        for key in &wake.keys {
            if wake.pause.is_zero() {
                self.due(key, wake.lane, now);
            } else {
                self.due_at(key, now.after(wake.pause));
            }
        }
    }

    /// Takes the next key, which then counts as worked on until [`Self::done`].
    pub fn next(&mut self, now: Uptime) -> Option<Taken> {
        self.fire(now);
        self.picks = self.picks.wrapping_add(1);
        let is_turn_of_backlog = self.picks.is_multiple_of(limits::BACKLOG_EVERY);
        let order = if is_turn_of_backlog {
            [Lane::Backlog, Lane::Live]
        } else {
            [Lane::Live, Lane::Backlog]
        };
        let key = order.into_iter().find_map(|lane| self.take(lane))?;
        let slot = self.slots.get_mut(&key)?;
        slot.waiting = None;
        slot.is_running = true;
        let (due, cause) = slot.due.take().unwrap_or((now, Cause::Event));
        let timer = slot.timer.take();
        self.drop_timer(&key, timer);
        let due = due.max(self.opened);
        Some(Taken { key, due, waited: now.since(due), cause })
    }

    /// The pass of `key` has ended.
    pub fn done(&mut self, key: &AppKey, after: After, now: Uptime) {
        let at_the_latest = now.after(self.spread.of_up_to(LOOK_EVERY));
        let Some(slot) = self.slots.get_mut(key) else { return };
        slot.is_running = false;
        let again = slot.again.take();
        match (after, again) {
            (After::Defect, _) => self.rest(key, now.after(limits::DEFECT_PAUSE)),
            (After::Again, _) => match slot.allowance.spend(now) {
                Some(until) => self.rest(key, until),
                None => self.due(key, Lane::Live, now),
            },
            (_, Some(lane)) => self.due(key, lane, now),
            (After::Gone, None) => {
                self.slots.remove(key);
            }
            (After::WakeUp(Some(at)), None) if at < at_the_latest => {
                self.set_timer(key, at, Lane::Live);
            }
            (After::WakeUp(_), None) => {
                self.set_timer(key, at_the_latest, Lane::Backlog);
            }
        }
    }

    /// When the next timer is due.
    pub fn next_timer(&self) -> Option<Uptime> {
        self.timers.first().map(|(at, _)| *at)
    }

    /// The keys that wait for their turn.
    pub fn waiting(&self) -> impl Iterator<Item = &AppKey> {
        self.slots.iter().filter(|(_, slot)| slot.waiting.is_some()).map(|(key, _)| key)
    }

    fn fire(&mut self, now: Uptime) {
        while let Some((at, key)) = self.timers.first().cloned()
            && at <= now
        {
            self.timers.pop_first();
            let lane = self.slots.get_mut(&key).and_then(|slot| {
                slot.is_resting = false;
                slot.timer.take()
            });
            self.wait(&key, lane.map_or(Lane::Live, |(_, lane)| lane), (at, Cause::Time));
        }
    }

    fn wait(&mut self, key: &AppKey, lane: Lane, due: (Uptime, Cause)) {
        let slot = self.slots.entry(key.clone()).or_default();
        if slot.is_running {
            slot.again = slot.again.max(Some(lane));
            slot.due.get_or_insert(due);
        } else if !slot.is_resting && slot.waiting < Some(lane) {
            // A key that moves up leaves a stale place in the backlog, which is skipped there.
            slot.waiting = Some(lane);
            slot.due.get_or_insert(due);
            match lane {
                Lane::Live => self.live.push_back(key.clone()),
                Lane::Backlog => self.backlog.push_back(key.clone()),
            }
        }
    }

    fn take(&mut self, lane: Lane) -> Option<AppKey> {
        let queue = match lane {
            Lane::Live => &mut self.live,
            Lane::Backlog => &mut self.backlog,
        };
        loop {
            let key = queue.pop_front()?;
            if self.slots.get(&key).is_some_and(|slot| slot.waiting == Some(lane)) {
                return Some(key);
            }
        }
    }

    fn rest(&mut self, key: &AppKey, until: Uptime) {
        if let Some(slot) = self.slots.get_mut(key) {
            slot.is_resting = true;
            slot.due = None;
        }
        self.set_timer(key, until, Lane::Live);
    }

    fn set_timer(&mut self, key: &AppKey, at: Uptime, lane: Lane) {
        let before = self.slots.get_mut(key).and_then(|slot| slot.timer.replace((at, lane)));
        self.drop_timer(key, before);
        self.timers.insert((at, key.clone()));
    }

    fn drop_timer(&mut self, key: &AppKey, timer: Option<(Uptime, Lane)>) {
        if let Some((at, _)) = timer {
            self.timers.remove(&(at, key.clone()));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Uptime = Uptime(1_000);

    fn key(name: &str) -> AppKey {
        AppKey::new("n", name)
    }

    fn schedule(due: &[(&str, Lane)]) -> Schedule {
        let mut schedule = Schedule::new(1);
        for (name, lane) in due {
            schedule.due(&key(name), *lane, NOW);
        }
        schedule
    }

    fn next(schedule: &mut Schedule, now: Uptime) -> Option<AppKey> {
        schedule.next(now).map(|taken| taken.key)
    }

    fn drain(schedule: &mut Schedule, now: Uptime) -> Vec<String> {
        std::iter::from_fn(|| schedule.next(now)).map(|taken| taken.key.name).collect()
    }

    #[test]
    fn a_key_waits_once_however_often_it_is_due() {
        let mut schedule = schedule(&[("a", Lane::Live), ("a", Lane::Live), ("a", Lane::Backlog)]);
        assert_eq!(schedule.waiting().count(), 1);
        assert_eq!(drain(&mut schedule, NOW), ["a"]);
    }

    #[test]
    fn a_key_that_becomes_due_while_it_runs_runs_again() {
        let mut schedule = schedule(&[("a", Lane::Live)]);
        assert_eq!(next(&mut schedule, NOW), Some(key("a")));
        schedule.due(&key("a"), Lane::Live, NOW);
        assert_eq!(schedule.next(NOW), None);
        schedule.done(&key("a"), After::Gone, NOW);
        assert_eq!(next(&mut schedule, NOW), Some(key("a")));
    }

    #[test]
    fn an_edit_overtakes_the_backlog_and_does_not_starve_it() {
        let mut schedule = schedule(&[("b1", Lane::Backlog), ("b2", Lane::Backlog)]);
        for name in ["e1", "e2", "e3", "e4", "e5"] {
            schedule.due(&key(name), Lane::Live, NOW);
        }
        assert_eq!(drain(&mut schedule, NOW), ["e1", "e2", "e3", "b1", "e4", "e5", "b2"]);
    }

    #[test]
    fn a_key_of_the_backlog_moves_up_and_is_not_taken_twice() {
        let mut schedule = schedule(&[("a", Lane::Backlog), ("b", Lane::Backlog)]);
        schedule.due(&key("b"), Lane::Live, NOW);
        assert_eq!(drain(&mut schedule, NOW), ["b", "a"]);
    }

    #[test]
    fn the_plan_says_when_to_look_again_and_each_plan_says_it_anew() {
        let mut schedule = schedule(&[("a", Lane::Live)]);
        schedule.next(NOW);
        schedule.done(&key("a"), After::WakeUp(Some(Uptime(1_500))), NOW);
        assert_eq!(schedule.next_timer(), Some(Uptime(1_500)));
        schedule.due(&key("a"), Lane::Live, NOW);
        schedule.next(NOW);
        assert_eq!(schedule.next_timer(), None);
        schedule.done(&key("a"), After::WakeUp(Some(Uptime(9_000))), NOW);
        assert_eq!(schedule.next(Uptime(8_999)), None);
        assert_eq!(next(&mut schedule, Uptime(9_000)), Some(key("a")));
    }

    #[test]
    fn every_key_is_looked_at_within_five_minutes() {
        let mut schedule = schedule(&[("a", Lane::Live), ("b", Lane::Live)]);
        for name in ["a", "b"] {
            schedule.next(NOW);
            schedule.done(&key(name), After::WakeUp(None), NOW);
        }
        assert_eq!(drain(&mut schedule, NOW.after(LOOK_EVERY / 2)), Vec::<String>::new());
        assert_eq!(drain(&mut schedule, NOW.after(LOOK_EVERY)).len(), 2);
    }

    #[test]
    fn a_key_that_acts_pass_after_pass_rests() {
        let mut schedule = schedule(&[("a", Lane::Live)]);
        let mut passes = 0;
        while schedule.next(NOW).is_some() {
            passes += 1;
            schedule.done(&key("a"), After::Again, NOW);
            schedule.due(&key("a"), Lane::Live, NOW);
        }
        assert_eq!(passes, limits::ACTS_BURST);
        assert_eq!(next(&mut schedule, NOW.after(Duration::from_secs(1))), Some(key("a")));
    }

    #[test]
    fn a_key_that_is_due_later_waits_unless_something_comes_sooner() {
        let mut schedule = schedule(&[]);
        schedule.due_at(&key("a"), Uptime(1_300));
        schedule.due_at(&key("a"), Uptime(1_500));
        assert_eq!(schedule.next(Uptime(1_299)), None);
        assert_eq!(next(&mut schedule, Uptime(1_300)), Some(key("a")));
        schedule.done(&key("a"), After::WakeUp(None), Uptime(1_300));
        schedule.due_at(&key("a"), Uptime(1_600));
        schedule.due(&key("a"), Lane::Live, NOW);
        assert_eq!(next(&mut schedule, Uptime(1_301)), Some(key("a")));
        assert_eq!(schedule.next(Uptime(1_700)), None);
    }

    #[test]
    fn a_key_that_is_gone_leaves_nothing_behind() {
        let mut schedule = schedule(&[("a", Lane::Live)]);
        schedule.next(NOW);
        schedule.done(&key("a"), After::Gone, NOW);
        assert!(schedule.slots.is_empty() && schedule.timers.is_empty());
    }

    #[test]
    fn a_key_says_since_when_and_why_it_was_due() {
        let mut schedule = schedule(&[]);
        let check = |schedule: &mut Schedule, now: u64, due: u64, waited: u64, cause: Cause| {
            let taken = schedule.next(Uptime(now)).unwrap();
            let waited = Duration::from_millis(waited);
            assert_eq!(taken, Taken { key: key("a"), due: Uptime(due), waited, cause });
        };
        schedule.due(&key("a"), Lane::Backlog, Uptime(10));
        schedule.due(&key("a"), Lane::Live, Uptime(20));
        check(&mut schedule, 30, 10, 20, Cause::Event);
        // What happens during a pass waits from then on; the pass's own news from its end on.
        schedule.due(&key("a"), Lane::Live, Uptime(32));
        schedule.done(&key("a"), After::WakeUp(None), Uptime(40));
        check(&mut schedule, 45, 32, 13, Cause::Event);
        schedule.done(&key("a"), After::Again, Uptime(50));
        check(&mut schedule, 55, 50, 5, Cause::Event);
        schedule.done(&key("a"), After::WakeUp(Some(Uptime(70))), Uptime(60));
        check(&mut schedule, 75, 70, 5, Cause::Time);
        schedule.done(&key("a"), After::Defect, Uptime(80));
        schedule.due(&key("a"), Lane::Live, Uptime(90));
        let rested = Uptime(80).after(limits::DEFECT_PAUSE);
        check(&mut schedule, rested.0, rested.0, 0, Cause::Time);
    }

    #[test]
    fn the_time_before_keys_are_taken_is_no_wait_for_a_turn() {
        let mut schedule = schedule(&[("a", Lane::Backlog)]);
        schedule.open(Uptime(5_000));
        let taken = schedule.next(Uptime(5_003)).unwrap();
        assert_eq!((taken.due, taken.waited), (Uptime(5_000), Duration::from_millis(3)));
    }
}
