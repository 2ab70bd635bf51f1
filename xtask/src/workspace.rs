//! The checkout, and how programs are run in it.

use std::env;
use std::ffi::OsStr;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

/// The root of the checkout.
pub(crate) fn root() -> PathBuf {
    let xtask = Path::new(env!("CARGO_MANIFEST_DIR"));
    xtask.parent().unwrap_or(xtask).to_owned()
}

/// The cargo that runs this, in the root of the checkout.
pub(crate) fn cargo<I, A>(args: I) -> Command
where
    I: IntoIterator<Item = A>,
    A: AsRef<OsStr>,
{
    let mut cargo = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.args(args).current_dir(root()).stdin(Stdio::null());
    // What cargo told this program about itself: build scripts that look at the names (ring's does)
    // would run anew, and all that rests on them be built again, each time this and plain cargo
    // take turns.
    let is_ours =
        |name: &str| name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST_");
    for (name, _) in env::vars_os().filter(|(name, _)| name.to_str().is_some_and(is_ours)) {
        cargo.env_remove(name);
    }
    cargo
}

/// Runs a command whose output people read, and says which one it was that failed.
pub(crate) fn run(command: &mut Command) -> Result<()> {
    let words = words(command);
    let status = command.status().with_context(|| format!("`{words}` cannot be run"))?;
    if !status.success() {
        bail!("`{words}` ended with {status}");
    }
    Ok(())
}

/// Runs a command and returns what it prints.
pub(crate) fn output_of(command: &mut Command) -> Result<String> {
    let words = words(command);
    let output = command.output().with_context(|| format!("`{words}` cannot be run"))?;
    if !output.status.success() {
        bail!("`{words}`: {}", String::from_utf8_lossy(&output.stderr).trim_end());
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// Every file of the project: tracked, or new and not ignored; sorted, relative to the root.
pub(crate) fn files() -> Result<Vec<String>> {
    let mut git = Command::new("git");
    git.args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"]).current_dir(root());
    let listed = output_of(&mut git)?;
    let is_there = |name: &&str| !name.is_empty() && root().join(name).is_file();
    let mut files: Vec<String> = listed.split('\0').filter(is_there).map(str::to_owned).collect();
    files.sort();
    files.dedup();
    Ok(files)
}

/// `target` as seen from `folder`, with `..` resolved.
pub(crate) fn joined(folder: &str, target: &str) -> String {
    let mut parts: Vec<&str> = folder.split('/').filter(|part| !part.is_empty()).collect();
    for part in target.split('/') {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()),
            part => parts.push(part),
        }
    }
    parts.join("/")
}

/// Where cargo puts what it makes.
pub(crate) fn target() -> PathBuf {
    let path = env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), PathBuf::from);
    std::path::absolute(&path).unwrap_or(path)
}

/// Where cargo puts a program of the workspace.
pub(crate) fn built(program: &str) -> PathBuf {
    target().join("debug").join(program)
}

/// Builds the operator and says where it is.
pub(crate) fn build_operator() -> Result<PathBuf> {
    run(&mut cargo(["build", "--package", "kaspr-runtime"]))?;
    Ok(built("kaspr-operator"))
}

/// Prints a line for people.
pub(crate) fn say(line: &str) -> Result<()> {
    let mut out = io::stdout().lock();
    writeln!(out, "{line}").and_then(|()| out.flush()).context("nobody reads the output")
}

fn words(command: &Command) -> String {
    let program = Path::new(command.get_program());
    let name = program.file_name().unwrap_or(program.as_os_str());
    let words: Vec<_> = [name].into_iter().chain(command.get_args()).collect();
    words.iter().map(|word| word.to_string_lossy()).collect::<Vec<_>>().join(" ")
}
