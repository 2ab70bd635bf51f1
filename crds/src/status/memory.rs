//! What the operator remembers of an app, and of its members.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{bounds, schema};

/// How far the takeover from the operator in Python is.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Eq, Default)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-preserve-unknown-fields" = true))]
pub struct TakeoverStatus {
    /// When all objects were this operator's, and finalizers began to go.
    #[schemars(length(max = bounds::WORD))]
    pub since: String,
    /// When nothing of the other one was left.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = bounds::WORD))]
    pub finished: Option<String>,
}

/// What the live pod template was made of.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Eq, Default)]
#[serde(rename_all = "camelCase")]
pub struct TemplateStatus {
    /// Digest of all that the template is made of.
    #[schemars(length(max = bounds::NAME))]
    pub inputs: String,
    /// Revision of the StatefulSet that carries it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = bounds::NAME))]
    pub revision: Option<String>,
    /// Whether the template was found there, made by the original operator.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub adopted: Option<bool>,
    /// Versions of the lists of components that it was made of, by kind.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::texts")]
    pub lists: Option<BTreeMap<String, String>>,
}

/// A change of the pod template that is intended or under way.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Eq, Default)]
#[serde(rename_all = "camelCase")]
pub struct RolloutStatus {
    /// Digest of all that the new template is made of.
    #[schemars(length(max = bounds::NAME))]
    pub inputs: String,
    /// Generation of the spec that meant it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub generation: Option<i64>,
    /// When it was intended.
    #[schemars(length(max = bounds::AMOUNT))]
    pub since: String,
    /// When it was taken back before its template was applied.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = bounds::AMOUNT))]
    pub withdrawn: Option<String>,
    /// Versions of the lists of components that it was taken from, by kind.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::texts")]
    pub lists: Option<BTreeMap<String, String>>,
}

/// A member whose pod is to be replaced, or is being replaced.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Eq, Default)]
#[serde(rename_all = "camelCase")]
pub struct TerminationStatus {
    /// Ordinal of the pod.
    pub ordinal: i32,
    /// Uid of the pod; another pod of this ordinal is never deleted for this entry.
    #[serde(rename = "podUID")]
    #[schemars(length(max = bounds::NAME))]
    pub pod_uid: String,
    /// When the pod was created; its replacement was created later.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = bounds::AMOUNT))]
    pub created: Option<String>,
    /// When it was entered.
    #[schemars(length(max = bounds::AMOUNT))]
    pub since: String,
    /// When it lapsed: it no longer deletes the pod, and still counts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = bounds::AMOUNT))]
    pub lapsed: Option<String>,
}

/// A member that is stuck in a rebalance.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Eq, Default)]
#[serde(rename_all = "camelCase")]
pub struct StrikeStatus {
    /// Ordinal of the pod.
    pub ordinal: i32,
    /// Uid of the pod; another pod of this ordinal begins without strikes.
    #[serde(rename = "podUID")]
    #[schemars(length(max = bounds::NAME))]
    pub pod_uid: String,
    /// Seconds for which it has been seen stuck.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stuck_for: Option<i64>,
    /// Instants of the answers that were strikes, oldest first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = bounds::CONDITIONS), inner(length(max = bounds::AMOUNT)))]
    pub strikes: Option<Vec<String>>,
    /// Operator process that counted the last of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = bounds::NAME))]
    pub by: Option<String>,
    /// Round of polls of that process.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub round: Option<i64>,
}

/// How often the member of an ordinal was replaced without getting well for long.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Eq, Default)]
#[serde(rename_all = "camelCase")]
pub struct ReplacementStatus {
    /// Ordinal of the pod.
    pub ordinal: i32,
    /// How often.
    pub count: i64,
}

/// The rebalance that is owed, and the attempts at it.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Eq, Default)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-preserve-unknown-fields" = true))]
pub struct RebalanceStatus {
    /// Counts the sets of subscriptions and the requests of people; never used again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub generation: Option<i64>,
    /// Digest of the tracked subscriptions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = bounds::NAME))]
    pub subscriptions: Option<String>,
    /// Since when a rebalance is owed; absent if none is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = bounds::AMOUNT))]
    pub owed_since: Option<String>,
    /// For what it is owed: SubscriptionChange or Manual.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = bounds::NAME))]
    pub cause: Option<String>,
    /// New topics; once they are assigned, it came true.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = bounds::LIST), inner(length(max = bounds::NAME)))]
    pub topics: Option<Vec<String>>,
    /// Attempts that were accepted without a trace of a rebalance.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unconfirmed: Option<i64>,
    /// The last attempt.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attempt: Option<AttemptStatus>,
    /// The last rebalance that came true.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last: Option<SettledStatus>,
}

/// One attempt to have the members rebalanced.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Eq, Default)]
#[serde(rename_all = "camelCase")]
pub struct AttemptStatus {
    /// Which attempt for this generation, from 1.
    pub n: i64,
    /// Operator process that may send it.
    #[schemars(length(max = bounds::NAME))]
    pub by: String,
    /// Uid of the leader's pod.
    #[serde(rename = "podUID")]
    #[schemars(length(max = bounds::NAME))]
    pub pod_uid: String,
    /// When it was booked.
    #[schemars(length(max = bounds::AMOUNT))]
    pub at: String,
    /// What came of it: Booked, Accepted, Unconfirmed, Refused or Lost.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = bounds::NAME))]
    pub came: Option<String>,
}

/// A rebalance that was owed and came true.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Eq, Default)]
#[serde(rename_all = "camelCase")]
pub struct SettledStatus {
    /// Its generation.
    pub generation: i64,
    /// For what it was owed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = bounds::NAME))]
    pub cause: Option<String>,
    /// When it was seen to have come true.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = bounds::AMOUNT))]
    pub at: Option<String>,
    /// Attempts that it took.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attempts: Option<i64>,
}
