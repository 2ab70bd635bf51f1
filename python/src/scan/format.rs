//! Format texts: `f"…"` with their fields, nested as they may be.
//!
//! Source: CPython 3.12 Parser/tokenizer.c, tok_get_fstring_mode and the brackets of
//! tok_get_normal_mode. Outside its fields a format text is text; within them it is code.

use super::text::Quotes;
use super::{Patch, Scanner, Stop};

/// Format texts within format texts. Source: MAXFSTRINGLEVEL.
const TEXTS_MAX: usize = 150;

/// Fields within the formats of fields. Source: MAX_EXPR_NESTING.
const FIELDS_MAX: usize = 3;

/// A format text that is open.
pub(super) struct FormatText {
    at: usize,
    quotes: Quotes,
    is_raw: bool,
    is_in_text: bool,
    /// Brackets that are open within its fields, those of the fields among them.
    brackets: usize,
    /// Fields that are open: more than one where a format has fields of its own.
    fields: usize,
}

impl FormatText {
    pub(super) fn is_in_text(&self) -> bool {
        self.is_in_text
    }

    pub(super) fn is_outside_a_field(&self) -> bool {
        self.brackets == 0
    }

    fn is_in_a_format(&self) -> bool {
        self.is_in_text && self.fields > 0
    }

    pub(super) fn open(&mut self) {
        self.brackets += 1;
    }

    pub(super) fn close(&mut self, kind: u8) {
        self.brackets = self.brackets.saturating_sub(1);
        if kind == b'}' && self.brackets + 1 == self.fields {
            self.fields -= 1;
            self.is_in_text = true;
        }
    }
}

impl Scanner<'_> {
    pub(super) fn open_format_text(&mut self, at: usize, is_raw: bool) -> Result<(), Stop> {
        if self.texts.len() + 1 >= TEXTS_MAX {
            return Err(Stop::broken(at, "too many nested f-strings"));
        }
        let quotes = self.opening_quotes();
        let text = FormatText { at, quotes, is_raw, is_in_text: true, brackets: 0, fields: 0 };
        self.texts.push(text);
        Ok(())
    }

    /// A colon of a field itself, not of brackets within it, begins the field's format.
    pub(super) fn colon_in_a_field(&mut self) {
        if let Some(text) = self.texts.last_mut()
            && text.brackets == text.fields
        {
            text.is_in_text = true;
        }
    }

    /// Reads text up to a field, or up to the end.
    pub(super) fn format_text(&mut self) -> Result<(), Stop> {
        let Some(text) = self.texts.last() else { return Ok(()) };
        let (at, quotes, is_raw) = (text.at, text.quotes, text.is_raw);
        let is_in_a_format = text.is_in_a_format();
        let may_hold_braces = text.brackets == 0;
        let mut is_in_a_name = false;
        while let Some(byte) = self.byte(0) {
            if self.is_at_closing(quotes) {
                return self.close_format_text();
            }
            match byte {
                b'\n' | b'\r' if !quotes.is_triple && is_in_a_format => {
                    self.end_line_in_a_format()?;
                }
                b'\n' | b'\r' if !quotes.is_triple => break,
                b'{' if self.byte(1) == Some(b'{') && !is_in_a_format => self.at += 2,
                b'{' => return self.open_field(),
                b'}' if is_in_a_name => {
                    is_in_a_name = false;
                    self.at += 1;
                }
                b'}' if self.byte(1) == Some(b'}') && may_hold_braces => self.at += 2,
                b'}' => {
                    self.leave_text();
                    return Ok(());
                }
                b'\\' if !is_raw && self.byte(1) == Some(b'N') && self.byte(2) == Some(b'{') => {
                    is_in_a_name = true;
                    self.at += 3;
                }
                b'\\' if matches!(self.byte(1), Some(b'{' | b'}')) => self.at += 1,
                b'\\' => self.at += 1 + self.newline(1).max(1),
                _ => self.at += 1,
            }
        }
        let kind = if quotes.is_triple { "triple-quoted f-string" } else { "f-string" };
        Err(Stop::broken(at, format!("unterminated {kind} literal")))
    }

    fn close_format_text(&mut self) -> Result<(), Stop> {
        let Some(text) = self.texts.pop() else { return Ok(()) };
        if text.fields > 0 {
            return Err(Stop::broken(self.at, "f-string: expecting '}'"));
        }
        self.at += text.quotes.len();
        Ok(())
    }

    fn open_field(&mut self) -> Result<(), Stop> {
        let at = self.at;
        if let Some(text) = self.texts.last_mut() {
            if text.fields >= FIELDS_MAX {
                return Err(Stop::broken(at, "f-string: expressions nested too deeply"));
            }
            text.fields += 1;
        }
        self.leave_text();
        Ok(())
    }

    /// What comes next is code: the bracket of a field, or one that closes it.
    fn leave_text(&mut self) {
        if let Some(text) = self.texts.last_mut() {
            text.is_in_text = false;
        }
    }

    /// In a format, the end of the line ends the text, but not the field. The parser does not
    /// know that: it sees blanks.
    fn end_line_in_a_format(&mut self) -> Result<(), Stop> {
        let start = self.at;
        while let Some(byte) = self.byte(0) {
            match byte {
                b' ' | b'\t' | b'\x0c' | b'\n' | b'\r' => self.at += 1,
                b'#' => self.skip_comment(),
                _ => break,
            }
        }
        self.patches.push(Patch { range: start..self.at, blanks: self.at - start });
        match self.byte(0) {
            Some(b'{' | b'}') => Ok(()),
            _ => Err(Stop::broken(start, "f-string: expecting '}'")),
        }
    }
}
