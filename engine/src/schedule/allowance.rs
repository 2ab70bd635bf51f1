//! How often one key may act: a bucket that fills with time.

use kaspr_core::time::Uptime;

use crate::limits;

/// What is left to one key.
#[derive(Clone, Copy, Debug)]
pub(super) struct Allowance {
    /// In thousandths of a pass; as of `at`.
    left: u64,
    at: Uptime,
}

const PASS: u64 = 1_000;

impl Default for Allowance {
    fn default() -> Self {
        Self { left: FULL, at: Uptime::default() }
    }
}

const FULL: u64 = limits::ACTS_BURST * PASS;

impl Allowance {
    /// A pass acted. Gives the instant of the next one, if that has to wait.
    pub(super) fn spend(&mut self, now: Uptime) -> Option<Uptime> {
        let passed = now.0.saturating_sub(self.at.0);
        self.left =
            self.left.saturating_add(passed.saturating_mul(limits::ACTS_PER_SECOND)).min(FULL);
        self.left = self.left.saturating_sub(PASS);
        self.at = now;
        let missing = PASS.saturating_sub(self.left);
        let wait = missing.div_ceil(limits::ACTS_PER_SECOND);
        (missing > 0).then(|| Uptime(now.0.saturating_add(wait)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_is_free_and_then_time_gives_what_is_spent() {
        let mut allowance = Allowance::default();
        let mut now = Uptime(50_000);
        let burst = (0..100_u64).take_while(|_| allowance.spend(now).is_none()).count();
        assert_eq!(u64::try_from(burst).unwrap(), limits::ACTS_BURST - 1);
        let began = now;
        for _ in 0..30 {
            now = allowance.spend(now).unwrap_or(now);
        }
        let per_second = 30_000 / (now.0 - began.0);
        assert_eq!(per_second, limits::ACTS_PER_SECOND);
        assert_eq!(allowance.spend(Uptime(now.0 + 60_000)), None);
    }
}
