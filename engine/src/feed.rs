//! What one watch brings: first a list, then every change, into the store.

use std::time::Duration;

use kaspr_core::key::ObjectKind;
use kaspr_core::time::Uptime;
use serde_json::Value;

use crate::cache::{Due, Listing, Scope, Source, Store};
use crate::limits;
use crate::object;
use crate::schedule::Lane;

/// One kind in one scope, and up to where it is known.
#[derive(Clone, Debug)]
pub struct Feed {
    /// The kind.
    pub kind: ObjectKind,
    /// Where it looks.
    pub scope: Scope,
    version: Option<String>,
}

/// What a watch says.
#[derive(Clone, Debug)]
pub enum Event {
    /// An object is there in this version, new or changed.
    Put(Value),
    /// An object is gone; this is its last version.
    Deleted(Value),
    /// All up to this version has been said.
    Bookmark(String),
    /// The list is complete, as of this version.
    Listed(String),
}

/// Whom an event wakes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wake {
    /// The keys that have something to look at.
    pub keys: Due,
    /// How urgent it is.
    pub lane: Lane,
    /// How long they are to wait.
    pub pause: Duration,
}

impl Feed {
    /// One that knows nothing yet.
    pub fn new(kind: ObjectKind, scope: Scope) -> Self {
        Self { kind, scope, version: None }
    }

    /// The version to go on from; none before the first list is complete.
    pub fn version(&self) -> Option<&str> {
        self.version.as_deref()
    }

    /// What is known cannot be gone on from: a list is needed.
    pub fn forget(&mut self) {
        self.version = None;
    }

    /// A list begins that was asked for at `asked_at`.
    pub fn begin_list(&self, asked_at: Uptime, store: &mut Store) {
        store.begin_list(self.kind, &self.scope, asked_at);
    }

    /// The server will not list the kind.
    pub fn refuse(&mut self, why: Listing, store: &mut Store) -> Wake {
        self.forget();
        Wake::of(store.refuse(self.kind, &self.scope, why), Lane::Backlog)
    }

    /// Takes what the watch says. Objects before the end of a list belong to the list.
    pub fn take(&mut self, event: Event, store: &mut Store, now: Uptime) -> Wake {
        let Self { kind, .. } = *self;
        match event {
            Event::Put(body) if self.version.is_none() => {
                let due = store.put(kind, &object::trimmed(kind, body), Source::List, now);
                Wake::of(due, Lane::Backlog)
            }
            Event::Put(body) => {
                let version = version_of(&body);
                let due = store.put(kind, &object::trimmed(kind, body), Source::Event, now);
                self.advance(version, store);
                Wake::of(due, Lane::Live)
            }
            Event::Deleted(body) => {
                let due = store.delete(kind, &body, now);
                self.advance(version_of(&body), store);
                // A child mostly goes because its owner did, and each kind comes by a connection
                // of its own: looking at once would make it again.
                let is_owner = kind == ObjectKind::App || kind.is_component();
                let pause = if is_owner { Duration::ZERO } else { limits::CASCADE_PAUSE };
                Wake { pause, ..Wake::of(due, Lane::Live) }
            }
            Event::Bookmark(version) => {
                self.advance(Some(version), store);
                Wake::of(Due::new(), Lane::Live)
            }
            Event::Listed(version) => {
                let due = store.end_list(kind, &self.scope, &version, now);
                self.version = Some(version);
                Wake::of(due, Lane::Backlog)
            }
        }
    }

    /// All up to `version` has arrived, once the first list is complete.
    fn advance(&mut self, version: Option<String>, store: &mut Store) {
        if let (Some(version), true) = (version, self.version.is_some()) {
            store.advance(self.kind, &self.scope, &version);
            self.version = Some(version);
        }
    }
}

impl Wake {
    fn of(keys: Due, lane: Lane) -> Self {
        Self { keys, lane, pause: Duration::ZERO }
    }
}

fn version_of(body: &Value) -> Option<String> {
    object::meta(body, "resourceVersion").map(str::to_owned)
}
