//! Moments that a seed gives.

use std::env;
use std::time::{Duration, SystemTime};

/// Numbers that a seed gives: xorshift, which is random enough for moments.
pub(crate) struct Random(u64);

impl Random {
    /// By `KASPR_E2E_SEED`, or by the clock; the seed is printed with a failure.
    pub(crate) fn new() -> Self {
        let clock = || SystemTime::UNIX_EPOCH.elapsed().map_or(1, |since| since.as_secs());
        let set = env::var("KASPR_E2E_SEED").ok();
        let seed = set.map_or_else(clock, |text| text.parse().unwrap());
        eprintln!("KASPR_E2E_SEED={seed}");
        Self(seed | 1)
    }

    /// A time that is shorter.
    pub(crate) fn below(&mut self, limit: Duration) -> Duration {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        let limit = u64::try_from(limit.as_millis()).unwrap();
        Duration::from_millis(self.0 % limit)
    }
}
