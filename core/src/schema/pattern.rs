//! The patterns of our schemas: compiled once, and told in words.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

use kaspr_crds::Kind;
use regex_lite::Regex;
use serde_json::Value;

/// Whether a text has a pattern of our schemas. They are few, and compiled once.
pub(super) fn matches(pattern: &str, text: &str) -> bool {
    static COMPILED: LazyLock<BTreeMap<String, Regex>> = LazyLock::new(|| {
        let mut found = BTreeSet::new();
        for kind in Kind::ALL {
            patterns(kaspr_crds::spec_schema(kind), &mut found);
        }
        let compile = |pattern: String| Some((pattern.clone(), Regex::new(&pattern).ok()?));
        found.into_iter().filter_map(compile).collect()
    });
    match COMPILED.get(pattern) {
        Some(regex) => regex.is_match(text),
        None => Regex::new(pattern).is_ok_and(|regex| regex.is_match(text)),
    }
}

fn patterns(schema: &Value, found: &mut BTreeSet<String>) {
    match schema {
        Value::Object(fields) => {
            if let Some(pattern) = fields.get("pattern").and_then(Value::as_str) {
                found.insert(pattern.to_owned());
            }
            fields.values().for_each(|below| patterns(below, found));
        }
        Value::Array(items) => items.iter().for_each(|below| patterns(below, found)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// The patterns of our schemas in words.
pub(super) fn in_words(pattern: &str) -> String {
    match pattern {
        r"^\d+[smhd]$" | "^[0-9]+[smhd]$" => {
            "a number and a unit: s, m, h or d (as 10s)".to_owned()
        }
        "^https?://.+" => "a URL that starts with http:// or https://".to_owned(),
        "^[a-zA-Z_][a-zA-Z0-9_]*$" => "a Python identifier (letters, digits, _)".to_owned(),
        other => format!("a text that matches {other}"),
    }
}
