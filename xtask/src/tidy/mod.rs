//! `cargo xtask tidy`: rules of the house that no compiler knows.

mod arrows;
mod runbook;
mod sizes;
mod text;

use std::fmt;
use std::fs;

use anyhow::{Context, Result, bail};

use crate::workspace::{files, root};

/// One thing that is not as it should be.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Finding {
    /// Relative to the root, with a line where there is one.
    file: String,
    what: String,
    remedy: String,
}

impl Finding {
    fn new(file: impl Into<String>, what: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { file: file.into(), what: what.into(), remedy: remedy.into() }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}: {}", self.file, self.what, self.remedy)
    }
}

/// A text file of the project.
struct Source {
    /// Relative to the root.
    path: String,
    text: String,
}

impl Source {
    fn has_extension(&self, extension: &str) -> bool {
        self.path.rsplit_once('.').is_some_and(|(_, found)| found == extension)
    }
}

/// Fails with every finding, sorted by file.
pub fn command() -> Result<()> {
    let sources = sources()?;
    let mut findings = sizes::check(&sources);
    findings.extend(text::check(&sources, &|path| root().join(path).exists()));
    findings.extend(runbook::check(&sources));
    findings.extend(arrows::check()?);
    findings.sort();
    if findings.is_empty() {
        return Ok(());
    }
    let lines: Vec<String> = findings.iter().map(Finding::to_string).collect();
    bail!("tidy: {} findings\n{}", lines.len(), lines.join("\n"))
}

/// Every file of the project that is text.
fn sources() -> Result<Vec<Source>> {
    let mut sources = Vec::new();
    for path in files()? {
        let bytes =
            fs::read(root().join(&path)).with_context(|| format!("{path} cannot be read"))?;
        if let Ok(text) = String::from_utf8(bytes) {
            sources.push(Source { path, text });
        }
    }
    Ok(sources)
}

#[cfg(test)]
fn source(path: &str, text: &str) -> Source {
    Source { path: path.to_owned(), text: text.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_finding_says_file_what_and_what_to_do() {
        let finding = Finding::new("a.rs:3", "it is odd", "make it even");
        assert_eq!(finding.to_string(), "a.rs:3: it is odd: make it even");
    }
}
