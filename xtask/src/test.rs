//! `cargo xtask test`: every suite, with the programs that the end-to-end suite needs.

use std::env;

use anyhow::{Result, bail};

use crate::cluster;
use crate::workspace::{build_operator, cargo, run, say};

/// Where the end-to-end suite finds the operator.
const OPERATOR: &str = "KASPR_OPERATOR";
/// Where it finds the control plane. Without it, it says that it did not run.
const CONTROL_PLANE: &str = "KASPR_CONTROL_PLANE";

/// Builds what the suites run, then runs all of them, also after one that fails, with `args` for
/// `cargo test`.
pub fn command(args: &[&str]) -> Result<()> {
    let operator = build_operator()?;
    let mut test = cargo(["test", "--workspace", "--no-fail-fast"]);
    test.args(args).env(OPERATOR, operator);
    if cluster::available() {
        test.env(CONTROL_PLANE, cluster::build()?);
    } else {
        // Whatever was set by hand: a suite that is told to be left out is left out.
        test.env_remove(CONTROL_PLANE);
        without_control_plane(env::var_os("CI").is_some())?;
    }
    run(&mut test)
}

fn without_control_plane(is_ci: bool) -> Result<()> {
    let text = "the end-to-end suite does not run: it needs a control plane, which is a Go program, \
                and `go` was not found; install Go 1.26 or later (https://go.dev/doc/install)";
    if is_ci {
        bail!("{text}");
    }
    say(&format!("NOTE: {text}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_suite_that_cannot_run_fails_in_ci_only() {
        assert!(without_control_plane(true).is_err());
        assert!(without_control_plane(false).is_ok());
    }
}
