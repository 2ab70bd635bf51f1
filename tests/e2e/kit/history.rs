//! Every version that the objects of one kind had during a test.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures::StreamExt;
use serde_json::Value;
use tokio::task::JoinHandle;

use super::space::Space;

/// Collects until it is dropped.
pub(crate) struct History {
    versions: Arc<Mutex<Vec<Value>>>,
    task: JoinHandle<()>,
}

impl History {
    /// Of all objects of a kind in a namespace, from now on.
    pub(crate) async fn of(space: &Space, kind: &str) -> Self {
        let versions = Arc::new(Mutex::new(Vec::new()));
        let mut stream = Box::pin(space.api.versions(&space.all(kind)).await);
        let kept = Arc::clone(&versions);
        let task = tokio::spawn(async move {
            while let Some(version) = stream.next().await {
                lock(&kept).push(version);
            }
            panic!("the watch ended: versions would be missed");
        });
        Self { versions, task }
    }

    /// The versions so far, in their order.
    pub(crate) fn versions(&self) -> Vec<Value> {
        assert!(!self.task.is_finished(), "the watch ended");
        lock(&self.versions).clone()
    }
}

impl Drop for History {
    fn drop(&mut self) {
        self.task.abort();
    }
}

fn lock(versions: &Mutex<Vec<Value>>) -> MutexGuard<'_, Vec<Value>> {
    versions.lock().unwrap_or_else(PoisonError::into_inner)
}
