//! What must stand in no file, and links that must lead somewhere.

use super::{Finding, Source};
use crate::workspace::joined;

/// Folders at the root of somebody's machine, without their slash: this file is looked at too.
const MACHINE_ROOTS: [&str; 3] = ["work", "root", "home"];

/// Leftovers in code, and what to do about each. In two parts each: see above.
const LEFTOVERS: [(&str, &str, &str); 4] = [
    ("todo", "!", "write it, or open an issue"),
    ("unimplemented", "!", "write it, or leave the case out of the type"),
    ("#[ign", "ore", "make the test run, or delete it"),
    ("#[should_", "panic", "assert on the error instead"),
];

pub(super) fn check(sources: &[Source], exists: &dyn Fn(&str) -> bool) -> Vec<Finding> {
    let mut findings = Vec::new();
    for source in sources {
        for (number, line) in (1..).zip(source.text.lines()) {
            let at = || format!("{}:{number}", source.path);
            if let Some(path) = machine_path(line) {
                let what = format!("{path} is a path of one machine");
                findings.push(Finding::new(at(), what, "make it relative, or ask the environment"));
            }
            if source.has_extension("rs") {
                for (first, second, remedy) in LEFTOVERS {
                    let leftover = format!("{first}{second}");
                    if line.contains(&leftover) {
                        findings.push(Finding::new(
                            at(),
                            format!("{leftover} is left over"),
                            remedy,
                        ));
                    }
                }
            }
            if source.has_extension("md") {
                for target in dead_links(&source.path, line, exists) {
                    let what = format!("the link to {target} leads nowhere");
                    findings.push(Finding::new(at(), what, "mend or drop it"));
                }
            }
        }
    }
    findings
}

/// The first path in `line` that begins at the root of a machine.
fn machine_path(line: &str) -> Option<String> {
    MACHINE_ROOTS.iter().find_map(|root| {
        let path = format!("/{root}");
        line.match_indices(&path).find_map(|(at, _)| {
            let before = line.get(..at).and_then(|text| text.chars().next_back());
            let after = line.get(at + path.len()..).and_then(|text| text.chars().next());
            let is_word =
                |character: char| character.is_alphanumeric() || "_-.".contains(character);
            let begins =
                before.is_none_or(|before| !is_word(before) && !")}*$~/>".contains(before));
            let ends = after.is_none_or(|after| !is_word(after));
            (begins && ends).then(|| path.clone())
        })
    })
}

/// The targets of relative Markdown links that do not exist.
fn dead_links(path: &str, line: &str, exists: &dyn Fn(&str) -> bool) -> Vec<String> {
    let folder = path.rsplit_once('/').map_or("", |(folder, _)| folder);
    line.split("](")
        .skip(1)
        .filter_map(|rest| rest.split_once(')').map(|(target, _)| target))
        .filter(|target| !target.contains("://") && !target.starts_with(['#', '<']))
        .map(|target| target.split('#').next().unwrap_or(target))
        .filter(|target| !exists(&joined(folder, target)))
        .map(str::to_owned)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::super::source;
    use super::*;

    fn found(path: &str, text: &str) -> Vec<String> {
        let exists = |path: &str| path == "docs/there.md" || path == "README.md";
        let findings = check(&[source(path, text)], &exists);
        findings.into_iter().map(|finding| finding.to_string()).collect()
    }

    #[test]
    fn paths_of_one_machine_are_found_and_others_are_not() {
        for root in MACHINE_ROOTS {
            assert_eq!(found("a.yaml", &format!("x: /{root}/me\n")).len(), 1, "{root}");
            assert_eq!(found("a.md", &format!("in /{root}\n")).len(), 1, "{root}");
            for fine in ["see net/ROOT/x", "https://a.b/ROOT/", "/ROOTs/x", "${X}/ROOT", "./ROOT"] {
                let line = fine.replace("ROOT", root);
                assert!(found("a.yaml", &line).is_empty(), "{line}");
            }
        }
    }

    #[test]
    fn leftovers_are_found_in_code_only() {
        for (first, second, _) in LEFTOVERS {
            let line = format!("\n  {first}{second}(\"later\")");
            assert!(found("src/a.rs", &line)[0].starts_with("src/a.rs:2: "));
            assert!(found("notes.txt", &line).is_empty());
        }
    }

    #[test]
    fn links_lead_to_files_from_where_they_stand() {
        let text = "[a](there.md#x) [b](../README.md) [c](https://x.y) [d](#here) [e](gone.md)";
        assert_eq!(
            found("docs/a.md", text),
            ["docs/a.md:1: the link to gone.md leads nowhere: mend or drop it"]
        );
    }
}
