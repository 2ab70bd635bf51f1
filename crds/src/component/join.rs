//! KasprJoin: a join of two tables by key.

use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{Code, JoinStatus, bounds};

/// Desired state of a join.
#[derive(CustomResource, KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Default)]
#[kube(
    group = "kaspr.io",
    version = "v1alpha1",
    kind = "KasprJoin",
    plural = "kasprjoins",
    singular = "kasprjoin",
    shortname = "kjoin",
    shortname = "kj",
    category = "kaspr",
    namespaced,
    status = "JoinStatus",
    derive = "PartialEq",
    doc = "A join of two tables of one app, by a key that the left table's values hold."
)]
#[x_kube(validation = Rule::new("self.leftTable != self.rightTable")
    .message("a join needs two tables: name another table as leftTable or rightTable"))]
#[serde(rename_all = "camelCase")]
pub struct KasprJoinSpec {
    /// Name for people; the worker goes by the name of the resource.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = bounds::NAME))]
    pub name: Option<String>,
    /// What the join is for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = bounds::DESCRIPTION))]
    pub description: Option<String>,
    /// KasprTable resource whose changes are emitted.
    #[schemars(length(max = bounds::NAME))]
    pub left_table: String,
    /// KasprTable resource that is looked up.
    #[schemars(length(max = bounds::NAME))]
    pub right_table: String,
    /// Computes the key in the right table from a value of the left one.
    pub extractor: Code,
    /// What to emit when the right table has no value.
    #[serde(rename = "type", default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("default" = "inner"))]
    pub kind: Option<JoinType>,
    /// Channel that agents read the pairs from; named after the join if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = bounds::NAME))]
    pub output_channel: Option<String>,
}

/// What to emit when the right table has no value.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub enum JoinType {
    /// Nothing.
    Inner,
    /// The left value alone.
    Left,
}
