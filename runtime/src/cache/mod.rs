//! What this process knows of the cluster: what its watches said, and over it what the API server
//! answered to its own requests.
//!
//! Guarantees: no object goes back to an older version; what a write of ours did is seen by the
//! next look; what is gone stays gone; a kind that cannot be listed reads as unknown, never as
//! absent.

mod edits;
mod entry;
mod scope;
mod store;
mod tombstones;

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use kaspr_core::key::{ObjectKind, ObjectRef};
use kaspr_core::time::Uptime;
use serde_json::Value;
use tokio::sync::watch;

use crate::clock::ProcessClock;
use crate::object;

pub use entry::{Kept, Source, parse};
pub use scope::{Coverage, Listing, Scope};
pub use store::{Due, Store, reference};

/// The store, shared by watches, requests and looks. The lock is never held across a wait.
#[derive(Debug)]
pub struct Cache {
    store: Mutex<Store>,
    clock: ProcessClock,
    settled: watch::Sender<bool>,
}

impl Cache {
    /// An empty cache that waits for the lists of `scopes`.
    pub fn new(
        scopes: impl IntoIterator<Item = (ObjectKind, Scope)>,
        quiet: Duration,
        clock: ProcessClock,
    ) -> Self {
        let store = Mutex::new(Store::new(scopes, quiet));
        Self { store, clock, settled: watch::Sender::new(false) }
    }

    /// The store, for one look or one change.
    pub fn lock(&self) -> MutexGuard<'_, Store> {
        self.store.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// True from the moment on in which every watch has listed or has been refused.
    pub fn settled(&self) -> watch::Receiver<bool> {
        self.settled.subscribe()
    }

    /// A list begins that was asked for at `asked_at`.
    pub fn begin_list(&self, kind: ObjectKind, scope: &Scope, asked_at: Uptime) {
        self.lock().begin_list(kind, scope, asked_at);
    }

    /// Every change of the kind up to `version` has arrived.
    pub fn advance(&self, kind: ObjectKind, scope: &Scope, version: &str) {
        self.lock().advance(kind, scope, version);
    }

    /// The time, as the cache counts it.
    pub fn uptime(&self) -> Uptime {
        self.clock.uptime()
    }

    /// A list is complete, as of `version`.
    pub fn end_list(&self, kind: ObjectKind, scope: &Scope, version: &str) -> Due {
        let due = self.lock().end_list(kind, scope, version, self.clock.uptime());
        self.settle();
        due
    }

    /// The server will not list the kind.
    pub fn refuse(&self, kind: ObjectKind, scope: &Scope, why: Listing) -> Due {
        let due = self.lock().refuse(kind, scope, why);
        self.settle();
        due
    }

    /// Whether the watch is connected.
    pub fn set_live(&self, kind: ObjectKind, scope: &Scope, is_live: bool) {
        self.lock().set_live(kind, scope, is_live);
    }

    /// A version of an object arrived, as the server sent it.
    pub fn put(&self, kind: ObjectKind, body: Value, source: Source) -> Due {
        let body = object::trimmed(kind, body);
        self.lock().put(kind, &body, source, self.clock.uptime())
    }

    /// The watch says that an object is gone from its view.
    pub fn delete(&self, kind: ObjectKind, body: &Value) -> Due {
        self.lock().delete(kind, body, self.clock.uptime())
    }

    /// The server says in answer to a deletion of ours that this uid is gone.
    pub fn forget(&self, object: &ObjectRef, uid: &str) -> Due {
        self.lock().forget(object, uid, self.clock.uptime())
    }

    /// Gives up what no watch delivered for too long.
    pub fn sweep(&self) -> Due {
        self.lock().sweep(self.clock.uptime())
    }

    fn settle(&self) {
        let is_settled = self.lock().coverage().is_settled();
        self.settled.send_if_modified(|settled| {
            let is_news = is_settled && !*settled;
            *settled |= is_settled;
            is_news
        });
    }
}

#[cfg(test)]
mod tests;
