//! Where and when it was measured.

use std::fs;
use std::process::Command;
use std::thread::available_parallelism;

use anyhow::{Context, Result};
use serde_json::{Value, json};

use crate::workspace::{output_of, root};

pub(super) struct Machine {
    /// Pairs of name and value, in the order in which they are told.
    facts: Vec<(String, String)>,
}

impl Machine {
    pub(super) fn of_now() -> Result<Self> {
        let cores = available_parallelism().map_or(1, usize::from);
        let model = line_of("/proc/cpuinfo", "model name")?;
        let memory = line_of("/proc/meminfo", "MemTotal")?;
        let kib: u64 =
            memory.split_whitespace().next().and_then(|word| word.parse().ok()).unwrap_or(0);
        let load = fs::read_to_string("/proc/loadavg").unwrap_or_default();
        let load = load.split_whitespace().next().unwrap_or("unknown");
        let said = |program: &str, args: &[&str]| {
            let said = output_of(Command::new(program).args(args).current_dir(root()));
            said.map(|text| text.trim().to_owned())
        };
        let facts = [
            ("date", said("date", &["-u", "+%Y-%m-%d"])?),
            ("machine", format!("{cores} cores, {} GiB, {model}", kib.div_ceil(1024 * 1024))),
            ("load before the run", format!("{load} (a quiet machine has less than 0.5)")),
            ("commit", said("git", &["describe", "--always", "--dirty"])?),
            ("compiler", said("rustc", &["--version"])?),
            ("kernel", said("uname", &["-sr"])?),
            ("Kubernetes", kubernetes()?),
        ];
        Ok(Self { facts: facts.map(|(name, value)| (name.to_owned(), value)).into() })
    }

    pub(super) fn json(&self) -> Value {
        json!(self.facts)
    }

    pub(super) fn read(value: &Value) -> Result<Self> {
        let facts = serde_json::from_value(value.clone()).context("the machine cannot be read")?;
        Ok(Self { facts })
    }

    pub(super) fn facts(&self) -> impl Iterator<Item = (&str, &str)> {
        self.facts.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }
}

/// The value of the first line of a file that begins with `name`.
fn line_of(path: &str, name: &str) -> Result<String> {
    let text = fs::read_to_string(path).with_context(|| format!("{path} cannot be read"))?;
    let value =
        text.lines().find_map(|line| line.strip_prefix(name)?.trim_start().strip_prefix(':'));
    Ok(value.with_context(|| format!("{path} has no {name}"))?.trim().to_owned())
}

/// The version that the control plane is built from.
fn kubernetes() -> Result<String> {
    let path = root().join("tests/control-plane/go.mod");
    let text = fs::read_to_string(&path).context("go.mod cannot be read")?;
    let version = text.lines().find_map(|line| line.trim().strip_prefix("k8s.io/kubernetes "));
    Ok(version.context("go.mod names no Kubernetes")?.to_owned())
}
