//! One look at a live cluster, without an operator at work: lists, and nothing else.

use std::sync::Arc;
use std::time::Duration;

use kaspr_core::{AppKey, ObjectKind, Outcomes, Settings, Snapshot};
use kaspr_effects::Clock;
use kaspr_engine::cache::Scope;
use kaspr_engine::look::Look;
use kube::Client;
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use crate::cache::Cache;
use crate::clock::ProcessClock;
use crate::limits;
use crate::queue::Queue;
use crate::sensors::Tell;
use crate::watch::{Refresh, Sink, Watch};

/// The API server did not answer.
#[derive(Debug, thiserror::Error)]
#[error("the API server listed nothing within {} s: is it the right one?", limits::FIRST_LISTS_WITHIN.as_secs())]
pub struct Silent;

/// What an operator that starts now would see of an app. What it may not list is unknown.
///
/// # Errors
/// If the lists do not come.
pub async fn glance(
    client: &Client,
    key: &AppKey,
    settings: &Settings,
) -> Result<Snapshot, Silent> {
    let clock = ProcessClock::start();
    let scope = Scope::Namespace(key.namespace.clone());
    let watches = || ObjectKind::ALL.map(|kind| (kind, scope.clone()));
    let quiet = Duration::from_millis(settings.settle_millis);
    let cache = Arc::new(Cache::new(watches(), quiet, clock));
    let stop = CancellationToken::new();
    let (tell, []) = Tell::to([], &stop);
    let refresh = Refresh::new(watches());
    let mut parts = JoinSet::new();
    for (kind, scope) in watches() {
        let queue = Arc::new(Queue::new(0, clock));
        let sink = Sink { cache: Arc::clone(&cache), queue, tell: tell.clone() };
        let bell = refresh.bell(kind, &scope);
        parts.spawn(Watch::new(kind, scope, client.clone(), sink, bell).run(stop.clone()));
    }
    let mut settled = cache.settled();
    let listed = timeout(limits::FIRST_LISTS_WITHIN, settled.wait_for(|is| *is)).await;
    stop.cancel();
    match listed {
        Ok(Ok(_)) => {}
        Ok(Err(_)) | Err(_) => return Err(Silent),
    }
    let look = Look::at(&cache.lock(), key);
    Ok(look.snapshot(key, clock.now(), settings, Outcomes::new()))
}
