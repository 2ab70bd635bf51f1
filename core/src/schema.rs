//! Holds a raw spec against the schema of its CRD: the same rules as the API server's.
//!
//! Covers what our generated schemas use: types, required and unknown fields, bounds, patterns,
//! enumerations, alternatives of required fields. CEL rules are restated where specs are parsed.

mod pattern;

use serde_json::{Map, Value};

use crate::invalid::Invalid;

/// What a look at a spec through its schema gives.
#[derive(Debug, Default)]
pub struct Verdict {
    /// Every problem, in the order of the fields.
    pub problems: Vec<Invalid>,
    /// Fields that the schema does not know, as paths.
    pub unknown: Vec<String>,
    /// The spec as the API server would store it: nulls and pruned fields removed, defaults set.
    pub spec: Value,
}

/// Holds `spec` against `schema`; `at` is the path of the spec in its object.
pub fn validate(schema: &Value, spec: &Value, at: &str) -> Verdict {
    let mut verdict = Verdict::default();
    verdict.spec = walk(schema, spec, at, &mut verdict);
    verdict
}

/// Checks one value and returns it pruned and defaulted.
fn walk(schema: &Value, value: &Value, at: &str, verdict: &mut Verdict) -> Value {
    if !has_type(schema, value) {
        verdict.problems.push(wrong_type(schema, value, at));
        return value.clone();
    }
    check_enum(schema, value, at, verdict);
    match value {
        Value::Object(fields) => walk_object(schema, fields, at, verdict),
        Value::Array(items) => walk_array(schema, items, at, verdict),
        Value::String(text) => {
            check_text(schema, text, at, verdict);
            value.clone()
        }
        Value::Number(_) => {
            check_number(schema, value, at, verdict);
            value.clone()
        }
        Value::Null | Value::Bool(_) => value.clone(),
    }
}

fn flag(schema: &Value, name: &str) -> bool {
    schema.get(name).and_then(Value::as_bool).unwrap_or(false)
}

fn has_type(schema: &Value, value: &Value) -> bool {
    if flag(schema, "x-kubernetes-int-or-string") {
        return value.is_string() || value.is_i64() || value.is_u64();
    }
    match schema.get("type").and_then(Value::as_str) {
        Some("object") => value.is_object(),
        Some("array") => value.is_array(),
        Some("string") => value.is_string(),
        Some("boolean") => value.is_boolean(),
        Some("number") => value.is_number(),
        Some("integer") => value.is_i64() || value.is_u64() || is_whole(value),
        Some(_) | None => true,
    }
}

/// `3.0` is an integer in JSON schema.
fn is_whole(value: &Value) -> bool {
    value.as_f64().is_some_and(|number| number.fract() == 0.0 && number.abs() < 9e15)
}

fn wrong_type(schema: &Value, value: &Value, at: &str) -> Invalid {
    let wanted = if flag(schema, "x-kubernetes-int-or-string") {
        "a whole number or a string"
    } else {
        match schema.get("type").and_then(Value::as_str) {
            Some("object") => "an object",
            Some("array") => "a list",
            Some("string") => "a string",
            Some("boolean") => "true or false",
            Some("number") => "a number",
            Some(_) | None => "a whole number",
        }
    };
    let found = match value {
        Value::Null => "nothing (null)",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    };
    let remedy = match (wanted, value) {
        ("a string", Value::Number(_) | Value::Bool(_)) => "put it in quotes".to_owned(),
        ("a whole number" | "true or false", Value::String(_)) => {
            format!("write {wanted} without quotes")
        }
        _ => format!("make it {wanted}"),
    };
    Invalid::new(at, format!("it must be {wanted}, not {found}"), remedy).with_value(value)
}

fn check_enum(schema: &Value, value: &Value, at: &str, verdict: &mut Verdict) {
    let Some(allowed) = schema.get("enum").and_then(Value::as_array) else { return };
    if !allowed.contains(value) {
        let words: Vec<String> = allowed
            .iter()
            .map(|word| word.as_str().map_or_else(|| word.to_string(), str::to_owned))
            .collect();
        verdict.problems.push(
            Invalid::new(at, "the value is not supported", format!("use {}", one_of(&words)))
                .with_value(value),
        );
    }
}

fn one_of(words: &[String]) -> String {
    match words {
        [only] => only.clone(),
        [head @ .., last] => format!("{} or {last}", head.join(", ")),
        [] => String::new(),
    }
}

fn check_text(schema: &Value, text: &str, at: &str, verdict: &mut Verdict) {
    let length = text.chars().count();
    let value = Value::from(text);
    check_size(schema, ("minLength", "maxLength"), (length, "characters"), at, verdict);
    if let Some(pattern) = schema.get("pattern").and_then(Value::as_str)
        && !pattern::matches(pattern, text)
    {
        verdict.problems.push(
            Invalid::new(
                at,
                "it does not have the right form",
                format!("write it as {}", pattern::in_words(pattern)),
            )
            .with_value(&value),
        );
    }
}

fn check_number(schema: &Value, value: &Value, at: &str, verdict: &mut Verdict) {
    let Some(number) = value.as_f64() else { return };
    let is_int32 = schema.get("format").and_then(Value::as_str) == Some("int32");
    let least = is_int32.then(|| f64::from(i32::MIN));
    let most = is_int32.then(|| f64::from(i32::MAX));
    let bound = |name| schema.get(name).and_then(Value::as_f64);
    if let Some(minimum) = bound("minimum").or(least)
        && number < minimum
    {
        verdict.problems.push(
            Invalid::new(at, format!("it is below {minimum}"), format!("use {minimum} or more"))
                .with_value(value),
        );
    }
    if let Some(maximum) = bound("maximum").or(most)
        && number > maximum
    {
        verdict.problems.push(
            Invalid::new(at, format!("it is above {maximum}"), format!("use {maximum} or less"))
                .with_value(value),
        );
    }
}

fn check_size(
    schema: &Value,
    (min, max): (&str, &str),
    (size, unit): (usize, &str),
    at: &str,
    verdict: &mut Verdict,
) {
    let bound = |name| {
        schema.get(name).and_then(Value::as_u64).and_then(|bound| usize::try_from(bound).ok())
    };
    if let Some(least) = bound(min)
        && size < least
    {
        verdict.problems.push(Invalid::new(
            at,
            format!("it has {size} {unit}, fewer than {least}"),
            format!("give it at least {least}"),
        ));
    }
    if let Some(most) = bound(max)
        && size > most
    {
        verdict.problems.push(Invalid::new(
            at,
            format!("it has {size} {unit}, more than {most}"),
            format!("keep it to {most}"),
        ));
    }
}

fn walk_array(schema: &Value, items: &[Value], at: &str, verdict: &mut Verdict) -> Value {
    check_size(schema, ("minItems", "maxItems"), (items.len(), "items"), at, verdict);
    let Some(inner) = schema.get("items") else { return Value::from(items.to_vec()) };
    items
        .iter()
        .enumerate()
        .map(|(index, item)| walk(inner, item, &format!("{at}[{index}]"), verdict))
        .collect()
}

fn walk_object(
    schema: &Value,
    fields: &Map<String, Value>,
    at: &str,
    verdict: &mut Verdict,
) -> Value {
    let none = Map::new();
    let known = schema.get("properties").and_then(Value::as_object).unwrap_or(&none);
    let others = schema.get("additionalProperties").filter(|schema| schema.is_object());
    let keeps_unknown = flag(schema, "x-kubernetes-preserve-unknown-fields");
    let count = fields.values().filter(|value| !value.is_null()).count();
    check_size(schema, ("minProperties", "maxProperties"), (count, "entries"), at, verdict);
    let mut kept = Map::new();
    for (name, value) in fields {
        let path = join(at, name);
        match known.get(name).or(others) {
            // A null on a field that is not nullable is dropped by the API server.
            Some(inner) if value.is_null() && inner.get("type").is_some() => {}
            Some(inner) => {
                kept.insert(name.clone(), walk(inner, value, &path, verdict));
            }
            None if keeps_unknown && known.is_empty() => {
                kept.insert(name.clone(), value.clone());
            }
            None => {
                verdict.unknown.push(path);
                if keeps_unknown {
                    kept.insert(name.clone(), value.clone());
                }
            }
        }
    }
    for (name, inner) in known {
        if let (Some(default), None) = (inner.get("default"), kept.get(name)) {
            kept.insert(name.clone(), default.clone());
        }
    }
    check_required(schema, &kept, at, verdict);
    Value::Object(kept)
}

fn check_required(schema: &Value, fields: &Map<String, Value>, at: &str, verdict: &mut Verdict) {
    for name in required(schema) {
        if !fields.contains_key(name) {
            verdict.problems.push(Invalid::new(
                join(at, name),
                "the field is required",
                format!("add {name}"),
            ));
        }
    }
    for (keyword, fits) in [
        ("anyOf", (|hits| hits >= 1) as fn(usize) -> bool),
        ("oneOf", (|hits| hits == 1) as fn(usize) -> bool),
    ] {
        let Some(branches) = schema.get(keyword).and_then(Value::as_array) else { continue };
        let names: Vec<String> =
            branches.iter().map(|branch| required(branch).collect::<Vec<_>>().join("+")).collect();
        let hits = branches
            .iter()
            .filter(|branch| required(branch).all(|name| fields.contains_key(name)))
            .count();
        if names.iter().all(|name| !name.is_empty()) && !fits(hits) {
            let wanted = if keyword == "anyOf" { "at least one" } else { "exactly one" };
            verdict.problems.push(Invalid::new(
                at,
                format!("{hits} of {} are given", names.join(", ")),
                format!("give {wanted} of them"),
            ));
        }
    }
}

fn required(schema: &Value) -> impl Iterator<Item = &str> {
    schema.get("required").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str)
}

/// A path with one more name; names with dots or blanks are put in brackets.
pub fn join(at: &str, name: &str) -> String {
    if name.contains(|character: char| character == '.' || character.is_whitespace()) {
        format!("{at}[{name:?}]")
    } else {
        format!("{at}.{name}")
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn check(spec: &Value, problems: &[&str]) -> Verdict {
        let schema = json!({
            "type": "object", "required": ["name"],
            "anyOf": [{"required": ["topic"]}, {"required": ["channel"]}],
            "properties": {
                "name": {"type": "string", "maxLength": 4, "pattern": "^[a-z]*$"},
                "kind": {"type": "string", "enum": ["inner", "left"], "default": "inner"},
                "count": {"type": "integer", "minimum": 1},
                "topic": {"type": "object", "properties": {"a": {"type": "boolean"}}},
                "channel": {"type": "array", "maxItems": 1, "items": {"type": "string"}},
                "size": {"x-kubernetes-int-or-string": true},
            },
        });
        let verdict = validate(&schema, spec, "spec");
        let found: Vec<String> = verdict.problems.iter().map(Invalid::to_string).collect();
        assert_eq!(found, problems);
        verdict
    }

    #[test]
    fn a_valid_spec_is_pruned_and_defaulted() {
        let spec = json!({"name": "a", "topic": {"a": true, "b": 1}, "count": null, "x": 1});
        let verdict = check(&spec, &[]);
        assert_eq!(verdict.spec, json!({"name": "a", "topic": {"a": true}, "kind": "inner"}));
        assert_eq!(verdict.unknown, ["spec.topic.b", "spec.x"]);
    }

    #[test]
    fn every_problem_is_reported_at_once() {
        let spec = json!({"name": "Quite long", "kind": "x", "count": 0, "channel": [1, "b"]});
        check(
            &spec,
            &[
                "spec.channel: it has 2 items, more than 1: keep it to 1",
                "spec.channel[0] = 1: it must be a string, not a number: put it in quotes",
                "spec.count = 0: it is below 1: use 1 or more",
                "spec.kind = \"x\": the value is not supported: use inner or left",
                "spec.name: it has 10 characters, more than 4: keep it to 4",
                "spec.name = \"Quite long\": it does not have the right form: \
                 write it as a text that matches ^[a-z]*$",
            ],
        );
    }

    #[test]
    fn missing_fields_and_alternatives_are_named() {
        check(
            &json!({"size": 1.5}),
            &[
                "spec.size = 1.5: it must be a whole number or a string, not a number: \
                 make it a whole number or a string",
                "spec.name: the field is required: add name",
                "spec: 0 of topic, channel are given: give at least one of them",
            ],
        );
    }
}
