//! `check`: judges manifest files by the operator's own rules, without a cluster.

use std::io::Write;

use kaspr_core::Settings;
use kaspr_core::check::{Finding, Severity, check, check_change};
use kaspr_core::invalid::Invalid;
use serde_json::{Value, json};

use super::CommandError;
use crate::args::{CheckArgs, TextOrJson};
use crate::manifest::{Document, Unreadable, read_file};
use crate::settings;

/// A finding with its place.
struct Placed {
    file: String,
    line: u64,
    object: String,
    severity: Severity,
    problem: Invalid,
}

/// Judges the files; an error among the findings ends the command with exit code 1.
pub fn execute(args: &CheckArgs) -> Result<(), CommandError> {
    let settings = settings::from_env().map_err(|error| CommandError::Usage(error.to_string()))?;
    let settings = settings.settings;
    let (findings, count) = match args.previous.as_slice() {
        [old, new] => judge_change(old, new, &settings)?,
        _ => judge(&args.files, &settings)?,
    };
    let errors = findings.iter().filter(|found| found.severity == Severity::Error).count();
    print(args.output, &findings, count).map_err(CommandError::failed)?;
    match errors {
        0 => Ok(()),
        1 => Err(CommandError::Failed("1 error".to_owned())),
        more => Err(CommandError::Failed(format!("{more} errors"))),
    }
}

fn judge(files: &[String], settings: &Settings) -> Result<(Vec<Placed>, usize), CommandError> {
    let mut documents = Vec::new();
    let mut placed = Vec::new();
    for file in files {
        match read_file(file) {
            Ok(read) if read.is_empty() => placed.push(empty(file)),
            Ok(read) => documents.extend(read),
            Err(Unreadable::Text { file, line, message }) => {
                placed.push(no_yaml(file, line, &message));
            }
            Err(error @ Unreadable::File { .. }) => {
                return Err(CommandError::Usage(error.to_string()));
            }
        }
    }
    let objects: Vec<Value> = documents.iter().map(|document| document.object.clone()).collect();
    placed.extend(place(&documents, check(&objects, settings)));
    Ok((placed, documents.len()))
}

/// Judges the new file, and what the way from the old one to it does.
fn judge_change(
    old: &str,
    new: &str,
    settings: &Settings,
) -> Result<(Vec<Placed>, usize), CommandError> {
    let (mut placed, count) = judge(&[new.to_owned()], settings)?;
    let read = |file: &str| read_file(file).map_err(|error| CommandError::Usage(error.to_string()));
    let Ok(after) = read_file(new) else { return Ok((placed, count)) };
    let before: Vec<Value> = read(old)?.into_iter().map(|document| document.object).collect();
    let objects: Vec<Value> = after.iter().map(|document| document.object.clone()).collect();
    placed.extend(place(&after, check_change(&before, &objects, settings)));
    Ok((placed, count))
}

fn place(documents: &[Document], findings: Vec<Finding>) -> Vec<Placed> {
    let place = |finding: Finding| {
        let document = documents.get(finding.object)?;
        Some(Placed {
            file: document.file.clone(),
            line: document.line(&finding.problem.field),
            object: document.title(),
            severity: finding.severity,
            problem: finding.problem,
        })
    };
    findings.into_iter().filter_map(place).collect()
}

fn empty(file: &str) -> Placed {
    Placed {
        file: file.to_owned(),
        line: 1,
        object: String::new(),
        severity: Severity::Error,
        problem: Invalid::new("(file)", "there is no manifest in it", "add one"),
    }
}

fn no_yaml(file: String, line: u64, message: &str) -> Placed {
    Placed {
        file,
        line,
        object: String::new(),
        severity: Severity::Error,
        problem: Invalid::new("(file)", format!("it is no YAML: {message}"), "mend the line"),
    }
}

fn print(output: TextOrJson, findings: &[Placed], count: usize) -> std::io::Result<()> {
    let mut out = std::io::stdout().lock();
    if output == TextOrJson::Json {
        let findings: Vec<Value> = findings.iter().map(as_json).collect();
        return writeln!(out, "{:#}", json!({ "manifests": count, "findings": findings }));
    }
    for found in findings {
        let Placed { file, line, object, severity, problem } = found;
        let severity = match severity {
            Severity::Error => "error",
            Severity::Warning => "warning",
        };
        let object = if object.is_empty() { String::new() } else { format!("{object}: ") };
        writeln!(out, "{file}:{line}: {severity}: {object}{problem}")?;
    }
    if findings.is_empty() {
        let what = if count == 1 { "manifest is" } else { "manifests are" };
        writeln!(out, "{count} {what} valid")?;
    }
    Ok(())
}

fn as_json(found: &Placed) -> Value {
    json!({
        "file": found.file,
        "line": found.line,
        "object": found.object,
        "severity": found.severity,
        "field": found.problem.field,
        "value": found.problem.value,
        "problem": found.problem.problem,
        "remedy": found.problem.remedy,
    })
}
