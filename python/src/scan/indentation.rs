//! Indentation: consistent whatever a tab is worth.

use super::{Patch, Scanner, Stop};

/// Levels of indentation. Source: MAXINDENT of tokenizer.c.
const LEVELS_MAX: usize = 100;

/// What a tab is worth: 8 columns, and for comparison 1. Source: TABSIZE, ALTTABSIZE.
const TAB: usize = 8;

/// The width of a line's indentation, in two measures.
#[derive(Clone, Copy, Default)]
pub(super) struct Width {
    columns: usize,
    characters: usize,
}

/// The levels that are open, the innermost last; the outermost is not kept.
#[derive(Default)]
pub(super) struct Indentation {
    levels: Vec<Width>,
}

impl Indentation {
    pub(super) fn levels(&self) -> usize {
        self.levels.len()
    }

    /// Enters a line: deeper by one level, as deep, or back at an outer level.
    fn enter(&mut self, line: Width) -> Result<(), &'static str> {
        if line.columns > self.current().columns {
            if self.levels.len() + 1 >= LEVELS_MAX {
                return Err("too many levels of indentation");
            }
            if line.characters <= self.current().characters {
                return Err(INCONSISTENT);
            }
            self.levels.push(line);
            return Ok(());
        }
        while line.columns < self.current().columns {
            self.levels.pop();
        }
        if line.columns != self.current().columns {
            return Err("unindent does not match any outer indentation level");
        }
        if line.characters == self.current().characters { Ok(()) } else { Err(INCONSISTENT) }
    }

    fn current(&self) -> Width {
        self.levels.last().copied().unwrap_or_default()
    }
}

const INCONSISTENT: &str = "inconsistent use of tabs and spaces in indentation";

impl Scanner<'_> {
    /// The start of a logical line.
    pub(super) fn indent(&mut self) -> Result<(), Stop> {
        let start = self.at;
        let line = self.measure_line();
        if matches!(self.byte(0), None | Some(b'\n' | b'\r' | b'#')) {
            return Ok(());
        }
        let at = self.at;
        self.indentation.enter(line).map_err(|message| Stop::broken(at, message))?;
        let blanks = self.source.as_bytes().get(start..at).unwrap_or_default();
        self.is_odd |= blanks.iter().any(|byte| matches!(byte, b'\t' | b'\\'));
        self.lines.push(Patch { range: start..at, blanks: self.indentation.levels() });
        Ok(())
    }

    /// Reads a line's indentation. A backslash may end it: what comes before the first one counts.
    fn measure_line(&mut self) -> Width {
        let mut width = Width::default();
        let mut before_backslash = 0;
        loop {
            match self.byte(0) {
                Some(b' ') => {
                    width.columns += 1;
                    width.characters += 1;
                }
                Some(b'\t') => {
                    width.columns = (width.columns / TAB + 1) * TAB;
                    width.characters += 1;
                }
                Some(b'\x0c') => width = Width::default(),
                Some(b'\\') if self.newline(1) > 0 => {
                    if before_backslash == 0 {
                        before_backslash = width.columns;
                    }
                    self.at += self.newline(1);
                }
                _ => break,
            }
            self.at += 1;
        }
        if before_backslash == 0 {
            width
        } else {
            // tokenizer.c takes the columns for both.
            Width { columns: before_backslash, characters: before_backslash }
        }
    }
}
