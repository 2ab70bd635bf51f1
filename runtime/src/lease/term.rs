//! Whether this process leads, and until when: asked at each request, never in the logic.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use kaspr_core::time::Now;
use tokio::sync::watch;

/// The term of this process.
#[derive(Debug)]
pub struct Term {
    state: Mutex<State>,
    leads: watch::Sender<bool>,
}

#[derive(Clone, Copy, Debug)]
enum State {
    /// Leads without a lease.
    Always,
    /// Leads as of this renewal, for this long.
    Since(Now, Duration),
    /// Does not lead.
    Never,
}

impl Term {
    /// A process that leads without asking anybody.
    pub fn endless() -> Self {
        Self { state: Mutex::new(State::Always), leads: watch::Sender::new(true) }
    }

    /// A process that does not lead yet.
    pub fn none() -> Self {
        Self { state: Mutex::new(State::Never), leads: watch::Sender::new(false) }
    }

    /// True while nobody else can believe to lead: the last successful renewal began less than the
    /// duration ago. The wall clock is asked too, because the monotonic one stands still while a
    /// machine is suspended; a jump costs no more than the time to the next renewal.
    pub fn holds(&self, now: Now) -> bool {
        match *self.lock() {
            State::Always => true,
            State::Never => false,
            State::Since(renewed, duration) => {
                now.uptime.since(renewed.uptime) < duration
                    && elapsed(renewed.wall, now.wall) < duration
            }
        }
    }

    /// A renewal that began at `renewed` succeeded.
    pub(super) fn renew(&self, renewed: Now, duration: Duration) {
        *self.lock() = State::Since(renewed, duration);
        self.leads.send_if_modified(|leads| !std::mem::replace(leads, true));
    }

    /// Says whether this process led until here.
    pub(super) fn end(&self) -> bool {
        *self.lock() = State::Never;
        self.leads.send_if_modified(|leads| std::mem::replace(leads, false))
    }

    /// Follows whether this process leads.
    pub fn leads(&self) -> watch::Receiver<bool> {
        self.leads.subscribe()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn elapsed(from: Timestamp, to: Timestamp) -> Duration {
    let elapsed = to.duration_since(from).max(SignedDuration::ZERO);
    elapsed.unsigned_abs()
}

#[cfg(test)]
mod tests {
    use kaspr_core::time::Uptime;

    use super::*;

    fn at(uptime: u64, wall: i64) -> Now {
        Now { wall: Timestamp::from_second(wall).unwrap(), uptime: Uptime(uptime) }
    }

    #[test]
    fn a_term_ends_by_itself_when_it_is_not_renewed() {
        let term = Term::none();
        assert!(!term.holds(at(0, 0)));
        term.renew(at(1_000, 1), Duration::from_secs(15));
        assert!(term.holds(at(15_999, 15)));
        assert!(!term.holds(at(16_000, 15)));
        assert!(term.end() && !term.end());
        assert!(!term.holds(at(1_000, 1)));
    }

    #[test]
    fn a_suspended_machine_does_not_lead_when_it_wakes() {
        let term = Term::none();
        term.renew(at(1_000, 1), Duration::from_secs(15));
        assert!(!term.holds(at(1_100, 60)));
        // A clock that is set back takes nothing away.
        assert!(term.holds(at(1_100, -60)));
    }
}
