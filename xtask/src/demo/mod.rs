//! `cargo xtask demo`: the operator at work on a real control plane of its own, told step by step.
//!
//! Two processes: the story runs here; the stage (cluster and operator) is a child in a process
//! group of its own, which takes everything down when this process ends, however it ends.

mod facts;
mod kubectl;
mod stage;
mod story;

use std::env;
use std::fs;
use std::io::{BufRead, BufReader};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Instant;

use anyhow::{Context, Result, bail};

use self::stage::Props;
pub use self::stage::run as stage;
use crate::cluster;
use crate::workspace::{build_operator, say};

/// Lines of the operator's log that are shown when something goes wrong.
const LAST_WORDS: usize = 20;

/// Builds what is needed, then plays the story from an empty cluster to an empty one.
pub fn command() -> Result<()> {
    say("building the operator and the control plane (the first time takes minutes)")?;
    build_operator()?;
    cluster::build()?;
    let started = Instant::now();
    let folder = env::temp_dir().join(format!("kaspr-demo-{}", std::process::id()));
    let mut stage = Stage::set(&folder)?;
    let told = stage.props().and_then(|props| {
        let told = story::tell(&props);
        if told.is_err() {
            last_words(&props.operator_log)?;
        }
        told
    });
    // What the stage has to say stands above already; the story's error comes with it.
    let cleared = stage.clear();
    told?;
    cleared?;
    say(&format!(
        "\neverything is stopped and nothing is left; it took {} s",
        started.elapsed().as_secs()
    ))
}

/// The child that holds cluster and operator.
struct Stage {
    child: Child,
}

impl Stage {
    fn set(folder: &Path) -> Result<Self> {
        let this = env::current_exe().context("this program cannot find itself")?;
        let child = Command::new(this)
            .arg("demo-stage")
            .arg(folder)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            // A Ctrl-C ends the story; the stage notices, and clears itself.
            .process_group(0)
            .spawn()
            .context("the stage cannot be started")?;
        Ok(Self { child })
    }

    /// Waits until everything is up.
    fn props(&mut self) -> Result<Props> {
        let answer = self.child.stdout.take().context("the stage has no output")?;
        let mut line = String::new();
        BufReader::new(answer).read_line(&mut line).context("the stage does not answer")?;
        Props::read(&line).context("the stage did not come up: what it says stands above")
    }

    /// Ends the stage and waits until nothing is left.
    fn clear(mut self) -> Result<()> {
        drop(self.child.stdin.take());
        let status = self.child.wait().context("the stage does not end")?;
        if !status.success() {
            bail!("the stage ended with {status}: what it says stands above");
        }
        Ok(())
    }
}

fn last_words(log: &PathBuf) -> Result<()> {
    // Gone with the stage, if the operator ended by itself.
    let Ok(text) = fs::read_to_string(log) else { return Ok(()) };
    let lines: Vec<&str> = text.lines().collect();
    let from = lines.len().saturating_sub(LAST_WORDS);
    say("\nthe operator's last words:")?;
    lines.iter().skip(from).try_for_each(|line| say(&format!("  {line}")))
}
