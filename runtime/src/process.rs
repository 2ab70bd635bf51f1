//! This process, as its passes need it: connection, cache, queue, lease, and who hears what happens.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use kaspr_core::Settings;
use kaspr_core::key::ObjectKind;
use kaspr_core::time::Now;
use kaspr_effects::Clock;
use kaspr_engine::Site;
use kaspr_engine::cache::{Due, Store};
use kaspr_engine::gate::Gate;
use kaspr_engine::memory::Memory;
use kaspr_engine::outdated::Outdated;
use kaspr_engine::polls::{Polls, Target};
use kaspr_engine::request::{Call, Failure};
use kaspr_engine::schedule::Lane;
use serde_json::Value;

use crate::api::Api;
use crate::cache::Cache;
use crate::clock::ProcessClock;
use crate::lease::Term;
use crate::members::client::Client;
use crate::queue::Queue;
use crate::sensors::fact::OldDefinitionFact;
use crate::sensors::{Fact, Tell};
use crate::watch::Refresh;

/// What passes need. Locks are held for a moment, never across a wait.
pub struct Process {
    /// Sends.
    pub api: Api,
    /// Learns from answers.
    pub cache: Arc<Cache>,
    /// Hears which keys an answer concerns.
    pub queue: Arc<Queue>,
    /// Says whether this process may act.
    pub term: Arc<Term>,
    /// Gets lists of now where those of the cache are too old.
    pub refresh: Refresh,
    /// The operator's settings.
    pub settings: Settings,
    /// Whether somebody hears looks as a whole.
    pub is_recorded: bool,
    /// Whether anything is sent at all.
    pub acts: bool,
    /// Hears what happened.
    pub tell: Tell,
    /// Asks members.
    pub members: Client,
    /// The name of this process, like no other.
    pub identity: String,
    /// The time.
    pub clock: ProcessClock,
    /// What the process keeps in mind.
    pub mind: Mind,
}

/// What a process keeps in mind between passes, and may lose.
#[derive(Debug, Default)]
pub struct Mind {
    memory: Mutex<Memory>,
    polls: Mutex<Polls>,
    gate: Mutex<Gate>,
    outdated: Mutex<Outdated>,
}

impl Clock for Process {
    fn now(&self) -> Now {
        self.clock.now()
    }
}

impl Site for Process {
    async fn send(&self, call: Call) -> Result<Value, Failure> {
        self.api.send(call).await
    }

    async fn signal(&self, member: &Target) -> Result<(), Failure> {
        self.members.rebalance(member).await
    }

    fn may_act(&self) -> bool {
        self.acts && self.term.holds(self.clock.now())
    }

    fn store(&self) -> MutexGuard<'_, Store> {
        self.cache.lock()
    }

    fn memory(&self) -> MutexGuard<'_, Memory> {
        lock(&self.mind.memory)
    }

    fn polls(&self) -> MutexGuard<'_, Polls> {
        lock(&self.mind.polls)
    }

    fn process(&self) -> &str {
        &self.identity
    }

    fn gate(&self) -> MutexGuard<'_, Gate> {
        lock(&self.mind.gate)
    }

    fn outdated(&self) -> MutexGuard<'_, Outdated> {
        lock(&self.mind.outdated)
    }

    fn due(&self, keys: Due, lane: Lane) {
        self.queue.due(keys, lane);
    }

    fn refresh(&self, kinds: &[ObjectKind], namespace: &str) {
        self.refresh.ask(kinds, namespace);
    }

    fn found_outdated(&self, kind: ObjectKind, what: &str) {
        let fact = OldDefinitionFact { kind: kind.kind(), what: what.to_owned() };
        self.tell.tell(Fact::OldDefinition(fact));
    }

    fn settings(&self) -> &Settings {
        &self.settings
    }
}

/// A pass that panicked has ended alone: what it left is whole, since each change is one call.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
