//! The operator's settings as far as decisions depend on them.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::limits;

/// What a decision depends on and no cluster object says. Part of every snapshot.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[expect(clippy::struct_excessive_bools, reason = "each is one switch of the operator")]
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
    /// `--cluster-domain`: the domain of the cluster's names, by which members find each other.
    pub cluster_domain: String,
    /// `--check-secrets`: whether the Secrets that apps name are looked at.
    pub checks_secrets: bool,
    /// How long the inputs of a template must be quiet before it changes, in milliseconds.
    pub settle_millis: u64,
    /// `CLIENT_STATUS_CHECK_ENABLED`: whether members are asked how they are.
    pub polls_members: bool,
    /// `MEMBER_POLL_INTERVAL_SECONDS`: the pause between two rounds, in milliseconds.
    pub poll_interval_millis: u64,
    /// `HUNG_MEMBER_DETECTION_ENABLED`: whether hung members are replaced.
    pub replaces_hung: bool,
    /// `HUNG_REBALANCING_THRESHOLD_SECONDS`: after how long a stuck member gets strikes; 0 or less is
    /// at once.
    pub hung_threshold_seconds: i64,
    /// How many times that threshold all members of a group must have been stuck together.
    pub group_stall_factor: u32,
    /// Whether more than half of an app's members may be down at once, as with the original.
    pub replaces_majority: bool,
    /// How many members of all apps may be in replacement at once; 0 for any number.
    pub fleet_terminations_max: u32,
    /// `AUTO_REBALANCE_ENABLED`: whether a change of subscriptions rebalances by itself.
    pub rebalances: bool,
    /// How long after one attempt at a rebalance the next may come, in milliseconds.
    pub rebalance_cooldown_millis: u64,
}

impl Default for Settings {
    /// The defaults of the original, where it has the setting.
    fn default() -> Self {
        Self {
            initial_max_replicas: 1,
            pods_per_step: 4,
            step_period_seconds: 60,
            image_registry: String::new(),
            cluster_domain: "cluster.local".to_owned(),
            checks_secrets: false,
            settle_millis: u64::try_from(limits::SETTLE.as_millis()).unwrap_or(1_000),
            polls_members: true,
            poll_interval_millis: 30_000,
            replaces_hung: true,
            hung_threshold_seconds: 300,
            group_stall_factor: 4,
            replaces_majority: false,
            fleet_terminations_max: 20,
            rebalances: true,
            rebalance_cooldown_millis: 60_000,
        }
    }
}

impl Settings {
    /// The pause between two rounds of polls.
    pub fn poll_interval(&self) -> Duration {
        Duration::from_millis(self.poll_interval_millis)
    }
}
