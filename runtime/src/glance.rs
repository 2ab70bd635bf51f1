//! A look at a live cluster, without an operator at work: lists and watches, and nothing else.

use std::sync::Arc;
use std::time::Duration;

use kaspr_core::{AppKey, ObjectKind, Settings, Snapshot};
use kaspr_effects::Clock;
use kaspr_engine::cache::{Listing, Scope};
use kaspr_engine::look::{Known, Look};
use kube::Client;
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use crate::cache::Cache;
use crate::clock::ProcessClock;
use crate::limits;
use crate::queue::Queue;
use crate::sensors::fact::{WatchFact, WatchState};
use crate::sensors::{Fact, Sensor, Tell};
use crate::watch::{Refresh, Sink, Watch};

/// The API server listed nothing at all.
#[derive(Debug, thiserror::Error)]
#[error("the API server listed nothing within {within} s: {why}")]
pub struct Silent {
    within: u64,
    why: String,
}

/// Hears what goes wrong with lists and watches.
const FAILURES: Sensor = Sensor { name: "glance", wants: |fact| matches!(fact, Fact::Watch(_)) };

/// What an operator that starts now would see of an app. What it may not list, or is not listed in time,
/// is unknown.
///
/// # Errors
/// If nothing is listed at all.
pub async fn glance(
    client: &Client,
    key: &AppKey,
    settings: &Settings,
) -> Result<Snapshot, Silent> {
    let clock = ProcessClock::start();
    let scopes = [Scope::Namespace(key.namespace.clone())];
    let cache = listed(client, &scopes, settings, clock).await?;
    let look = Look::at(&cache.lock(), key);
    Ok(look.snapshot(key, clock.now(), settings, Known::default()))
}

/// The same of every app in these scopes, by namespace and name.
///
/// # Errors
/// If nothing is listed at all.
pub async fn glance_at_all(
    client: &Client,
    scopes: &[Scope],
    settings: &Settings,
) -> Result<Vec<Snapshot>, Silent> {
    let clock = ProcessClock::start();
    let cache = listed(client, scopes, settings, clock).await?;
    let keys = cache.lock().keys();
    let looks = keys.into_iter().map(|key| {
        let look = Look::at(&cache.lock(), &key);
        look.snapshot(&key, clock.now(), settings, Known::default())
    });
    Ok(looks.collect())
}

/// Everything in these scopes, as it was listed.
async fn listed(
    client: &Client,
    scopes: &[Scope],
    settings: &Settings,
    clock: ProcessClock,
) -> Result<Arc<Cache>, Silent> {
    let watches = || {
        let of_kind = |kind| scopes.iter().map(move |scope| (kind, scope.clone()));
        ObjectKind::watched(settings.checks_secrets).flat_map(of_kind)
    };
    let quiet = Duration::from_millis(settings.settle_millis);
    let cache = Arc::new(Cache::new(watches(), quiet, clock));
    let stop = CancellationToken::new();
    let (tell, [mut failures]) = Tell::to([FAILURES], &stop);
    let refresh = Refresh::new(watches());
    let mut parts = JoinSet::new();
    for (kind, scope) in watches() {
        let queue = Arc::new(Queue::new(0, clock));
        let sink = Sink { cache: Arc::clone(&cache), queue, tell: tell.clone() };
        let bell = refresh.bell(kind, &scope);
        parts.spawn(Watch::new(kind, scope, client.clone(), sink, bell).run(stop.clone()));
    }
    let mut settled = cache.settled();
    // What is not there in time may be the one kind that nobody can list.
    let _ = timeout(limits::FIRST_LISTS_WITHIN, settled.wait_for(|is| *is)).await;
    stop.cancel();
    let is_known = {
        let store = cache.lock();
        let coverage = store.coverage();
        watches().any(|(kind, scope)| coverage.listing(kind, &scope) != Listing::NotYet)
    };
    if !is_known {
        let mut why = "no answer came".to_owned();
        while let Some(fact) = failures.next().await {
            if let Fact::Watch(WatchFact {
                state: WatchState::Failed { why: failure, .. }, ..
            }) = &*fact
            {
                why.clone_from(failure);
            }
        }
        return Err(Silent { within: limits::FIRST_LISTS_WITHIN.as_secs(), why });
    }
    Ok(cache)
}
