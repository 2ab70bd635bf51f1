//! A cold start: apps and components are there, nothing else is, and the operator starts.

use std::time::{Duration, Instant};

use anyhow::Result;
use kaspr_core::ObjectKind;
use serde_json::{Value, json};
use tokio::time::sleep;

use crate::apps::{App, apps, make};
use crate::operator::Operator;
use crate::options::Options;
use crate::site::Site;
use crate::watcher::Watcher;

/// Apps are older than what the operator takes for still arriving (its settling time and a second
/// of the clock's grain).
pub(crate) const QUIET: Duration = Duration::from_secs(3);

/// A site whose apps are all made and ready, and the operator that made them.
pub(crate) struct Case {
    pub(crate) site: Site,
    pub(crate) operator: Operator,
    pub(crate) apps: Vec<App>,
    pub(crate) measured: Value,
}

pub(crate) async fn measure(options: &Options, count: usize) -> Result<Case> {
    let site = Site::up().await?;
    let apps = apps(count);
    make(&site.api, &apps).await?;
    let mut watcher = Watcher::of(&site.api, &kinds()).await?;
    sleep(QUIET).await;
    let began = Instant::now();
    let operator = Operator::start(&options.operator, &site, &[])?;
    let complete = watcher.completed(&apps).await?.saturating_duration_since(began);
    let ready = watcher.ready(&apps).await?.saturating_duration_since(began);
    let cpu = operator.process().cpu()?;
    let measured = json!({
        "complete": seconds(complete), "ready": seconds(ready), "cpu": seconds(cpu),
    });
    Ok(Case { site, operator, apps, measured })
}

/// What tells whether an app is complete, and whether it is ready.
pub(crate) fn kinds() -> [ObjectKind; 8] {
    [
        ObjectKind::App,
        ObjectKind::Agent,
        ObjectKind::Table,
        ObjectKind::ServiceAccount,
        ObjectKind::ConfigMap,
        ObjectKind::Service,
        ObjectKind::StatefulSet,
        ObjectKind::Autoscaler,
    ]
}

/// Rounded to milliseconds: more is noise.
pub(crate) fn seconds(duration: Duration) -> f64 {
    (duration.as_secs_f64() * 1e3).round() / 1e3
}
