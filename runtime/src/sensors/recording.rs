//! The recording: every look and what was decided, into files (`docs/recording.md`).

use std::path::PathBuf;
use std::time::Duration;

use kaspr_effects::Clock;
use kaspr_recording::look::Look;
use kaspr_recording::recorder::{Recorder, Rotation, WriteError};
use tokio::task::block_in_place;
use tokio::time::{MissedTickBehavior, interval};
use tracing::warn;

use super::{Fact, Hear, Sensor};
use crate::clock::ProcessClock;

/// Hears looks and nothing else.
pub const SENSOR: Sensor =
    Sensor { name: "recording", wants: |fact| matches!(fact, Fact::Look(_)) };

/// How often it is looked whether something has been in memory for long enough. With
/// `FLUSH_AFTER` this makes the five seconds that a crash may cost.
const FLUSH_EVERY: Duration = Duration::from_millis(500);

/// Where to record, and how.
#[derive(Clone, Debug)]
pub struct Target {
    /// The folder of the files.
    pub folder: PathBuf,
    /// Whether what may be secret is masked.
    pub is_redacted: bool,
}

/// Records until the end. What cannot be written is told once and lost: no decision
/// waits for it.
pub async fn run(mut hear: Hear, target: Target, clock: ProcessClock) {
    let Target { folder, is_redacted } = target;
    let mut recorder = Recorder::new(folder, env!("CARGO_PKG_VERSION"), Rotation::default());
    if is_redacted {
        recorder = recorder.redacting();
    }
    let mut ticks = interval(FLUSH_EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut told = None;
    loop {
        // Files are slow at times: the thread is given up for as long.
        let done = tokio::select! {
            biased;
            fact = hear.next() => match fact {
                None => break,
                Some(fact) => block_in_place(|| record(&mut recorder, &fact, clock)),
            },
            _ = ticks.tick() => block_in_place(|| recorder.flush(clock.uptime())),
        };
        tell(done, &mut told);
    }
    tell(block_in_place(|| recorder.close()), &mut told);
    if recorder.left_out() > 0 {
        warn!(looks = recorder.left_out(), "looks that could not be masked were left out");
    }
}

fn record(recorder: &mut Recorder, fact: &Fact, clock: ProcessClock) -> Result<(), WriteError> {
    let Fact::Look(look) = fact else { return Ok(()) };
    let (snapshot, plan) = (&look.snapshot, &look.plan);
    let look = Look { snapshot, plan, decision: &look.decision, came: &look.came };
    recorder.record(&look, clock.now())
}

fn tell(done: Result<(), WriteError>, told: &mut Option<String>) {
    let why = done.err().map(|error| error.to_string());
    if let Some(why) = why.as_ref().filter(|why| told.as_ref() != Some(why)) {
        warn!("{why}: looks are lost");
    }
    if why.is_some() {
        *told = why;
    }
}
