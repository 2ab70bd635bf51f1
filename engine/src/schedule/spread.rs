//! Spreads over time what would otherwise come at once.

use std::time::Duration;

/// Pauses that differ, the same in each run with the same seed: a linear congruential generator
/// (Knuth, MMIX).
#[derive(Clone, Copy, Debug)]
pub(super) struct Spread(u64);

impl Spread {
    pub(super) fn of(seed: u64) -> Self {
        Self(seed)
    }

    /// Between four fifths of `most` and `most`.
    pub(super) fn of_up_to(&mut self, most: Duration) -> Duration {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        // The upper half of the bits is the better one.
        let part = u32::try_from(self.0 >> 32).unwrap_or(0);
        most.saturating_sub(most / 5 * (part >> 16) / (1 << 16))
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
