//! `docs/reference/<kind>.md`: every field of a spec, as the definitions say it.

use std::fmt::Write;

use anyhow::{Context, Result};
use kaspr_crds::Kind;
use serde_json::Value;

use super::Files;

/// Where they lie, and nothing else does.
pub(super) const FOLDER: &str = "docs/reference";

/// One page for each kind, and one that names them.
pub(super) fn files() -> Result<Files> {
    let mut files = Files::new();
    let mut index = String::from(
        "# Fields\n\nGenerated from the types by `cargo xtask generate`. Types of Kubernetes itself are named and not \
         repeated: they take what\n`kubectl explain` says of them. Fields without effect are told by `check`, and \
         stand in [compatibility.md](../compatibility.md).\n\n",
    );
    for kind in Kind::ALL {
        let name = kind.name().to_lowercase();
        let _ = writeln!(index, "- [{}]({name}.md)", kind.name());
        let schema = kaspr_crds::spec_schema(kind);
        let mut page = format!("# {}\n\n", kind.name());
        let about = part(schema, "description").as_str().context("the spec has no description")?;
        let _ = writeln!(page, "{about}\n\nGenerated from the types by `cargo xtask generate`.\n");
        page.push_str("| Field of `spec` | Type | Means |\n|---|---|---|\n");
        fields(schema, "", &mut page);
        files.insert(format!("{FOLDER}/{name}.md"), page);
    }
    files.insert(format!("{FOLDER}/README.md"), index);
    Ok(files)
}

fn fields(schema: &Value, path: &str, page: &mut String) {
    let required = part(schema, "required").as_array().cloned().unwrap_or_default();
    for (name, field) in part(schema, "properties").as_object().into_iter().flatten() {
        let at = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
        let mut notes = Vec::new();
        if required.iter().any(|required| required == name) {
            notes.push("required".to_owned());
        }
        notes.extend(limits(field));
        let about = part(field, "description").as_str().unwrap_or_default();
        let notes =
            if notes.is_empty() { String::new() } else { format!(" ({})", notes.join(", ")) };
        let _ = writeln!(page, "| `{at}` | {}{notes} | {} |", kind_of(field), cell(about));
        let items = part(field, "items");
        // What has no words of ours is a type of Kubernetes.
        if is_ours(field) {
            fields(field, &at, page);
        } else if is_ours(items) {
            fields(items, &format!("{at}[]"), page);
        }
    }
}

/// Whether the fields below have words of their own.
fn is_ours(schema: &Value) -> bool {
    let properties = part(schema, "properties").as_object();
    properties
        .is_some_and(|fields| fields.values().any(|field| part(field, "description").is_string()))
}

fn kind_of(schema: &Value) -> String {
    let word = part(schema, "type").as_str();
    match word {
        Some("array") => format!("list of {}", kind_of(part(schema, "items"))),
        Some("object") if part(part(schema, "additionalProperties"), "type").is_string() => {
            format!("map of {}", kind_of(part(schema, "additionalProperties")))
        }
        Some("object") if part(schema, "properties").is_object() && !is_ours(schema) => {
            "object of Kubernetes".to_owned()
        }
        Some(word) => word.to_owned(),
        None => "any".to_owned(),
    }
}

/// What a value must be beyond its type.
fn limits(schema: &Value) -> Vec<String> {
    let mut found = Vec::new();
    if let Some(words) = part(schema, "enum").as_array() {
        let words: Vec<String> = words.iter().map(|word| format!("`{}`", text(word))).collect();
        found.push(format!("one of {}", words.join(", ")));
    }
    for (key, what) in [("minimum", "at least"), ("maximum", "at most"), ("default", "default")] {
        if !part(schema, key).is_null() {
            found.push(format!("{what} `{}`", text(part(schema, key))));
        }
    }
    found
}

fn text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        // Bounds are floats in the schema.
        Value::Number(number) => {
            number.as_f64().map_or_else(String::new, |number| number.to_string())
        }
        other => other.to_string(),
    }
}

/// A part of a schema; null where it is not there.
fn part<'a>(schema: &'a Value, key: &str) -> &'a Value {
    const NONE: &Value = &Value::Null;
    schema.get(key).unwrap_or(NONE)
}

/// A text as it may stand in a table.
fn cell(text: &str) -> String {
    text.replace('|', "\\|").replace('\n', " ")
}
