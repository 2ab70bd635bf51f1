//! `cargo xtask check`: all that can be said about the sources without running the operator.

use anyhow::Result;

use crate::workspace::{cargo, run};
use crate::{generate, tidy};

/// Runs every check, the quick ones first, and stops at the first that fails.
pub fn command() -> Result<()> {
    run(&mut cargo(["fmt", "--all", "--check"]))?;
    tidy::command()?;
    generate::check()?;
    run(&mut cargo(["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"]))
}
