//! The stages of a check, in the order of CPython.

use ruff_python_ast::{ModModule, PythonVersion};
use ruff_python_parser::{Mode, ParseOptions, Parsed, parse_unchecked};

use crate::code::Code;
use crate::problem::{Found, Problem, line_of};
use crate::scan::{DEEPEST, Scan, scan};
use crate::{flow, future, grammar, scope, symbols, words};

/// Stack for one level of nesting: more than twice what it takes without optimisations.
const LEVEL: usize = 16 * 1024;

/// Levels that the stages take by themselves.
const LEVELS_LEAST: usize = 64;

/// Judges a piece of Python as `compile(source, "<definition>", "exec")` of CPython 3.12 does.
///
/// `Ok` with what is known of the code, else the first problem: mostly on the line that CPython
/// names, in its words where the parser has none. Total: any text has a verdict. Text of more than 4 GiB, and code nested so deep that CPython
/// itself gives up, is accepted where nothing is wrong before.
pub fn check(source: &str) -> Result<Code, Problem> {
    judge(source).map_err(|found| found.locate(source))
}

fn judge(source: &str) -> Result<Code, Found> {
    if u32::try_from(source.len()).is_err() {
        return Ok(Code::unknown());
    }
    // Source: CPython Python/pythonrun.c, _Py_SourceAsString.
    if let Some(at) = source.find('\0') {
        return Err(Found::at_byte(at, "source code string cannot contain null bytes"));
    }
    // The worker compiles a text, not bytes: CPython takes no mark off it.
    if source.starts_with('\u{feff}') {
        return Err(Found::at_byte(0, "invalid non-printable character U+FEFF"));
    }
    match scan(source) {
        Scan::Whole { text, depth } => on_a_deep_stack(depth, || judge_text(&text)),
        Scan::Broken { found, text, depth } => {
            Err(on_a_deep_stack(depth, || earlier(source, &text, found)))
        }
        Scan::TooDeep { text } => on_a_deep_stack(DEEPEST, || judge_beginning(&text)),
    }
}

/// Trees are walked and dropped by recursion: a deep one may need more stack than is left.
fn on_a_deep_stack<T>(depth: usize, work: impl FnOnce() -> T) -> T {
    let stack = (depth + LEVELS_LEAST) * LEVEL;
    stacker::maybe_grow(stack, stack, work)
}

fn judge_text(text: &str) -> Result<Code, Found> {
    let Some(parsed) = parse(text) else { return Ok(Code::unknown()) };
    check_syntax(text, &parsed)?;
    let body = &parsed.syntax().body;
    grammar::check(text, body, parsed.tokens())?;
    let future = future::check(body)?;
    let symbols = symbols::collect(body, future.annotations)?;
    scope::check(&symbols.module)?;
    flow::check(body, &symbols, &future)?;
    Ok(Code::new(body, &symbols))
}

fn parse(text: &str) -> Option<Parsed<ModModule>> {
    let options = ParseOptions::from(Mode::Module).with_target_version(PythonVersion::PY312);
    parse_unchecked(text, options).try_into_module()
}

fn check_syntax(text: &str, parsed: &Parsed<ModModule>) -> Result<(), Found> {
    if let Some(found) = words::first_error(text, parsed) {
        return Err(found);
    }
    let other = words::without_premature(text, parsed);
    let found = other.and_then(|other| words::first_error(&other, &parse(&other)?));
    found.map_or(Ok(()), Err)
}

/// Of code that goes on too deep: what the parser finds before its end is wrong however it goes on.
fn judge_beginning(text: &str) -> Result<Code, Found> {
    let found = parse(text).and_then(|parsed| check_syntax(text, &parsed).err());
    found.filter(|found| found.at < text.len()).map_or(Ok(Code::unknown()), Err)
}

/// The tokenizer stops where the text breaks; what the parser finds on an earlier line comes first,
/// but for what it misses at the end.
fn earlier(source: &str, text: &str, broken: Found) -> Found {
    parse(text)
        .and_then(|parsed| check_syntax(text, &parsed).err())
        .filter(|found| found.at < text.trim_end().len())
        .filter(|found| line_of(source, found.at) < line_of(source, broken.at))
        .unwrap_or(broken)
}
