//! Which lists the server merges item by item, and which maps it takes as one.
//!
//! Source: `x-kubernetes-list-map-keys` and `x-kubernetes-map-type` of the OpenAPI schemas of
//! Kubernetes 1.37. The keys are those that the core compares by.

use kaspr_core::drift;
use serde_json::{Map, Value};

/// The keys that tell the items of the list at a path apart; none for an atomic list.
pub(super) fn keys_of(path: &str) -> Option<&'static [&'static str]> {
    match path {
        // Lists of the Kaspr kinds are atomic, but for the conditions and members of a status.
        "status.conditions" => Some(&["type"]),
        "status.members" => Some(&["id"]),
        path if path.starts_with("spec.template.") || path.starts_with("metadata.") => {
            drift::keys_of(path)
        }
        "spec.ports" => Some(&["port", "protocol"]),
        _ => None,
    }
}

/// Whether a map is taken as one value.
pub(super) fn is_atomic_map(path: &str) -> bool {
    let field = path.rsplit_once('.').map_or(path, |(_, field)| field);
    // `v1.LabelSelector`, `v1.ResourceFieldSelector`, `v1.SecretKeySelector` and their like.
    matches!(field, "selector" | "nodeSelector" | "labelSelector")
        || (path.contains("valueFrom.") && field.ends_with("Ref"))
}

/// An item's keys as JSON, with the default that the server would set.
pub(super) fn key(item: &Value, path: &str) -> String {
    let mut keys = Map::new();
    for name in keys_of(path).into_iter().flatten() {
        let value = match item.get(*name) {
            None if *name == "protocol" => Value::from("TCP"),
            found => found.cloned().unwrap_or(Value::Null),
        };
        keys.insert((*name).to_owned(), value);
    }
    Value::Object(keys).to_string()
}
