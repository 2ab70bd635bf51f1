//! YAML as the original writes definitions: `yaml.dump(value, default_flow_style=False)`.
//!
//! Source: PyYAML 6, its emitter in Python (the one in C folds otherwise), for what JSON can say. Held
//! against 1,000 documents that it wrote. Not covered: numbers that are not whole, which the original
//! never puts into a definition, and anchors, which it writes for an object that occurs twice.

mod out;
mod scalar;

use serde_json::Value;

use self::out::Out;
use self::scalar::Shape;

/// One document, ending in a line break.
pub fn document(value: &Value) -> String {
    let mut out = Out::default();
    node(value, Place::Root, &mut out);
    out.finish()
}

/// Where a node stands: what decides how deep a list below it is indented.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    Root,
    Item,
    Field,
}

fn node(value: &Value, place: Place, out: &mut Out) {
    match value {
        Value::String(text) => scalar(text, false, out),
        Value::Array(items) if items.is_empty() => out.pair("[", "]"),
        Value::Object(fields) if fields.is_empty() => out.pair("{", "}"),
        Value::Array(items) => {
            // A list is not indented below its key, unless that key has a line of its own.
            let is_flat = place == Place::Root || (place == Place::Field && !out.is_at_indent);
            out.deeper(if is_flat { 0 } else { 2 }, |out| {
                for item in items {
                    out.new_line();
                    out.indicator("-", true);
                    node(item, Place::Item, out);
                }
            });
        }
        Value::Object(fields) => {
            out.deeper(if place == Place::Root { 0 } else { 2 }, |out| {
                for (key, value) in fields {
                    out.new_line();
                    field_key(key, out);
                    node(value, Place::Field, out);
                }
            });
        }
        Value::Null => out.plain("null", true),
        Value::Bool(truth) => out.plain(if *truth { "true" } else { "false" }, true),
        Value::Number(number) => out.plain(&number.to_string(), true),
    }
}

/// The longest key that stands before its colon, with what PyYAML adds to its length.
const SIMPLE_KEY: usize = 128 - 5;

fn field_key(key: &str, out: &mut Out) {
    let length = key.chars().count();
    if length > 0 && length < SIMPLE_KEY && !Shape::of(key).has_breaks {
        scalar(key, true, out);
        out.raw_indicator(":");
    } else {
        out.indicator("?", true);
        scalar(key, false, out);
        out.new_line();
        out.indicator(":", true);
    }
}

/// A text in the plainest style that reads as this very text.
fn scalar(text: &str, is_key: bool, out: &mut Out) {
    let shape = Shape::of(text);
    let is_one_line = !(is_key && shape.has_breaks);
    let may_be_plain = shape.is_plain && is_one_line && !(is_key && text.is_empty());
    out.deeper(2, |out| {
        if may_be_plain && !scalar::reads_as_another_type(text) {
            out.plain(text, !is_key);
        } else if shape.is_single && is_one_line {
            out.single_quoted(text, !is_key);
        } else {
            out.double_quoted(text, !is_key);
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Documents and the text that PyYAML 6.0.3 writes for them.
    const VECTORS: &str = include_str!("../../../vectors/pyyaml.jsonl");

    #[test]
    fn documents_are_those_of_the_originals_library() {
        let mut count = 0;
        for line in VECTORS.lines() {
            let vector: Value = serde_json::from_str(line).unwrap();
            assert_eq!(document(&vector["d"]), vector["y"].as_str().unwrap());
            count += 1;
        }
        assert_eq!(count, 1000);
    }
}
