//! Takes keys from the queue and gives each to a worker, while this process leads.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::time::{sleep_until, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::error;

use crate::cluster::Cluster;
use crate::limits;
use crate::pass::{World, pass};
use crate::queue::{After, Lane, Taken};
use crate::sensors::Fact;

/// Gives keys to workers until `stop`. The passes run in `passes`, so that their end can be
/// awaited.
pub struct Dispatch {
    /// What a pass needs.
    pub world: Arc<World>,
    /// How many passes run at a time.
    pub workers: usize,
    /// The running passes.
    pub passes: TaskTracker,
}

impl Dispatch {
    /// Runs until `stop`.
    pub async fn run(self, stop: CancellationToken) {
        tokio::select! { biased; () = stop.cancelled() => {}, () = self.work() => {} }
    }

    async fn work(&self) {
        let cluster = &self.world.cluster;
        let mut settled = cluster.cache.settled();
        let mut leads = cluster.term.leads();
        let workers = Arc::new(Semaphore::new(self.workers));
        // A moment's patience spares every app a status of what is only not listed yet. What is not
        // listed by then is unknown, and stops nothing else.
        let _ = timeout(limits::FIRST_LISTS_WITHIN, until(&mut settled)).await;
        loop {
            until(&mut leads).await;
            // What another process did meanwhile came by the watches; what it left undone did not.
            let keys = cluster.cache.lock().keys();
            cluster.queue.open();
            cluster.queue.due(keys, Lane::Backlog);
            tokio::select! {
                biased;
                () = until_not(&mut leads) => {}
                () = self.lead(&workers) => {}
            }
        }
    }

    async fn lead(&self, workers: &Arc<Semaphore>) {
        let cluster = &self.world.cluster;
        while let Some(worker) = self.admit(workers).await {
            // Nothing waits between the taking of a key and its worker: no key is lost when this
            // future is dropped.
            let taken = cluster.queue.next().await;
            let world = Arc::clone(&self.world);
            self.passes.spawn(async move {
                let mut turn = Turn { taken, world: &world, after: After::Defect };
                turn.after = pass(&turn.taken, &world).await;
                drop(turn);
                drop(worker);
            });
        }
    }

    /// A place to work at. After an outage one pass alone finds out whether the server works.
    async fn admit(&self, workers: &Arc<Semaphore>) -> Option<OwnedSemaphorePermit> {
        let Cluster { gate, clock, .. } = &self.world.cluster;
        loop {
            while let Some(until) = gate.closed_until(clock.uptime()) {
                sleep_until(clock.instant(until)).await;
            }
            let is_probe = gate.is_doubtful();
            let places = if is_probe { self.workers } else { 1 };
            let places = u32::try_from(places).unwrap_or(u32::MAX);
            let worker = Arc::clone(workers).acquire_many_owned(places).await.ok()?;
            // Those that worked until here may have learned something new.
            if gate.closed_until(clock.uptime()).is_none() && gate.is_doubtful() == is_probe {
                return Some(worker);
            }
        }
    }
}

/// Gives the key back to the queue, even if the pass panics: one sick app stops no other.
struct Turn<'a> {
    taken: Taken,
    world: &'a World,
    after: After,
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        let key = &self.taken.key;
        if std::thread::panicking() {
            error!(%key, "the pass panicked: a defect of this program; the app rests for a while");
            self.world.tell.tell(Fact::Panic);
        }
        self.world.cluster.queue.done(key, self.after);
    }
}

async fn until(flag: &mut watch::Receiver<bool>) {
    wait_for(flag, true).await;
}

async fn until_not(flag: &mut watch::Receiver<bool>) {
    wait_for(flag, false).await;
}

async fn wait_for(flag: &mut watch::Receiver<bool>, wanted: bool) {
    if flag.wait_for(|is| *is == wanted).await.is_err() {
        // The other side is gone: the process ends.
        std::future::pending::<()>().await;
    }
}
