//! What the parser says, in plain words.

use ruff_python_ast::ModModule;
use ruff_python_ast::token::{Token, TokenKind};
use ruff_python_parser::{LexicalErrorType, ParseError, ParseErrorType, Parsed};
use ruff_text_size::Ranged;

use crate::problem::Found;

/// The first thing that the parser does not take, or that Python 3.12 does not know.
pub(crate) fn first_error(text: &str, parsed: &Parsed<ModModule>) -> Option<Found> {
    let errors = parsed
        .errors()
        .iter()
        .filter(|error| !is_premature(text, error) && !is_wrong(text, parsed.tokens(), error))
        .map(|error| (error.start(), message(text, error)));
    let later = parsed
        .unsupported_syntax_errors()
        .iter()
        .map(|error| (error.start(), plain(&error.to_string())));
    let (at, message) = errors.chain(later).min_by_key(|(at, _)| *at)?;
    Some(Found::new(at, message))
}

/// Behind a semicolon the parser takes any `match` for the statement, as in
/// `import re; match = re.match(p, s)`, says so, and goes on rightly.
fn is_premature(text: &str, error: &ParseError) -> bool {
    matches!(error.error, ParseErrorType::SimpleAndCompoundStatementOnSameLine)
        && text.get(error.range().to_std_range()) == Some("match")
}

/// Errors that are none: the parser misses an exception in `raise;`, and takes the `_` of
/// `case Point(_=x)` for a wildcard. It goes on rightly.
fn is_wrong(text: &str, tokens: &[Token], error: &ParseError) -> bool {
    let before = tokens.partition_point(|token| token.start() < error.start());
    let after = tokens.partition_point(|token| token.end() <= error.end());
    let before = before.checked_sub(1).and_then(|index| tokens.get(index)).map(Token::kind);
    let after = tokens.get(after).map(Token::kind);
    let place = text.get(error.range().to_std_range());
    match &error.error {
        ParseErrorType::ExpectedExpression => {
            before == Some(TokenKind::Raise) && place == Some(";")
        }
        ParseErrorType::OtherError(message) => {
            message == "Expected an identifier for the keyword pattern"
                && place == Some("_")
                && after == Some(TokenKind::Equal)
        }
        _ => false,
    }
}

/// The text with another name for each such `match`, where there is any.
///
/// The parser reports one error for a place: this text shows whether another one is behind it.
pub(crate) fn without_premature(text: &str, parsed: &Parsed<ModModule>) -> Option<String> {
    let places = parsed.errors().iter().filter(|error| is_premature(text, error));
    let mut other = String::with_capacity(text.len());
    for place in places {
        other.push_str(text.get(other.len()..place.start().to_usize()).unwrap_or_default());
        other.push_str("other");
    }
    (!other.is_empty()).then(|| {
        other.push_str(text.get(other.len()..).unwrap_or_default());
        other
    })
}

fn message(text: &str, error: &ParseError) -> String {
    match &error.error {
        ParseErrorType::Lexical(LexicalErrorType::UnrecognizedToken { tok }) => {
            if tok.is_ascii_graphic() {
                format!("invalid character '{tok}'")
            } else {
                format!("invalid character U+{:04X}", u32::from(*tok))
            }
        }
        ParseErrorType::Lexical(LexicalErrorType::UnicodeError) => {
            "(unicode error) malformed escape in a string".to_owned()
        }
        ParseErrorType::Lexical(LexicalErrorType::StringError) => "invalid string".to_owned(),
        ParseErrorType::Lexical(LexicalErrorType::LineContinuationError) => {
            "unexpected character after line continuation character".to_owned()
        }
        ParseErrorType::UnexpectedExpressionToken => "invalid syntax".to_owned(),
        ParseErrorType::UnexpectedIndentation => "unexpected indent".to_owned(),
        ParseErrorType::SimpleStatementsOnSameLine => {
            let before = text.get(..error.start().to_usize()).unwrap_or_default();
            match before.split_whitespace().next_back() {
                Some(name @ ("print" | "exec")) => {
                    format!("Missing parentheses in call to '{name}'")
                }
                _ => "invalid syntax: expected a new line or a semicolon".to_owned(),
            }
        }
        other => plain(&other.to_string()),
    }
}

/// As CPython writes: a small letter first, and single quotes.
fn plain(message: &str) -> String {
    let mut characters = message.chars();
    let first = characters.next().map(|first| first.to_ascii_lowercase());
    first.into_iter().chain(characters).collect::<String>().replace('`', "'")
}

#[cfg(test)]
mod tests {
    fn check(source: &str, message: &str) {
        let problem = crate::check(source).unwrap_err();
        assert_eq!(problem.message, message, "{source:?}");
    }

    #[test]
    fn the_parser_speaks_like_cpython() {
        check("print 'a'\n", "Missing parentheses in call to 'print'");
        check("x y\n", "invalid syntax: expected a new line or a semicolon");
        check("x = ?\n", "invalid character '?'");
        check("x = \u{a0}1\n", "invalid character U+00A0");
        check("def f()\n    pass\n", "expected ':', found newline");
        check("if x:\npass\n", "expected an indented block after 'if' statement");
        check("'\\x1'\n", "(unicode error) malformed escape in a string");
    }

    #[test]
    fn what_comes_first_is_named() {
        check("x = (\nif y\n", "'(' was never closed");
        check("if x\n    y = 'z\n", "expected ':', found newline");
        check("def f():\n    '''a\n", "unterminated triple-quoted string literal");
    }
}
