//! One file for each command.

pub mod check;
pub mod crds;
pub mod demo;
pub mod explain;
pub mod redact;
pub mod render;
pub mod replay;
pub mod run;
#[cfg(test)]
mod sample;
pub mod takeover;
pub mod version;

use std::collections::BTreeSet;
use std::io::Write;
use std::process::ExitCode;

use kaspr_engine::cache::Scope;
use kaspr_recording::{Damage, ReadError};

use crate::args::{self, Cli, ClusterArgs, Command};
use crate::settings::Environment;

/// Why a command ended without success; one sentence for people.
#[derive(Debug, thiserror::Error)]
pub enum CommandError {
    /// Asked in a wrong way: flags, settings. Exit code 2.
    #[error("{0}")]
    Usage(String),
    /// Asked rightly and not possible. Exit code 1.
    #[error("{0}")]
    Failed(String),
    /// Done, and decisions differ from those that were recorded, or pods would be replaced. Exit code 3.
    #[error("{0}")]
    Differs(String),
}

impl CommandError {
    /// Asked rightly and not possible.
    pub fn failed(error: impl std::fmt::Display) -> Self {
        Self::Failed(error.to_string())
    }
}

/// Runs a command; tells standard error why it did not succeed.
pub fn execute(cli: Cli) -> ExitCode {
    let done = match cli.command {
        Command::Run(args) => run::execute(&args),
        Command::Record(args) => run::record(&args),
        Command::Render(args) => render::execute(&args),
        Command::Check(args) => check::execute(&args),
        Command::Demo(args) => demo::demo(&args),
        Command::Simulate(args) => demo::simulate(&args),
        Command::Replay(args) => replay::execute(&args),
        Command::Explain(args) => explain::execute(&args),
        Command::Redact(args) => redact::execute(&args),
        Command::Takeover(args) => takeover::execute(&args),
        Command::Crds => crds::execute(),
        Command::Version => version::execute(),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => fail(&error),
    }
}

/// Runs what waits for a cluster.
fn in_runtime<T>(work: impl Future<Output = Result<T, CommandError>>) -> Result<T, CommandError> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(CommandError::failed)?;
    let ended = runtime.block_on(work);
    // All that matters has ended in its order; what is left must not hold up the exit.
    runtime.shutdown_background();
    ended
}

/// What is looked at in a cluster.
fn scopes(args: &ClusterArgs, environment: &Environment) -> Result<Vec<Scope>, CommandError> {
    let mut names: BTreeSet<String> = args.namespace.iter().cloned().collect();
    if let Some(own) = &environment.namespace {
        if args.all_namespaces {
            let text = "KOPF_RUN_NAMESPACE names a namespace and --all-namespaces all of them: \
                        take one away";
            return Err(CommandError::Usage(text.to_owned()));
        }
        let checked = args::namespace(own).map_err(|why| {
            CommandError::Usage(format!(
                "environment variable KOPF_RUN_NAMESPACE is \"{own}\": {why}"
            ))
        })?;
        names.insert(checked);
    }
    if names.is_empty() {
        return Ok(vec![Scope::All]);
    }
    Ok(names.into_iter().map(Scope::Namespace).collect())
}

/// Says what was done, to standard output.
fn say(text: &str) -> Result<(), CommandError> {
    writeln!(std::io::stdout(), "{text}").map_err(CommandError::failed)
}

/// How a reading that failed ends a command: what is not there was asked for in a wrong way.
fn unread(error: ReadError) -> CommandError {
    match error {
        ReadError::Unreadable { .. } | ReadError::Nothing { .. } => {
            CommandError::Usage(error.to_string())
        }
        ReadError::TooNew { .. } => CommandError::failed(error),
    }
}

/// A recording may be a stranger's: nothing in it moves the cursor or begins a line.
fn plain(text: &str) -> String {
    text.chars().map(|char| if char.is_control() { '\u{fffd}' } else { char }).collect()
}

/// Nothing of what was read is what was asked for.
fn no_such_look() -> CommandError {
    CommandError::Failed("there is no such look in what was read".to_owned())
}

/// Names on standard error what could not be read: what follows is of what is before it.
fn tell_damages(damages: &[Damage]) {
    for Damage { file, offset, line, why } in damages {
        let file = file.display();
        let text = format!("damage: {file}: frame at byte {offset}, line {line}: {why}");
        // Nobody is left to hear that standard error is closed.
        let _ = writeln!(std::io::stderr(), "kaspr-operator: {}", plain(&text));
    }
}

/// Tells why a command did not succeed, and gives its exit code.
pub fn fail(error: &CommandError) -> ExitCode {
    // Nobody is left to hear that standard error is closed.
    let _ = writeln!(std::io::stderr(), "kaspr-operator: {error}");
    match error {
        CommandError::Usage(_) => ExitCode::from(2),
        CommandError::Failed(_) => ExitCode::from(1),
        CommandError::Differs(_) => ExitCode::from(3),
    }
}
