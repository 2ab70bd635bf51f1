//! Leadership over a Lease of `coordination.k8s.io/v1`, written by us.
//!
//! Guarantees: two processes with working monotonic clocks never both hold a term; a process that
//! cannot renew stops acting before anybody else starts. Requests already on their way are fenced
//! by their own preconditions.

mod decide;
mod follow;
mod term;

use std::sync::Arc;
use std::time::Duration;

use kaspr_core::outcome::Refusal;
use kaspr_core::time::{Now, Uptime};
use kaspr_effects::Clock;
use serde_json::{Value, json};
use tokio::sync::watch;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use kaspr_engine::request::{Ask, Call, Failure, collection};

use crate::api::Api;
use crate::clock::ProcessClock;
use crate::limits;
use crate::sensors::fact::LeaseFact;
use crate::sensors::{Fact, Tell};

pub use decide::{Act, Sighting, decide, micro_time};
pub use follow::{Follow, Heard};
pub use term::Term;

const API_VERSION: &str = "coordination.k8s.io/v1";

/// The name of the lease, unless another is asked for.
pub const LEASE_NAME: &str = "kaspr-operator";

/// Which lease, and how it is held.
#[derive(Clone, Debug)]
pub struct LeaseSettings {
    /// Its name.
    pub name: String,
    /// Its namespace.
    pub namespace: String,
    /// How long it lasts without renewal.
    pub duration: Duration,
    /// How often it is renewed.
    pub renew: Duration,
    /// Who this process is.
    pub identity: String,
}

/// Takes, renews and gives back the lease.
pub struct Keeper {
    settings: LeaseSettings,
    api: Api,
    clock: ProcessClock,
    term: Arc<Term>,
    tell: Tell,
    /// What others make of the lease.
    heard: watch::Receiver<Heard>,
    seen: Option<Sighting>,
    /// Whether a write showed that the lease is not as it was seen: then only the server knows.
    is_outdated: bool,
    /// What was told last, so that nothing is told twice in a row.
    told: Option<String>,
}

impl Keeper {
    /// A keeper that holds nothing.
    pub fn new(
        settings: LeaseSettings,
        (api, heard): (Api, watch::Receiver<Heard>),
        clock: ProcessClock,
        term: Arc<Term>,
        tell: Tell,
    ) -> Self {
        Self { settings, api, clock, term, tell, heard, seen: None, is_outdated: false, told: None }
    }

    /// Works until `stop`, then gives the lease back so that a successor takes over at once.
    pub async fn run(mut self, stop: CancellationToken) {
        // The first look; without it every decision would be to create.
        while !stop.is_cancelled() {
            let pause = self.turn().await;
            self.check();
            let waits = !self.is_holder();
            tokio::select! {
                biased;
                () = stop.cancelled() => break,
                // Its own renewals are no news to a holder.
                Ok(()) = self.heard.changed(), if waits => {}
                () = sleep(pause) => {}
            }
        }
        self.release().await;
    }

    /// One look or one write; the pause until the next.
    async fn turn(&mut self) -> Duration {
        let is_holder = self.is_holder();
        if !is_holder && let Err(failure) = self.look().await {
            self.refused(&failure);
            return limits::LEASE_LOOK;
        }
        let now = self.clock.now();
        let written = match decide(self.seen.as_ref(), &self.settings.identity, now.uptime) {
            Act::Wait => {
                self.wait();
                return self.patience(now.uptime);
            }
            Act::Create => self.create(now).await,
            Act::Renew => self.write(now, None).await,
            Act::Take => {
                let before = self.seen.as_ref().map_or(0, |seen| seen.transitions);
                self.write(now, Some(before.saturating_add(1))).await
            }
        };
        match written {
            Ok(body) => {
                self.seen = Some(Sighting::read(&body, self.seen.as_ref(), now.uptime));
                self.hold(now);
                self.settings.renew
            }
            Err(failure) => {
                self.is_outdated = true;
                if failure.refusal == Refusal::Conflict {
                    return Duration::from_millis(50);
                }
                self.refused(&failure);
                limits::LEASE_LOOK
            }
        }
    }

    fn is_holder(&self) -> bool {
        let is_ours = |seen: &Sighting| seen.holder == self.settings.identity;
        !self.is_outdated && self.seen.as_ref().is_some_and(is_ours)
    }

    /// How long nothing is to be done: until the lease is stale, unless a change is heard first.
    fn patience(&self, now: Uptime) -> Duration {
        let stale_at = self.seen.as_ref().map(|seen| seen.since.after(seen.duration));
        let left = stale_at.map_or(Duration::ZERO, |at| at.since(now));
        if self.heard.borrow().is_live { left } else { left.min(limits::LEASE_LOOK) }
    }

    /// Learns how the lease stands: from what was heard, or by asking.
    ///
    /// A watch can hang and say nothing of it. What it said last is then older than what an answer
    /// says, and must not replace it.
    async fn look(&mut self) -> Result<(), Failure> {
        let heard = self.heard.borrow_and_update().clone();
        if let Heard { is_live: true, lease: Some(body) } = heard
            && !self.is_outdated
        {
            let heard = Sighting::read(&body, self.seen.as_ref(), self.clock.uptime());
            if self.seen.as_ref().is_none_or(|seen| !heard.is_older_than(seen)) {
                self.seen = Some(heard);
            }
            return Ok(());
        }
        self.seen = match self.send(Ask::Get).await {
            Ok(body) => Some(Sighting::read(&body, self.seen.as_ref(), self.clock.uptime())),
            Err(failure) if failure.refusal == Refusal::Gone => None,
            Err(failure) => return Err(failure),
        };
        self.is_outdated = false;
        Ok(())
    }

    async fn create(&self, now: Now) -> Result<Value, Failure> {
        let (me, duration) = (&self.settings.identity, self.settings.duration);
        let spec = decide::spec(me, duration, now, Some(0));
        let (name, namespace) = (&self.settings.name, &self.settings.namespace);
        let body = json!({
            "apiVersion": API_VERSION, "kind": "Lease",
            "metadata": { "name": name, "namespace": namespace },
            "spec": spec,
        });
        self.send(Ask::Create(body)).await
    }

    async fn write(&self, now: Now, changed_hands: Option<i64>) -> Result<Value, Failure> {
        let (me, duration) = (&self.settings.identity, self.settings.duration);
        let spec = decide::spec(me, duration, now, changed_hands);
        self.patch(&spec).await
    }

    async fn patch(&self, spec: &Value) -> Result<Value, Failure> {
        let version = self.seen.as_ref().map(|seen| seen.version.as_str());
        let body = json!({ "metadata": { "resourceVersion": version }, "spec": spec });
        self.send(Ask::Merge(body)).await
    }

    async fn release(&mut self) {
        if self.term.end() && self.is_holder() {
            // One second is the least that the API allows.
            let spec = json!({ "holderIdentity": "", "leaseDurationSeconds": 1 });
            if let Err(failure) = self.patch(&spec).await {
                self.refused(&failure);
            }
        }
    }

    async fn send(&self, ask: Ask) -> Result<Value, Failure> {
        let mut path = collection(API_VERSION, &self.settings.namespace, "leases");
        if !matches!(ask, Ask::Create(_)) {
            path = format!("{path}/{}", self.settings.name);
        }
        self.api.send(Call { kind: "Lease", path, ask }).await
    }

    fn hold(&mut self, renewed: Now) {
        let led = *self.term.leads().borrow();
        self.term.renew(renewed, self.settings.duration);
        self.told = None;
        if !led {
            self.tell.tell(Fact::Lease(LeaseFact::Gained));
        }
    }

    fn wait(&mut self) {
        let Some(holder) = self.seen.as_ref().map(|seen| seen.holder.clone()) else { return };
        if self.term.end() {
            self.tell.tell(Fact::Lease(LeaseFact::Lost { to: Some(holder.clone()) }));
        }
        if self.told.as_ref() != Some(&holder) {
            self.tell.tell(Fact::Lease(LeaseFact::Waiting { holder: holder.clone() }));
            self.told = Some(holder);
        }
    }

    fn refused(&mut self, failure: &Failure) {
        if self.told.as_ref() != Some(&failure.message) {
            let why = failure.message.clone();
            self.tell.tell(Fact::Lease(LeaseFact::Refused { why: why.clone() }));
            self.told = Some(why);
        }
    }

    /// Ends a term that ran out without a renewal.
    fn check(&self) {
        if !self.term.holds(self.clock.now()) && self.term.end() {
            self.tell.tell(Fact::Lease(LeaseFact::Lost { to: None }));
        }
    }
}

#[cfg(test)]
mod tests;
