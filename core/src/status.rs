//! The app's status, the only memory: from the wire, to the next one, and the patch between.

pub mod memory;

use kaspr_crds::{Condition, ConditionStatus, MemberStatus, keys};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::lists::Versions;
use crate::time::Now;

/// What the status of an app says, as far as this operator reads it.
///
/// The wire may have been written by another version, or by the original: every field is read on
/// its own, and what cannot be read is not there.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct AppStatus {
    /// The generation that the status speaks of.
    pub observed_generation: Option<i64>,
    /// All conditions in their order, foreign ones included.
    pub conditions: Vec<Condition>,
    /// The version that the app got when it named none.
    pub default_version: Option<String>,
    /// The template that stands.
    pub template: Option<Template>,
    /// The template that is meant to come: the intent.
    pub rollout: Option<Rollout>,
    /// The size that the members' claims were last asked to have.
    pub storage_size: Option<String>,
    /// What is remembered of the takeover from the original.
    pub takeover: Option<Takeover>,
    /// The members as they were told last, those that can be read.
    pub members: Vec<MemberStatus>,
    /// What it remembers of members.
    pub memory: memory::Memory,
    /// The status as it is.
    pub raw: Map<String, Value>,
}

/// The template that stands: what it was made of, and the revision that carries it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Template {
    /// The digest of its inputs.
    pub inputs: String,
    /// The revision of the StatefulSet.
    pub revision: String,
    /// Whether it was found there, made by the original, and not rendered by us.
    #[serde(default, rename = "adopted", skip_serializing_if = "std::ops::Not::not")]
    pub is_adopted: bool,
    /// The lists of components that it was made of.
    #[serde(default, skip_serializing_if = "Versions::is_empty")]
    pub lists: Versions,
}

/// The intent to roll out a template.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Rollout {
    /// The digest of the inputs that are meant to come.
    pub inputs: String,
    /// The generation of the app that meant it.
    #[serde(default)]
    pub generation: Option<i64>,
    /// When it was first meant, for people.
    #[serde(default)]
    pub since: String,
    /// When it was taken back before its template was applied.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub withdrawn: Option<String>,
    /// The lists of components that it was taken from.
    #[serde(default, skip_serializing_if = "Versions::is_empty")]
    pub lists: Versions,
}

/// How far the takeover from the original is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Takeover {
    /// When every object was ours, and what the original left began to go.
    pub since: String,
    /// When nothing was left.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub finished: Option<String>,
}

impl AppStatus {
    /// Reads `.status` of an object.
    pub fn of(object: &Value) -> Self {
        let raw = object.get("status").and_then(Value::as_object).cloned().unwrap_or_default();
        Self {
            observed_generation: raw.get("observedGeneration").and_then(Value::as_i64),
            conditions: conditions_of(&raw),
            default_version: raw.get("defaultVersion").and_then(Value::as_str).map(str::to_owned),
            template: read(raw.get("template")),
            rollout: read(raw.get("rollout")),
            storage_size: read(raw.get("storageSize")),
            takeover: read(raw.get("takeover")),
            members: memory::items(raw.get("members")),
            memory: memory::Memory::of(&raw),
            raw,
        }
    }

    /// The condition of this type.
    pub fn condition(&self, kind: &str) -> Option<&Condition> {
        self.conditions.iter().find(|condition| condition.kind == kind)
    }
}

fn read<T: for<'de> Deserialize<'de>>(value: Option<&Value>) -> Option<T> {
    value.and_then(|value| serde_json::from_value(value.clone()).ok())
}

/// The conditions of a status; entries that cannot be read are left out.
pub fn conditions_of(status: &Map<String, Value>) -> Vec<Condition> {
    let entries = status.get("conditions").and_then(Value::as_array);
    entries.into_iter().flatten().filter_map(|entry| read(Some(entry))).collect()
}

/// A condition as a decision states it, before it knows when it last changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stated {
    /// Its type.
    pub kind: &'static str,
    /// Its status.
    pub status: ConditionStatus,
    /// The stable word.
    pub reason: String,
    /// The sentence.
    pub message: String,
}

impl Stated {
    /// A condition of this type.
    pub fn new(
        kind: &'static str,
        is_true: bool,
        reason: impl Into<String>,
        message: impl Into<String>,
    ) -> Self {
        let status = if is_true { ConditionStatus::True } else { ConditionStatus::False };
        Self { kind, status, reason: reason.into(), message: message.into() }
    }
}

/// Conditions of ours that are taken away when they are not stated.
const ONLY_WHILE_STATED: [&str; 8] = [
    keys::CONDITION_RECONCILING,
    keys::CONDITION_STALLED,
    keys::CONDITION_MEMBERS_HEALTHY,
    keys::CONDITION_ROLLOUT_PENDING,
    keys::CONDITION_STORAGE_RESIZING,
    keys::CONDITION_RESOLVED_REFS,
    keys::CONDITION_MEMBERS_IDLE,
    keys::CONDITION_PYTHON_PACKAGES_READY,
];

/// Lays the stated conditions over the old ones.
///
/// Ours come first, in the order stated; foreign ones follow. `lastTransitionTime` moves only when
/// the status does (Kubernetes API conventions, "Typical status properties").
pub fn lay_over(
    old: &[Condition],
    stated: &[Stated],
    generation: i64,
    now: &Now,
) -> Vec<Condition> {
    let mut next: Vec<Condition> = stated
        .iter()
        .map(|stated| {
            let same =
                old.iter().find(|old| old.kind == stated.kind && old.status == stated.status);
            Condition {
                kind: stated.kind.to_owned(),
                status: stated.status,
                reason: stated.reason.clone(),
                message: Some(stated.message.clone()),
                observed_generation: Some(generation),
                last_transition_time: same
                    .map_or_else(|| now.stamp(), |old| old.last_transition_time.clone()),
            }
        })
        .collect();
    let is_ours = |kind: &str| {
        ONLY_WHILE_STATED.contains(&kind) || stated.iter().any(|stated| stated.kind == kind)
    };
    next.extend(old.iter().filter(|old| !is_ours(&old.kind)).cloned());
    next
}

/// The merge patch that makes `fields` out of `old`: what is equal is left out, and null removes.
pub fn patch(old: &Map<String, Value>, fields: Vec<(&str, Value)>) -> Map<String, Value> {
    fields
        .into_iter()
        .filter(|(name, value)| old.get(*name).unwrap_or(&Value::Null) != value)
        .map(|(name, value)| (name.to_owned(), merged(old.get(name), value)))
        .collect()
}

/// A merge patch keeps the keys of an old object that it does not name: name them to remove them.
fn merged(old: Option<&Value>, value: Value) -> Value {
    match (old, value) {
        (Some(Value::Object(old)), Value::Object(mut new)) => {
            for key in old.keys() {
                new.entry(key.clone()).or_insert(Value::Null);
            }
            Value::Object(new)
        }
        (_, value) => value,
    }
}

/// A typed field as JSON, null for none.
pub fn field<T: Serialize>(value: &Option<T>) -> Value {
    json!(value)
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;
    use crate::time::Uptime;

    fn at(seconds: i64) -> Now {
        Now { wall: Timestamp::from_second(seconds).unwrap(), uptime: Uptime(0) }
    }

    #[test]
    fn the_time_of_a_condition_moves_only_with_its_status() {
        let first = lay_over(&[], &[Stated::new("Ready", false, "A", "a")], 1, &at(1));
        let second = lay_over(&first, &[Stated::new("Ready", false, "B", "b")], 2, &at(2));
        assert_eq!(second[0].last_transition_time, first[0].last_transition_time);
        assert_eq!((second[0].reason.as_str(), second[0].observed_generation), ("B", Some(2)));
        let third = lay_over(&second, &[Stated::new("Ready", true, "C", "c")], 2, &at(3));
        assert_eq!(third[0].last_transition_time, "1970-01-01T00:00:03Z");
    }

    #[test]
    fn foreign_conditions_stay() {
        let old = lay_over(&[], &[Stated::new("Other", true, "A", "a")], 1, &at(1));
        let next = lay_over(&old, &[Stated::new("Ready", true, "B", "b")], 1, &at(2));
        let kinds: Vec<&str> = next.iter().map(|next| next.kind.as_str()).collect();
        assert_eq!(kinds, ["Ready", "Other"]);
    }

    #[test]
    fn a_patch_holds_what_differs_and_removes_what_is_gone() {
        let old = json!({"a": 1, "b": {"x": 1, "y": 2}, "c": 3});
        let fields = vec![("a", json!(1)), ("b", json!({"x": 5})), ("c", Value::Null)];
        let patch = patch(old.as_object().unwrap(), fields);
        assert_eq!(Value::Object(patch), json!({"b": {"x": 5, "y": null}, "c": null}));
    }

    #[test]
    fn a_status_of_another_hand_is_read_field_by_field() {
        let status = AppStatus::of(&json!({"status": {
            "observedGeneration": "x", "template": {"inputs": "a"}, "conditions": [
                {"type": "Ready", "status": "True", "reason": "Healthy", "message": "m",
                 "lastTransitionTime": "2026-07-23T00:10:00.123456+00:00"}, {"bad": 1}]}}));
        assert_eq!((status.observed_generation, status.template), (None, None));
        assert_eq!(status.conditions.len(), 1);
    }
}
