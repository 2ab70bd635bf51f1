//! What Linux says of a process.

use std::fs;
use std::time::Duration;

use anyhow::{Context, Result};

/// Its number.
pub(crate) struct Process(pub(crate) u32);

/// `sysconf(_SC_CLK_TCK)` is 100 on every Linux that runs today: proc(5) times are in these ticks.
const TICKS: u64 = 100;

impl Process {
    /// Memory in RAM now and at its peak, in KiB.
    pub(crate) fn memory(&self) -> Result<(u64, u64)> {
        let path = format!("/proc/{}/status", self.0);
        let text = fs::read_to_string(&path).context("the operator is gone")?;
        let field = |name: &str| {
            let line = text.lines().find_map(|line| line.strip_prefix(name));
            let number = line.and_then(|line| line.split_whitespace().next()?.parse().ok());
            number.with_context(|| format!("{path} has no {name}"))
        };
        Ok((field("VmRSS:")?, field("VmHWM:")?))
    }

    /// CPU time so far, its own and the kernel's for it.
    pub(crate) fn cpu(&self) -> Result<Duration> {
        let path = format!("/proc/{}/stat", self.0);
        let text = fs::read_to_string(&path).context("the operator is gone")?;
        // The name, in brackets, may hold blanks; utime and stime are fields 14 and 15.
        let fields = text.rsplit_once(')').map(|(_, fields)| fields).unwrap_or_default();
        let field = |at: usize| fields.split_whitespace().nth(at)?.parse::<u64>().ok();
        let ticks = field(11).zip(field(12)).map(|(user, system)| user + system);
        let ticks = ticks.with_context(|| format!("{path} has no times"))?;
        Ok(Duration::from_millis(ticks * 1_000 / TICKS))
    }
}
