//! One watch: a consistent list, then every change, for ever; into the cache, and the keys that
//! it concerns into the queue.
//!
//! Each watch stands alone: a kind that is forbidden or broken holds up no other. A list is always
//! a consistent read, so the cache never goes back in time. Raw objects are read, so no object can
//! spoil the list.

mod backoff;
mod raw;
mod refresh;

use std::sync::Arc;
use std::time::Duration;

use futures::{StreamExt, TryStreamExt};
use kaspr_core::key::ObjectKind;
use kaspr_engine::cache::{Listing, Scope};
use kaspr_engine::feed::{Event, Feed};
use kaspr_engine::keys;
use kube::api::{ListParams, WatchEvent, WatchParams};
use kube::core::Status;
use kube::{Api, Client};
use tokio::sync::Notify;
use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;

use crate::cache::Cache;
use crate::limits;
use crate::queue::Queue;
use crate::sensors::fact::{WatchFact, WatchState};
use crate::sensors::{Fact, Tell};

use backoff::Backoff;
use raw::Raw;

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
    feed: Feed,
    api: Api<Raw>,
    sink: Sink,
    /// Rings when somebody needs a list of now.
    bell: Arc<Notify>,
    backoff: Backoff,
    /// The server streams lists; found out by asking.
    can_stream: bool,
    /// When what was known was too old, the last time.
    expired: Option<Instant>,
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
        let feed = Feed::new(kind, scope);
        Self { feed, api, sink, bell, backoff, can_stream: true, expired: None, told: None }
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
                self.feed.forget();
                return if is_short { limits::WATCH_SHORT } else { Duration::ZERO };
            }
            Ended::Closed => "the server closes it at once".to_owned(),
            Ended::Expired => {
                self.feed.forget();
                let is_repeated = self.expired.replace(now).is_some_and(|last| {
                    now.saturating_duration_since(last) < limits::WATCH_BACKOFF_MAX
                });
                // After an outage that is what to expect: the list is asked for at once.
                if !is_short || !is_repeated {
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
        self.sink.cache.set_live(&self.feed, false);
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
        let wake = self.sink.cache.refuse(&mut self.feed, why);
        self.sink.queue.wake(&wake);
        true
    }

    async fn turn(&mut self) -> Ended {
        let outcome = match (self.feed.version(), self.can_stream) {
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
        self.sink.cache.begin_list(&self.feed, asked_at);
        self.drain(opened.boxed()).await
    }

    /// The list in pages; the changes follow in the next turn.
    async fn page_list(&mut self) -> Result<(), Ended> {
        let mut params = ListParams { limit: Some(limits::PAGE), ..ListParams::default() };
        params.label_selector = keys::selector(self.feed.kind);
        params.field_selector = keys::field_selector(self.feed.kind).map(str::to_owned);
        let asked_at = self.sink.cache.uptime();
        self.sink.cache.begin_list(&self.feed, asked_at);
        loop {
            let page = self.api.list(&params).await?;
            for object in page.items {
                self.hear(Event::Put(object.body));
            }
            params.continue_token = page.metadata.continue_.filter(|token| !token.is_empty());
            if params.continue_token.is_none() {
                self.listed(page.metadata.resource_version.unwrap_or_default());
                return self.follow().await;
            }
        }
    }

    async fn follow(&mut self) -> Result<(), Ended> {
        let version = self.feed.version().unwrap_or_default().to_owned();
        let opened = self.api.watch(&self.watch_params(), &version).await?;
        self.sink.cache.set_live(&self.feed, true);
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
                self.hear(Event::Put(object.body));
            }
            WatchEvent::Deleted(object) => self.hear(Event::Deleted(object.body)),
            WatchEvent::Bookmark(bookmark) => {
                let version = bookmark.metadata.resource_version;
                let is_end = bookmark.metadata.annotations.contains_key(INITIAL_END);
                match self.feed.version() {
                    None if is_end => self.listed(version),
                    _ => self.hear(Event::Bookmark(version)),
                }
            }
            WatchEvent::Error(status) => return Err(Ended::from(kube::Error::Api(status))),
        }
        Ok(())
    }

    fn listed(&mut self, version: String) {
        self.told = None;
        self.hear(Event::Listed(version));
        let objects = self.sink.cache.lock().count(self.feed.kind);
        self.tell(WatchState::Listed { objects });
    }

    fn hear(&mut self, event: Event) {
        let wake = self.sink.cache.take(&mut self.feed, event);
        self.sink.queue.wake(&wake);
    }

    fn tell(&self, state: WatchState) {
        let fact = WatchFact { kind: self.feed.kind, scope: self.feed.scope.clone(), state };
        self.sink.tell.tell(Fact::Watch(fact));
    }

    fn watch_params(&self) -> WatchParams {
        WatchParams {
            label_selector: keys::selector(self.feed.kind),
            field_selector: keys::field_selector(self.feed.kind).map(str::to_owned),
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
