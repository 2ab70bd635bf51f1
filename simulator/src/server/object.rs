//! What the server does to one object, and how it compares two.

use jiff::Timestamp;
use kaspr_core::{ObjectKind, digest};
use serde_json::{Value, json};

use super::Key;
use super::resource::{Place, Resource};
use super::status::Answer;

/// Cluster addresses are the server's to give.
pub(super) fn allot(place: &Place, object: &mut Value, live: Option<&Value>) {
    if place.resource != Resource::Watched(ObjectKind::Service) {
        return;
    }
    let spec = &mut object["spec"];
    if spec["clusterIP"].is_null() {
        let number = digest::of_text(&full_name(place))
            .bytes()
            .fold(0_u16, |sum, byte| sum.wrapping_mul(31).wrapping_add(u16::from(byte)));
        let [high, low] = number.to_be_bytes();
        let own = format!("10.0.{high}.{low}");
        let before = live.map_or(Value::Null, |live| live["spec"]["clusterIP"].clone());
        spec["clusterIP"] = if before.is_null() { json!(own) } else { before };
    }
    spec["clusterIPs"] = json!([spec["clusterIP"]]);
}

pub(super) fn key(place: &Place) -> Key {
    (place.resource, place.namespace.clone(), place.name.clone())
}

pub(super) fn full_name(place: &Place) -> String {
    format!("{}/{}/{}", place.resource.plural(), place.namespace, place.name)
}

/// Wall time as objects carry it: RFC 3339, whole seconds, UTC.
pub fn stamp(at: Timestamp) -> String {
    at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

/// the version and the uid in a request are preconditions.
pub(super) fn not_as_seen(place: &Place, live: &Value, body: &Value) -> Option<Answer> {
    let differs = |field: &str| {
        let sent = body["metadata"][field].as_str().filter(|text| !text.is_empty());
        sent.is_some_and(|sent| live["metadata"][field] != sent)
    };
    if differs("uid") {
        return Some(Answer::invalid(place, "metadata.uid", "Invalid value: field is immutable"));
    }
    let why = "the object has been modified; please apply your changes to the latest version and try again";
    differs("resourceVersion").then(|| Answer::conflict(place, why))
}

///
pub(super) fn untyped(why: &str) -> Answer {
    Answer::refused(500, format!("failed to create typed patch object: {why}"))
}

pub(super) fn restore(object: &mut Value, live: &Value, field: &str) {
    let Some(fields) = object.as_object_mut() else { return };
    match live.get(field) {
        Some(value) => fields.insert(field.to_owned(), value.clone()),
        None => fields.remove(field),
    };
}

/// Whether anything but metadata and status differs.
pub(super) fn is_other_spec(live: &Value, object: &Value) -> bool {
    let of = |value: &Value| -> Vec<(String, Value)> {
        let fields = value.as_object().into_iter().flatten();
        fields
            .filter(|(name, _)| !matches!(name.as_str(), "metadata" | "status"))
            .map(|(name, value)| (name.clone(), value.clone()))
            .collect()
    };
    live.get("spec") != object.get("spec") || of(live) != of(object)
}

/// An object that was to go and has lost its last finalizer.
pub(super) fn is_to_go(object: &Value) -> bool {
    let metadata = &object["metadata"];
    let has_finalizers = metadata["finalizers"].as_array().is_some_and(|all| !all.is_empty());
    !metadata["deletionTimestamp"].is_null()
        && !has_finalizers
        && metadata["deletionGracePeriodSeconds"].as_i64().unwrap_or(0) == 0
}

/// Whether a deletion is answered with the object, and not with a `Status`.
/// Source: the registries of kube-apiserver (`ReturnDeletedObject`); observed on 1.37.
pub(super) fn answers_with_object(resource: Resource) -> bool {
    matches!(
        resource,
        Resource::Watched(ObjectKind::Service | ObjectKind::ServiceAccount)
            | Resource::POD
            | Resource::CLAIM
    )
}
