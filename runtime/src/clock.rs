//! The one real clock of the process.

use std::time::Duration;

use jiff::Timestamp;
use kaspr_core::time::{Now, Uptime};
use kaspr_effects::Clock;
use tokio::time::Instant;

/// Counts from the start of the process; it follows the paused time of tests.
#[derive(Clone, Copy, Debug)]
pub struct ProcessClock {
    start: Instant,
}

impl ProcessClock {
    /// A clock that starts here.
    pub fn start() -> Self {
        Self { start: Instant::now() }
    }

    /// The monotonic instant alone.
    pub fn uptime(&self) -> Uptime {
        Uptime::default().after(self.start.elapsed())
    }

    /// The same point of time as the runtime's timers measure it.
    pub fn instant(&self, at: Uptime) -> Instant {
        self.start + Duration::from_millis(at.0)
    }
}

impl Clock for ProcessClock {
    fn now(&self) -> Now {
        Now { wall: Timestamp::now(), uptime: self.uptime() }
    }
}
