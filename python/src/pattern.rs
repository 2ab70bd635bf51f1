//! Patterns of `match`.
//!
//! Source: CPython 3.12 Python/compile.c, the compiler_pattern_* functions.

use std::collections::{BTreeSet, HashSet};

use ruff_python_ast::comparable::HashableExpr;
use ruff_python_ast::{
    Expr, Identifier, Pattern, PatternMatchAs, PatternMatchClass, PatternMatchMapping,
    PatternMatchOr, PatternMatchSequence,
};
use ruff_text_size::Ranged;

use crate::problem::Found;

/// Patterns before a star that captures. Source: pattern_unpack_helper.
const PATTERNS_MAX: usize = 255;

/// Checks the pattern of a case. Only the last case, or one with a guard, may always match.
pub(crate) fn check(pattern: &Pattern, may_be_irrefutable: bool) -> Result<(), Found> {
    check_pattern(pattern, may_be_irrefutable, &mut Captured::new())
}

/// The names that a pattern has captured so far.
type Captured<'a> = BTreeSet<&'a str>;

fn check_pattern<'a>(
    pattern: &'a Pattern,
    may_be_irrefutable: bool,
    captured: &mut Captured<'a>,
) -> Result<(), Found> {
    match pattern {
        Pattern::MatchValue(value) => check_value(&value.value, "patterns"),
        Pattern::MatchSingleton(_) => Ok(()),
        Pattern::MatchSequence(sequence) => check_sequence(sequence, captured),
        Pattern::MatchMapping(mapping) => check_mapping(mapping, captured),
        Pattern::MatchClass(class) => check_class(class, captured),
        Pattern::MatchStar(star) => {
            star.name.as_ref().map_or(Ok(()), |name| capture(name, captured))
        }
        Pattern::MatchAs(capturing) => check_as(capturing, may_be_irrefutable, captured),
        Pattern::MatchOr(or) => check_or(or, may_be_irrefutable, captured),
    }
}

fn capture<'a>(name: &'a Identifier, captured: &mut Captured<'a>) -> Result<(), Found> {
    check_name(name)?;
    if !captured.insert(name.as_str()) {
        return Err(Found::new(name.start(), captured_twice(name.as_str())));
    }
    Ok(())
}

fn captured_twice(name: &str) -> String {
    format!("multiple assignments to name '{name}' in pattern")
}

fn check_name(name: &Identifier) -> Result<(), Found> {
    if name.as_str() == "__debug__" {
        return Err(Found::new(name.start(), "cannot assign to __debug__"));
    }
    Ok(())
}

/// The parser takes format texts for texts.
fn check_value(value: &Expr, what: &str) -> Result<(), Found> {
    if matches!(value, Expr::FString(_) | Expr::TString(_)) {
        let message = format!("{what} may only match literals and attribute lookups");
        return Err(Found::new(value.start(), message));
    }
    Ok(())
}

fn check_sequence<'a>(
    sequence: &'a PatternMatchSequence,
    captured: &mut Captured<'a>,
) -> Result<(), Found> {
    let mut stars = sequence.patterns.iter().enumerate().filter(|(_, one)| one.is_match_star());
    if stars.next().is_some_and(|(before, star)| before > PATTERNS_MAX && captures(star)) {
        let message = "too many expressions in star-unpacking sequence pattern";
        return Err(Found::new(sequence.start(), message));
    }
    if stars.next().is_some() {
        let message = "multiple starred names in sequence pattern";
        return Err(Found::new(sequence.start(), message));
    }
    sequence.patterns.iter().try_for_each(|pattern| check_pattern(pattern, true, captured))
}

fn captures(pattern: &Pattern) -> bool {
    matches!(pattern, Pattern::MatchStar(star) if star.name.is_some())
}

fn check_mapping<'a>(
    mapping: &'a PatternMatchMapping,
    captured: &mut Captured<'a>,
) -> Result<(), Found> {
    let mut seen = HashSet::new();
    for key in &mapping.keys {
        check_value(key, "mapping pattern keys")?;
        // Only constants are compared: two attributes may differ in value.
        let is_constant = key.is_literal_expr() || key.is_unary_op_expr() || key.is_bin_op_expr();
        if is_constant && !seen.insert(HashableExpr::from(key)) {
            return Err(Found::new(key.start(), "mapping pattern checks duplicate key"));
        }
    }
    mapping.patterns.iter().try_for_each(|pattern| check_pattern(pattern, true, captured))?;
    mapping.rest.as_ref().map_or(Ok(()), |name| capture(name, captured))
}

fn check_class<'a>(class: &'a PatternMatchClass, captured: &mut Captured<'a>) -> Result<(), Found> {
    let mut seen = BTreeSet::new();
    for keyword in &class.arguments.keywords {
        check_name(&keyword.attr)?;
        if !seen.insert(keyword.attr.as_str()) {
            let message = format!("attribute name repeated in class pattern: {}", keyword.attr);
            return Err(Found::new(keyword.start(), message));
        }
    }
    let keywords = class.arguments.keywords.iter().map(|keyword| &keyword.pattern);
    let mut patterns = class.arguments.patterns.iter().chain(keywords);
    patterns.try_for_each(|pattern| check_pattern(pattern, true, captured))
}

fn check_as<'a>(
    capturing: &'a PatternMatchAs,
    may_be_irrefutable: bool,
    captured: &mut Captured<'a>,
) -> Result<(), Found> {
    match &capturing.pattern {
        Some(pattern) => check_pattern(pattern, may_be_irrefutable, captured)?,
        None if !may_be_irrefutable => {
            let what = capturing
                .name
                .as_ref()
                .map_or_else(|| "wildcard".to_owned(), |name| format!("name capture '{name}'"));
            let message = format!("{what} makes remaining patterns unreachable");
            return Err(Found::new(capturing.start(), message));
        }
        None => {}
    }
    capturing.name.as_ref().map_or(Ok(()), |name| capture(name, captured))
}

/// All alternatives bind the same names; only the last may always match.
fn check_or<'a>(
    or: &'a PatternMatchOr,
    may_be_irrefutable: bool,
    captured: &mut Captured<'a>,
) -> Result<(), Found> {
    let mut first: Option<Captured<'_>> = None;
    for (index, alternative) in or.patterns.iter().enumerate() {
        let is_last = index + 1 == or.patterns.len();
        let mut names = Captured::new();
        check_pattern(alternative, is_last && may_be_irrefutable, &mut names)?;
        match &first {
            None => first = Some(names),
            Some(first) if *first == names => {}
            Some(_) => {
                return Err(Found::new(or.start(), "alternative patterns bind different names"));
            }
        }
    }
    for name in first.unwrap_or_default() {
        if !captured.insert(name) {
            return Err(Found::new(or.start(), captured_twice(name)));
        }
    }
    Ok(())
}
