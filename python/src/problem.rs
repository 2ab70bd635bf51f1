//! What is wrong, and where.

use ruff_text_size::TextSize;

/// Characters of a message: a name may be as long as the code.
const MESSAGE_MAX: usize = 200;

/// What is wrong with a piece of Python.
///
/// The message never holds a line or a text of the code, at most a name: code may hold secrets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The line, from 1.
    pub line: usize,
    /// The character in the line, from 1.
    pub column: usize,
    /// What is wrong, in the words of CPython where it has some.
    pub message: String,
}

/// A problem at an offset.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Found {
    pub(crate) at: usize,
    pub(crate) message: String,
}

impl Found {
    pub(crate) fn new(at: impl Into<TextSize>, message: impl Into<String>) -> Self {
        Self { at: at.into().to_usize(), message: message.into() }
    }

    pub(crate) fn at_byte(at: usize, message: impl Into<String>) -> Self {
        Self { at, message: message.into() }
    }

    /// The place in lines and characters.
    pub(crate) fn locate(self, source: &str) -> Problem {
        let before = source.get(..self.at).unwrap_or(source);
        let start = before.rfind(['\n', '\r']).map_or(0, |newline| newline + 1);
        let column = before.get(start..).unwrap_or_default().chars().count() + 1;
        let message = self.message.chars().take(MESSAGE_MAX).collect();
        Problem { line: line_of(source, self.at), column, message }
    }
}

/// The line of an offset, from 1. A line ends as in CPython: `\n`, `\r\n` or `\r`, nothing else.
pub(crate) fn line_of(source: &str, at: usize) -> usize {
    let before = source.as_bytes().get(..at).unwrap_or(source.as_bytes());
    let ends = before.iter().enumerate().filter(|(index, byte)| match byte {
        b'\n' => true,
        b'\r' => before.get(index + 1) != Some(&b'\n'),
        _ => false,
    });
    1 + ends.count()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(source: &str, at: usize, line: usize, column: usize) {
        let problem = Found::at_byte(at, "").locate(source);
        assert_eq!((problem.line, problem.column), (line, column), "{source:?} at {at}");
    }

    #[test]
    fn a_place_is_counted_in_lines_and_characters() {
        check("a\nb c", 4, 2, 3);
        check("a\r\nb", 3, 2, 1);
        check("a\rb", 2, 2, 1);
        check("äb", 2, 1, 2);
        check("a\n", 2, 2, 1);
        check("", 0, 1, 1);
    }

    #[test]
    fn a_message_has_an_end_whatever_it_names() {
        let name = "n".repeat(100_000);
        let problem = crate::check(&format!("def f({name}, {name}): pass")).unwrap_err();
        assert_eq!(problem.message.len(), MESSAGE_MAX);
    }

    #[test]
    fn a_place_beyond_the_end_is_the_end() {
        check("a\nb", 99, 2, 2);
    }
}
