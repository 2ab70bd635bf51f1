//! What the operator writes into status.
//!
//! Times are text here: the original wrote microseconds and `+00:00`, and a status must be readable
//! whoever wrote it.

mod memory;

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use self::memory::{
    AttemptStatus, RebalanceStatus, ReplacementStatus, RolloutStatus, SettledStatus, StrikeStatus,
    TakeoverStatus, TemplateStatus, TerminationStatus,
};
use crate::bounds;

/// Observed state of an app, and all that the operator remembers of it.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Eq, Default)]
#[serde(rename_all = "camelCase")]
pub struct KasprAppStatus {
    /// Generation of the spec that this status speaks of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// Tag of the image that the workers run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = bounds::IMAGE))]
    pub kaspr_version: Option<String>,
    /// Version in use when none was asked for; it stays when the default changes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = bounds::NAME))]
    pub default_version: Option<String>,
    /// Available and desired members, as in 2/3.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = bounds::AMOUNT))]
    pub available_members: Option<String>,
    /// Number of members, for the scale subresource.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replicas: Option<i32>,
    /// Label selector of the members' pods, for the scale subresource.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = bounds::WORD))]
    pub selector: Option<String>,
    /// Members are being replaced by a new revision.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rollout_in_progress: Option<bool>,
    /// What is the case, by type.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = bounds::CONDITIONS))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["type".into()]))]
    pub conditions: Option<Vec<Condition>>,
    /// Members that were asked, by ordinal; of many those that are not healthy first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = bounds::MEMBERS))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["id".into()]))]
    pub members: Option<Vec<MemberStatus>>,
    /// Rebalancing and desired members, as in 0/3.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = bounds::AMOUNT))]
    pub rebalancing_members: Option<String>,
    /// A rebalance is owed: for a change of subscriptions, or because a person asked for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rebalance_required: Option<bool>,
    /// Components of the app, as last tracked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub linked_resources: Option<LinkedResources>,
    /// What is known of the installed packages.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub python_packages: Option<PackagesStatus>,
    /// What the live pod template was made of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub template: Option<TemplateStatus>,
    /// A change of the pod template that is intended or under way.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rollout: Option<RolloutStatus>,
    /// Size that the members' claims were last asked to have; it never shrinks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = bounds::AMOUNT))]
    pub storage_size: Option<String>,
    /// How far the takeover from the operator in Python is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub takeover: Option<TakeoverStatus>,
    /// Members whose pods are to be replaced, or are being replaced.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = bounds::MEMBERS))]
    pub terminations: Option<Vec<TerminationStatus>>,
    /// Members that are stuck in a rebalance.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = bounds::MEMBERS))]
    pub strikes: Option<Vec<StrikeStatus>>,
    /// How often members were replaced without getting well for long.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = bounds::MEMBERS))]
    pub replacements: Option<Vec<ReplacementStatus>>,
    /// The rebalance that is owed, and the attempts at it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rebalance: Option<RebalanceStatus>,
}

/// One thing that is the case, or not.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Eq, Default)]
#[serde(rename_all = "camelCase")]
pub struct Condition {
    /// What it speaks of.
    #[serde(rename = "type")]
    #[schemars(length(min = 1, max = bounds::NAME))]
    pub kind: String,
    /// Whether it is the case.
    pub status: ConditionStatus,
    /// Why, in one word.
    #[schemars(length(max = bounds::WORD))]
    pub reason: String,
    /// Why, for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = bounds::MESSAGE))]
    pub message: Option<String>,
    /// Generation of the spec that it speaks of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// When the status last changed.
    #[schemars(extend("format" = "date-time"))]
    pub last_transition_time: String,
}

/// Whether a condition is the case.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum ConditionStatus {
    /// It is.
    True,
    /// It is not.
    False,
    /// Nobody knows.
    #[default]
    Unknown,
}

/// One member, as it last answered.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Eq, Default)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-preserve-unknown-fields" = true))]
pub struct MemberStatus {
    /// Ordinal of its pod.
    pub id: i32,
    /// It leads.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub leader: Option<bool>,
    /// It takes part in a rebalance.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rebalancing: Option<bool>,
    /// It restores its tables.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recovering: Option<bool>,
    /// Uid of its pod.
    #[serde(rename = "podUID", default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = bounds::NAME))]
    pub pod_uid: Option<String>,
    /// When its pod was created.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = bounds::AMOUNT))]
    pub pod_creation_time: Option<String>,
    /// When its state last changed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("format" = "date-time"))]
    pub last_transition_time: Option<String>,
    /// Why it does not answer; absent while it does. The rest is what it said last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = bounds::NAME))]
    pub silent: Option<String>,
}

/// Components of an app.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Eq, Default)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-preserve-unknown-fields" = true))]
pub struct LinkedResources {
    /// Agents.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = bounds::LINKED))]
    pub agents: Option<Vec<LinkedResource>>,
    /// Web views.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = bounds::LINKED))]
    pub webviews: Option<Vec<LinkedResource>>,
    /// Tables.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = bounds::LINKED))]
    pub tables: Option<Vec<LinkedResource>>,
    /// Tasks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = bounds::LINKED))]
    pub tasks: Option<Vec<LinkedResource>>,
    /// Joins.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = bounds::LINKED))]
    pub joins: Option<Vec<LinkedResource>>,
}

/// One component of an app, and what it subscribes to.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Eq, Default)]
#[serde(rename_all = "camelCase")]
pub struct LinkedResource {
    /// Name of the component.
    #[schemars(length(max = bounds::NAME))]
    pub name: String,
    /// Digest of its definition; empty if it has none yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = bounds::NAME))]
    pub hash: Option<String>,
    /// Topics that an agent reads, separated by commas.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = bounds::TOPICS))]
    pub topic_name: Option<String>,
    /// Pattern of the topics that an agent reads.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = bounds::TOPICS))]
    pub topic_pattern: Option<String>,
    /// Name of a table for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = bounds::NAME))]
    pub table_name: Option<String>,
}

/// What is known of the installed packages.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Eq, Default)]
#[serde(rename_all = "camelCase")]
pub struct PackagesStatus {
    /// Digest of what is to be installed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = bounds::NAME))]
    pub hash: Option<String>,
    /// Requirements that were installed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = bounds::LIST), inner(length(max = bounds::PACKAGE)))]
    pub installed: Option<Vec<String>>,
    /// One of persistent, ephemeral and gcs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = bounds::WORD))]
    pub cache_mode: Option<String>,
    /// When they were installed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = bounds::AMOUNT))]
    pub last_install_time: Option<String>,
    /// How long that took.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = bounds::AMOUNT))]
    pub install_duration: Option<String>,
    /// Pod that installed them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = bounds::NAME))]
    pub installed_by: Option<String>,
    /// Why the last installation failed, in one word.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = bounds::WORD))]
    pub error: Option<String>,
    /// What people should know about the installation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = bounds::LIST), inner(length(max = bounds::MESSAGE)))]
    pub warnings: Option<Vec<String>>,
}

/// Observed state of an agent, a table, a web view or a task.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Eq, Default)]
#[serde(rename_all = "camelCase")]
pub struct ComponentStatus {
    /// The app that the component names, and whether it is there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub app: Option<LinkStatus>,
    /// ConfigMap that holds the definition.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = bounds::NAME))]
    pub config_map: Option<String>,
    /// Digest of the definition.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = bounds::NAME))]
    pub hash: Option<String>,
    /// Generation of the spec that this status speaks of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// What is the case, by type.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = bounds::CONDITIONS))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["type".into()]))]
    pub conditions: Option<Vec<Condition>>,
}

/// Observed state of a join.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Eq, Default)]
#[serde(rename_all = "camelCase")]
pub struct JoinStatus {
    /// The app that the join names, and whether it is there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub app: Option<LinkStatus>,
    /// The left table, and whether it is there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub left_table: Option<LinkStatus>,
    /// The right table, and whether it is there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub right_table: Option<LinkStatus>,
    /// ConfigMap that holds the definition.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = bounds::NAME))]
    pub config_map: Option<String>,
    /// Digest of the definition.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = bounds::NAME))]
    pub hash: Option<String>,
    /// Generation of the spec that this status speaks of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// What is the case, by type.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = bounds::CONDITIONS))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["type".into()]))]
    pub conditions: Option<Vec<Condition>>,
}

/// A resource that a component names, and whether it is there.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Eq, Default)]
#[serde(rename_all = "camelCase")]
pub struct LinkStatus {
    /// Name of the resource.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = bounds::NAME))]
    pub name: Option<String>,
    /// Such as AppFound or AppNotFound.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = bounds::NAME))]
    pub status: Option<String>,
}
