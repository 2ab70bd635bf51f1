//! The tokenizer's part of a check: lines, indentation, brackets and the ends of texts.
//!
//! Source: CPython 3.12 Parser/tokenizer.c. It runs before the parser, which is more lenient with
//! tabs and knows no limit of nesting. What it passes is safe to parse: see [`DEEPEST`].

mod format;
mod indentation;
mod text;

use std::borrow::Cow;
use std::ops::Range;

use crate::problem::Found;

use format::FormatText;
use indentation::Indentation;

/// Open brackets. Source: MAXLEVEL of tokenizer.c.
const BRACKETS_MAX: usize = 200;

/// Nesting that is judged; CPython gives up at about 3,000.
///
/// It is counted in what can nest within a line (operators, brackets, `lambda`, …), so it is an
/// upper bound of the depth of the tree: the parser and all that walks the tree recurse by it.
pub(crate) const DEEPEST: usize = 10_000;

/// What the tokenizer says of a text.
pub(crate) enum Scan<'a> {
    /// All of it holds. The text for the parser is as long as the source, byte for byte.
    Whole { text: Cow<'a, str>, depth: usize },
    /// It breaks at a place; the text goes up to there.
    Broken { found: Found, text: Cow<'a, str>, depth: usize },
    /// It is nested too deep to be judged. The text goes up to the last place before, outside of
    /// any brackets.
    TooDeep { text: Cow<'a, str> },
}

/// Why the tokenizer stops.
enum Stop {
    Broken(Found),
    TooDeep,
}

impl Stop {
    fn broken(at: usize, message: impl Into<String>) -> Self {
        Self::Broken(Found::at_byte(at, message))
    }
}

/// Runs the tokenizer over a whole text.
pub(crate) fn scan(source: &str) -> Scan<'_> {
    let mut scanner = Scanner::new(source);
    let stop = scanner.run();
    let depth = scanner.deepest;
    match stop {
        Ok(()) => Scan::Whole { text: scanner.text_until(source.len()), depth },
        Err(Stop::Broken(found)) => {
            Scan::Broken { text: scanner.text_until(found.at), depth, found }
        }
        Err(Stop::TooDeep) => {
            let end = scanner.outside;
            Scan::TooDeep { text: scanner.text_until(end) }
        }
    }
}

struct Scanner<'a> {
    source: &'a str,
    at: usize,
    brackets: Vec<Bracket>,
    /// The format texts that are open, the innermost last.
    texts: Vec<FormatText>,
    indentation: Indentation,
    /// The indentation of each logical line: one blank for each level.
    lines: Vec<Patch>,
    /// A tab or a backslash is in some indentation: the parser measures both by rules of its own,
    /// so it gets the levels that were found here.
    is_odd: bool,
    /// What else the parser is to see as blanks.
    patches: Vec<Patch>,
    /// What nests at the level of the innermost bracket.
    nesting: Nesting,
    /// The nesting of all levels together.
    depth: usize,
    deepest: usize,
    /// Where the current token begins.
    token: usize,
    /// Where the last token begins that nests outside of any brackets.
    outside: usize,
}

/// Part of a text that the parser is to see as blanks.
struct Patch {
    range: Range<usize>,
    /// The blanks that count; the others come before a form feed, which lets the count begin anew.
    blanks: usize,
}

impl Patch {
    fn write(&self, text: &mut String) {
        let others = self.range.len() - self.blanks;
        text.extend((1..others).map(|_| ' '));
        text.extend((others > 0).then_some('\x0c'));
        text.extend((0..self.blanks).map(|_| ' '));
    }
}

struct Bracket {
    kind: u8,
    at: usize,
    /// The nesting of the level around it.
    around: Nesting,
}

/// What nests at one level of brackets.
#[derive(Clone, Copy, Default)]
struct Nesting {
    /// Up to the next comma.
    short: usize,
    /// Also over commas: `lambda a, b: lambda c, d: …`.
    long: usize,
}

impl<'a> Scanner<'a> {
    fn new(source: &'a str) -> Self {
        Self {
            source,
            at: 0,
            brackets: Vec::new(),
            texts: Vec::new(),
            indentation: Indentation::default(),
            lines: Vec::new(),
            is_odd: false,
            patches: Vec::new(),
            nesting: Nesting::default(),
            depth: 0,
            deepest: 0,
            token: 0,
            outside: 0,
        }
    }

    fn run(&mut self) -> Result<(), Stop> {
        self.start_line()?;
        while let Some(byte) = self.byte(0) {
            if self.texts.last().is_some_and(FormatText::is_in_text) {
                self.format_text()?;
            } else {
                self.code(byte)?;
            }
        }
        match self.brackets.last() {
            None => Ok(()),
            Some(bracket) => {
                let message = format!("'{}' was never closed", char::from(bracket.kind));
                Err(Stop::broken(bracket.at, message))
            }
        }
    }

    fn code(&mut self, byte: u8) -> Result<(), Stop> {
        self.token = self.at;
        match byte {
            b'\n' | b'\r' => {
                self.at += self.newline(0);
                if self.brackets.is_empty() {
                    self.start_line()?;
                }
            }
            b'#' => self.skip_comment(),
            b'\\' => self.at += 1 + self.newline(1),
            b'"' | b'\'' => self.plain_text(self.at)?,
            b'(' | b'[' | b'{' => self.open(byte)?,
            b')' | b']' | b'}' => self.close(byte)?,
            b'0'..=b'9' | b'a'..=b'z' | b'A'..=b'Z' | b'_' | 0x80.. => self.word()?,
            _ => {
                self.operator(byte)?;
                self.at += 1;
            }
        }
        Ok(())
    }

    fn operator(&mut self, byte: u8) -> Result<(), Stop> {
        match byte {
            b',' | b';' => self.end_nesting(),
            b':' if self.brackets.is_empty() => self.nest_over_commas()?,
            b':' => self.colon_in_a_field(),
            b'+' | b'-' | b'*' | b'/' | b'%' | b'@' | b'&' | b'|' | b'^' | b'~' | b'<' | b'>'
            | b'.' => self.nest()?,
            _ => {}
        }
        Ok(())
    }

    /// A name, a keyword, a number, or what stands before a text.
    fn word(&mut self) -> Result<(), Stop> {
        let start = self.at;
        while self.byte(0).is_some_and(is_of_a_word) {
            self.at += 1;
        }
        let word = self.source.get(start..self.at).unwrap_or_default();
        if matches!(self.byte(0), Some(b'"' | b'\'')) {
            return match word.to_ascii_lowercase().as_str() {
                "f" => self.open_format_text(start, false),
                "fr" | "rf" => self.open_format_text(start, true),
                // The parser knows texts of later versions.
                "t" | "tr" | "rt" => Err(Stop::broken(self.at, "invalid syntax")),
                _ => self.plain_text(start),
            };
        }
        match word {
            "lambda" | "yield" => self.nest_over_commas(),
            "not" | "await" | "if" | "else" | "async" => self.nest(),
            _ => Ok(()),
        }
    }

    fn open(&mut self, kind: u8) -> Result<(), Stop> {
        if self.brackets.len() >= BRACKETS_MAX {
            return Err(Stop::broken(self.at, "too many nested parentheses"));
        }
        self.nest()?;
        self.brackets.push(Bracket { kind, at: self.at, around: self.nesting });
        self.nesting = Nesting::default();
        if let Some(text) = self.texts.last_mut() {
            text.open();
        }
        self.at += 1;
        Ok(())
    }

    fn close(&mut self, kind: u8) -> Result<(), Stop> {
        let closing = char::from(kind);
        if kind == b'}' && self.texts.last().is_some_and(FormatText::is_outside_a_field) {
            return Err(Stop::broken(self.at, "f-string: single '}' is not allowed"));
        }
        let Some(bracket) = self.brackets.pop() else {
            return Err(Stop::broken(self.at, format!("unmatched '{closing}'")));
        };
        if !matches!((bracket.kind, kind), (b'(', b')') | (b'[', b']') | (b'{', b'}')) {
            let opening = char::from(bracket.kind);
            let message = format!(
                "closing parenthesis '{closing}' does not match opening parenthesis '{opening}'"
            );
            return Err(Stop::broken(self.at, message));
        }
        self.depth -= self.nesting.short + self.nesting.long;
        self.nesting = bracket.around;
        if let Some(text) = self.texts.last_mut() {
            text.close(kind);
        }
        self.at += 1;
        Ok(())
    }

    fn start_line(&mut self) -> Result<(), Stop> {
        self.depth = 0;
        self.nesting = Nesting::default();
        self.indent()
    }

    fn nest(&mut self) -> Result<(), Stop> {
        self.nesting.short += 1;
        self.deepen()
    }

    fn nest_over_commas(&mut self) -> Result<(), Stop> {
        self.nesting.long += 1;
        self.deepen()
    }

    fn deepen(&mut self) -> Result<(), Stop> {
        self.depth += 1;
        self.deepest = self.deepest.max(self.depth + self.indentation.levels());
        if self.depth > DEEPEST {
            return Err(Stop::TooDeep);
        }
        if self.brackets.is_empty() {
            self.outside = self.token;
        }
        Ok(())
    }

    fn end_nesting(&mut self) {
        self.depth -= self.nesting.short;
        self.nesting.short = 0;
    }

    fn byte(&self, ahead: usize) -> Option<u8> {
        self.source.as_bytes().get(self.at + ahead).copied()
    }

    /// The length of the line's end at a place, 0 where none is.
    fn newline(&self, ahead: usize) -> usize {
        match (self.byte(ahead), self.byte(ahead + 1)) {
            (Some(b'\r'), Some(b'\n')) => 2,
            (Some(b'\r' | b'\n'), _) => 1,
            _ => 0,
        }
    }

    fn skip_comment(&mut self) {
        while self.byte(0).is_some_and(|byte| !matches!(byte, b'\n' | b'\r')) {
            self.at += 1;
        }
    }

    /// The source up to a place, with the patches that it needs.
    fn text_until(self, end: usize) -> Cow<'a, str> {
        let source = self.source.get(..end).unwrap_or(self.source);
        let lines = if self.is_odd { self.lines } else { Vec::new() };
        let mut patches: Vec<Patch> = lines.into_iter().chain(self.patches).collect();
        patches.retain(|patch| patch.range.end <= end && patch.blanks <= patch.range.len());
        patches.sort_by_key(|patch| patch.range.start);
        if patches.is_empty() {
            return Cow::Borrowed(source);
        }
        let mut text = String::with_capacity(end);
        for patch in &patches {
            text.push_str(source.get(text.len()..patch.range.start).unwrap_or_default());
            patch.write(&mut text);
        }
        text.push_str(source.get(text.len()..).unwrap_or_default());
        Cow::Owned(text)
    }
}

fn is_of_a_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || byte >= 0x80
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(source: &str, seen: &str) {
        let Scan::Whole { text, .. } = scan(source) else { panic!("{source:?} is not whole") };
        assert_eq!(text, seen, "{source:?}");
        assert_eq!(text.len(), source.len(), "{source:?}");
    }

    #[test]
    fn the_parser_sees_the_source_where_nothing_is_odd() {
        check("if x:\n    y = 'a\\\n\tb'\n", "if x:\n    y = 'a\\\n\tb'\n");
    }

    #[test]
    fn the_parser_sees_one_blank_for_each_level_where_a_tab_indents() {
        check("if x:\n\ty\n\tif z:\n\t\ty\n", "if x:\n y\n if z:\n  y\n");
        check("if x:\n\ty\nif x:\n    y\n", "if x:\n y\nif x:\n  \x0c y\n");
    }

    #[test]
    fn the_parser_sees_blanks_where_a_format_goes_over_the_end_of_a_line() {
        check("f'{x:>9 # y\n  }'", "f'{x:>9 # y   }'");
        check("f'{x:>9\n# y\n}'", "f'{x:>9     }'");
    }

    #[test]
    fn a_broken_text_goes_up_to_the_break() {
        let Scan::Broken { found, text, .. } = scan("a\nb = 'c\n") else { panic!("it breaks") };
        assert_eq!((found.at, &*text), (6, "a\nb = "));
    }
}
