//! Changes to the objects that the operator makes of an app.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use k8s_openapi::api::core::v1::{
    Affinity, HostAlias, LocalObjectReference, PodSecurityContext, SecurityContext, Toleration,
    TopologySpreadConstraint, Volume, VolumeMount,
};

use crate::{Raw, bounds, schema};

/// Changes to the objects that the operator makes.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Default)]
#[serde(rename_all = "camelCase")]
pub struct Template {
    /// The workers' ServiceAccount.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service_account: Option<MetadataTemplate>,
    /// Both Services.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service: Option<MetadataTemplate>,
    /// The workers' pods.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pod: Option<PodTemplate>,
    /// The container that runs the worker.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kaspr_container: Option<ContainerTemplate>,
    /// The container that installs Python packages.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub python_packages_init_container: Option<ContainerTemplate>,
}

/// An object of which only the metadata can be changed.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Eq, Default)]
#[serde(rename_all = "camelCase")]
pub struct MetadataTemplate {
    /// Further labels and annotations.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub metadata: Option<Metadata>,
}

/// Further labels and annotations.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Eq, Default)]
#[serde(rename_all = "camelCase")]
pub struct Metadata {
    /// Further labels.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::texts")]
    pub labels: Option<BTreeMap<String, String>>,
    /// Further annotations.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::texts")]
    pub annotations: Option<BTreeMap<String, String>>,
}

/// Changes to the workers' pods.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Default)]
#[serde(rename_all = "camelCase")]
pub struct PodTemplate {
    /// Further labels and annotations.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub metadata: Option<Metadata>,
    /// Secrets for pulling images.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::list_of::<LocalObjectReference>")]
    pub image_pull_secrets: Option<Vec<Raw>>,
    /// Security of all containers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::embedded::<PodSecurityContext>")]
    pub security_context: Option<Raw>,
    /// Seconds that a worker has for stopping; Kubernetes' default if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0))]
    pub termination_grace_period_seconds: Option<i64>,
    /// Labels of the nodes that may run workers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::texts")]
    pub node_selector: Option<BTreeMap<String, String>>,
    /// Nodes and pods to be near to or far from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::embedded::<Affinity>")]
    pub affinity: Option<Raw>,
    /// Taints to tolerate.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::list_of::<Toleration>")]
    pub tolerations: Option<Vec<Raw>>,
    /// How workers are spread over the cluster.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::list_of::<TopologySpreadConstraint>")]
    pub topology_spread_constraints: Option<Vec<Raw>>,
    /// Priority class.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = bounds::NAME))]
    pub priority_class_name: Option<String>,
    /// Scheduler; Kubernetes' default if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = bounds::NAME))]
    pub scheduler_name: Option<String>,
    /// Entries of the hosts file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::list_of::<HostAlias>")]
    pub host_aliases: Option<Vec<Raw>>,
    /// Tell containers of the namespace's Services by environment variables; false if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub enable_service_links: Option<bool>,
    /// Further volumes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::list_of::<Volume>")]
    pub volumes: Option<Vec<Raw>>,
}

/// Changes to a container.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Default)]
#[serde(rename_all = "camelCase")]
pub struct ContainerTemplate {
    /// Further environment variables; they win over the operator's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::env")]
    pub env: Option<Vec<Raw>>,
    /// Further mounts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::list_of::<VolumeMount>")]
    pub volume_mounts: Option<Vec<Raw>>,
    /// Security of the container.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::embedded::<SecurityContext>")]
    pub security_context: Option<Raw>,
}
