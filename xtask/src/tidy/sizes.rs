//! No file grows past what one reads in one go.

use super::{Finding, Source};

/// Lines of a file, tests included.
const LIMIT: usize = 500;
/// Lines of a file of the core.
const CORE_LIMIT: usize = 400;
/// Lines of ARCHITECTURE.md.
const MAP_LIMIT: usize = 200;

/// Files that may be longer: path, lines, reason. The list may only shrink, and each number too.
const EXCEPTIONS: [(&str, usize, &str); 0] = [];

pub(super) fn check(sources: &[Source]) -> Vec<Finding> {
    judge(sources, &EXCEPTIONS)
}

fn judge(sources: &[Source], exceptions: &[(&str, usize, &str)]) -> Vec<Finding> {
    let mut findings: Vec<Finding> = sources
        .iter()
        .filter_map(|source| {
            let limit = limit(source)?;
            let lines = source.text.lines().count();
            let exception = exceptions.iter().find(|(path, ..)| *path == source.path);
            match exception {
                Some((_, allowed, _)) => outgrown(&source.path, lines, limit, *allowed),
                None => (lines > limit).then(|| {
                    Finding::new(
                        &source.path,
                        format!("it has {lines} lines, more than {limit}"),
                        "split it by what its parts are about",
                    )
                }),
            }
        })
        .collect();
    for (path, ..) in exceptions {
        if sources.iter().all(|source| source.path != *path) {
            findings.push(Finding::new(
                *path,
                "it is excepted and not there",
                "drop the exception",
            ));
        }
    }
    findings
}

fn outgrown(path: &str, lines: usize, limit: usize, allowed: usize) -> Option<Finding> {
    if lines > allowed {
        let what = format!("it has {lines} lines, and its exception allows {allowed}");
        return Some(Finding::new(path, what, "make it shorter: exceptions only shrink"));
    }
    let remedy = if lines <= limit {
        "drop the exception".to_owned()
    } else {
        format!("lower the exception to {lines}")
    };
    let what = format!("it has only {lines} lines, and its exception allows {allowed}");
    (lines < allowed).then(|| Finding::new(path, what, remedy))
}

fn limit(source: &Source) -> Option<usize> {
    if source.path == "ARCHITECTURE.md" {
        return Some(MAP_LIMIT);
    }
    let is_code = source.has_extension("rs") || source.has_extension("go");
    is_code.then(|| if source.path.starts_with("core/src/") { CORE_LIMIT } else { LIMIT })
}

#[cfg(test)]
mod tests {
    use super::super::source;
    use super::*;

    fn check(path: &str, lines: usize, exceptions: &[(&str, usize, &str)]) -> Vec<String> {
        let sources = [source(path, &"x\n".repeat(lines))];
        judge(&sources, exceptions).into_iter().map(|finding| finding.what).collect()
    }

    #[test]
    fn files_have_limits_by_place() {
        assert!(check("a/src/b.rs", 500, &[]).is_empty());
        assert_eq!(check("a/src/b.rs", 501, &[]), ["it has 501 lines, more than 500"]);
        assert_eq!(check("core/src/b.rs", 401, &[]), ["it has 401 lines, more than 400"]);
        assert_eq!(check("ARCHITECTURE.md", 201, &[]), ["it has 201 lines, more than 200"]);
        assert!(check("Cargo.lock", 9_000, &[]).is_empty());
    }

    #[test]
    fn exceptions_only_shrink() {
        let exceptions = [("a.rs", 600, "a table")];
        assert!(check("a.rs", 600, &exceptions).is_empty());
        for (lines, word) in [(601, "allows"), (599, "only"), (10, "only")] {
            let found = check("a.rs", lines, &exceptions);
            assert!(found.len() == 1 && found[0].contains(word), "{lines}: {found:?}");
        }
        assert_eq!(check("b.rs", 1, &exceptions), ["it is excepted and not there"]);
    }
}
