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
use std::path::Path;

use anyhow::{Context, Result};
use serde_json::{Value, json};

use self::cold::Case;
use self::options::Options;

fn main() -> Result<()> {
    let options = Options::of_this_process()?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .context("the rig has no runtime")?;
    runtime.block_on(measure(&options))
}

/// Everything, from the smallest number of apps to the largest. What is measured at rest and under
/// edits is measured at the largest.
async fn measure(options: &Options) -> Result<()> {
    let bytes = fs::metadata(&options.operator).context("the operator is not there")?.len();
    let mut all = Figures { path: &options.json, all: json!({ "binaryBytes": bytes }) };
    all.add("memory", rest::memory_without_apps(options).await?)?;
    for apps in &options.apps {
        let mut case = rounds(options, *apps, &mut all).await?;
        all.add("memory", rest::memory(&mut case).await?)?;
        all.add("restarts", restart::measure(&mut case, options).await?)?;
        if Some(apps) == options.apps.last() {
            let idle = rest::idle(&mut case, options).await?;
            all.set("last", json!({ "apps": apps, "idle": idle }))?;
            all.add("edits", edits::autoscaler(&mut case, options).await?)?;
            all.add("edits", edits::template(&mut case, options).await?)?;
            all.add("edits", edits::template_at_once(&mut case, options).await?)?;
        }
        case.site.down()?;
    }
    Ok(())
}

/// Floors and cold starts in turn; the apps of the last are left.
async fn rounds(options: &Options, apps: usize, all: &mut Figures<'_>) -> Result<Case> {
    let mut round = 1;
    loop {
        say(&format!("{apps} apps, round {round} of {}", options.rounds));
        let floor = floor::measure(apps).await?;
        let case = cold::measure(options, apps).await?;
        all.add("cold", json!({ "apps": apps, "floor": floor, "operator": case.measured }))?;
        if round >= options.rounds {
            return Ok(case);
        }
        case.site.down()?;
        round += 1;
    }
}

/// What was measured so far, kept after each step: a run that is broken off has not been for nothing.
struct Figures<'a> {
    path: &'a Path,
    all: Value,
}

impl Figures<'_> {
    /// Adds one to the list `name`.
    fn add(&mut self, name: &str, figure: Value) -> Result<()> {
        say(&format!("{name}: {figure}"));
        if let Some(all) = self.all.as_object_mut() {
            let list = all.entry(name).or_insert_with(|| json!([]));
            list.as_array_mut().into_iter().for_each(|list| list.push(figure.clone()));
        }
        self.keep()
    }

    fn set(&mut self, name: &str, figure: Value) -> Result<()> {
        say(&format!("{name}: {figure}"));
        self.all[name] = figure;
        self.keep()
    }

    fn keep(&self) -> Result<()> {
        fs::write(self.path, format!("{:#}", self.all))
            .with_context(|| format!("{} cannot be written", self.path.display()))
    }
}

/// What happens, for people who wait.
fn say(line: &str) {
    let _ = writeln!(std::io::stderr(), "rig: {line}");
}
