//! The store of the engine, shared by watches, requests and looks.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use kaspr_core::key::ObjectKind;
use kaspr_core::time::Uptime;
use kaspr_engine::cache::{Due, Listing, Scope, Store};
use kaspr_engine::feed::{Event, Feed, Wake};
use tokio::sync::watch;

use crate::clock::ProcessClock;

/// The store behind a lock, which is never held across a wait.
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

    /// The time, as the cache counts it.
    pub fn uptime(&self) -> Uptime {
        self.clock.uptime()
    }

    /// A list begins that was asked for at `asked_at`.
    pub fn begin_list(&self, feed: &Feed, asked_at: Uptime) {
        feed.begin_list(asked_at, &mut self.lock());
    }

    /// A watch says something.
    pub fn take(&self, feed: &mut Feed, event: Event) -> Wake {
        let is_end = matches!(event, Event::Listed(_));
        let wake = feed.take(event, &mut self.lock(), self.clock.uptime());
        if is_end {
            self.settle();
        }
        wake
    }

    /// The server will not list the kind.
    pub fn refuse(&self, feed: &mut Feed, why: Listing) -> Wake {
        let wake = feed.refuse(why, &mut self.lock());
        self.settle();
        wake
    }

    /// Whether the watch is connected.
    pub fn set_live(&self, feed: &Feed, is_live: bool) {
        self.lock().set_live(feed.kind, &feed.scope, is_live);
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
