//! One entry of `spec.pythonPackages.packages`: what pip takes for a requirement, and nothing else.
//!
//! Source: PEP 508 for names, extras, versions and markers; pip's documentation "VCS Support" for
//! direct references. An entry becomes one line of a requirements file, so what that file would take
//! for an option, a comment or the next line is no entry.

use std::collections::BTreeSet;
use std::sync::LazyLock;

use regex_lite::Regex;

use super::address::is_plain;

/// What is wrong with an entry, and what to do.
pub(super) type Fault = (String, &'static str);

/// The variables that an entry refers to, as `${NAME}` or `$NAME`.
pub(super) fn variables(entry: &str) -> BTreeSet<String> {
    let Some(expressions) = EXPRESSIONS.as_ref() else { return BTreeSet::new() };
    let found = expressions.variable.captures_iter(entry);
    let name = |found: regex_lite::Captures<'_>| {
        found.get(1).or(found.get(2)).map(|name| name.as_str().to_owned())
    };
    found.filter_map(name).collect()
}

/// What is wrong with an entry by itself; whether its variables are there is another question.
pub(super) fn fault(entry: &str) -> Option<Fault> {
    let write = "write what pip takes: name, name[extra]==1.2, name @ https://…, git+https://…";
    let plain = |text: &str| Some((text.to_owned(), write));
    if entry.trim() != entry || entry.is_empty() {
        return plain("it is empty, or there is a blank around it");
    }
    if !is_plain(entry) || entry.contains(['\\', '`']) {
        return plain("it holds a character that no requirement has");
    }
    if entry.starts_with(['-', '#']) || entry.contains(" #") || entry.contains(" -") {
        return plain("it would be an option or a comment, not a requirement");
    }
    let Some(expressions) = EXPRESSIONS.as_ref() else { return plain("it cannot be read") };
    let resolved = expressions.variable.replace_all(entry, "0");
    if resolved.contains('$') {
        return plain("a $ that refers to no variable");
    }
    if entry.starts_with("git@") || entry.starts_with("ssh://") {
        let remedy = "write git+ssh://git@host/path";
        return Some(("pip does not take this form of an address".to_owned(), remedy));
    }
    if expressions.direct.is_match(&resolved) {
        return None;
    }
    let (requirement, marker) = match resolved.split_once(';') {
        Some((requirement, marker)) => (requirement.trim_end(), Some(marker)),
        None => (resolved.as_ref(), None),
    };
    if marker.is_some_and(|marker| !is_marker(expressions, marker)) {
        return plain("what stands behind the ; is no environment marker");
    }
    if expressions.named.is_match(requirement) { None } else { plain("it is no requirement") }
}

/// A marker in outline: words, comparisons and texts, every quote closed.
fn is_marker(expressions: &Expressions, marker: &str) -> bool {
    let is_even = |quote: char| marker.matches(quote).count().is_multiple_of(2);
    expressions.marker.is_match(marker) && is_even('\'') && is_even('"')
}

/// Expressions are constants: that each compiles is tested.
struct Expressions {
    variable: Regex,
    direct: Regex,
    named: Regex,
    marker: Regex,
}

static EXPRESSIONS: LazyLock<Option<Expressions>> = LazyLock::new(|| {
    const NAME: &str = "[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?";
    const VERSION: &str = concat!(
        r"(?:===\s*[^\s,;()]+|(?:==|!=)\s*[0-9A-Za-z._+!-]+(?:\.\*)?",
        r"|(?:~=|<=|>=|<|>)\s*[0-9A-Za-z._+!-]+)",
    );
    const MARKER: &str = r#"[A-Za-z0-9_.,'"()<>=!~+* -]"#;
    let versions = format!(r"{VERSION}(?:\s*,\s*{VERSION})*,?");
    let extras = format!(r"\[\s*(?:{NAME}(?:\s*,\s*{NAME})*)?\s*\]");
    let address = r#"@\s*[a-z][a-z0-9+.-]*://[^\s"'<>|;$]+"#;
    Some(Expressions {
        variable: Regex::new(
            r"\$(?:\{([A-Za-z_][A-Za-z0-9_]*)\}|([A-Za-z_][A-Za-z0-9_]*))",
        )
        .ok()?,
        // An address that stands alone: of a repository, or of an archive.
        direct: Regex::new(&format!(
            r#"^(?:(?:git|hg|svn|bzr)\+(?:https?|ssh)|https?)://[^\s"'<>|;$/]+/[^\s"'<>|;$]+(?:\s*;\s*{MARKER}+)?$"#
        ))
        .ok()?,
        named: Regex::new(&format!(
            r"^{NAME}\s*(?:{extras})?\s*(?:{address}|{versions}|\(\s*{versions}\s*\))?$"
        ))
        .ok()?,
        marker: Regex::new(&format!(r"^\s*[(a-z]{MARKER}*(?:[<>=!~]=?|\bin\b){MARKER}+$")).ok()?,
    })
});

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_pip_takes_is_taken() {
        for entry in [
            "requests",
            "a==1",
            "a>=1,<2",
            "a~=1.4",
            "a>=1,!=1.5",
            "redis[hiredis]>=5,<6",
            "a == 1.*",
            "a===1.0-odd",
            "torch==2.1+cu118",
            "a (>=1,<2)",
            "a>=1; python_version < '3.13'",
            "a; sys_platform == \"linux\" and python_version in '3.11 3.12'",
            "a @ https://host/a-1.0-py3-none-any.whl",
            "a @ git+https://${TOKEN}@host/team/a.git@v1#subdirectory=x",
            "git+https://${TOKEN}@host/team/a.git@v1#egg=a",
            "git+ssh://git@host/team/a.git",
            "https://host/a.tar.gz#sha256=00ff",
            "a==$VERSION",
        ] {
            assert_eq!(fault(entry), None, "{entry}");
        }
    }

    #[test]
    fn what_is_no_requirement_is_refused() {
        for entry in [
            "",
            " a",
            "a\n",
            "a\nb",
            "a=1",
            "-r /etc/passwd",
            "--index-url=http://x/y",
            "-e .",
            "# a",
            "a # b",
            "a; python_version < ' -1'",
            "a @ https://host/\u{200b}a.whl",
            "caf\u{e9}",
            "a --global-option=x",
            "a; touch /tmp/x",
            "a && b",
            "$(id)",
            "a==$(id)",
            "a`id`",
            "https://host/$(id)",
            "https://host/a b",
            "git@host:team/a",
            "ssh://host/a",
            "file:///etc/passwd",
            "a==1\\",
            "a[b",
            "a==",
            "../a",
            "./a",
            "a; python_version < '3",
            "${TOKEN",
        ] {
            assert!(fault(entry).is_some(), "{entry:?}");
        }
    }

    #[test]
    fn variables_are_found_in_both_spellings() {
        let found = variables("git+https://${USER_1}:$TOKEN@host/a/b");
        assert_eq!(found, BTreeSet::from(["TOKEN".to_owned(), "USER_1".to_owned()]));
    }
}
