//! What is measured, and how often.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result, bail};

pub(crate) struct Options {
    /// The operator, built as it ships.
    pub(crate) operator: PathBuf,
    /// Where the figures go.
    pub(crate) json: PathBuf,
    /// Numbers of apps, in growing order.
    pub(crate) apps: Vec<usize>,
    /// Cold starts and floors for each number.
    pub(crate) rounds: usize,
    /// Edits of each kind.
    pub(crate) edits: usize,
    /// Restarts for each number of apps.
    pub(crate) restarts: usize,
    /// How long idle apps are looked at.
    pub(crate) idle: Duration,
}

impl Options {
    pub(crate) fn of_this_process() -> Result<Self> {
        let mut options = Self {
            operator: PathBuf::new(),
            json: PathBuf::new(),
            apps: Vec::new(),
            rounds: 3,
            edits: 200,
            restarts: 5,
            idle: Duration::from_mins(1),
        };
        // Cargo adds `--bench` for all benches.
        let mut args = std::env::args().skip(1).filter(|arg| arg != "--bench");
        while let Some(name) = args.next() {
            let mut value = || args.next().with_context(|| format!("{name} needs a value"));
            match name.as_str() {
                "--operator" => options.operator = value()?.into(),
                "--json" => options.json = value()?.into(),
                "--apps" => options.apps = numbers(&value()?)?,
                "--rounds" => {
                    options.rounds = value()?.parse().context("--rounds needs a number")?;
                }
                "--quick" => {
                    (options.rounds, options.edits, options.restarts) = (1, 20, 2);
                    options.idle = Duration::from_secs(10);
                }
                _ => bail!("{name} is no option: the rig is run by `cargo xtask bench`"),
            }
        }
        if options.apps.is_empty() || options.operator.as_os_str().is_empty() {
            bail!(
                "--operator, --json and --apps are needed: the rig is run by `cargo xtask bench`"
            );
        }
        Ok(options)
    }
}

fn numbers(text: &str) -> Result<Vec<usize>> {
    let number = |word: &str| word.parse().with_context(|| format!("{word} is no number of apps"));
    let mut numbers = text.split(',').map(number).collect::<Result<Vec<usize>>>()?;
    numbers.sort_unstable();
    numbers.dedup();
    Ok(numbers)
}
