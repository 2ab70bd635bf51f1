//! The measuring part of `cargo xtask bench`: the operator as it ships on real control planes, and
//! an independent watcher beside it. It measures and judges nothing; what it measured is written
//! as JSON.
//!
//! A bench and not a part of xtask, so that it is built with optimisation: it shares the cores
//! with what it measures.

mod api;
mod apps;
mod audit;
mod cold;
mod edits;
mod floor;
mod operator;
mod options;
mod process;
mod rest;
mod restart;
mod site;
mod watcher;

use std::fs;
use std::io::Write;

use anyhow::{Context, Result};
use serde_json::{Value, json};

use self::options::Options;

fn main() -> Result<()> {
    let options = Options::of_this_process()?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .context("the rig has no runtime")?;
    let measured = runtime.block_on(measure(&options))?;
    let path = &options.json;
    fs::write(path, format!("{measured:#}"))
        .with_context(|| format!("{} cannot be written", path.display()))
}

/// Everything, from the smallest number of apps to the largest. What is measured at rest and under
/// edits is measured at the largest.
async fn measure(options: &Options) -> Result<Value> {
    let mut memory = vec![rest::memory_without_apps(options).await?];
    let (mut cold, mut restarts) = (Vec::new(), Vec::new());
    let mut last = json!({});
    for (at, apps) in options.apps.iter().enumerate() {
        let is_last = at + 1 == options.apps.len();
        let mut rounds = Vec::new();
        for round in 1..=options.rounds {
            say(&format!("{apps} apps, round {round} of {}", options.rounds));
            let floor = floor::measure(options, *apps).await?;
            let mut case = cold::measure(options, *apps).await?;
            rounds.push(json!({ "floor": floor, "operator": case.measured }));
            if round < options.rounds {
                case.site.down()?;
                continue;
            }
            memory.push(rest::memory(&mut case).await?);
            restarts.push(restart::measure(&mut case, options).await?);
            if is_last {
                let idle = rest::idle(&mut case, options).await?;
                let edits = edits::measure(&mut case, options).await?;
                last = json!({ "apps": apps, "idle": idle, "edits": edits });
            }
            case.site.down()?;
        }
        cold.push(json!({ "apps": apps, "rounds": rounds }));
    }
    let bytes = fs::metadata(&options.operator).context("the operator is not there")?.len();
    Ok(json!({
        "cold": cold, "restarts": restarts, "memory": memory, "last": last, "binaryBytes": bytes,
    }))
}

/// What happens, for people who wait.
fn say(line: &str) {
    let _ = writeln!(std::io::stderr(), "rig: {line}");
}
