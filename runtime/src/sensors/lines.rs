//! Where the log goes: one line for each event, whatever is in it.
//!
//! Names of objects are harmless, but words of conditions, of the API server and of other
//! controllers come from people. Whatever could end a line, move a cursor or turn text around is
//! escaped at the last moment, so that nobody can forget to.

use std::borrow::Cow;
use std::fmt::Write as _;
use std::io::{self, Write};

use tracing::Subscriber;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::MakeWriter;

use crate::args::LogFormat;

/// What writes events to `to`.
pub fn subscriber<M>(
    format: LogFormat,
    filter: EnvFilter,
    to: M,
) -> Box<dyn Subscriber + Send + Sync>
where
    M: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    let subscriber = tracing_subscriber::fmt().with_env_filter(filter).with_writer(Lines(to));
    match format {
        LogFormat::Text => Box::new(subscriber.with_ansi(false).finish()),
        LogFormat::Json => Box::new(subscriber.json().flatten_event(true).finish()),
    }
}

/// The text without what a terminal or a reader of lines takes for more than text. The escapes are
/// those of JSON: within JSON they say the same as before.
pub fn plain(text: &str) -> Cow<'_, str> {
    if !text.contains(is_odd) {
        return Cow::Borrowed(text);
    }
    let mut plain = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '\n' => plain.push_str(r"\n"),
            '\r' => plain.push_str(r"\r"),
            '\t' => plain.push_str(r"\t"),
            odd if is_odd(odd) => {
                // Writing to a String cannot fail; all of them are below U+10000.
                let _ = write!(plain, "\\u{:04x}", u32::from(odd));
            }
            other => plain.push(other),
        }
    }
    Cow::Owned(plain)
}

/// Control characters, and those that end lines or turn the direction of text.
fn is_odd(character: char) -> bool {
    character.is_control()
        || matches!(
            character,
            '\u{200e}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}'
        )
}

struct Lines<M>(M);

impl<'a, M: MakeWriter<'a>> MakeWriter<'a> for Lines<M> {
    type Writer = Line<M::Writer>;

    fn make_writer(&'a self) -> Self::Writer {
        Line(self.0.make_writer())
    }
}

/// Takes one whole event at a time: so the subscriber writes.
struct Line<W>(W);

impl<W: Write> Write for Line<W> {
    fn write(&mut self, event: &[u8]) -> io::Result<usize> {
        let text = String::from_utf8_lossy(event);
        let mut line = plain(text.strip_suffix('\n').unwrap_or(&text)).into_owned();
        line.push('\n');
        self.0.write_all(line.as_bytes())?;
        Ok(event.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_moves_the_cursor_or_the_eye_is_escaped_and_all_else_is_not() {
        assert!(matches!(plain("Größe \"1\" \\ {}"), Cow::Borrowed(_)));
        let odd = "a\nb\r\tc\u{1b}[31m\u{7f}\u{9b}2J\u{2028}\u{202e}";
        let expected = r"a\nb\r\tc\u001b[31m\u007f\u009b2J\u2028\u202e";
        assert_eq!(plain(odd), expected);
        let json: String = serde_json::from_str(&format!("\"{expected}\"")).unwrap();
        assert_eq!(json, odd);
    }
}
