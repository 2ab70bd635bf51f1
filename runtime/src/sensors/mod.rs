//! What happens is told once, as a fact, and passed to every sensor. A sensor can be slow or fail;
//! it never delays or changes a decision.

pub mod events;
pub mod fact;
pub mod lines;
pub mod log;
pub mod members;
pub mod packages;
pub mod prometheus;
pub mod recording;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::limits;

pub use fact::Fact;

/// Tells facts to all sensors; cheap to clone, never waits.
#[derive(Clone, Debug, Default)]
pub struct Tell {
    listeners: Arc<[Listener]>,
}

#[derive(Debug)]
struct Listener {
    sensor: Sensor,
    facts: mpsc::Sender<Arc<Fact>>,
    dropped: AtomicU64,
}

/// A sensor by name, and which facts it wants: what it would pass over takes no room from it.
#[derive(Clone, Copy, Debug)]
pub struct Sensor {
    /// Its name, in the metric that counts what it did not hear.
    pub name: &'static str,
    /// Whether it wants a fact.
    pub wants: fn(&Fact) -> bool,
}

impl Sensor {
    /// A sensor that wants to hear everything.
    pub const fn of_all(name: &'static str) -> Self {
        Self { name, wants: |_| true }
    }
}

/// What one sensor hears.
#[derive(Debug)]
pub struct Hear {
    facts: mpsc::Receiver<Arc<Fact>>,
    stop: CancellationToken,
}

impl Hear {
    /// The next fact; none after the end, when all that was told has been heard.
    pub async fn next(&mut self) -> Option<Arc<Fact>> {
        tokio::select! {
            biased;
            fact = self.facts.recv() => fact,
            () = self.stop.cancelled() => None,
        }
    }
}

impl Tell {
    /// One channel for each sensor, until `stop`.
    pub fn to<const N: usize>(sensors: [Sensor; N], stop: &CancellationToken) -> (Self, [Hear; N]) {
        let mut listeners = Vec::with_capacity(N);
        let hears = sensors.map(|sensor| {
            let (sender, facts) = mpsc::channel(limits::FACTS_WAITING_MAX);
            listeners.push(Listener { sensor, facts: sender, dropped: AtomicU64::new(0) });
            Hear { facts, stop: stop.clone() }
        });
        (Self { listeners: listeners.into() }, hears)
    }

    /// Tells `fact` to everybody who listens and has room.
    pub fn tell(&self, fact: Fact) {
        let fact = Arc::new(fact);
        for listener in self.listeners.iter().filter(|listener| (listener.sensor.wants)(&fact)) {
            if listener.facts.try_send(Arc::clone(&fact)).is_err() {
                listener.dropped.fetch_add(1, Ordering::Relaxed);
            }
        }
    }

    /// How many facts each sensor did not hear.
    pub fn dropped(&self) -> Vec<(&'static str, u64)> {
        let count =
            |listener: &Listener| (listener.sensor.name, listener.dropped.load(Ordering::Relaxed));
        self.listeners.iter().map(count).collect()
    }
}

/// The first bytes of a text, as whole characters.
fn cut(text: &str, max: usize) -> &str {
    let mut end = text.len().min(max);
    while !text.is_char_boundary(end) {
        end = end.saturating_sub(1);
    }
    text.get(..end).unwrap_or(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sensors::fact::LeaseFact;

    #[tokio::test]
    async fn a_sensor_that_does_not_listen_stops_nobody() {
        let stop = CancellationToken::new();
        let (tell, [mut quick, slow]) = Tell::to(["quick", "slow"].map(Sensor::of_all), &stop);
        for _ in 0..limits::FACTS_WAITING_MAX + 10 {
            tell.tell(Fact::Lease(LeaseFact::Lost { to: None }));
            assert!(quick.next().await.is_some());
        }
        assert_eq!(slow.facts.len(), limits::FACTS_WAITING_MAX);
        assert_eq!(tell.dropped(), [("quick", 0), ("slow", 10)]);
    }

    #[tokio::test]
    async fn what_a_sensor_does_not_want_takes_no_room_from_it() {
        let stop = CancellationToken::new();
        let picky = Sensor { name: "picky", wants: |fact| matches!(fact, Fact::Panic) };
        let (tell, [mut hear]) = Tell::to([picky], &stop);
        for _ in 0..=limits::FACTS_WAITING_MAX {
            tell.tell(Fact::Lease(LeaseFact::Gained));
        }
        tell.tell(Fact::Panic);
        assert!(matches!(hear.next().await.as_deref(), Some(Fact::Panic)));
        assert_eq!(tell.dropped(), [("picky", 0)]);
    }

    #[tokio::test]
    async fn what_was_told_before_the_end_is_still_heard() {
        let stop = CancellationToken::new();
        let (tell, [mut hear]) = Tell::to([Sensor::of_all("one")], &stop);
        tell.tell(Fact::Lease(LeaseFact::Gained));
        stop.cancel();
        assert!(hear.next().await.is_some());
        assert!(hear.next().await.is_none());
    }
}
