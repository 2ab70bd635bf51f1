//! Asks every member of every app how it is, in rounds: each app at its own instant, a few at a time.

pub mod client;
#[cfg(test)]
mod tests;

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use futures::stream::{self, StreamExt};
use kaspr_core::digest;
use kaspr_core::key::AppKey;
use kaspr_core::poll::{Run, Said, Silence, State};
use kaspr_core::time::{Now, Uptime};
use kaspr_effects::Clock;
use kaspr_engine::Site;
use kaspr_engine::polls::{self, Answered, Target};
use kaspr_engine::schedule::Lane;
use tokio::sync::Semaphore;
use tokio::task::{self, JoinError, JoinSet};
use tokio::time::{sleep_until, timeout_at};
use tokio_util::sync::CancellationToken;
use tracing::error;

use crate::limits;
use crate::process::Process;
use crate::sensors::Fact;
use crate::sensors::fact::PollFact;

/// The poller of one process.
pub struct Poller {
    process: Arc<Process>,
    /// How long a round of one app may take.
    round_within: Duration,
    calls: Arc<Semaphore>,
    /// When the next round of each app begins.
    next: BTreeMap<AppKey, Uptime>,
    /// Rounds that are under way, and whose they are.
    rounds: JoinSet<()>,
    busy: HashMap<task::Id, AppKey>,
    /// When the apps were looked through last.
    followed: Option<Uptime>,
}

impl Poller {
    /// A poller of the members that the process knows.
    pub fn new(process: Arc<Process>, round_within: Duration) -> Self {
        let interval = process.settings.poll_interval();
        Self {
            process,
            round_within: round_within.min(interval),
            calls: Arc::new(Semaphore::new(limits::MEMBER_CALLS_MAX)),
            next: BTreeMap::new(),
            rounds: JoinSet::new(),
            busy: HashMap::new(),
            followed: None,
        }
    }

    /// Polls until it is told to stop; a process that does not lead asks nobody.
    pub async fn run(mut self, stop: CancellationToken) {
        loop {
            let wake = self.plan();
            let at = self.process.clock.instant(wake);
            tokio::select! {
                biased;
                () = stop.cancelled() => return,
                Some(ended) = self.rounds.join_next_with_id() => self.end(ended),
                () = sleep_until(at) => {}
            }
        }
    }

    /// Begins the rounds that are due; says when to look again.
    fn plan(&mut self) -> Uptime {
        let now = self.process.clock.uptime();
        let soon = now.after(limits::MEMBER_LOOK_EVERY);
        if !self.process.may_act() {
            // What was heard, or is about to be, is old when it leads again.
            self.rounds.abort_all();
            self.process.polls().forget_all();
            self.next.clear();
            return soon;
        }
        if self.followed.is_none_or(|at| now.since(at) >= limits::MEMBER_LOOK_EVERY) {
            self.followed = Some(now);
            self.follow_keys(now);
        }
        // A round that is still under way wakes us by its end.
        let busy: BTreeSet<&AppKey> = self.busy.values().collect();
        let waits = self.next.iter().filter(|(key, _)| !busy.contains(key));
        let (due, later): (Vec<_>, Vec<_>) = waits.partition(|(_, at)| **at <= now);
        let next = later.into_iter().map(|(_, at)| *at).min();
        let due: Vec<AppKey> = due.into_iter().map(|(key, _)| key.clone()).collect();
        let begun = due.into_iter().map(|key| self.begin(key, now)).min();
        next.into_iter().chain(begun).min().map_or(soon, |next| next.min(soon))
    }

    /// A round is through; one that panicked is a defect, and its app is asked again.
    fn end(&mut self, ended: Result<(task::Id, ()), JoinError>) {
        let id = ended.as_ref().map_or_else(JoinError::id, |(id, ())| *id);
        let key = self.busy.remove(&id);
        if let (Some(key), true) = (key, ended.is_err_and(|error| error.is_panic())) {
            error!(%key, "a round of polls panicked: a defect of this program");
            self.process.tell.tell(Fact::Panic);
        }
    }

    /// New apps get an instant of their own within the interval; those that are gone lose it. Apps that
    /// are watched closely come sooner.
    fn follow_keys(&mut self, now: Uptime) {
        let interval = self.process.settings.poll_interval();
        let keys = self.process.store().keys();
        let mut polls = self.process.polls();
        polls.retain(|key| keys.contains(key));
        self.next.retain(|key, _| keys.contains(key));
        for key in keys.into_iter().filter(|key| !key.is_nameless()) {
            if let Entry::Vacant(new) = self.next.entry(key) {
                let spread = digest::fraction(&new.key().to_string());
                new.insert(now.after(interval.mul_f64(spread)));
            }
        }
        let soonest = now.after(polls::close_interval(interval));
        for (key, at) in &mut self.next {
            if polls.is_close(key, now) {
                *at = (*at).min(soonest);
            }
        }
    }

    /// Begins a round; says when the next one of this app is due.
    fn begin(&mut self, key: AppKey, now: Uptime) -> Uptime {
        let interval = self.process.settings.poll_interval();
        let is_close = self.process.polls().is_close(&key, now);
        let pause = if is_close { polls::close_interval(interval) } else { interval };
        let next = now.after(pause);
        self.next.insert(key.clone(), next);
        let process = Arc::clone(&self.process);
        let calls = Arc::clone(&self.calls);
        let (within, of) = (self.round_within, key.clone());
        let round = async move { round(&process, &calls, &of, within).await };
        self.busy.insert(self.rounds.spawn(round).id(), key);
        next
    }
}

/// A member, when it was asked, and what it said.
type Asked = (Target, Option<(Now, Said)>);

/// One round of one app: every member is asked once, those that were silent last come last.
async fn round(process: &Process, calls: &Semaphore, key: &AppKey, within: Duration) {
    let began = process.clock.uptime();
    let deadline = process.clock.instant(began.after(within));
    let mut targets = polls::targets(process.store(), key, &process.settings.cluster_domain);
    let runs = process.polls().of(key);
    let is_silent = |target: &Target| {
        let state = |run: &Run| matches!(run.said.state(), State::Silent(_));
        runs.get(&target.pod).is_some_and(state)
    };
    targets.sort_by_key(|target| (is_silent(target), target.pod.clone()));
    let mut asked: Vec<Asked> = targets.iter().map(|target| (target.clone(), None)).collect();
    let mut answers = stream::iter(targets.into_iter().enumerate())
        .map(|(at_place, target)| async move {
            // Who waits for others in vain was not asked, and is not to blame; nor is one whose turn
            // came when the round was nearly over.
            let Ok(Ok(_slot)) = timeout_at(deadline, calls.acquire()).await else {
                return (at_place, None);
            };
            let at = process.clock.now();
            let had = deadline.saturating_duration_since(process.clock.instant(at.uptime));
            let said = timeout_at(deadline, process.members.status(&target)).await.ok();
            let is_to_blame = had >= within.min(limits::MEMBER_WITHIN) / 2;
            let said = said.or_else(|| is_to_blame.then_some(Said::Silent(Silence::Timeout)));
            (at_place, said.map(|said| (at, said)))
        })
        .buffer_unordered(limits::MEMBER_CALLS_PER_APP);
    // Who answers is heard at once: one that does not delays nobody else.
    let quick = process.clock.instant(began.after(limits::MEMBER_ANSWERS_SOON));
    let mut is_late = false;
    loop {
        let next = if is_late {
            Ok(answers.next().await)
        } else {
            timeout_at(quick, answers.next()).await
        };
        match next {
            Ok(Some((place, said))) => {
                if let Some(slot) = asked.get_mut(place) {
                    slot.1 = said;
                }
            }
            Ok(None) => break,
            Err(_) => {
                is_late = true;
                take(process, key, &asked, None);
                for (_, said) in &mut asked {
                    *said = None;
                }
            }
        }
    }
    take(process, key, &asked, Some(process.clock.uptime().since(began)));
}

/// Takes in what a round heard, and how long it took if it is over. An answer counts for the pod that was
/// asked, if that still stands, and for a process that still leads.
fn take(process: &Process, key: &AppKey, asked: &[Asked], took: Option<Duration>) {
    let live = polls::targets(process.store(), key, &process.settings.cluster_domain);
    if !process.may_act() {
        return;
    }
    let round: Vec<Answered> = asked
        .iter()
        .filter_map(|(target, said)| {
            let now = live.iter().find(|now| now.pod == target.pod)?;
            let is_same = now.uid == target.uid && now.address == target.address;
            let replaced = |(at, _)| (at, Said::Silent(Silence::Replaced));
            let said = if is_same { said.clone() } else { said.clone().map(replaced) };
            Some(Answered { pod: target.pod.clone(), uid: now.uid.clone(), said })
        })
        .collect();
    let states: Vec<State> =
        round.iter().filter_map(|one| Some(one.said.as_ref()?.1.state())).collect();
    let now = process.clock.uptime();
    let interval = process.settings.poll_interval();
    let (turned, is_eventful) = {
        let mut polls = process.polls();
        let turned = polls.take(key, round, interval);
        let is_eventful = !turned.is_empty() || polls.is_eventful(key, now);
        (turned, is_eventful)
    };
    if is_eventful {
        process.due([key.clone()].into(), Lane::Live);
    }
    if !asked.is_empty() {
        process.tell.tell(Fact::Poll(PollFact { key: key.clone(), states, turned, took }));
    }
}
