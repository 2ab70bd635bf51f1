//! The `kaspr-operator` binary: one command, one exit code.

use std::process::ExitCode;

use clap::Parser;
use kaspr_runtime::args::{Cli, one_sentence};
use kaspr_runtime::commands::{self, CommandError};

fn main() -> ExitCode {
    // Before any TLS. An error means that a provider is set already, which is as good.
    let _ = rustls::crypto::ring::default_provider().install_default();
    match Cli::try_parse() {
        Ok(cli) => commands::execute(cli),
        Err(error) if error.use_stderr() => {
            commands::fail(&CommandError::Usage(one_sentence(&error)))
        }
        // Help and version were asked for.
        Err(error) => error.exit(),
    }
}
