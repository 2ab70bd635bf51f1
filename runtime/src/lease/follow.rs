//! The lease as others change it, heard at once: a successor starts the moment it may, and asks
//! nothing meanwhile.

use futures::TryStreamExt;
use http::Request;
use kube::Client;
use kube::core::WatchEvent;
use serde_json::Value;
use tokio::sync::watch;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

use super::{API_VERSION, LeaseSettings};
use crate::limits;
use kaspr_engine::request::collection;

/// What was heard of the lease last.
#[derive(Clone, Debug, Default)]
pub struct Heard {
    /// Whether the next change will be heard.
    pub is_live: bool,
    /// The lease; none if it is gone, or nothing was heard yet.
    pub lease: Option<Value>,
}

/// Watches the lease.
pub struct Follow {
    client: Client,
    path: String,
    says: watch::Sender<Heard>,
}

impl Follow {
    /// One that has heard nothing yet, and what it will hear.
    pub fn new(client: Client, settings: &LeaseSettings) -> (Self, watch::Receiver<Heard>) {
        let (says, heard) = watch::channel(Heard::default());
        let place = collection(API_VERSION, &settings.namespace, "leases");
        let (name, seconds) = (&settings.name, limits::WATCH_LASTS.as_secs());
        let path = format!(
            "{place}?watch=1&fieldSelector=metadata.name%3D{name}&timeoutSeconds={seconds}"
        );
        (Self { client, path, says }, heard)
    }

    /// Watches until `stop`. While it cannot, the lease is looked at instead.
    pub async fn run(self, stop: CancellationToken) {
        loop {
            tokio::select! {
                biased;
                () = stop.cancelled() => return,
                _ = self.turn() => {}
            }
            self.says.send_modify(|heard| heard.is_live = false);
            tokio::select! { biased; () = stop.cancelled() => return, () = sleep(limits::LEASE_LOOK) => {} }
        }
    }

    /// One watch, to its end: without a version it begins with the lease as it is.
    async fn turn(&self) -> Result<(), kube::Error> {
        let request = Request::get(&self.path).body(Vec::new()).map_err(kube::Error::HttpError)?;
        let events = self.client.request_events::<Value>(request).await?;
        let mut events = std::pin::pin!(events);
        let silence = limits::WATCH_LASTS + limits::WATCH_GRACE;
        while let Ok(event) = timeout(silence, events.try_next()).await {
            let lease = match event? {
                Some(WatchEvent::Added(lease) | WatchEvent::Modified(lease)) => Some(lease),
                Some(WatchEvent::Deleted(_)) => None,
                Some(WatchEvent::Bookmark(_)) => continue,
                Some(WatchEvent::Error(_)) | None => break,
            };
            self.says.send_replace(Heard { is_live: true, lease });
        }
        Ok(())
    }
}
