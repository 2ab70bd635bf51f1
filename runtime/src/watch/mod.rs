//! One watch: a consistent list, then every change, for ever; into the cache, and the keys that
//! it concerns into the queue.
//!
//! Each watch stands alone: a kind that is forbidden or broken holds up no other. A list is always
//! a consistent read, so the cache never goes back in time. Raw objects are read, so no object can
//! spoil the list.

mod backoff;
mod refresh;

use std::sync::Arc;
use std::time::Duration;

use futures::{StreamExt, TryStreamExt};
use kaspr_core::key::ObjectKind;
use kube::api::{ListParams, WatchEvent, WatchParams};
use kube::core::Status;
use kube::{Api, Client, ResourceExt};
use tokio::sync::Notify;
use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;

use crate::cache::{Cache, Due, Listing, Scope, Source};
use crate::object::Raw;
use crate::queue::{Lane, Queue};
use crate::sensors::fact::{WatchFact, WatchState};
use crate::sensors::{Fact, Tell};
use crate::{keys, limits};

use backoff::Backoff;

pub use refresh::Refresh;

const EXPIRED: u16 = 410;
const INITIAL_END: &str = "k8s.io/initial-events-end";

/// Where a watch takes what it finds.
#[derive(Clone)]
pub struct Sink {
    /// Keeps objects.
    pub cache: Arc<Cache>,
    /// Hears which keys are due.
    pub queue: Arc<Queue>,
    /// Hears how the watch does.
    pub tell: Tell,
}

/// One kind in one scope.
pub struct Watch {
    kind: ObjectKind,
    scope: Scope,
    api: Api<Raw>,
    sink: Sink,
    /// Rings when somebody needs a list of now.
    bell: Arc<Notify>,
    backoff: Backoff,
    /// The server streams lists; found out by asking.
    can_stream: bool,
    /// Up to where everything is known; none before the first list.
    version: Option<String>,
    /// What was told last of its failures.
    told: Option<String>,
}

/// Why a turn of the watch ended.
enum Ended {
    /// The server closed the connection, as it does after a while, or it fell silent.
    Closed,
    /// What was known is too old to go on from.
    Expired,
    /// Somebody needs a list of now.
    Asked,
    /// The server does not stream lists.
    CannotStream,
    /// Anything else.
    Failed(kube::Error),
}

impl From<kube::Error> for Ended {
    fn from(error: kube::Error) -> Self {
        match &error {
            kube::Error::Api(status) if status.code == EXPIRED => Self::Expired,
            _ => Self::Failed(error),
        }
    }
}

impl Watch {
    /// A watch that has seen nothing yet.
    pub fn new(
        kind: ObjectKind,
        scope: Scope,
        client: Client,
        sink: Sink,
        bell: Arc<Notify>,
    ) -> Self {
        let api = match &scope {
            Scope::All => Api::all_with(client, &kind),
            Scope::Namespace(name) => Api::namespaced_with(client, name, &kind),
        };
        let backoff = Backoff::new(rand::random());
        Self { kind, scope, api, sink, bell, backoff, can_stream: true, version: None, told: None }
    }

    /// Watches until `stop`.
    pub async fn run(mut self, stop: CancellationToken) {
        loop {
            let began = Instant::now();
            let bell = Arc::clone(&self.bell);
            let ended = tokio::select! {
                biased;
                () = stop.cancelled() => return,
                () = bell.notified() => Ended::Asked,
                ended = self.turn() => ended,
            };
            let pause = self.learn(ended, began);
            tokio::select! { biased; () = stop.cancelled() => return, () = sleep(pause) => {} }
        }
    }

    /// Takes note of the end of a turn; the pause before the next.
    fn learn(&mut self, ended: Ended, began: Instant) -> Duration {
        let now = Instant::now();
        let is_short = now.saturating_duration_since(began) < limits::WATCH_SHORT;
        let mut longest = limits::WATCH_BACKOFF_MAX;
        let why = match ended {
            Ended::Closed if !is_short => return Duration::ZERO,
            Ended::CannotStream => {
                self.can_stream = false;
                return Duration::ZERO;
            }
            Ended::Asked => {
                self.version = None;
                return if is_short { limits::WATCH_SHORT } else { Duration::ZERO };
            }
            Ended::Closed => "the server closes it at once".to_owned(),
            Ended::Expired => {
                self.version = None;
                if !is_short {
                    return Duration::ZERO;
                }
                "what was known is too old, again and again".to_owned()
            }
            Ended::Failed(error) => {
                if !self.note_refusal(&error) {
                    longest = limits::WATCH_AWAY_MAX;
                }
                words(&error)
            }
        };
        self.sink.cache.set_live(self.kind, &self.scope, false);
        let pause = self.backoff.next(now, longest);
        let is_repeated = self.told.as_ref() == Some(&why);
        self.told = Some(why.clone());
        self.tell(WatchState::Failed { why, pause, is_repeated });
        pause
    }

    /// Some refusals last until a person acts: nobody waits for such a list. Says whether this is
    /// one of them.
    fn note_refusal(&mut self, error: &kube::Error) -> bool {
        let kube::Error::Api(status) = error else { return false };
        let why = match status.code {
            403 => Listing::Forbidden,
            404 => Listing::Missing,
            _ => return false,
        };
        self.version = None;
        let due = self.sink.cache.refuse(self.kind, &self.scope, why);
        self.sink.queue.due(due, Lane::Backlog);
        true
    }

    async fn turn(&mut self) -> Ended {
        let outcome = match (&self.version, self.can_stream) {
            (Some(_), _) => self.follow().await,
            (None, true) => self.stream_list().await,
            (None, false) => self.page_list().await,
        };
        match outcome {
            Ok(()) => Ended::Closed,
            Err(ended) => ended,
        }
    }

    /// The list as a stream, then the changes on the same connection.
    async fn stream_list(&mut self) -> Result<(), Ended> {
        let params = WatchParams { send_initial_events: true, ..self.watch_params() };
        let asked_at = self.sink.cache.uptime();
        // No version: as of now, not as of some cache.
        let opened = self.api.watch(&params, "").await.map_err(|error| match &error {
            kube::Error::Api(status) if matches!(status.code, 400 | 422) => Ended::CannotStream,
            _ => Ended::from(error),
        })?;
        self.sink.cache.begin_list(self.kind, &self.scope, asked_at);
        self.drain(opened.boxed()).await
    }

    /// The list in pages; the changes follow in the next turn.
    async fn page_list(&mut self) -> Result<(), Ended> {
        let mut params = ListParams { limit: Some(limits::PAGE), ..ListParams::default() };
        params.label_selector = keys::selector(self.kind);
        let asked_at = self.sink.cache.uptime();
        self.sink.cache.begin_list(self.kind, &self.scope, asked_at);
        loop {
            let page = self.api.list(&params).await?;
            for object in page.items {
                self.put(object, Source::List);
            }
            params.continue_token = page.metadata.continue_.filter(|token| !token.is_empty());
            if params.continue_token.is_none() {
                self.end_list(page.metadata.resource_version.unwrap_or_default());
                return self.follow().await;
            }
        }
    }

    async fn follow(&mut self) -> Result<(), Ended> {
        let version = self.version.clone().unwrap_or_default();
        let opened = self.api.watch(&self.watch_params(), &version).await?;
        self.sink.cache.set_live(self.kind, &self.scope, true);
        self.drain(opened.boxed()).await
    }

    async fn drain<S>(&mut self, mut events: S) -> Result<(), Ended>
    where
        S: futures::Stream<Item = kube::Result<WatchEvent<Raw>>> + Unpin + Send,
    {
        // Silence for longer than the server keeps a watch means a dead connection.
        let silence = limits::WATCH_LASTS + limits::WATCH_GRACE;
        while let Ok(event) = timeout(silence, events.try_next()).await {
            let Some(event) = event? else { break };
            self.take(event)?;
        }
        Ok(())
    }

    fn take(&mut self, event: WatchEvent<Raw>) -> Result<(), Ended> {
        match event {
            WatchEvent::Added(object) | WatchEvent::Modified(object) => {
                if self.version.is_none() {
                    self.put(object, Source::List);
                } else {
                    let version = object.resource_version();
                    self.put(object, Source::Event);
                    self.advance(version);
                }
            }
            WatchEvent::Deleted(object) => {
                let due = self.sink.cache.delete(self.kind, &object.body);
                // A child mostly goes because its owner did, and each kind comes by a connection
                // of its own: looking at once would make it again.
                let is_owner = self.kind == ObjectKind::App || self.kind.is_component();
                let pause = if is_owner { Duration::ZERO } else { limits::CASCADE_PAUSE };
                self.sink.queue.due_after(due, pause);
                self.advance(object.resource_version());
            }
            WatchEvent::Bookmark(bookmark) => {
                let version = bookmark.metadata.resource_version;
                if self.version.is_some() {
                    self.advance(Some(version));
                } else if bookmark.metadata.annotations.contains_key(INITIAL_END) {
                    self.end_list(version);
                }
            }
            WatchEvent::Error(status) => return Err(Ended::from(kube::Error::Api(status))),
        }
        Ok(())
    }

    fn put(&self, object: Raw, source: Source) {
        let lane = if source == Source::List { Lane::Backlog } else { Lane::Live };
        let due = self.sink.cache.put(self.kind, object.body, source);
        self.wake(due, lane);
    }

    fn end_list(&mut self, version: String) {
        self.told = None;
        let due = self.sink.cache.end_list(self.kind, &self.scope, &version);
        self.version = Some(version);
        self.wake(due, Lane::Backlog);
        let objects = self.sink.cache.lock().count(self.kind);
        self.tell(WatchState::Listed { objects });
    }

    /// All up to `version` has arrived, once the first list is complete.
    fn advance(&mut self, version: Option<String>) {
        if let (Some(version), true) = (version, self.version.is_some()) {
            self.sink.cache.advance(self.kind, &self.scope, &version);
            self.version = Some(version);
        }
    }

    fn wake(&self, due: Due, lane: Lane) {
        if !due.is_empty() {
            self.sink.queue.due(due, lane);
        }
    }

    fn tell(&self, state: WatchState) {
        let fact = WatchFact { kind: self.kind, scope: self.scope.clone(), state };
        self.sink.tell.tell(Fact::Watch(fact));
    }

    fn watch_params(&self) -> WatchParams {
        WatchParams {
            label_selector: keys::selector(self.kind),
            timeout: u32::try_from(limits::WATCH_LASTS.as_secs()).ok(),
            ..WatchParams::default()
        }
    }
}

/// The reason at the end of the chain: the outer ones only repeat it.
fn words(error: &kube::Error) -> String {
    if let kube::Error::Api(status) = error {
        let Status { code, message, .. } = &**status;
        return format!("{code}: {message}");
    }
    let mut last: &dyn std::error::Error = error;
    while let Some(inner) = last.source() {
        last = inner;
    }
    last.to_string()
}

#[cfg(test)]
mod tests;
