//! Each word that people meet has a heading in the runbook.

use std::collections::BTreeSet;

use super::{Finding, Source};

const RUNBOOK: &str = "docs/runbook.md";
const REASONS: &str = "core/src/reason.rs";

pub(super) fn check(sources: &[Source]) -> Vec<Finding> {
    let text = |path: &str| {
        sources.iter().find(|source| source.path == path).map_or("", |source| source.text.as_str())
    };
    let headings = headings(text(RUNBOOK));
    let mut words: BTreeSet<String> = codes(text(REASONS));
    for source in sources.iter().filter(|source| source.path.starts_with("core/src/")) {
        words.extend(condition_words(&source.text));
    }
    if words.is_empty() {
        return vec![Finding::new(
            REASONS,
            "no code of a reason was found",
            "mend the runbook check",
        )];
    }
    words
        .into_iter()
        .filter(|word| !headings.contains(word))
        .map(|word| {
            let what = format!("the reason {word} has no heading");
            Finding::new(RUNBOOK, what, "say what it means and what to do")
        })
        .collect()
}

/// The words of `Reason::code`: each stands after an arrow, in quotes.
fn codes(source: &str) -> BTreeSet<String> {
    source.lines().filter_map(|line| quoted(line.split_once("=> ")?.1)).collect()
}

/// The reasons of conditions: the third argument of `Stated::new`, where it is a literal. What
/// stands below the tests' mark says nothing to people.
fn condition_words(source: &str) -> BTreeSet<String> {
    let shipped = source.split("#[cfg(test)]").next().unwrap_or_default();
    shipped
        .split("Stated::new(")
        .skip(1)
        .filter_map(|call| {
            let mut arguments = call.splitn(3, ',');
            let (_, _, third) = (arguments.next()?, arguments.next()?, arguments.next()?);
            quoted(third.trim_start())
        })
        .collect()
}

/// The word in quotes at the start of `text`, if it is one.
fn quoted(text: &str) -> Option<String> {
    let word = text.strip_prefix('"')?.split('"').next()?;
    let is_word = word.starts_with(|first: char| first.is_ascii_uppercase())
        && word.chars().all(|character| character.is_ascii_alphanumeric());
    is_word.then(|| word.to_owned())
}

/// The last word of each heading: `### Missing`.
fn headings(text: &str) -> BTreeSet<String> {
    text.lines()
        .filter(|line| line.starts_with('#'))
        .filter_map(|line| line.split_whitespace().next_back())
        .map(|word| word.trim_matches('`').to_owned())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::super::source;
    use super::*;

    #[test]
    fn a_reason_without_a_heading_is_found() {
        let sources = [
            source(REASONS, "Self::A => \"Missing\",\nSelf::B(_) => \"Drift\",\nx => \"not it\""),
            source("core/src/c.rs", "Stated::new(\n  READY,\n true,\n \"Healthy\",\n \"App\")"),
            source(RUNBOOK, "# Runbook\n### Missing\ntext\n"),
        ];
        let found: Vec<String> = check(&sources).into_iter().map(|finding| finding.what).collect();
        assert_eq!(found, ["the reason Drift has no heading", "the reason Healthy has no heading"]);
    }

    #[test]
    fn a_check_that_finds_no_word_at_all_is_broken() {
        assert_eq!(check(&[source(RUNBOOK, "### Missing\n")]).len(), 1);
    }
}
