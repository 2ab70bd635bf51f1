//! How workers log in to Kafka.

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::bounds;

/// Mechanism and credentials.
///
/// SASL is on for both scram types, and for plain if a username is given.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Eq, Default)]
#[x_kube(validation = Rule::new("(self.type == 'plain' \
    && (!has(self.username) || self.username == '')) \
    || (has(self.passwordSecret) && has(self.passwordSecret.secretName) \
    && has(self.passwordSecret.passwordKey))")
    .message("authentication needs a password: add passwordSecret.secretName and \
    passwordSecret.passwordKey, or use type plain without username"))]
#[serde(rename_all = "camelCase")]
pub struct Authentication {
    /// Mechanism; plain without a username means no authentication.
    #[serde(rename = "type")]
    pub kind: AuthenticationType,
    /// User known to Kafka.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = bounds::NAME))]
    pub username: Option<String>,
    /// Where the password is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub password_secret: Option<PasswordSecret>,
}

/// Mechanism of authentication.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum AuthenticationType {
    /// SCRAM with SHA-256.
    #[serde(rename = "scram-sha-256")]
    ScramSha256,
    /// SCRAM with SHA-512.
    #[serde(rename = "scram-sha-512")]
    ScramSha512,
    /// A plain password, or nothing.
    #[default]
    #[serde(rename = "plain")]
    Plain,
}

/// A key of a Secret in the app's namespace.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Eq, Default)]
#[serde(rename_all = "camelCase")]
pub struct PasswordSecret {
    /// Name of the Secret.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = bounds::NAME))]
    pub secret_name: Option<String>,
    /// Key in the Secret.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = bounds::NAME))]
    pub password_key: Option<String>,
}
