//! What the operator does while the API server fails it: requests refused, answers lost, watches
//! silent, the server gone. A proxy of the kit plays the server's part in that.

mod every_request;
mod gone;
mod lists;
mod outage;
mod spoiled;
mod storm;
mod talk;
mod visible;

use std::env;
use std::time::Duration;

use serde_json::{Value, json};

use crate::kit::fixtures::{agent, app, table};

/// Of every operator here: alone, and quick to replace pods.
const FLAGS: [&str; 5] = ["--no-lease", "--settle", "300ms", "--member-poll-interval", "1h"];

/// How long it may take until all is as wanted again once the API server works.
const RECOVERY: Duration = Duration::from_secs(30);

/// An app with one member, one agent and one table.
fn small(name: &str) -> Vec<Value> {
    let mut small = app(name);
    small["spec"]["replicas"] = json!(1);
    small["spec"]["storage"] = json!({"type": "ephemeral"});
    vec![small, agent(name, &format!("{name}-a")), table(name, &format!("{name}-t"))]
}

/// A time that a longer run sets in seconds by this variable.
fn seconds(variable: &str, default: u64) -> Duration {
    let set = env::var(variable).ok();
    Duration::from_secs(set.map_or(default, |text| text.parse().unwrap()))
}
