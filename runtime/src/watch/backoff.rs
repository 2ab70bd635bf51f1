//! Pauses between tries of a watch: growing, capped, spread by a seed of ours.

use std::time::Duration;

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use tokio::time::Instant;

use crate::limits;

/// Starts over only when failures are far apart. A success in between proves little: the opening
/// of a watch succeeds on a server that breaks it at once.
#[derive(Debug)]
pub(super) struct Backoff {
    failures: u32,
    last: Option<Instant>,
    jitter: StdRng,
}

impl Backoff {
    pub(super) fn new(seed: u64) -> Self {
        Self { failures: 0, last: None, jitter: StdRng::seed_from_u64(seed) }
    }

    /// The pause after a failure that happened now, `longest` at most.
    pub(super) fn next(&mut self, now: Instant, longest: Duration) -> Duration {
        let is_old =
            |last: Instant| now.saturating_duration_since(last) > limits::WATCH_BACKOFF_FORGET;
        if self.last.is_none_or(is_old) {
            self.failures = 0;
        }
        self.last = Some(now);
        let doubled = limits::WATCH_BACKOFF_FIRST.saturating_mul(1 << self.failures.min(16));
        self.failures = self.failures.saturating_add(1);
        doubled.min(longest).mul_f64(self.jitter.random_range(0.75..1.25))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_to_a_cap_and_start_over_after_a_quiet_time() {
        let mut backoff = Backoff::new(1);
        let mut now = Instant::now();
        let mut pauses = Vec::new();
        for _ in 0..8 {
            let pause = backoff.next(now, limits::WATCH_BACKOFF_MAX);
            pauses.push(pause);
            now += pause;
        }
        assert!(pauses[0] < Duration::from_secs(1) && pauses[3] > pauses[0] * 4);
        assert!(pauses[7] > Duration::from_secs(20) && pauses[7] < Duration::from_secs(40));
        assert!(
            backoff.next(now + limits::WATCH_BACKOFF_FORGET * 2, limits::WATCH_BACKOFF_MAX)
                < Duration::from_secs(1)
        );
    }
}
