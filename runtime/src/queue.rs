//! The keys that wait to be looked at: without duplicates, edits first, nobody for ever.

use std::collections::BTreeSet;
use std::future::pending;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use kaspr_core::key::AppKey;
use kaspr_engine::cache::Due;
use kaspr_engine::feed::Wake;
use kaspr_engine::schedule::{After, Lane, Schedule, Taken};
use tokio::sync::Notify;
use tokio::time::sleep_until;

use crate::clock::ProcessClock;

/// The schedule, shared by those who say that a key is due and the one who takes keys.
#[derive(Debug)]
pub struct Queue {
    schedule: Mutex<Schedule>,
    changed: Notify,
    clock: ProcessClock,
}

impl Queue {
    /// An empty queue; `seed` spreads the regular looks.
    pub fn new(seed: u64, clock: ProcessClock) -> Self {
        Self { schedule: Mutex::new(Schedule::new(seed)), changed: Notify::new(), clock }
    }

    /// From now on keys are taken: how long they wait counts from here.
    pub fn open(&self) {
        self.lock().open(self.clock.uptime());
    }

    /// Look at these keys.
    pub fn due(&self, keys: Due, lane: Lane) {
        self.wake(&Wake { keys, lane, pause: Duration::ZERO });
    }

    /// A watch said something.
    pub fn wake(&self, wake: &Wake) {
        if !wake.keys.is_empty() {
            let now = self.clock.uptime();
            self.lock().wake(wake, now);
            self.changed.notify_one();
        }
    }

    /// The next key. One caller at a time; dropping the future loses no key.
    pub async fn next(&self) -> Taken {
        loop {
            let timer = {
                let mut schedule = self.lock();
                if let Some(taken) = schedule.next(self.clock.uptime()) {
                    return taken;
                }
                schedule.next_timer()
            };
            let timer = async {
                match timer {
                    Some(at) => sleep_until(self.clock.instant(at)).await,
                    None => pending().await,
                }
            };
            // A change between the look and this wait has left its permit.
            tokio::select! { biased; () = self.changed.notified() => {}, () = timer => {} }
        }
    }

    /// The pass of `key` has ended.
    pub fn done(&self, key: &AppKey, after: After) {
        self.lock().done(key, after, self.clock.uptime());
        self.changed.notify_one();
    }

    /// The keys that wait for their turn.
    pub fn waiting(&self) -> BTreeSet<AppKey> {
        self.lock().waiting().cloned().collect()
    }

    fn lock(&self) -> MutexGuard<'_, Schedule> {
        self.schedule.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use kaspr_core::time::Uptime;
    use tokio::time::{Instant, sleep};

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_waiting_taker_wakes_for_an_event_and_for_a_timer() {
        let queue = Arc::new(Queue::new(1, ProcessClock::start()));
        let key = AppKey::new("n", "a");
        let teller = tokio::spawn({
            let (queue, key) = (Arc::clone(&queue), key.clone());
            async move {
                sleep(Duration::from_millis(50)).await;
                queue.due([key].into(), Lane::Live);
            }
        });
        let began = Instant::now();
        assert_eq!(queue.next().await.key, key);
        assert_eq!(began.elapsed(), Duration::from_millis(50));
        queue.done(&key, After::WakeUp(Some(Uptime(400))));
        assert_eq!(queue.next().await.key, key);
        assert_eq!(began.elapsed(), Duration::from_millis(400));
        teller.await.unwrap();
    }
}
