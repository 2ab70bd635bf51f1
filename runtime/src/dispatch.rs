//! Takes keys from the queue and gives each to a worker, while this process leads.

use std::sync::Arc;

use kaspr_core::time::Uptime;
use kaspr_engine::Site;
use kaspr_engine::schedule::{After, Lane, Taken};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::time::{sleep_until, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::error;

use crate::limits;
use crate::pass::{Decisions, pass};
use crate::process::Process;
use crate::sensors::Fact;

/// Gives keys to workers until `stop`. The passes run in `passes`, so that their end can be
/// awaited.
pub struct Dispatch {
    /// What a pass needs.
    pub process: Arc<Process>,
    /// Numbers the decisions.
    pub decisions: Arc<Decisions>,
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
        let process = &self.process;
        let mut settled = process.cache.settled();
        let mut leads = process.term.leads();
        let workers = Arc::new(Semaphore::new(self.workers));
        // A moment's patience spares every app a status of what is only not listed yet. What is not
        // listed by then is unknown, and stops nothing else.
        let _ = timeout(limits::FIRST_LISTS_WITHIN, until(&mut settled)).await;
        loop {
            until(&mut leads).await;
            // What another process did meanwhile came by the watches; what it left undone did not.
            let keys = process.cache.lock().keys();
            process.queue.open();
            process.queue.due(keys, Lane::Backlog);
            tokio::select! {
                biased;
                () = until_not(&mut leads) => {}
                () = self.lead(&workers) => {}
            }
        }
    }

    async fn lead(&self, workers: &Arc<Semaphore>) {
        while let Some(worker) = self.admit(workers).await {
            // Nothing waits between the taking of a key and its worker: no key is lost when this
            // future is dropped.
            let taken = self.process.queue.next().await;
            let (process, decisions) = (Arc::clone(&self.process), Arc::clone(&self.decisions));
            self.passes.spawn(async move {
                let mut turn = Turn { taken, process: &process, after: After::Defect };
                turn.after = pass(&turn.taken, &process, &decisions).await;
                drop(turn);
                drop(worker);
            });
        }
    }

    /// A place to work at. After an outage one pass alone finds out whether the server works.
    async fn admit(&self, workers: &Arc<Semaphore>) -> Option<OwnedSemaphorePermit> {
        loop {
            while let Some(until) = self.closed_until() {
                sleep_until(self.process.clock.instant(until)).await;
            }
            let is_probe = self.process.gate().is_doubtful();
            let places = if is_probe { self.workers } else { 1 };
            let places = u32::try_from(places).unwrap_or(u32::MAX);
            let worker = Arc::clone(workers).acquire_many_owned(places).await.ok()?;
            // Those that worked until here may have learned something new.
            if self.closed_until().is_none() && self.process.gate().is_doubtful() == is_probe {
                return Some(worker);
            }
        }
    }

    fn closed_until(&self) -> Option<Uptime> {
        let now = self.process.uptime();
        self.process.gate().closed_until(now)
    }
}

/// Gives the key back to the queue, even if the pass panics: one sick app stops no other.
struct Turn<'a> {
    taken: Taken,
    process: &'a Process,
    after: After,
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        let key = &self.taken.key;
        if std::thread::panicking() {
            error!(%key, "the pass panicked: a defect of this program; the app rests for a while");
            self.process.tell.tell(Fact::Panic);
        }
        self.process.queue.done(key, self.after);
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
