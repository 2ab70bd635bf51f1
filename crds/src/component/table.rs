//! KasprTable: a table of key and value, kept in a changelog topic.

use std::collections::BTreeMap;

use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{Code, ComponentStatus, IntOrString, Scalar, bounds, schema};

/// Desired state of a table.
#[derive(CustomResource, KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Default)]
#[kube(
    group = "kaspr.io",
    version = "v1alpha1",
    kind = "KasprTable",
    plural = "kasprtables",
    singular = "kasprtable",
    shortname = "ktables",
    shortname = "ktable",
    category = "kaspr",
    namespaced,
    status = "ComponentStatus",
    derive = "PartialEq",
    doc = "A table that agents, tasks and web views of one app share."
)]
#[serde(rename_all = "camelCase")]
pub struct KasprTableSpec {
    /// Name for people; the worker goes by the name of the resource.
    #[schemars(length(max = bounds::NAME))]
    pub name: String,
    /// What the table is for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = bounds::DESCRIPTION))]
    pub description: Option<String>,
    /// Keep all of the table on every member; false if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub global: Option<bool>,
    /// Returns the type of a missing value.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub default_selector: Option<Code>,
    /// How keys become bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key_serializer: Option<TableSerializer>,
    /// How values become bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value_serializer: Option<TableSerializer>,
    /// Number of partitions of the changelog.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub partitions: Option<i64>,
    /// Further settings of the changelog topic: text, numbers or booleans.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::scalars")]
    pub extra_topic_configs: Option<BTreeMap<String, Scalar>>,
    /// Further options of the table: text, numbers or booleans.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::scalars")]
    pub options: Option<BTreeMap<String, Scalar>>,
    /// Keep values by time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub window: Option<Window>,
}

/// How keys and values of a table become bytes.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub enum TableSerializer {
    /// Bytes as they are.
    Raw,
    /// JSON text.
    Json,
}

/// How a table is cut by time.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Default)]
#[x_kube(validation = Rule::new("!(has(self.tumbling) && has(self.hopping))")
    .message("a window is either tumbling or hopping: remove one of them"))]
#[x_kube(validation = Rule::new("!has(self.relativeTo) || self.relativeTo != 'custom' \
    || has(self.relativeToSelector) || has(self.relativeToFieldSelector)")
    .message("relativeTo: custom needs relativeToSelector: add it, or choose stream or now"))]
#[serde(rename_all = "camelCase")]
pub struct Window {
    /// Windows side by side.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tumbling: Option<Tumbling>,
    /// Windows that overlap.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hopping: Option<Hopping>,
    /// What time a value has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub relative_to: Option<RelativeTo>,
    /// Computes the time of a value, for relativeTo: custom.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub relative_to_selector: Option<Code>,
    /// Another spelling of relativeToSelector, which wins if both are given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub relative_to_field_selector: Option<Code>,
}

/// Windows side by side.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct Tumbling {
    /// Length of a window in seconds.
    pub size: IntOrString,
    /// How long a window is kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires: Option<IntOrString>,
}

/// Windows that overlap.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct Hopping {
    /// Length of a window in seconds.
    pub size: IntOrString,
    /// Seconds from the start of one window to that of the next.
    pub step: IntOrString,
    /// How long a window is kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires: Option<IntOrString>,
}

/// What time a value has.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub enum RelativeTo {
    /// That of the event.
    Stream,
    /// That of the clock.
    Now,
    /// What a selector computes.
    Custom,
}
