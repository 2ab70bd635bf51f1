//! Topics that an app reads from and writes to.

use std::collections::BTreeMap;

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{Code, Scalar, bounds, schema};

/// How keys and values of a topic become bytes.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub enum Serializer {
    /// Bytes as they are.
    Raw,
    /// JSON text.
    Json,
    /// Python's pickle format.
    Pickle,
    /// Base64 text.
    Binary,
}

/// A topic that values are published to.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Default)]
#[x_kube(validation = Rule::new("(has(self.name) && self.name != '') != has(self.nameSelector)")
    .message("a topic needs exactly one of name and nameSelector: remove one, \
    or add the missing one"))]
#[serde(rename_all = "camelCase")]
pub struct TopicOut {
    /// Fixed topic name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = bounds::NAME))]
    pub name: Option<String>,
    /// Computes the topic name from the value.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name_selector: Option<Code>,
    /// Create the topic before the first value is published.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub declare: Option<bool>,
    /// Hand the original value on to the next operations after publishing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pass_through: Option<bool>,
    /// Wait for the broker's acknowledgement.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ack: Option<bool>,
    /// How the message key becomes bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key_serializer: Option<Serializer>,
    /// How the message value becomes bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value_serializer: Option<Serializer>,
    /// Number of partitions when the topic is declared.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub partitions: Option<i64>,
    /// Retention in seconds when the topic is declared.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retention: Option<i64>,
    /// Compact the log of a declared topic.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub compacting: Option<bool>,
    /// Delete old segments of a declared topic.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deleting: Option<bool>,
    /// Replication factor when the topic is declared.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replicas: Option<i64>,
    /// Further settings of a declared topic: text, numbers or booleans.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::scalars")]
    pub config: Option<BTreeMap<String, Scalar>>,
    /// Computes the message key from the value.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key_selector: Option<Code>,
    /// Computes the message value from the value.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value_selector: Option<Code>,
    /// Computes the partition from the value.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub partition_selector: Option<Code>,
    /// Computes the message headers from the value.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub headers_selector: Option<Code>,
    /// Publish only the values for which this is true.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub predicate: Option<Code>,
}

/// A topic, or several, that an agent reads from.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Default)]
#[x_kube(validation = Rule::new(
    "(has(self.name) && self.name != '') != (has(self.pattern) && self.pattern != '')")
    .message("an input topic needs exactly one of name and pattern: remove one, \
    or add the missing one"))]
#[serde(rename_all = "camelCase")]
pub struct TopicIn {
    /// Topic names, separated by commas.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = bounds::TOPICS))]
    pub name: Option<String>,
    /// Regular expression of topic names.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = bounds::TOPICS))]
    pub pattern: Option<String>,
    /// How message keys were made into bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key_serializer: Option<Serializer>,
    /// How message values were made into bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value_serializer: Option<Serializer>,
    /// Number of partitions when the topic is declared.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub partitions: Option<i64>,
    /// Retention in seconds when the topic is declared.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retention: Option<i64>,
    /// Compact the log of a declared topic.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub compacting: Option<bool>,
    /// Delete old segments of a declared topic.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deleting: Option<bool>,
    /// Replication factor when the topic is declared.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replicas: Option<i64>,
    /// Further settings of a declared topic: text, numbers or booleans.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::scalars")]
    pub config: Option<BTreeMap<String, Scalar>>,
}
