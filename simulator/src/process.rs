//! One process of the operator in the simulated cluster: the production engine behind [`Site`].

mod members;
mod watches;

use std::collections::BTreeMap;
use std::future::{pending, poll_fn};
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Poll;
use std::time::Duration;

use jiff::SignedDuration;
use kaspr_core::outcome::Refusal;
use kaspr_core::time::{Now, Uptime};
use kaspr_core::{AppKey, ObjectKind, Settings};
use kaspr_effects::Clock;
use kaspr_engine::Site;
use kaspr_engine::cache::{Due, Scope, Store};
use kaspr_engine::feed::Feed;
use kaspr_engine::gate::Gate;
use kaspr_engine::memory::Memory;
use kaspr_engine::outdated::Outdated;
use kaspr_engine::polls::{Polls, Target};
use kaspr_engine::request::{Ask, Call, Failure};
use kaspr_engine::schedule::{After, Lane, Schedule, Taken};
use serde_json::Value;

use crate::clock::Instant;
use crate::cluster::Cluster;
use crate::fault::{Fault, Faults};
use crate::server::Answer;

/// The faults that are still to come, and how many requests there were.
#[derive(Clone, Debug, Default)]
pub(crate) struct Trouble {
    pub(crate) faults: Faults,
    pub(crate) requests: u64,
}

/// What all processes share.
#[derive(Clone, Debug)]
pub(crate) struct Ground {
    pub(crate) cluster: Arc<Mutex<Cluster>>,
    pub(crate) trouble: Arc<Mutex<Trouble>>,
}

impl Ground {
    pub(crate) fn cluster(&self) -> MutexGuard<'_, Cluster> {
        lock(&self.cluster)
    }

    pub(crate) fn trouble(&self) -> MutexGuard<'_, Trouble> {
        lock(&self.trouble)
    }

    /// The same, on its own from now on.
    pub(crate) fn copy(&self) -> Self {
        Self {
            cluster: Arc::new(Mutex::new(self.cluster().clone())),
            trouble: Arc::new(Mutex::new(self.trouble().clone())),
        }
    }
}

/// One process.
#[derive(Debug)]
pub(crate) struct Process {
    pub(crate) name: String,
    /// No other process has it, also not the one that was here before.
    identity: String,
    ground: Ground,
    settings: Settings,
    began: Instant,
    /// How many seconds the clock on the wall is from the true time.
    wall_is_off: AtomicI64,
    state: Mutex<State>,
    store: Mutex<Store>,
    memory: Mutex<Memory>,
    polls: Mutex<Polls>,
    gate: Mutex<Gate>,
    outdated: Mutex<Outdated>,
    schedule: Mutex<Schedule>,
}

/// How the process itself does.
#[derive(Clone, Debug, Default)]
struct State {
    feeds: Vec<Feed>,
    /// Up to where changes were heard.
    heard: u64,
    /// Nothing is heard before this instant.
    deaf_until: Option<Instant>,
    /// Nor before this request, which ends it sooner.
    deaf_to_request: Option<u64>,
    /// Watches that list anew, and when.
    relists: Vec<(ObjectKind, Instant)>,
    /// When members are asked next.
    asks_at: Instant,
    /// When the members of each app were asked last.
    asked: BTreeMap<AppKey, Instant>,
    /// It ended.
    is_dead: bool,
    /// It stands still until then.
    stands_until: Option<Instant>,
    /// Somebody else leads.
    is_deposed: bool,
}

impl Process {
    /// Starts one, which lists everything at once.
    pub(crate) fn start(name: &str, ground: &Ground, settings: &Settings) -> Arc<Self> {
        let watched = ObjectKind::watched(settings.checks_secrets);
        let scopes: Vec<_> = watched.map(|kind| (kind, Scope::All)).collect();
        let quiet = Duration::from_millis(settings.settle_millis);
        let began = ground.cluster().now();
        let process = Self {
            name: name.to_owned(),
            identity: format!("{name}-{}", began.0),
            ground: ground.clone(),
            settings: settings.clone(),
            began,
            wall_is_off: AtomicI64::default(),
            state: Mutex::default(),
            store: Mutex::new(Store::new(scopes.clone(), quiet)),
            memory: Mutex::default(),
            polls: Mutex::default(),
            gate: Mutex::default(),
            outdated: Mutex::default(),
            schedule: Mutex::new(Schedule::new(began.0)),
        };
        {
            let old = ground.trouble().faults.starts_from.take();
            let server = {
                let cluster = ground.cluster();
                old.map_or_else(|| cluster.server.clone(), |old| cluster.server.as_of(old))
            };
            let mut state = lock(&process.state);
            state.feeds = scopes.into_iter().map(|(kind, scope)| Feed::new(kind, scope)).collect();
            state.heard = server.version();
            state.asks_at = began;
            state.deaf_until = old.map(|_| began.after(CATCHES_UP_AFTER));
            let State { feeds, relists, .. } = &mut *state;
            for feed in feeds {
                relists.extend(process.list(feed, &server));
            }
        }
        let keys = process.store().keys();
        process.due(keys, Lane::Backlog);
        Arc::new(process)
    }

    /// The same process on another ground.
    pub(crate) fn copy(&self, ground: &Ground) -> Arc<Self> {
        Arc::new(Self {
            name: self.name.clone(),
            identity: self.identity.clone(),
            ground: ground.clone(),
            settings: self.settings.clone(),
            began: self.began,
            wall_is_off: self.wall_is_off.load(Ordering::Relaxed).into(),
            state: copy(&self.state),
            store: copy(&self.store),
            memory: copy(&self.memory),
            polls: copy(&self.polls),
            gate: copy(&self.gate),
            outdated: copy(&self.outdated),
            schedule: copy(&self.schedule),
        })
    }

    /// The key whose turn it is, if one is due.
    pub(crate) fn next(&self) -> Option<Taken> {
        let now = self.uptime();
        if lock(&self.gate).closed_until(now).is_some() {
            return None;
        }
        lock(&self.schedule).next(now)
    }

    /// When a key is due by time alone, or the gate opens.
    pub(crate) fn next_turn(&self) -> Option<Instant> {
        let gate = lock(&self.gate).closed_until(self.uptime());
        let schedule = lock(&self.schedule);
        let waits = schedule.waiting().next().is_some();
        let turn = if waits { Some(self.uptime()) } else { schedule.next_timer() };
        let at = turn.map(|at| gate.map_or(at, |gate| gate.max(at)));
        at.map(|at| self.began.after(at.0))
    }

    pub(crate) fn done(&self, taken: &Taken, after: After) {
        let now = self.uptime();
        lock(&self.schedule).done(&taken.key, after, now);
        if self.polls().is_close(&taken.key, now) {
            self.asks_soon();
        }
    }

    pub(crate) fn is_dead(&self) -> bool {
        lock(&self.state).is_dead
    }

    pub(crate) fn stands_until(&self) -> Option<Instant> {
        lock(&self.state).stands_until
    }

    /// Ends it, as a crash would.
    pub(crate) fn crash(&self) {
        lock(&self.state).is_dead = true;
    }

    /// Somebody else leads from now on.
    pub(crate) fn depose(&self) {
        lock(&self.state).is_deposed = true;
    }

    pub(crate) fn is_deposed(&self) -> bool {
        lock(&self.state).is_deposed
    }

    /// Stands still for a while.
    async fn stand(&self, millis: u64) {
        let until = self.ground.cluster().now().after(millis);
        lock(&self.state).stands_until = Some(until);
        poll_fn(
            |_| {
                if self.ground.cluster().now() < until { Poll::Pending } else { Poll::Ready(()) }
            },
        )
        .await;
        lock(&self.state).stands_until = None;
    }

    /// Sends a request that arrives.
    fn arrive(&self, call: &Call) -> Answer {
        self.ground.cluster().ask_as_operator(call)
    }

    async fn die<T>(&self) -> Result<T, Failure> {
        self.crash();
        pending().await
    }
}

impl Clock for Process {
    fn now(&self) -> Now {
        let now = self.ground.cluster().now();
        let off = SignedDuration::from_secs(self.wall_is_off.load(Ordering::Relaxed));
        let wall = now.wall().checked_add(off).unwrap_or(now.wall());
        Now { wall, uptime: Uptime(now.since(self.began)) }
    }
}

impl Process {
    /// Sends something that arrives by `arrive`, unless a fault is due; `refuse` is how the other side
    /// says no with a code.
    async fn meet<T>(
        &self,
        arrive: impl Fn() -> Result<T, Failure>,
        refuse: impl Fn(u16) -> Result<T, Failure>,
        prune: impl Fn() -> Result<T, Failure>,
    ) -> Result<T, Failure> {
        let fault = {
            let mut trouble = self.ground.trouble();
            trouble.requests += 1;
            let number = trouble.requests;
            trouble.faults.requests.remove(&number)
        };
        let lost = || Err(Failure::new(Refusal::AnswerLost, "no answer"));
        match fault {
            None => arrive(),
            Some(Fault::CrashBefore) => self.die().await,
            Some(Fault::CrashAfter) => {
                let _ = arrive();
                self.die().await
            }
            Some(Fault::Lost) => lost(),
            Some(Fault::AnswerLost) => {
                let _ = arrive();
                lost()
            }
            Some(Fault::Refused(code)) => refuse(code),
            Some(Fault::Pruned) => prune(),
            Some(Fault::ClockJumps(seconds)) => {
                self.wall_is_off.store(seconds, Ordering::Relaxed);
                arrive()
            }
            Some(Fault::Stands(millis)) => {
                self.stand(millis).await;
                arrive()
            }
        }
    }
}

impl Site for Process {
    async fn send(&self, call: Call) -> Result<Value, Failure> {
        let arrive = || told(self.arrive(&call));
        let refuse = |code| told(Answer::refused(code, "refused by the simulation"));
        let prune = || told(self.arrive(&pruned(call.clone())));
        self.meet(arrive, refuse, prune).await
    }

    async fn signal(&self, member: &Target) -> Result<(), Failure> {
        let arrive = || members::signal(&self.ground, member);
        let refuse = |code| members::refused(code);
        self.meet(arrive, refuse, arrive).await
    }

    fn polls(&self) -> MutexGuard<'_, Polls> {
        lock(&self.polls)
    }

    fn process(&self) -> &str {
        &self.identity
    }

    fn may_act(&self) -> bool {
        !self.is_deposed()
    }

    fn store(&self) -> MutexGuard<'_, Store> {
        lock(&self.store)
    }

    fn memory(&self) -> MutexGuard<'_, Memory> {
        lock(&self.memory)
    }

    fn gate(&self) -> MutexGuard<'_, Gate> {
        lock(&self.gate)
    }

    fn outdated(&self) -> MutexGuard<'_, Outdated> {
        lock(&self.outdated)
    }

    fn due(&self, keys: Due, lane: Lane) {
        let now = self.uptime();
        let mut schedule = lock(&self.schedule);
        for key in &keys {
            schedule.due(key, lane, now);
        }
    }

    fn refresh(&self, kinds: &[ObjectKind], _: &str) {
        let now = self.ground.cluster().now();
        lock(&self.state).relists.extend(kinds.iter().map(|kind| (*kind, now.after(1))));
    }

    fn found_outdated(&self, _: ObjectKind, _: &str) {}

    fn settings(&self) -> &Settings {
        &self.settings
    }
}

/// A process that began with an old view hears the rest after so many milliseconds.
const CATCHES_UP_AFTER: u64 = 2_000;

/// A status write without the fields that an older definition lacks.
fn pruned(call: Call) -> Call {
    let Ask::Merge(mut body) = call.ask else { return call };
    if let Some(status) = body["status"].as_object_mut() {
        status.remove("rollout");
        status.remove("template");
    }
    Call { ask: Ask::Merge(body), ..call }
}

fn told(answer: Answer) -> Result<Value, Failure> {
    if answer.is_good() {
        return Ok(answer.body);
    }
    Err(Failure::answered(answer.code, Some(answer.body), ""))
}

fn copy<T: Clone>(mutex: &Mutex<T>) -> Mutex<T> {
    Mutex::new(lock(mutex).clone())
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
