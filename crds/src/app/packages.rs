//! Python packages that are installed before a worker starts.

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use k8s_openapi::api::core::v1::ResourceRequirements;

use crate::{Raw, bounds, schema};

/// What to install, from where, and how.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Default)]
#[serde(rename_all = "camelCase")]
pub struct PythonPackages {
    /// Requirements as pip takes them.
    #[schemars(length(max = bounds::LIST), inner(length(max = bounds::PACKAGE)))]
    pub packages: Vec<String>,
    /// Package index; pip's own if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = bounds::URL), regex(pattern = r"^https?://.+"))]
    pub index_url: Option<String>,
    /// Further package indexes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(
        length(max = bounds::LIST),
        inner(length(max = bounds::URL), regex(pattern = r"^https?://.+"))
    )]
    pub extra_index_urls: Option<Vec<String>>,
    /// Hosts that need no valid certificate.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = bounds::LIST), inner(length(max = bounds::NAME)))]
    pub trusted_hosts: Option<Vec<String>>,
    /// Login for the package index.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub credentials: Option<Credentials>,
    /// Where installed packages are kept; absent means in each pod.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cache: Option<Cache>,
    /// How often and how long to try.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub install_policy: Option<InstallPolicy>,
    /// Requests and limits of the installing container.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::embedded::<ResourceRequirements>")]
    pub resources: Option<Raw>,
}

/// Login for a package index.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Eq, Default)]
#[serde(rename_all = "camelCase")]
pub struct Credentials {
    /// Secret with user and password.
    pub secret_ref: CredentialsSecret,
}

/// A Secret with user and password, in the app's namespace.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Eq, Default)]
#[serde(rename_all = "camelCase")]
pub struct CredentialsSecret {
    /// Name of the Secret.
    #[schemars(length(max = bounds::NAME))]
    pub name: String,
    /// Key of the user name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = bounds::NAME), extend("default" = "username"))]
    pub username_key: Option<String>,
    /// Key of the password.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = bounds::NAME), extend("default" = "password"))]
    pub password_key: Option<String>,
}

/// Where installed packages are kept.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Eq, Default)]
#[x_kube(validation = Rule::new("!has(self.type) || self.type != 'gcs' || has(self.gcs)")
    .message("a cache of type gcs needs the gcs block: add gcs.bucket and gcs.secretRef.name"))]
#[serde(rename_all = "camelCase")]
pub struct Cache {
    /// Kind of cache.
    #[serde(rename = "type", default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("default" = "pvc"))]
    pub kind: Option<CacheType>,
    /// Use the cache; a cache of type gcs is always used.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("default" = false))]
    pub enabled: Option<bool>,
    /// Storage class of the claim; the cluster's default if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = bounds::NAME))]
    pub storage_class: Option<String>,
    /// Size of the claim; 256Mi if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = bounds::AMOUNT))]
    pub size: Option<String>,
    /// Access mode of the claim.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("default" = "ReadWriteMany"))]
    pub access_mode: Option<AccessMode>,
    /// Delete the claim together with the app; true if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delete_claim: Option<bool>,
    /// Bucket of a cache of type gcs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gcs: Option<Gcs>,
}

/// Kind of cache.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub enum CacheType {
    /// A claim that all workers share.
    Pvc,
    /// A bucket of Google Cloud Storage.
    Gcs,
}

/// Access mode of the claim that all workers share.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq)]
pub enum AccessMode {
    /// Many nodes may write.
    ReadWriteMany,
}

/// A bucket of Google Cloud Storage.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Eq, Default)]
#[serde(rename_all = "camelCase")]
pub struct Gcs {
    /// Name of the bucket.
    #[schemars(length(max = bounds::NAME))]
    pub bucket: String,
    /// What the names of the archives begin with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = bounds::URL), extend("default" = "kaspr-packages/"))]
    pub prefix: Option<String>,
    /// Largest archive to upload.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = bounds::AMOUNT), extend("default" = "1Gi"))]
    pub max_archive_size: Option<String>,
    /// Secret with the service account's key.
    pub secret_ref: GcsSecret,
}

/// A Secret with a service account's key, in the app's namespace.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Eq, Default)]
#[serde(rename_all = "camelCase")]
pub struct GcsSecret {
    /// Name of the Secret.
    #[schemars(length(max = bounds::NAME))]
    pub name: String,
    /// Key in the Secret.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = bounds::NAME), extend("default" = "sa.json"))]
    pub key: Option<String>,
}

/// How often and how long to try to install.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Eq, Default)]
#[serde(rename_all = "camelCase")]
pub struct InstallPolicy {
    /// Number of attempts; 3 if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0))]
    pub retries: Option<i32>,
    /// Seconds for one attempt; 600 if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 60))]
    pub timeout: Option<i32>,
    /// What to do when all attempts failed; block if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub on_failure: Option<OnFailure>,
}

/// What to do when packages could not be installed.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub enum OnFailure {
    /// The worker does not start.
    Block,
    /// The worker starts without them.
    Allow,
}
