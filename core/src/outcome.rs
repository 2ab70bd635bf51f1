//! What came of earlier actions, as facts of later snapshots.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::action::ActionId;
use crate::time::Uptime;

/// The last outcome of each action, until a newer one for it.
pub type Outcomes = BTreeMap<ActionId, Outcome>;

/// What came of one action.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Outcome {
    /// When the answer, or the lack of one, was known.
    pub at: Uptime,
    /// How many times in a row the action ended as it did now: accepted, or not accepted.
    pub attempts: u32,
    /// What exactly was done, where the identity of the action does not say it: the attempt that a
    /// signal was, the pod that was deleted.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub of: String,
    /// What the world said.
    pub answer: Answer,
}

/// What the world said to an action.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Answer {
    /// Accepted; the object as it then was, by version.
    #[serde(rename_all = "camelCase")]
    Done {
        /// The resourceVersion in the answer; absent where the answer has none (a deletion).
        #[serde(default, skip_serializing_if = "Option::is_none")]
        resource_version: Option<String>,
        /// The generation in the answer; absent for kinds that have none.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        generation: Option<i64>,
        /// The digest of what was sent, so that the same content is known again.
        digest: String,
    },
    /// A create-only apply met an object of that name; this is it, as one read found it.
    Exists {
        /// The object, trimmed as caches trim; absent if it was gone when it was read.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        found: Option<Value>,
    },
    /// Refused; nothing changed.
    Refused {
        /// In which of the ways that we react to.
        refusal: Refusal,
        /// The server's own words, cut to a readable length.
        message: String,
    },
}

/// A refusal: each variant is a way to react.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Refusal {
    /// Decided on an older version than the live one (409): look again.
    Conflict,
    /// The object is not there (404).
    Gone,
    /// A right is missing (401, 403).
    Forbidden,
    /// The server finds the content wrong (400, 422).
    Invalid,
    /// Busy: asked to come back later (429).
    Busy,
    /// The server failed or could not be reached, before anything was done for sure (5xx, connect).
    Unreachable,
    /// Sent, and no answer came: it may have happened.
    AnswerLost,
    /// Accepted, but the answer lacks what was written: the CRD is older than this operator.
    Pruned,
}

impl Refusal {
    /// A stable word for labels and logs.
    pub fn code(self) -> &'static str {
        match self {
            Self::Conflict => "Conflict",
            Self::Gone => "Gone",
            Self::Forbidden => "Forbidden",
            Self::Invalid => "Invalid",
            Self::Busy => "Busy",
            Self::Unreachable => "Unreachable",
            Self::AnswerLost => "AnswerLost",
            Self::Pruned => "Pruned",
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Conflict => "it has changed meanwhile",
            Self::Gone => "it is not there",
            Self::Forbidden => "the operator lacks the right",
            Self::Invalid => "the API server finds it invalid",
            Self::Busy => "the API server is busy",
            Self::Unreachable => "the API server cannot be reached",
            Self::AnswerLost => "no answer came",
            Self::Pruned => "the installed CRD does not know the field",
        })
    }
}
