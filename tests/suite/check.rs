//! `check`: every bad input is refused with words that help, every odd but good one passes.

use std::fmt::Write;
use std::path::{Path, PathBuf};

use kaspr_core::Settings;
use kaspr_core::check::{Finding, Severity, check, check_change};
use kaspr_runtime::manifest::{self, Document};
use serde_json::Value;

#[test]
fn bad_manifests_are_refused_with_words_that_help() {
    let mut told = String::new();
    let mut missed = Vec::new();
    for path in files("../fixtures/check/invalid") {
        let findings = judge(&path);
        let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
        writeln!(told, "{name}").unwrap();
        for line in &findings {
            writeln!(told, "  {line}").unwrap();
        }
        if !findings.iter().any(|line| line.contains(" error: ")) {
            missed.push(name);
        }
    }
    assert!(missed.is_empty(), "not refused: {missed:#?}");
    insta::assert_snapshot!(told);
}

#[test]
fn odd_spellings_that_work_are_accepted() {
    let mut told = String::new();
    let mut refused = Vec::new();
    for path in files("../fixtures/check/valid") {
        let findings = judge(&path);
        let name = path.file_stem().unwrap().to_str().unwrap();
        if findings.iter().any(|line| line.contains(" error: ")) {
            refused.push((name.to_owned(), findings.clone()));
        }
        for line in findings {
            writeln!(told, "{name}\n  {line}").unwrap();
        }
    }
    assert!(refused.is_empty(), "refused: {refused:#?}");
    insta::assert_snapshot!(told);
}

#[test]
fn examples_are_valid_without_a_word() {
    for path in files("../examples") {
        let mut findings = judge(&path);
        // What it says of itself: public workers check windows, and cut nothing by them.
        if path.ends_with("windows.yaml") {
            findings.retain(|finding| !finding.contains(" spec.window: "));
        }
        assert!(findings.is_empty(), "{path:?}: {findings:#?}");
    }
}

#[test]
fn changes_that_cannot_be_made_are_refused() {
    let mut told = String::new();
    let mut folders: Vec<PathBuf> = std::fs::read_dir(root("../fixtures/check/change"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    folders.sort();
    for folder in folders {
        let name = folder.file_name().unwrap().to_str().unwrap().to_owned();
        let [old, new] =
            ["old", "new"].map(|file| read(&folder.join(format!("{file}.yaml"))).unwrap());
        let findings = check_change(&objects(&old), &objects(&new), &Settings::default());
        assert_eq!(findings.is_empty(), name.ends_with("_is_allowed"), "{name}: {findings:#?}");
        for line in lines(&new, &findings) {
            writeln!(told, "{name}\n  {line}").unwrap();
        }
    }
    insta::assert_snapshot!(told);
}

/// The findings about a file, as `kaspr-operator check` prints them.
fn judge(path: &Path) -> Vec<String> {
    match read(path) {
        Ok(documents) if documents.is_empty() => vec!["1: error: there is no manifest".to_owned()],
        Ok(documents) => lines(&documents, &check(&objects(&documents), &Settings::default())),
        Err(words) => vec![format!("1: error: {words}")],
    }
}

fn lines(documents: &[Document], findings: &[Finding]) -> Vec<String> {
    findings
        .iter()
        .map(|finding| {
            let severity = match finding.severity {
                Severity::Error => "error",
                Severity::Warning => "warning",
            };
            let document = &documents[finding.object];
            let line = document.line(&finding.problem.field);
            format!("{line}: {severity}: {}: {}", document.title(), finding.problem)
        })
        .collect()
}

fn read(path: &Path) -> Result<Vec<Document>, String> {
    let text = std::fs::read_to_string(path).unwrap();
    manifest::read("input.yaml", &text).map_err(|error| error.to_string())
}

fn objects(documents: &[Document]) -> Vec<Value> {
    documents.iter().map(|document| document.object.clone()).collect()
}

fn files(folder: &str) -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> = std::fs::read_dir(root(folder))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "yaml"))
        .collect();
    files.sort();
    assert!(!files.is_empty(), "{folder} holds no manifest");
    files
}

fn root(folder: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(folder)
}
