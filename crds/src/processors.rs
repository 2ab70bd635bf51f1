//! What an agent, a task or a web view does with a value.

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{Code, TopicOut, bounds, schema};

/// Operations, and the order in which they run.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Default)]
#[serde(rename_all = "camelCase")]
pub struct Processors {
    /// Names of operations in the order in which they run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = bounds::PIPELINE), inner(length(max = bounds::NAME)))]
    pub pipeline: Option<Vec<String>>,
    /// Runs once at the start; the operations see what it defines.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub init: Option<Code>,
    /// Operations that the pipeline may name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = bounds::OPERATIONS))]
    pub operations: Option<Vec<Operation>>,
}

/// One step: map, filter or publish.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Default)]
#[serde(rename_all = "camelCase")]
pub struct Operation {
    /// Name by which the pipeline calls it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = bounds::NAME))]
    pub name: Option<String>,
    /// Tables handed to the code as keyword arguments.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = bounds::TABLES))]
    pub tables: Option<Vec<TableRef>>,
    /// Turns the value into another.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub map: Option<Code>,
    /// Keeps the value if true.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub filter: Option<Code>,
    /// Publishes the value.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub topic_send: Option<TopicOut>,
}

/// A table that an operation reads or writes.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Eq, Default)]
#[x_kube(validation = Rule::new(schema::not_a_keyword("self.paramName"))
    .message("paramName must not be a keyword of Python: choose another name for the parameter")
    .field_path(".paramName"))]
#[serde(rename_all = "camelCase")]
pub struct TableRef {
    /// Name of the KasprTable resource.
    #[schemars(length(max = bounds::NAME))]
    pub name: String,
    /// Parameter of the function that receives the table.
    #[schemars(
        length(min = 1, max = bounds::IDENTIFIER),
        regex(pattern = r"^[a-zA-Z_][a-zA-Z0-9_]*$")
    )]
    pub param_name: String,
}
