//! A piece of the user's Python.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::bounds;

/// Python source, and the function in it to call.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Eq, Default)]
#[serde(rename_all = "camelCase")]
pub struct Code {
    /// Python source text.
    #[schemars(length(max = bounds::PYTHON))]
    pub python: String,
    /// Function to call; the first callable of the source if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = bounds::IDENTIFIER))]
    pub entrypoint: Option<String>,
}
