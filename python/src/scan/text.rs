//! Texts that are no format texts: where they end.

use super::{Scanner, Stop};

/// The quotes of a text.
#[derive(Clone, Copy)]
pub(super) struct Quotes {
    pub(super) quote: u8,
    pub(super) is_triple: bool,
}

impl Quotes {
    pub(super) fn len(self) -> usize {
        if self.is_triple { 3 } else { 1 }
    }
}

impl Scanner<'_> {
    /// Takes the quotes that open a text.
    pub(super) fn opening_quotes(&mut self) -> Quotes {
        let quote = self.byte(0).unwrap_or_default();
        let is_triple = self.byte(1) == Some(quote) && self.byte(2) == Some(quote);
        let quotes = Quotes { quote, is_triple };
        self.at += quotes.len();
        quotes
    }

    /// Whether the quotes that close a text come next.
    pub(super) fn is_at_closing(&self, quotes: Quotes) -> bool {
        (0..quotes.len()).all(|ahead| self.byte(ahead) == Some(quotes.quote))
    }

    /// Skips a text, from its quotes on. A backslash hides one character, also in a raw text.
    pub(super) fn plain_text(&mut self, start: usize) -> Result<(), Stop> {
        let quotes = self.opening_quotes();
        while let Some(byte) = self.byte(0) {
            if self.is_at_closing(quotes) {
                self.at += quotes.len();
                return Ok(());
            }
            match byte {
                b'\\' => self.at += 1 + self.newline(1).max(1),
                b'\n' | b'\r' if !quotes.is_triple => break,
                _ => self.at += 1,
            }
        }
        let kind = if quotes.is_triple { "triple-quoted string" } else { "string" };
        Err(Stop::broken(start, format!("unterminated {kind} literal")))
    }
}
