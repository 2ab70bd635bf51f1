//! Which styles a text may be written in.

use std::sync::LazyLock;

use regex_lite::Regex;

/// What the characters of a text allow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Shape {
    /// Whether it breaks lines.
    pub(super) has_breaks: bool,
    /// Whether it may stand without quotes, if no reader takes it for another type.
    pub(super) is_plain: bool,
    /// Whether it may stand in single quotes.
    pub(super) is_single: bool,
}

impl Shape {
    /// Source: PyYAML 6, `Emitter.analyze_scalar`.
    pub(super) fn of(text: &str) -> Self {
        let characters: Vec<char> = text.chars().collect();
        let mut has_breaks = false;
        let mut is_special = false;
        let mut has_edge = false;
        let mut breaks_at_blank = false;
        let mut has_indicator = text.starts_with("---") || text.starts_with("...");
        for (at, character) in characters.iter().copied().enumerate() {
            let before = at.checked_sub(1).and_then(|at| characters.get(at)).copied();
            let after = characters.get(at + 1).copied();
            let is_edge = before.is_none() || after.is_none();
            has_indicator |= is_indicator(before, character, after);
            has_breaks |= is_break(character);
            is_special |= character != '\n' && !(' '..='~').contains(&character);
            has_edge |= is_edge && (character == ' ' || is_break(character));
            breaks_at_blank |= before.is_some_and(|before| {
                (character == ' ' && is_break(before)) || (is_break(character) && before == ' ')
            });
        }
        Self {
            has_breaks,
            is_plain: !(has_indicator || has_breaks || is_special || has_edge),
            is_single: !(is_special || breaks_at_blank),
        }
    }
}

fn is_break(character: char) -> bool {
    ['\n', '\u{85}', '\u{2028}', '\u{2029}'].contains(&character)
}

/// Whether a character would begin something else than text where it stands.
fn is_indicator(before: Option<char>, character: char, after: Option<char>) -> bool {
    let ends_word = |next: Option<char>| {
        next.is_none_or(|next| ['\0', ' ', '\t', '\r'].contains(&next) || is_break(next))
    };
    if before.is_none() {
        "#,[]{}&*!|>'\"%@`".contains(character) || ("?:-".contains(character) && ends_word(after))
    } else {
        (character == ':' && ends_word(after)) || (character == '#' && ends_word(before))
    }
}

/// Whether a reader of YAML 1.1 takes a plain text for a boolean, a null, a number, an instant, a
/// merge or a default.
///
/// Source: PyYAML 6, `resolver.py`.
pub(super) fn reads_as_another_type(text: &str) -> bool {
    OTHER_TYPES.iter().any(|pattern| pattern.is_match(text))
}

static OTHER_TYPES: LazyLock<Vec<Regex>> = LazyLock::new(|| {
    let patterns = [
        r"yes|Yes|YES|no|No|NO|true|True|TRUE|false|False|FALSE|on|On|ON|off|Off|OFF",
        r"|~|null|Null|NULL|<<|=",
        r"[-+]?0b[0-1_]+|[-+]?0[0-7_]+|[-+]?(?:0|[1-9][0-9_]*)|[-+]?0x[0-9a-fA-F_]+",
        r"[-+]?[1-9][0-9_]*(?::[0-5]?[0-9])+",
        r"[-+]?[0-9][0-9_]*\.[0-9_]*(?:[eE][-+][0-9]+)?|\.[0-9][0-9_]*(?:[eE][-+][0-9]+)?",
        r"[-+]?[0-9][0-9_]*(?::[0-5]?[0-9])+\.[0-9_]*|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)",
        r"[0-9]{4}-[0-9]{2}-[0-9]{2}",
        concat!(
            r"[0-9]{4}-[0-9][0-9]?-[0-9][0-9]?(?:[Tt]|[ \t]+)[0-9][0-9]?:[0-9]{2}:[0-9]{2}",
            r"(?:\.[0-9]*)?(?:[ \t]*(?:Z|[-+][0-9][0-9]?(?::[0-9]{2})?))?",
        ),
    ];
    // Each of them is a valid expression: the test of the vectors needs them all.
    patterns.iter().filter_map(|pattern| Regex::new(&format!("^(?:{pattern})$")).ok()).collect()
});

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_pattern_is_an_expression() {
        assert_eq!(OTHER_TYPES.len(), 8);
        let taken = [
            "Yes",
            "~",
            "0x1F",
            "1:30",
            "1_000",
            "1.5e+3",
            "1:30.5",
            "2026-11-29",
            "2026-11-29T10:00:00Z",
            "=",
            "<<",
            ".inf",
        ];
        assert!(taken.into_iter().all(reads_as_another_type));
        assert!(!["y", "1e3", "yes please", "0o7"].into_iter().any(reads_as_another_type));
    }
}
