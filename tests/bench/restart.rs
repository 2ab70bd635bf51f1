//! A restart over apps that are as they should be: how soon it is ready, and that it writes nothing.

use std::time::Duration;

use anyhow::Result;
use serde_json::{Value, json};
use tokio::time::sleep;

use crate::audit::{Audit, silence, writes};
use crate::cold::{Case, seconds};
use crate::options::Options;
use crate::say;

/// Long enough for all apps to be looked at, and for counters that would be written late.
const WRITES_WITHIN: Duration = Duration::from_secs(10);

pub(crate) async fn measure(case: &mut Case, options: &Options) -> Result<Value> {
    let log = case.site.cluster.audit_log.clone();
    silence(&log).await?;
    say(&format!("{} restarts", options.restarts));
    let audit = Audit::since_now(&log).await?;
    let mut took = Vec::new();
    for _ in 0..options.restarts {
        took.push(seconds(case.operator.restart(&[]).await?));
        sleep(WRITES_WITHIN).await;
    }
    let counts = audit.counts().await?;
    let (kib, peak) = case.operator.process().memory()?;
    Ok(json!({
        "apps": case.apps.len(), "ready": took, "writes": writes(&counts), "requests": counts,
        "kibAfter": kib, "peakKibAfter": peak,
    }))
}
