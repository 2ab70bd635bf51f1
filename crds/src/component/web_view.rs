//! KasprWebView: an HTTP endpoint of the workers.

use std::collections::BTreeMap;

use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{Code, ComponentStatus, Processors, Scalar, bounds, schema};

/// Desired state of a web view.
#[derive(CustomResource, KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Default)]
#[kube(
    group = "kaspr.io",
    version = "v1alpha1",
    kind = "KasprWebView",
    plural = "kasprwebviews",
    singular = "kasprwebview",
    shortname = "kwebviews",
    shortname = "kwebview",
    category = "kaspr",
    namespaced,
    status = "ComponentStatus",
    derive = "PartialEq",
    doc = "An HTTP endpoint of an app's workers."
)]
#[serde(rename_all = "camelCase")]
pub struct KasprWebViewSpec {
    /// Name for people; the worker goes by the name of the resource.
    #[schemars(length(max = bounds::NAME))]
    pub name: String,
    /// What the web view is for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = bounds::DESCRIPTION))]
    pub description: Option<String>,
    /// Requests that are answered.
    pub request: WebRequest,
    /// How they are answered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub response: Option<WebResponse>,
    /// What is done with each request.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub processors: Option<Processors>,
}

/// Requests that a web view answers.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Eq, Default)]
#[serde(rename_all = "camelCase")]
pub struct WebRequest {
    /// HTTP method.
    pub method: Method,
    /// Path, which may hold segments such as {order}.
    #[schemars(length(max = bounds::URL))]
    pub path: String,
}

/// HTTP method.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq, Default)]
#[serde(rename_all = "UPPERCASE")]
pub enum Method {
    /// Read.
    #[default]
    Get,
    /// Create or act.
    Post,
    /// Replace.
    Put,
    /// Remove.
    Delete,
    /// Change.
    Patch,
    /// Read without the body.
    Head,
    /// Ask what is allowed.
    Options,
}

/// How a web view answers.
///
/// Headers and headersSelector exclude each other too, but a rule cannot see a map whose values
/// have no type.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Default)]
#[x_kube(validation = Rule::new("!(has(self.statusCode) && has(self.statusCodeSelector))")
    .message("a response has either statusCode or statusCodeSelector: remove one of them"))]
#[serde(rename_all = "camelCase")]
pub struct WebResponse {
    /// Content type.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub content_type: Option<ContentType>,
    /// Fixed status code.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status_code: Option<i64>,
    /// Fixed headers: text, numbers or booleans.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::scalars")]
    pub headers: Option<BTreeMap<String, Scalar>>,
    /// Computes the body.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub body_selector: Option<Outcomes>,
    /// Computes the status code.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status_code_selector: Option<Outcomes>,
    /// Computes the headers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub headers_selector: Option<Outcomes>,
}

/// Content type of a response.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq)]
pub enum ContentType {
    /// A page.
    #[serde(rename = "text/html")]
    Html,
    /// JSON.
    #[serde(rename = "application/json")]
    Json,
    /// Text.
    #[serde(rename = "text/plain")]
    Text,
    /// Bytes.
    #[serde(rename = "application/octet-stream")]
    Bytes,
}

/// One piece of code for each way in which processing can end.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Eq, Default)]
#[x_kube(validation = Rule::new("has(self.onSuccess) || has(self.onError)")
    .message("a selector needs code: add onSuccess or onError"))]
#[serde(rename_all = "camelCase")]
pub struct Outcomes {
    /// When processing went well.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub on_success: Option<Code>,
    /// When it raised an error.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub on_error: Option<Code>,
}
