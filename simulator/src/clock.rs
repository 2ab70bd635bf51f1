//! Virtual time: nothing passes but what somebody lets pass.

use jiff::{SignedDuration, Timestamp};

/// Milliseconds since the simulation began.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Instant(pub u64);

impl Instant {
    /// This instant, so many milliseconds later.
    #[must_use]
    pub fn after(self, millis: u64) -> Self {
        Self(self.0.saturating_add(millis))
    }

    /// Milliseconds since `earlier`; none if it lies ahead.
    pub fn since(self, earlier: Self) -> u64 {
        self.0.saturating_sub(earlier.0)
    }

    /// The wall time, for objects and people.
    pub fn wall(self) -> Timestamp {
        let begin = Timestamp::from_second(BEGIN).unwrap_or_default();
        let passed = SignedDuration::from_millis(i64::try_from(self.0).unwrap_or(i64::MAX));
        begin.checked_add(passed).unwrap_or(begin)
    }
}

/// 2030-01-01T00:00:00Z.
const BEGIN: i64 = 1_893_456_000;
