//! Spreads over time what would otherwise come at once.

use std::time::Duration;

use crate::chance::Chance;

/// Pauses that differ, the same in each run with the same seed.
#[derive(Clone, Copy, Debug)]
pub(super) struct Spread(Chance);

impl Spread {
    pub(super) fn of(seed: u64) -> Self {
        Self(Chance::new(seed))
    }

    /// Between four fifths of `most` and `most`.
    pub(super) fn of_up_to(&mut self, most: Duration) -> Duration {
        most.saturating_sub(most / 5 * u32::from(self.0.part()) / (1 << 16))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_differ_and_stay_in_their_bounds() {
        let most = Duration::from_mins(5);
        let mut spread = Spread::of(7);
        let all: Vec<Duration> = (0..1_000).map(|_| spread.of_up_to(most)).collect();
        assert!(all.iter().all(|pause| *pause > most * 4 / 5 && *pause <= most));
        let early = all.iter().filter(|pause| **pause < most * 9 / 10).count();
        assert!((400..600).contains(&early), "{early}");
    }
}
