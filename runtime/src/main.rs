//! The `kaspr-operator` binary: one command, one exit code.

use std::process::ExitCode;

use clap::Parser;
use kaspr_runtime::args::Cli;
use kaspr_runtime::commands;

fn main() -> ExitCode {
    // Before any TLS. An error means that a provider is set already, which is as good.
    let _ = rustls::crypto::ring::default_provider().install_default();
    commands::execute(Cli::parse())
}
