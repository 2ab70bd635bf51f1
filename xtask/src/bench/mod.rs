//! `cargo xtask bench`: measures the operator as it ships, and holds the figures against what is
//! asked of it.
//!
//! The rig itself is a bench of `tests`, built with optimisation; here its figures are judged and
//! told.

mod core;
mod figures;
mod machine;
mod page;

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};

use self::machine::Machine;
use crate::cluster;
use crate::workspace::{cargo, root, run, say, target};

const USAGE: &str = "usage: cargo xtask bench [--apps N,N,…] [--rounds N] [--quick] [--write]
       cargo xtask bench --again [--write]

  --apps   numbers of apps (10,100,500); edits and rest are measured at the largest
  --rounds cold starts and floors for each number (3)
  --quick  20 apps, few repetitions: whether the rig works, not how fast anything is
  --write  writes docs/performance.md instead of printing
  --again  tells once more what was measured last";

/// Where the figures are kept, below cargo's target directory.
const KEPT: &str = "bench.json";
const APPS: &str = "10,100,500";
const QUICK_APPS: &str = "20";

#[derive(Debug, Default, PartialEq, Eq)]
struct Options {
    apps: Option<String>,
    rounds: Option<String>,
    is_quick: bool,
    writes: bool,
    is_again: bool,
}

/// Builds, measures, keeps the figures, and tells them.
pub fn command(args: &[&str]) -> Result<()> {
    let options = Options::parse(args)?;
    let kept = target().join(KEPT);
    if !options.is_again {
        let machine = Machine::of_now()?;
        let measured = measure(&options)?;
        let all = json!({ "machine": machine.json(), "measured": measured });
        fs::write(&kept, format!("{all:#}\n"))
            .with_context(|| format!("{} cannot be written", kept.display()))?;
    }
    let text = fs::read_to_string(&kept).with_context(|| {
        format!("{} cannot be read: run `cargo xtask bench` first", kept.display())
    })?;
    let all: Value = serde_json::from_str(&text).context("the kept figures are no JSON")?;
    let figures = figures::of(all.get("measured").context("there are no figures")?)?;
    let machine = Machine::read(all.get("machine").context("nothing says on which machine")?)?;
    if options.writes {
        return page::write(&machine, &figures);
    }
    say(&page::text(&machine, &figures))
}

fn measure(options: &Options) -> Result<Value> {
    run(&mut cargo(["build", "--release", "--package", "kaspr-runtime"]))?;
    cluster::build()?;
    let core = core::measure()?;
    let rig = rig(options, &target().join("release/kaspr-operator"))?;
    Ok(json!({ "core": core, "rig": rig }))
}

fn rig(options: &Options, operator: &Path) -> Result<Value> {
    let json: PathBuf = target().join("rig.json");
    let apps = options.apps.as_deref();
    let apps = apps.unwrap_or(if options.is_quick { QUICK_APPS } else { APPS });
    let mut rig = cargo(["bench", "--package", "kaspr-tests", "--bench", "rig", "--"]);
    rig.args(["--apps", apps]).arg("--operator").arg(operator).arg("--json").arg(&json);
    if options.is_quick {
        rig.arg("--quick");
    }
    if let Some(rounds) = &options.rounds {
        rig.args(["--rounds", rounds]);
    }
    run(&mut rig)?;
    let text = fs::read_to_string(&json).context("the rig wrote no figures")?;
    serde_json::from_str(&text).context("the rig's figures are no JSON")
}

impl Options {
    fn parse(args: &[&str]) -> Result<Self> {
        let mut options = Self::default();
        let mut args = args.iter();
        while let Some(arg) = args.next() {
            match *arg {
                "--apps" => options.apps = args.next().map(|apps| (*apps).to_owned()),
                "--rounds" => options.rounds = args.next().map(|rounds| (*rounds).to_owned()),
                "--quick" => options.is_quick = true,
                "--write" => options.writes = true,
                "--again" => options.is_again = true,
                _ => bail!("{USAGE}"),
            }
        }
        Ok(options)
    }
}

/// The page with the figures.
fn page_path() -> PathBuf {
    root().join("docs/performance.md")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_are_read_and_others_refused() {
        let options = Options::parse(&["--apps", "5,7", "--write"]).unwrap();
        let apps = Some("5,7".to_owned());
        assert_eq!(options, Options { apps, writes: true, ..Options::default() });
        assert!(Options::parse(&["--fast"]).is_err());
    }
}
