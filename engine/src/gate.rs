//! Holds all apps back while the API server fails or asks to be left alone. What one app does
//! wrong never closes it: its own back-off is decided in the core.

use std::collections::BTreeSet;
use std::time::Duration;

use kaspr_core::key::AppKey;
use kaspr_core::outcome::Refusal;
use kaspr_core::time::Uptime;

use crate::limits;
use crate::request::Failure;

/// Whether requests may be sent.
#[derive(Clone, Debug, Default)]
pub struct Gate {
    /// The apps whose requests failed since one succeeded.
    failing: BTreeSet<AppKey>,
    rounds: u32,
    failed_until: Uptime,
    busy_until: Uptime,
    /// It was closed, and no request has succeeded since.
    is_doubtful: bool,
}

impl Gate {
    /// When requests may be sent again, if they may not now.
    pub fn closed_until(&self, now: Uptime) -> Option<Uptime> {
        Some(self.failed_until.max(self.busy_until)).filter(|until| *until > now)
    }

    /// Whether one app at a time should try if the server works again.
    pub fn is_doubtful(&self) -> bool {
        self.is_doubtful
    }

    /// The server answered as a working server does.
    pub fn tell_works(&mut self) {
        self.failing.clear();
        self.rounds = 0;
        self.failed_until = Uptime::default();
        self.is_doubtful = false;
    }

    /// A request of `key` was refused: what that says of the server as a whole.
    pub fn tell_refusal(&mut self, key: &AppKey, failure: &Failure, now: Uptime) {
        if let Some(pause) = failure.retry_after {
            self.tell_busy(pause, now);
        }
        match failure.refusal {
            Refusal::Unreachable | Refusal::AnswerLost => self.tell_failed(key, now),
            Refusal::Busy => self.tell_busy(limits::BUSY_PAUSE, now),
            Refusal::Conflict
            | Refusal::Gone
            | Refusal::Forbidden
            | Refusal::Invalid
            | Refusal::Pruned => self.tell_works(),
        }
    }

    /// The server failed or did not answer.
    fn tell_failed(&mut self, key: &AppKey, now: Uptime) {
        if self.failing.len() < limits::OUTAGE_APPS {
            self.failing.insert(key.clone());
        }
        // Requests that were under way when the gate closed are no further round.
        if self.failing.len() >= limits::OUTAGE_APPS && now >= self.failed_until {
            let pause = limits::OUTAGE_FIRST.saturating_mul(1 << self.rounds.min(16));
            self.failed_until = now.after(pause.min(limits::OUTAGE_MAX));
            self.rounds = self.rounds.saturating_add(1);
            self.is_doubtful = true;
        }
    }

    /// The server asked to be left alone for `pause`.
    fn tell_busy(&mut self, pause: Duration, now: Uptime) {
        let until = now.after(pause.min(limits::RETRY_AFTER_MAX));
        self.busy_until = self.busy_until.max(until);
        self.is_doubtful = true;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(name: &str) -> AppKey {
        AppKey::new("n", name)
    }

    #[test]
    fn one_sick_app_holds_nobody_back() {
        let mut gate = Gate::default();
        (0..100).for_each(|at| gate.tell_failed(&key("a"), Uptime(at)));
        assert_eq!(gate.closed_until(Uptime(100)), None);
    }

    #[test]
    fn an_outage_holds_all_back_longer_each_round_and_one_success_ends_it() {
        let mut gate = Gate::default();
        for name in ["a", "b", "c", "d"] {
            gate.tell_failed(&key(name), Uptime(1));
        }
        assert_eq!(gate.closed_until(Uptime(1)), Some(Uptime(251)));
        assert!(gate.is_doubtful());
        gate.tell_failed(&key("a"), Uptime(251));
        assert_eq!(gate.closed_until(Uptime(251)), Some(Uptime(751)));
        gate.tell_works();
        assert_eq!(gate.closed_until(Uptime(252)), None);
        assert!(!gate.is_doubtful());
    }

    #[test]
    fn a_busy_server_is_left_alone_as_long_as_it_asks() {
        let mut gate = Gate::default();
        gate.tell_busy(Duration::from_secs(2), Uptime(0));
        gate.tell_works();
        assert_eq!(gate.closed_until(Uptime(1_999)), Some(Uptime(2_000)));
        assert_eq!(gate.closed_until(Uptime(2_000)), None);
    }
}
