//! The part of `metadata` that decisions read.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde_json::Value;

use crate::action::{ResourceVersion, Uid};

/// Identity and bookkeeping of a live object.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Meta {
    /// `metadata.name`.
    pub name: String,
    /// `metadata.uid`.
    pub uid: Uid,
    /// `metadata.resourceVersion`.
    pub resource_version: ResourceVersion,
    /// `metadata.generation`; 0 for kinds that have none.
    pub generation: i64,
    /// `metadata.labels`.
    pub labels: BTreeMap<String, String>,
    /// `metadata.annotations`.
    pub annotations: BTreeMap<String, String>,
    /// `metadata.finalizers`.
    pub finalizers: Vec<String>,
    /// `metadata.ownerReferences`.
    pub owners: Vec<Owner>,
    /// Whether `metadata.deletionTimestamp` is set.
    pub is_deleting: bool,
    /// `metadata.creationTimestamp`, by the API server's clock.
    pub created: Option<Timestamp>,
}

/// One owner reference.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Owner {
    /// Kind of the owner.
    pub kind: String,
    /// Name of the owner.
    pub name: String,
    /// Uid of the owner.
    pub uid: Uid,
    /// Whether it is the managing controller.
    pub is_controller: bool,
}

impl Meta {
    /// Reads the metadata of an object; what is missing is empty.
    pub fn of(object: &Value) -> Self {
        let metadata = object.get("metadata");
        let field = |name: &str| metadata?.get(name);
        let text = |name: &str| field(name).and_then(Value::as_str).unwrap_or_default().to_owned();
        Self {
            name: text("name"),
            uid: text("uid"),
            resource_version: text("resourceVersion"),
            generation: field("generation").and_then(Value::as_i64).unwrap_or_default(),
            labels: text_map(field("labels")),
            annotations: text_map(field("annotations")),
            finalizers: field("finalizers")
                .and_then(Value::as_array)
                .into_iter()
                .flatten()
                .filter_map(|finalizer| finalizer.as_str().map(str::to_owned))
                .collect(),
            owners: field("ownerReferences")
                .and_then(Value::as_array)
                .into_iter()
                .flatten()
                .map(Owner::of)
                .collect(),
            is_deleting: field("deletionTimestamp").is_some_and(|stamp| !stamp.is_null()),
            created: field("creationTimestamp")
                .and_then(Value::as_str)
                .and_then(|stamp| stamp.parse().ok()),
        }
    }

    /// The managing controller, if there is one.
    pub fn controller(&self) -> Option<&Owner> {
        self.owners.iter().find(|owner| owner.is_controller)
    }

    /// Whether the annotation `key` says `true`, in any casing.
    pub fn says_true(&self, key: &str) -> bool {
        self.annotations.get(key).is_some_and(|value| value.eq_ignore_ascii_case("true"))
    }
}

impl Owner {
    fn of(reference: &Value) -> Self {
        let text =
            |name: &str| reference.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
        Self {
            kind: text("kind"),
            name: text("name"),
            uid: text("uid"),
            is_controller: reference.get("controller").and_then(Value::as_bool).unwrap_or(false),
        }
    }
}

/// A JSON object of texts; anything else in it is left out.
fn text_map(value: Option<&Value>) -> BTreeMap<String, String> {
    value
        .and_then(Value::as_object)
        .into_iter()
        .flatten()
        .filter_map(|(key, value)| Some((key.clone(), value.as_str()?.to_owned())))
        .collect()
}
