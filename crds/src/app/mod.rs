//! KasprApp: a cluster of Kaspr workers.

mod authentication;
mod packages;
mod template;

use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use k8s_openapi::api::core::v1::ResourceRequirements;

pub use self::authentication::{Authentication, AuthenticationType, PasswordSecret};
pub use self::packages::{
    AccessMode, Cache, CacheType, Credentials, CredentialsSecret, Gcs, GcsSecret, InstallPolicy,
    OnFailure, PythonPackages,
};
pub use self::template::{ContainerTemplate, Metadata, MetadataTemplate, PodTemplate, Template};
use crate::{KasprAppStatus, Raw, bounds, schema};

/// Desired state of an app.
#[derive(CustomResource, KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Default)]
#[kube(
    group = "kaspr.io",
    version = "v1alpha1",
    kind = "KasprApp",
    plural = "kasprapps",
    singular = "kasprapp",
    shortname = "kapps",
    shortname = "kapp",
    category = "kaspr",
    namespaced,
    status = "KasprAppStatus",
    derive = "PartialEq",
    doc = "A stream processing app: one StatefulSet of Kaspr workers and what belongs to it.",
    scale(
        spec_replicas_path = ".spec.replicas",
        status_replicas_path = ".status.replicas",
        label_selector_path = ".status.selector"
    )
)]
// A username that is itself a secret comes as an environment variable, which wins over the one that
// is rendered.
#[x_kube(validation = Rule::new("!has(self.authentication) || self.authentication.type == 'plain' \
    || (has(self.authentication.username) && self.authentication.username != '') \
    || (has(self.template) && has(self.template.kasprContainer) \
    && has(self.template.kasprContainer.env) \
    && self.template.kasprContainer.env.exists(e, e.name == 'K_KAFKA_AUTH_USERNAME'))")
    .message("scram needs a user: add authentication.username"))]
#[serde(rename_all = "camelCase")]
pub struct KasprAppSpec {
    /// Version of Kaspr, which names the image; the operator's default if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = bounds::NAME))]
    pub version: Option<String>,
    /// Number of workers, and ceiling of the autoscaler; 1 if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0))]
    pub replicas: Option<i32>,
    /// Image of the workers; takes the place of the one that the version names.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = bounds::IMAGE))]
    pub image: Option<String>,
    /// A Kafka broker as host:port, which tells workers of the others; more as host:port;kafka://host:port.
    #[schemars(length(max = bounds::BOOTSTRAP_SERVERS))]
    pub bootstrap_servers: String,
    /// Encrypts the connection to Kafka if present, even when empty.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::open_object")]
    pub tls: Option<Map<String, Value>>,
    /// How the workers prove to Kafka who they are.
    pub authentication: Authentication,
    /// Settings of the Kaspr worker; each becomes an environment variable.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::free_settings")]
    pub config: Option<Map<String, Value>>,
    /// Requests and limits of the worker's container.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::embedded::<ResourceRequirements>")]
    pub resources: Option<Raw>,
    /// When a worker counts as alive.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub liveness_probe: Option<Probe>,
    /// When a worker counts as ready.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub readiness_probe: Option<Probe>,
    /// Where the workers keep their tables.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub storage: Option<Storage>,
    /// Python packages installed before a worker starts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub python_packages: Option<PythonPackages>,
    /// Changes to the objects that the operator makes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub template: Option<Template>,
}

/// Timing of a probe.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Eq, Default)]
#[serde(rename_all = "camelCase")]
pub struct Probe {
    /// Failures in a row after which the probe has failed; 3 if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1))]
    pub failure_threshold: Option<i32>,
    /// Seconds from the container's start to the first probe; 15 if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0))]
    pub initial_delay_seconds: Option<i32>,
    /// Seconds between two probes; 10 if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1))]
    pub period_seconds: Option<i32>,
    /// Successes in a row after which a failed probe has succeeded; 1 if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1))]
    pub success_threshold: Option<i32>,
    /// Seconds after which a probe without an answer has failed; 5 if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1))]
    pub timeout_seconds: Option<i32>,
}

/// A worker's volume.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Eq, Default)]
#[serde(rename_all = "camelCase")]
pub struct Storage {
    /// Kind of storage.
    #[serde(rename = "type")]
    #[x_kube(validation = Rule::new("self == oldSelf").message(
        "storage.type cannot be changed: restore the old type, \
        or create the app under another name"))]
    pub kind: StorageType,
    /// Storage class of the claims.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = bounds::NAME))]
    #[x_kube(validation = Rule::new("self == oldSelf").message(
        "storage.class cannot be changed: restore the old class, \
        or create the app under another name"))]
    pub class: Option<String>,
    /// Size of each claim; needed for persistent-claim.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = bounds::AMOUNT))]
    pub size: Option<String>,
    /// Delete the claims together with the app.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delete_claim: Option<bool>,
}

/// Kind of storage.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq, Default)]
#[serde(rename_all = "kebab-case")]
pub enum StorageType {
    /// Gone with the pod.
    Ephemeral,
    /// A claim for each worker.
    #[default]
    PersistentClaim,
}
