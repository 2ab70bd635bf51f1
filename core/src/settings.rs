//! The operator's settings as far as decisions depend on them.

use serde::{Deserialize, Serialize};

use crate::limits;

/// What a decision depends on and no cluster object says. Part of every snapshot.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Settings {
    /// `INITIAL_MAX_REPLICAS`: how many members a StatefulSet gets that leaves 0; the autoscaler
    /// does the rest.
    pub initial_max_replicas: i32,
    /// `HPA_SCALE_UP_POLICY_PODS_PER_STEP`: pods that the autoscaler adds per period.
    pub pods_per_step: i32,
    /// `HPA_SCALE_UP_POLICY_PERIOD_SECONDS`: that period, in seconds.
    pub step_period_seconds: i32,
    /// `KASPR_IMAGE_REGISTRY`: put before every image; empty for none.
    pub image_registry: String,
    /// How long the inputs of a template must be quiet before it changes, in milliseconds.
    pub settle_millis: u64,
}

impl Default for Settings {
    /// The defaults of the original (`INITIAL_MAX_REPLICAS` 1, 4 pods per 60 s, no registry).
    fn default() -> Self {
        Self {
            initial_max_replicas: 1,
            pods_per_step: 4,
            step_period_seconds: 60,
            image_registry: String::new(),
            settle_millis: u64::try_from(limits::SETTLE.as_millis()).unwrap_or(1_000),
        }
    }
}
