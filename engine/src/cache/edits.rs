//! Bursts of edits: which changes of people came so close together that they belong together.

use std::collections::BTreeMap;
use std::time::Duration;

use kaspr_core::key::AppKey;
use kaspr_core::snapshot::Edits;
use kaspr_core::time::Uptime;

/// The last burst of each key.
#[derive(Clone, Debug)]
pub(super) struct Bursts {
    quiet: Duration,
    last: BTreeMap<AppKey, Edits>,
}

impl Bursts {
    /// Bursts that end when nothing was edited for longer than `quiet`.
    pub(super) fn new(quiet: Duration) -> Self {
        Self { quiet, last: BTreeMap::new() }
    }

    /// An edit of `key` was seen.
    pub(super) fn note(&mut self, key: &AppKey, now: Uptime) {
        let fresh = Edits { first: now, last: now };
        let burst = self.last.entry(key.clone()).or_insert(fresh);
        if now.since(burst.last) > self.quiet {
            *burst = fresh;
        }
        burst.last = now;
    }

    pub(super) fn of(&self, key: &AppKey) -> Option<Edits> {
        self.last.get(key).copied()
    }

    pub(super) fn forget(&mut self, key: &AppKey) {
        self.last.remove(key);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn edits_close_together_are_one_burst_and_a_gap_starts_another() {
        let key = AppKey::new("n", "a");
        let mut bursts = Bursts::new(Duration::from_secs(1));
        for at in [100, 900, 1900] {
            bursts.note(&key, Uptime(at));
        }
        assert_eq!(bursts.of(&key), Some(Edits { first: Uptime(100), last: Uptime(1900) }));
        bursts.note(&key, Uptime(2901));
        assert_eq!(bursts.of(&key), Some(Edits { first: Uptime(2901), last: Uptime(2901) }));
    }
}
