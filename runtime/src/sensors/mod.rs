//! What happens is told once, as a fact, and passed to every sensor. A sensor can be slow or fail;
//! it never delays or changes a decision.

pub mod events;
pub mod fact;
pub mod log;
pub mod prometheus;

use std::sync::Arc;

use metrics::counter;
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
    name: &'static str,
    facts: mpsc::Sender<Arc<Fact>>,
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
    /// One channel for each name, until `stop`.
    pub fn to<const N: usize>(
        names: [&'static str; N],
        stop: &CancellationToken,
    ) -> (Self, [Hear; N]) {
        let mut listeners = Vec::with_capacity(N);
        let hears = names.map(|name| {
            let (sender, facts) = mpsc::channel(limits::FACTS_WAITING_MAX);
            listeners.push(Listener { name, facts: sender });
            Hear { facts, stop: stop.clone() }
        });
        (Self { listeners: listeners.into() }, hears)
    }

    /// Tells `fact` to everybody who listens and has room.
    pub fn tell(&self, fact: Fact) {
        let fact = Arc::new(fact);
        for listener in self.listeners.iter() {
            if listener.facts.try_send(Arc::clone(&fact)).is_err() {
                counter!("kasprop_sensor_facts_dropped_total", "sensor" => listener.name)
                    .increment(1);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sensors::fact::LeaseFact;

    #[tokio::test]
    async fn a_sensor_that_does_not_listen_stops_nobody() {
        let stop = CancellationToken::new();
        let (tell, [mut quick, slow]) = Tell::to(["quick", "slow"], &stop);
        for _ in 0..limits::FACTS_WAITING_MAX + 10 {
            tell.tell(Fact::Lease(LeaseFact::Lost { to: None }));
            assert!(quick.next().await.is_some());
        }
        assert_eq!(slow.facts.len(), limits::FACTS_WAITING_MAX);
    }

    #[tokio::test]
    async fn what_was_told_before_the_end_is_still_heard() {
        let stop = CancellationToken::new();
        let (tell, [mut hear]) = Tell::to(["one"], &stop);
        tell.tell(Fact::Lease(LeaseFact::Gained));
        stop.cancel();
        assert!(hear.next().await.is_some());
        assert!(hear.next().await.is_none());
    }
}
