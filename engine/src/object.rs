//! Objects as the API server sends them: read without a schema, trimmed before they are kept.

use std::hash::{DefaultHasher, Hash, Hasher};

use kaspr_core::key::ObjectKind;
use kaspr_core::mask;
use kaspr_core::packages::FAILURES;
use kaspr_core::render::INSTALLER;
use kaspr_core::secrets;
use serde_json::{Map, Value, json};

const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";

/// The object as caches keep it: with `apiVersion` and `kind` (items of a list lack them), without
/// managed fields, the last applied configuration, binary data and figures that change by themselves.
pub fn trimmed(kind: ObjectKind, body: Value) -> Value {
    let mut body = match kind {
        ObjectKind::Pod => pod(&body),
        ObjectKind::Secret => return secrets::without_values(&body),
        _ => body,
    };
    drop_unread(&mut body);
    if let Some(object) = body.as_object_mut() {
        object.entry("apiVersion").or_insert_with(|| kind.api_version().into());
        object.entry("kind").or_insert_with(|| kind.kind().into());
        if kind == ObjectKind::ConfigMap {
            object.remove("binaryData");
        }
        if kind == ObjectKind::Autoscaler
            && let Some(status) = object.get_mut("status").and_then(Value::as_object_mut)
        {
            // Measured anew every few seconds: each change would wake the app for nothing.
            status.remove("currentMetrics");
        }
    }
    body
}

/// What is read of a pod: who it is, whose, how it does, and where its worker listens. Nothing of its
/// environment, which may hold secrets.
fn pod(body: &Value) -> Value {
    let at = |path: &str| body.pointer(path).cloned().unwrap_or_default();
    let list = |path: &str| body.pointer(path).and_then(Value::as_array).into_iter().flatten();
    let is_named = |value: &Value, field: &str, name: &str| {
        value.get(field).and_then(Value::as_str) == Some(name)
    };
    let ready: Vec<Value> = list("/status/conditions")
        .filter(|condition| is_named(condition, "type", "Ready"))
        .map(|condition| json!({ "type": "Ready", "status": condition.get("status") }))
        .collect();
    let port = list("/spec/containers")
        .filter(|container| is_named(container, "name", "kaspr"))
        .filter_map(|container| container.get("ports").and_then(Value::as_array))
        .flatten()
        .find(|port| is_named(port, "name", "http"))
        .and_then(|port| port.get("containerPort"));
    let mut metadata = Map::new();
    for field in [
        "name",
        "namespace",
        "uid",
        "resourceVersion",
        "labels",
        "ownerReferences",
        "creationTimestamp",
        "deletionTimestamp",
    ] {
        if let Some(value) = body.get("metadata").and_then(|metadata| metadata.get(field)) {
            metadata.insert(field.to_owned(), value.clone());
        }
    }
    json!({
        "metadata": metadata,
        "spec": { "httpPort": port },
        "status": {
            "phase": at("/status/phase"), "podIP": at("/status/podIP"), "conditions": ready,
            "installer": list("/status/initContainerStatuses")
                .find(|container| is_named(container, "name", INSTALLER))
                .map(installer),
        },
    })
}

/// What became of the container that installs packages: its state, and of what its program told the
/// words of closed sets and the figures. Free text may hold secrets.
fn installer(container: &Value) -> Value {
    let state = |at: &str| container.get(at).filter(|state| state.is_object());
    let part = |at: &str, part: &str| state(at).and_then(|state| state.get(part)).cloned();
    let ended = part("state", "terminated").or_else(|| part("lastState", "terminated"));
    let told = ended
        .as_ref()
        .and_then(|ended| serde_json::from_str::<Value>(ended.get("message")?.as_str()?).ok());
    let mut kept = Map::new();
    for (field, value) in told.as_ref().and_then(Value::as_object).into_iter().flatten() {
        if value.as_str().is_some_and(|text| is_harmless(field, text)) {
            kept.insert(field.clone(), value.clone());
        }
    }
    json!({
        "waiting": part("state", "waiting").map(|waiting| json!({ "reason": waiting.get("reason") })),
        "exitCode": part("state", "terminated").and_then(|ended| ended.get("exitCode").cloned()),
        "told": kept,
    })
}

/// Whether the program that installs packages can tell this of a field, and somebody reads it.
fn is_harmless(field: &str, text: &str) -> bool {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b".:+_-".contains(&byte);
    match field {
        "state" => ["Installed", "Failed"].contains(&text),
        "source" => ["pip", "kept", "bucket"].contains(&text),
        "error" => FAILURES.contains(&text),
        "installTime" | "duration" | "installedBy" => {
            text.len() <= 64 && text.bytes().all(is_plain)
        }
        _ => false,
    }
}

/// Takes away what is never read.
pub fn drop_unread(body: &mut Value) {
    let Some(metadata) = body.get_mut("metadata").and_then(Value::as_object_mut) else { return };
    metadata.remove("managedFields");
    let Some(annotations) = metadata.get_mut("annotations").and_then(Value::as_object_mut) else {
        return;
    };
    annotations.remove(LAST_APPLIED);
    // It has a meaning in recordings alone: nobody's spec is taken for a redacted one.
    annotations.remove(mask::REDACTED);
    annotations.remove(mask::REDACTED_PACKAGES);
    if annotations.is_empty() {
        metadata.remove("annotations");
    }
}

/// A text field of the metadata.
pub fn meta<'a>(body: &'a Value, field: &str) -> Option<&'a str> {
    body.get("metadata")?.get(field)?.as_str()
}

/// A label of the object.
pub fn label<'a>(body: &'a Value, name: &str) -> Option<&'a str> {
    body.get("metadata")?.get("labels")?.get(name)?.as_str()
}

/// The owners: their kinds and names.
pub fn owners(body: &Value) -> impl Iterator<Item = (&str, &str)> {
    let references = body.get("metadata").and_then(|metadata| metadata.get("ownerReferences"));
    references.and_then(Value::as_array).into_iter().flatten().filter_map(|reference| {
        Some((reference.get("kind")?.as_str()?, reference.get("name")?.as_str()?))
    })
}

/// A number that differs where anything but the resourceVersion differs.
pub fn content_mark(body: &Value) -> u64 {
    let mut hasher = DefaultHasher::new();
    for (name, field) in body.as_object().into_iter().flatten() {
        name.hash(&mut hasher);
        let inner = field.as_object().filter(|_| name == "metadata");
        match inner {
            Some(metadata) => hash_fields(metadata, &mut hasher, "resourceVersion"),
            None => hash_value(field, &mut hasher),
        }
    }
    hasher.finish()
}

/// A number that differs where a person's edit shows: generation, labels, annotations.
pub fn edit_mark(body: &Value) -> u64 {
    let mut hasher = DefaultHasher::new();
    let metadata = body.get("metadata");
    for field in ["uid", "generation", "labels", "annotations", "deletionTimestamp"] {
        let value = metadata.and_then(|metadata| metadata.get(field)).unwrap_or(&Value::Null);
        hash_value(value, &mut hasher);
    }
    // Of a Secret: what people edit of it is its values.
    hash_value(body.get("version").unwrap_or(&Value::Null), &mut hasher);
    hasher.finish()
}

fn hash_value(value: &Value, hasher: &mut DefaultHasher) {
    std::mem::discriminant(value).hash(hasher);
    match value {
        Value::Null => {}
        Value::Bool(flag) => flag.hash(hasher),
        Value::Number(number) => number.hash(hasher),
        Value::String(text) => text.hash(hasher),
        Value::Array(items) => {
            items.len().hash(hasher);
            for item in items {
                hash_value(item, hasher);
            }
        }
        Value::Object(fields) => hash_fields(fields, hasher, ""),
    }
}

fn hash_fields(fields: &Map<String, Value>, hasher: &mut DefaultHasher, except: &str) {
    for (name, field) in fields.iter().filter(|(name, _)| *name != except) {
        name.hash(hasher);
        hash_value(field, hasher);
    }
    // The end of a map: what follows is told apart from what is inside.
    u8::MAX.hash(hasher);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_never_read_is_not_kept() {
        let raw = json!({
            "metadata": {
                "name": "a", "managedFields": [{}],
                "annotations": {LAST_APPLIED: "{}", mask::REDACTED: "<redacted>"},
            },
            "binaryData": {"x": "AA=="}, "data": {"y": "1"},
        });
        assert_eq!(
            trimmed(ObjectKind::ConfigMap, raw),
            json!({
                "apiVersion": "v1", "kind": "ConfigMap",
                "metadata": {"name": "a"}, "data": {"y": "1"},
            })
        );
    }

    #[test]
    fn content_is_the_same_whatever_the_version() {
        let at = |version: &str, text: &str| {
            content_mark(&json!({"metadata": {"resourceVersion": version}, "data": {"k": text}}))
        };
        assert_eq!(at("1", "x"), at("2", "x"));
        assert_ne!(at("1", "x"), at("1", "y"));
    }

    #[test]
    fn a_status_is_no_edit() {
        let app = |generation: i64, phase: &str| {
            edit_mark(&json!({"metadata": {"generation": generation}, "status": {"phase": phase}}))
        };
        assert_eq!(app(1, "a"), app(1, "b"));
        assert_ne!(app(1, "a"), app(2, "a"));
    }

    #[test]
    fn of_what_an_installer_tells_only_words_that_it_has_are_kept() {
        let told = json!({ "state": "Failed", "error": "network", "installedBy": "shop-app-0",
            "message": "pip said: hunter2", "source": "hunter2", "duration": "4 s; hunter2" });
        let ended = json!({ "terminated": { "exitCode": 1, "message": told.to_string() } });
        let kept = installer(&json!({ "lastState": ended, "state": {} }));
        let expected =
            json!({ "state": "Failed", "error": "network", "installedBy": "shop-app-0" });
        assert_eq!(kept["told"], expected);
        let odd = json!({ "terminated": { "exitCode": 1, "message": r#"{"error": "hunter2"}"# } });
        assert_eq!(installer(&json!({ "state": odd }))["told"], json!({}));
        let log = json!({ "terminated": { "exitCode": 1, "message": "Traceback hunter2" } });
        assert_eq!(installer(&json!({ "state": log }))["told"], json!({}));
    }
}
