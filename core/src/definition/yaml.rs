//! JSON -> YAML that every YAML 1.1 reader takes for the same content.
//!
//! Keys are sorted, lists are not indented below their key. Every text that is not a plain word
//! is double-quoted with escapes, so that nothing is folded, trimmed or taken for a number or a
//! boolean: code arrives in the worker byte for byte.

use std::fmt::Write;

use serde_json::Value;

/// One document, ending in a line break.
pub(super) fn document(value: &Value) -> String {
    let mut text = String::new();
    block(value, 0, &mut text);
    text
}

/// Writes a mapping or sequence in block style, each line after `indent` blanks.
fn block(value: &Value, indent: usize, out: &mut String) {
    match value {
        Value::Object(fields) => {
            for (at, (key, value)) in fields.iter().enumerate() {
                // The first key of a sequence item stands on the line of its dash.
                if at > 0 || !out.ends_with("- ") {
                    push_indent(indent, out);
                }
                scalar_text(key, out);
                out.push(':');
                nested(value, indent, indent + 2, out);
            }
        }
        Value::Array(items) => {
            for item in items {
                push_indent(indent, out);
                out.push_str("- ");
                if is_block(item) {
                    block(item, indent + 2, out);
                } else {
                    scalar(item, out);
                    out.push('\n');
                }
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {
            scalar(value, out);
            out.push('\n');
        }
    }
}

/// Writes the value of a key: on its line, or as a block below it.
fn nested(value: &Value, list_indent: usize, map_indent: usize, out: &mut String) {
    if is_block(value) {
        out.push('\n');
        let indent = if value.is_array() { list_indent } else { map_indent };
        block(value, indent, out);
    } else {
        out.push(' ');
        scalar(value, out);
        out.push('\n');
    }
}

fn is_block(value: &Value) -> bool {
    value.as_object().is_some_and(|fields| !fields.is_empty())
        || value.as_array().is_some_and(|items| !items.is_empty())
}

fn push_indent(indent: usize, out: &mut String) {
    out.extend(std::iter::repeat_n(' ', indent));
}

fn scalar(value: &Value, out: &mut String) {
    match value {
        Value::Null => out.push_str("null"),
        Value::Bool(true) => out.push_str("true"),
        Value::Bool(false) => out.push_str("false"),
        Value::Number(number) => out.push_str(&number.to_string()),
        Value::String(text) => scalar_text(text, out),
        Value::Array(_) => out.push_str("[]"),
        Value::Object(_) => out.push_str("{}"),
    }
}

fn scalar_text(text: &str, out: &mut String) {
    if is_plain(text) {
        out.push_str(text);
        return;
    }
    out.push('"');
    for character in text.chars() {
        let code = u32::from(character);
        // Writing to a String cannot fail.
        let _ = match character {
            '"' => out.write_str("\\\""),
            '\\' => out.write_str("\\\\"),
            '\n' => out.write_str("\\n"),
            '\t' => out.write_str("\\t"),
            '\r' => out.write_str("\\r"),
            ' '..='~' => out.write_char(character),
            _ if code <= 0xff => write!(out, "\\x{code:02X}"),
            _ if code <= 0xffff => write!(out, "\\u{code:04X}"),
            _ => write!(out, "\\U{code:08X}"),
        };
    }
    out.push('"');
}

/// A word that no reader of YAML 1.1 or 1.2 takes for anything but text.
fn is_plain(text: &str) -> bool {
    const TAKEN: [&str; 9] = ["y", "n", "yes", "no", "on", "off", "true", "false", "null"];
    let mut bytes = text.bytes();
    bytes.next().is_some_and(|first| first.is_ascii_alphabetic() || first == b'_')
        && bytes.all(|byte| byte.is_ascii_alphanumeric() || b"_-./".contains(&byte))
        && !TAKEN.contains(&text.to_ascii_lowercase().as_str())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_document_reads_as_people_write_it() {
        let value = json!({"agents": [{"name": "a", "tables": [], "input": {"take": null},
            "pipeline": ["x", "y"]}]});
        let text = "agents:\n- input:\n    take: null\n  name: a\n  pipeline:\n  - x\n  - \"y\"\n  \
                    tables: []\n";
        assert_eq!(document(&value), text);
    }

    #[test]
    fn odd_texts_are_quoted_and_escaped() {
        let value = json!(["", "no", "1", "a b", "é\u{85}\u{2028}😀", "x\ty\n z "]);
        let text = "- \"\"\n- \"no\"\n- \"1\"\n- \"a b\"\n- \"\\xE9\\x85\\u2028\\U0001F600\"\n\
                    - \"x\\ty\\n z \"\n";
        assert_eq!(document(&value), text);
    }
}
