//! `kaspr-operator version`.

use std::io::Write;

use super::CommandError;

/// Prints the version.
///
/// # Errors
/// If standard output is closed.
pub fn execute() -> Result<(), CommandError> {
    let mut out = std::io::stdout();
    writeln!(out, "kaspr-operator {}", env!("CARGO_PKG_VERSION")).map_err(CommandError::failed)
}
