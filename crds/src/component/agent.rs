//! KasprAgent: a stream processor.

use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{ComponentStatus, Processors, TopicIn, TopicOut, bounds, schema};

/// Desired state of an agent.
#[derive(CustomResource, KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Default)]
#[kube(
    group = "kaspr.io",
    version = "v1alpha1",
    kind = "KasprAgent",
    plural = "kaspragents",
    singular = "kaspragent",
    shortname = "kagents",
    shortname = "kagent",
    category = "kaspr",
    namespaced,
    status = "ComponentStatus",
    derive = "PartialEq",
    doc = "A stream processor: reads a topic or channel, runs operations, publishes."
)]
#[serde(rename_all = "camelCase")]
pub struct KasprAgentSpec {
    /// What the agent is for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = bounds::DESCRIPTION))]
    pub description: Option<String>,
    /// Process each partition of the input apart from the others.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("default" = false))]
    pub isolated_partitions: Option<bool>,
    /// Where values come from.
    pub input: AgentInput,
    /// Where values go to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub output: Option<AgentOutput>,
    /// What is done with each value.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::processors_of_named")]
    pub processors: Option<Processors>,
}

/// Where an agent's values come from.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Default)]
#[x_kube(validation = Rule::new("has(self.topic) || has(self.channel)")
    .message("an agent needs an input: add input.topic or input.channel"))]
#[serde(rename_all = "camelCase")]
pub struct AgentInput {
    /// Create the topic or channel at the start.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub declare: Option<bool>,
    /// Topics to read; either these or a channel.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub topic: Option<TopicIn>,
    /// Channel to read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub channel: Option<Channel>,
    /// Gather values and hand them on together.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub take: Option<Take>,
}

/// A channel in memory, or the output of a join.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Eq, Default)]
#[serde(rename_all = "camelCase")]
pub struct Channel {
    /// Name of the channel.
    #[schemars(length(max = bounds::NAME))]
    pub name: String,
}

/// How values are gathered.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Eq, Default)]
#[serde(rename_all = "camelCase")]
pub struct Take {
    /// Most values handed on together.
    pub max: i64,
    /// Longest time to gather, such as 10s, 5m, 1h or 2d.
    #[schemars(length(max = bounds::AMOUNT), regex(pattern = r"^\d+[smhd]$"))]
    pub within: String,
}

/// Where an agent's values go to.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Default)]
#[serde(rename_all = "camelCase")]
pub struct AgentOutput {
    /// Topics that values are published to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = bounds::OPERATIONS))]
    pub topics: Option<Vec<TopicOut>>,
}
