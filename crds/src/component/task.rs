//! KasprTask: code that runs once or by a schedule.

use kube::{CustomResource, KubeSchema};
use serde::{Deserialize, Serialize};

use crate::{ComponentStatus, Processors, bounds, schema};

/// Desired state of a task.
#[derive(CustomResource, KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Default)]
#[kube(
    group = "kaspr.io",
    version = "v1alpha1",
    kind = "KasprTask",
    plural = "kasprtasks",
    singular = "kasprtask",
    shortname = "ktasks",
    shortname = "ktask",
    category = "kaspr",
    namespaced,
    status = "ComponentStatus",
    derive = "PartialEq",
    doc = "Code that an app's workers run at the start or by a schedule."
)]
#[serde(rename_all = "camelCase")]
pub struct KasprTaskSpec {
    /// Name for people; the worker goes by the name of the resource.
    #[schemars(length(max = bounds::NAME))]
    pub name: String,
    /// What the task is for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = bounds::DESCRIPTION))]
    pub description: Option<String>,
    /// Run on the leading member only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("default" = false))]
    pub on_leader: Option<bool>,
    /// When to run; once at the start if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub schedule: Option<Schedule>,
    /// What is done at each run.
    #[schemars(schema_with = "schema::processors_of_named")]
    pub processors: Processors,
}

/// When a task runs.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Eq, Default)]
#[x_kube(validation = Rule::new("has(self.cron) || has(self.interval)")
    .message("a schedule needs cron or interval: add one, or remove the schedule to run once"))]
#[x_kube(validation = Rule::new(
    "!(has(self.cron) && self.cron != '' && has(self.interval) && self.interval != '')")
    .message("a schedule has either cron or interval: remove one of them"))]
#[serde(rename_all = "camelCase")]
pub struct Schedule {
    /// Cron expression.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = bounds::CRON))]
    pub cron: Option<String>,
    /// Time between two runs, such as 10s, 5m, 1h or 1d.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = bounds::AMOUNT))]
    pub interval: Option<String>,
    /// Time zone of the cron expression, such as Europe/Berlin.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = bounds::NAME))]
    pub timezone: Option<String>,
}
