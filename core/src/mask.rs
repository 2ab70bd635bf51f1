//! Values that may be secret, replaced by digests of themselves.
//!
//! A recording that is made for others shows neither literal environment values nor code, and still
//! decides as the original does. So whatever the operator hashes it hashes over masked values: a
//! digest over a value and one over its mask are the same. Everything else that is decided of such
//! a value is whether it equals another one, and masks are equal exactly where values are.
//!
//! A mask is no encryption: who can guess a value can tell that the guess is right.

use kaspr_crds::Kind;
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

use crate::app::config;
use crate::component;
use crate::seen::Seen;
use crate::snapshot::ComponentFacts;

const BEGIN: &str = "<redacted ";
const END: &str = ">";
/// Hex digits of a mask: the first 16 bytes of the SHA-256 of the text.
const DIGITS: usize = 32;

/// What a text is replaced by: `<redacted …>` with the head of its SHA-256. A mask, and what is blank,
/// stays as it is.
pub fn text(text: &str) -> String {
    if text.trim().is_empty() || is_mask(text) {
        return text.to_owned();
    }
    let head = Sha256::digest(text.as_bytes()).into_iter().take(DIGITS / 2);
    let number = head.fold(0u128, |number, byte| number << 8 | u128::from(byte));
    format!("{BEGIN}{number:0DIGITS$x}{END}")
}

/// Whether a text is a mask.
pub fn is_mask(text: &str) -> bool {
    let digits = text.strip_prefix(BEGIN).and_then(|text| text.strip_suffix(END));
    digits.is_some_and(|digits| {
        digits.len() == DIGITS && digits.bytes().all(|byte| byte.is_ascii_hexdigit())
    })
}

/// On a component whose code is masked: the mask of the file that is made of it. Nothing else could
/// tell whether a live definition is that file.
pub const FILE: &str = "kaspr.io/redacted-file";

/// Writes on each valid component the mask of its file, before the component is masked.
pub fn name_files(components: &mut ComponentFacts) {
    let ComponentFacts { agents, tables, web_views, tasks, joins } = components;
    let lists = [
        (Kind::Agent, agents),
        (Kind::Table, tables),
        (Kind::WebView, web_views),
        (Kind::Task, tasks),
        (Kind::Join, joins),
    ];
    for (kind, list) in lists {
        let Seen::Present(list) = list else { continue };
        for object in list {
            let Ok(valid) = component::parse(kind, object).result else { continue };
            let metadata = object.get_mut("metadata").and_then(Value::as_object_mut);
            let annotations = metadata.map(|metadata| metadata.entry("annotations"));
            let Some(annotations) = annotations else { continue };
            let annotations = annotations.or_insert(Value::Null);
            if annotations.is_null() {
                *annotations = Value::Object(Map::new());
            }
            if let Some(annotations) = annotations.as_object_mut() {
                annotations.insert(FILE.to_owned(), Value::String(text(&valid.text)));
            }
        }
    }
}

/// Masks in an object, or in a part of one: literal values of environment variables, code and what is
/// made of it, arguments, headers of probes, attributes of volumes, and settings that are passed on as
/// they are.
pub fn object(object: &mut Value) {
    if let Some(config) = object.pointer_mut("/spec/config").and_then(Value::as_object_mut) {
        for (key, value) in config {
            if !value.is_null() && !config::is_open(&config::variable_of(key)) {
                let text = config::untyped_text(value);
                set(value, &text);
            }
        }
    }
    for (key, value) in object.get_mut("data").and_then(Value::as_object_mut).into_iter().flatten()
    {
        if !config::is_open(key) {
            scalar(value);
        }
    }
    below(object);
}

/// The same of a value that is hashed.
pub(crate) fn masked(mut value: Value) -> Value {
    object(&mut value);
    value
}

fn below(value: &mut Value) {
    match value {
        Value::Array(items) => items.iter_mut().for_each(below),
        Value::Object(fields) => fields.iter_mut().for_each(|(name, value)| {
            field(name, value);
        }),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

fn field(name: &str, value: &mut Value) {
    match (name, value) {
        // Names and words of people and the operator, under keys that anybody may choose.
        ("labels" | "matchLabels" | "selector" | "nodeSelector" | "config" | "data", _) => {}
        // What an operator of the past kept there for itself.
        ("status", status) => {
            if let Some(progress) = status.get_mut("kopf").filter(|progress| !progress.is_null()) {
                let text = progress.to_string();
                set(progress, &text);
            }
        }
        // Tools keep whole objects there, as kopf does.
        ("annotations", Value::Object(texts)) => {
            let is_document = |value: &&mut Value| {
                value.as_str().is_some_and(|text| text.trim_start().starts_with(['{', '[']))
            };
            texts.values_mut().filter(is_document).for_each(scalar);
        }
        ("env" | "httpHeaders", Value::Array(entries)) => {
            for entry in entries.iter_mut().filter_map(Value::as_object_mut) {
                variable(entry);
            }
        }
        ("args" | "command", Value::Array(items)) => {
            items.iter_mut().for_each(scalar);
        }
        ("volumeAttributes", Value::Object(fields)) => {
            fields.values_mut().for_each(scalar);
        }
        ("python", code @ Value::String(_)) => scalar(code),
        (_, value) => below(value),
    }
}

fn variable(entry: &mut Map<String, Value>) {
    let name = entry.get("name").and_then(Value::as_str).unwrap_or_default().to_owned();
    if let Some(value) = entry.get_mut("value").filter(|value| !is_ours(&name, value)) {
        scalar(value);
    }
}

/// Whether a variable has a value that this operator gives it: a digest, or the host of a member. Its
/// name alone would not do, since a user may set it too.
fn is_ours(name: &str, value: &Value) -> bool {
    let Some(value) = value.as_str() else { return false };
    let is_digest = value.len() == 16 && value.bytes().all(|byte| byte.is_ascii_hexdigit());
    let is_host = value.starts_with("$(POD_NAME).") && value.ends_with(".svc.cluster.local");
    (name.ends_with("_HASH") && is_digest) || (name == "K_WEB_HOST" && is_host)
}

fn scalar(value: &mut Value) {
    match value {
        Value::String(old) => {
            let old = std::mem::take(old);
            set(value, &old);
        }
        Value::Bool(_) | Value::Number(_) => {
            let old = value.to_string();
            set(value, &old);
        }
        Value::Null | Value::Array(_) | Value::Object(_) => {}
    }
}

fn set(value: &mut Value, old: &str) {
    *value = Value::String(text(old));
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const SECRET: &str = "<redacted 2bb80d537b1da3e38bd30361aa855686>";

    #[test]
    fn a_mask_is_the_head_of_a_sha_256_and_stays_as_it_is() {
        assert_eq!(text("secret"), SECRET);
        assert_eq!(text(SECRET), SECRET);
        assert_eq!([text(""), text(" \n")], ["", " \n"]);
        assert!(!is_mask("<redacted 2bb80d>") && !is_mask("secret"));
    }

    fn check(given: Value, expected: &Value) {
        let once = masked(given);
        assert_eq!(once, *expected);
        assert_eq!(masked(once), *expected, "masked twice");
    }

    #[test]
    fn values_of_the_environment_are_masked_and_those_of_the_operator_are_not() {
        let of = |value: &str| {
            json!({ "spec": { "template": { "spec": { "containers": [{ "name": "kaspr", "env": [
                { "name": "A", "value": value },
                { "name": "AGENTS_HASH", "value": "0123456789abcdef" },
                { "name": "K_WEB_HOST", "value": "$(POD_NAME).a-app.n.svc.cluster.local" },
                { "name": "B", "valueFrom": { "secretKeyRef": { "name": "s", "key": "k" } } },
            ], "args": [value], "image": "secret" }] } } } })
        };
        check(of("secret"), &of(SECRET));
        let own = json!({ "env": [{ "name": "AGENTS_HASH", "value": "secret" }] });
        check(own, &json!({ "env": [{ "name": "AGENTS_HASH", "value": SECRET }] }));
    }

    #[test]
    fn settings_are_masked_in_the_spec_as_in_what_is_made_of_it() {
        let config = |value: Value| json!({ "spec": { "config": { "web_port": 80, "x": value } } });
        let list = r#"["a","b"]"#;
        let python = "['a', 'b']";
        let given: Value = serde_json::from_str(list).unwrap();
        check(config(given), &config(json!(text(python))));
        let data = |value: &str| json!({ "data": { "K_WEB_PORT": "80", "K_X": value } });
        check(data(python), &data(&text(python)));
    }

    #[test]
    fn documents_in_annotations_are_masked() {
        let of = |value: &str| json!({ "metadata": { "annotations": { "kaspr.io/pause": "true", "kopf": value } } });
        check(of(r#"{"spec":1}"#), &of(&text(r#"{"spec":1}"#)));
    }

    #[test]
    fn code_is_masked_and_labels_are_not() {
        let of = |code: &str| {
            json!({ "metadata": { "labels": { "python": "3" } },
                "spec": { "map": { "python": code, "entrypoint": "f" } } })
        };
        check(of("secret"), &of(SECRET));
    }
}
