//! `cargo xtask deny`: what the project may depend on, by `deny.toml`.

use std::process::Stdio;

use anyhow::{Result, bail};

use crate::workspace::{cargo, run};

/// Checks bans, licences and sources: these need no network. Advisories change from day to day and
/// are asked for apart: `cargo deny check advisories`.
pub fn command() -> Result<()> {
    let mut probe = cargo(["deny", "--version"]);
    let found = probe.stdout(Stdio::null()).stderr(Stdio::null()).status();
    if !found.is_ok_and(|status| status.success()) {
        bail!("cargo-deny is not installed: `cargo install --locked cargo-deny` gets it");
    }
    run(&mut cargo(["deny", "check", "bans", "licenses", "sources"]))
}
