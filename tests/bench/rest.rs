//! The operator at rest: memory, CPU, requests.

use std::time::Duration;

use anyhow::Result;
use serde_json::{Value, json};
use tokio::time::sleep;

use crate::audit::{Audit, silence};
use crate::cold::{Case, seconds};
use crate::operator::Operator;
use crate::options::Options;
use crate::say;
use crate::site::Site;

/// Memory of an operator that has nothing to do.
pub(crate) async fn memory_without_apps(options: &Options) -> Result<Value> {
    let site = Site::up().await?;
    let operator = Operator::start(&options.operator, &site, &[])?;
    operator.ready().await?;
    sleep(Duration::from_secs(5)).await;
    let measured = figures(&operator, 0);
    drop(operator);
    site.down()?;
    measured
}

/// Memory of the operator that made the apps, once it has nothing left to do.
pub(crate) async fn memory(case: &mut Case) -> Result<Value> {
    silence(&case.site.cluster.audit_log).await?;
    figures(&case.operator, case.apps.len())
}

/// CPU and requests while nothing happens.
pub(crate) async fn idle(case: &mut Case, options: &Options) -> Result<Value> {
    let log = &case.site.cluster.audit_log;
    silence(log).await?;
    say(&format!("{} s of rest", options.idle.as_secs()));
    let audit = Audit::since_now(log).await?;
    let before = case.operator.process().cpu()?;
    sleep(options.idle).await;
    let cpu = case.operator.process().cpu()?.saturating_sub(before);
    let mut requests = audit.counts().await?;
    let is_watch = |what: &String, _: &mut u64| what.starts_with("watch ");
    let watches: u64 = requests.extract_if(.., is_watch).map(|(_, count)| count).sum();
    Ok(json!({
        "seconds": seconds(options.idle), "cpu": seconds(cpu),
        "requests": requests.values().sum::<u64>(), "which": requests, "watchesOpened": watches,
    }))
}

fn figures(operator: &Operator, apps: usize) -> Result<Value> {
    let (now, peak) = operator.process().memory()?;
    Ok(json!({ "apps": apps, "kib": now, "peakKib": peak }))
}
