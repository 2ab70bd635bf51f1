//! The text as it grows: columns, indentation, and where lines are folded.

/// The column after which a line is folded.
const WIDTH: usize = 80;

/// Source: PyYAML 6, the writers of `Emitter`.
pub(super) struct Out {
    text: String,
    column: usize,
    indent: usize,
    /// Whether the last thing written needs no blank after it.
    is_after_blank: bool,
    /// Whether the line holds nothing yet but indentation and indicators.
    pub(super) is_at_indent: bool,
}

impl Default for Out {
    fn default() -> Self {
        Self { text: String::new(), column: 0, indent: 0, is_after_blank: true, is_at_indent: true }
    }
}

impl Out {
    /// The whole text.
    pub(super) fn finish(mut self) -> String {
        self.indent = 0;
        self.new_line();
        self.text
    }

    /// Writes with `by` more blanks of indentation.
    pub(super) fn deeper(&mut self, by: usize, write: impl FnOnce(&mut Self)) {
        self.indent += by;
        write(self);
        self.indent -= by;
    }

    /// Begins a line at the indentation, unless this one stands there already.
    pub(super) fn new_line(&mut self) {
        let is_there = self.is_at_indent
            && (self.column < self.indent || (self.column == self.indent && self.is_after_blank));
        if !is_there {
            self.line_break();
        }
        if self.column < self.indent {
            self.is_after_blank = true;
            let blanks = " ".repeat(self.indent - self.column);
            self.push(&blanks);
        }
    }

    /// An indicator that begins a node of its own, as a dash.
    pub(super) fn indicator(&mut self, text: &str, keeps_indent: bool) {
        if !self.is_after_blank {
            self.push(" ");
        }
        self.push(text);
        self.is_after_blank = false;
        self.is_at_indent = self.is_at_indent && keeps_indent;
    }

    /// An indicator right behind what is there, as a colon.
    pub(super) fn raw_indicator(&mut self, text: &str) {
        self.push(text);
        self.is_after_blank = false;
        self.is_at_indent = false;
    }

    /// An empty list or map.
    pub(super) fn pair(&mut self, open: &str, close: &str) {
        self.indicator(open, false);
        self.raw_indicator(close);
    }

    /// A text without quotes, folded at single blanks where `folds`.
    pub(super) fn plain(&mut self, text: &str, folds: bool) {
        if text.is_empty() {
            return;
        }
        if !self.is_after_blank {
            self.push(" ");
        }
        self.is_after_blank = false;
        self.is_at_indent = false;
        for run in runs(text, |character| character == ' ') {
            if folds && run == " " && self.column > WIDTH {
                self.fold();
            } else {
                self.push(run);
            }
        }
    }

    /// A text in single quotes: a line break is a blank line, a quote is doubled.
    pub(super) fn single_quoted(&mut self, text: &str, folds: bool) {
        self.indicator("'", false);
        let runs = runs(text, |character| character == ' ' || character == '\n');
        let last = runs.len().saturating_sub(1);
        for (at, run) in runs.into_iter().enumerate() {
            let is_inner = at > 0 && at < last;
            if run == " " && folds && is_inner && self.column > WIDTH {
                self.new_line();
            } else if run.starts_with('\n') {
                for _ in 0..=run.len() {
                    self.line_break();
                }
                self.new_line();
            } else {
                self.push(&run.replace('\'', "''"));
            }
        }
        self.raw_indicator("'");
    }

    /// A text in double quotes, everything unusual escaped.
    pub(super) fn double_quoted(&mut self, text: &str, folds: bool) {
        self.indicator("\"", false);
        let characters: Vec<char> = text.chars().collect();
        // What is not written yet: from `start` to where the loop stands.
        let mut start = 0;
        for at in 0..=characters.len() {
            let character = characters.get(at).copied();
            if character.is_none_or(needs_escape) {
                start = self.flush(&characters, start, at);
                if let Some(character) = character {
                    self.push(&escape(character));
                    start = at + 1;
                }
            }
            let may_fold = at > 0
                && at + 1 < characters.len()
                && (character == Some(' ') || start >= at)
                && folds;
            if may_fold && self.column + at > WIDTH + start {
                start = self.flush(&characters, start, at);
                self.push("\\");
                self.fold();
                if characters.get(start) == Some(&' ') {
                    self.push("\\");
                }
            }
        }
        self.raw_indicator("\"");
    }

    /// Writes what lies between, and gives where the rest begins.
    fn flush(&mut self, characters: &[char], start: usize, end: usize) -> usize {
        let between = characters.get(start..end).unwrap_or_default();
        self.push(&between.iter().collect::<String>());
        start.max(end)
    }

    /// Goes on in a new line, in the middle of a text.
    fn fold(&mut self) {
        self.new_line();
        self.is_after_blank = false;
        self.is_at_indent = false;
    }

    fn line_break(&mut self) {
        self.is_after_blank = true;
        self.is_at_indent = true;
        self.column = 0;
        self.text.push('\n');
    }

    fn push(&mut self, text: &str) {
        self.column += text.chars().count();
        self.text.push_str(text);
    }
}

/// The text in pieces: each either of blanks of one kind, or without any.
fn runs(text: &str, is_blank: impl Fn(char) -> bool) -> Vec<&str> {
    let kind = |character: char| is_blank(character).then_some(character);
    let mut runs = Vec::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let end = rest.find(|character| kind(character) != kind(first)).unwrap_or(rest.len());
        let (run, after) = rest.split_at(end);
        runs.push(run);
        rest = after;
    }
    runs
}

fn needs_escape(character: char) -> bool {
    character == '"' || character == '\\' || !(' '..='~').contains(&character)
}

/// Source: PyYAML 6, `Emitter.ESCAPE_REPLACEMENTS`.
fn escape(character: char) -> String {
    let short = match character {
        '\0' => '0',
        '\x07' => 'a',
        '\x08' => 'b',
        '\t' => 't',
        '\n' => 'n',
        '\x0b' => 'v',
        '\x0c' => 'f',
        '\r' => 'r',
        '\x1b' => 'e',
        '"' => '"',
        '\\' => '\\',
        '\u{85}' => 'N',
        '\u{a0}' => '_',
        '\u{2028}' => 'L',
        '\u{2029}' => 'P',
        other => {
            let code = u32::from(other);
            return match code {
                0..=0xff => format!("\\x{code:02X}"),
                0x100..=0xffff => format!("\\u{code:04X}"),
                _ => format!("\\U{code:08X}"),
            };
        }
    };
    format!("\\{short}")
}
