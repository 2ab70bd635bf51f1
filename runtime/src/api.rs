//! One request to the API server: sent once, with a deadline, its refusal sorted by what to do.

use std::time::{Duration, Instant};

use http::{HeaderMap, Method, Request, StatusCode, header};
use http_body_util::{BodyExt, Limited};
use kaspr_core::key::ObjectRef;
use kaspr_core::outcome::Refusal;
use kube::Client;
use kube::client::Body;
use serde_json::Value;
use tokio::time::timeout;

use crate::limits;
use crate::sensors::fact::RequestFact;
use crate::sensors::{Fact, Tell};

/// A connection to the API server for requests about single objects.
#[derive(Clone)]
pub struct Api {
    client: Client,
    within: Duration,
    tell: Tell,
}

/// One request.
#[derive(Debug)]
pub struct Call {
    /// The kind of the object, for metrics.
    pub kind: &'static str,
    /// The path below the server's address, query included.
    pub path: String,
    /// What is asked.
    pub ask: Ask,
}

/// What is asked.
#[derive(Debug)]
pub enum Ask {
    /// Read.
    Get,
    /// Create.
    Create(Value),
    /// Merge patch.
    Merge(Value),
    /// JSON patch.
    Patch(Value),
    /// Server-side apply.
    Apply(Value),
    /// Delete, with these options.
    Delete(Value),
}

/// A request that was not accepted.
#[derive(Debug)]
pub struct Failure {
    /// In which of the ways that we react to.
    pub refusal: Refusal,
    /// The server's words, cut; or ours, where it said nothing.
    pub message: String,
    /// The server's `Status` object, if it sent one.
    pub status: Option<Value>,
    /// How long it asks to be left alone.
    pub retry_after: Option<Duration>,
}

impl Failure {
    fn new(refusal: Refusal, message: &str) -> Self {
        let message = message.chars().take(limits::MESSAGE_MAX).collect();
        Self { refusal, message, status: None, retry_after: None }
    }
}

impl Api {
    /// Requests that end within `within`.
    pub fn new(client: Client, within: Duration, tell: Tell) -> Self {
        Self { client, within, tell }
    }

    /// Sends it once and reads the whole answer.
    ///
    /// # Errors
    /// Whatever is not a success, sorted.
    pub async fn send(&self, call: Call) -> Result<Value, Failure> {
        let began = Instant::now();
        let (verb, kind) = (call.ask.verb(), call.kind);
        let answer = match timeout(self.within, self.exchange(call)).await {
            Ok(answer) => answer,
            Err(_) => Err(Failure::new(
                Refusal::AnswerLost,
                &format!("no answer within {} s", self.within.as_secs()),
            )),
        };
        let outcome = answer.as_ref().map_or_else(|failure| failure.refusal.code(), |_| "done");
        self.tell.tell(Fact::Request(RequestFact { verb, kind, outcome, took: began.elapsed() }));
        answer
    }

    async fn exchange(&self, call: Call) -> Result<Value, Failure> {
        let invalid = |error: &dyn std::fmt::Display| {
            Failure::new(Refusal::Invalid, &format!("the request cannot be written: {error}"))
        };
        let (method, content_type, body) = call.ask.into_parts();
        let text = body.map_or_else(Vec::new, |body| body.to_string().into_bytes());
        let request = Request::builder()
            .method(method)
            .uri(call.path)
            .header(header::CONTENT_TYPE, content_type)
            .header(header::ACCEPT, "application/json")
            .body(Body::from(text))
            .map_err(|error| invalid(&error))?;
        let answer = self.client.send(request).await.map_err(|error| unsent(&error))?;
        let (parts, body) = answer.into_parts();
        let body =
            Limited::new(body, limits::ANSWER_BYTES_MAX).collect().await.map_err(|error| {
                Failure::new(Refusal::AnswerLost, &format!("the answer broke off: {error}"))
            })?;
        read(parts.status, &parts.headers, &body.to_bytes())
    }
}

impl Ask {
    /// A stable word for metrics.
    fn verb(&self) -> &'static str {
        match self {
            Self::Get => "get",
            Self::Create(_) => "create",
            Self::Merge(_) | Self::Patch(_) => "patch",
            Self::Apply(_) => "apply",
            Self::Delete(_) => "delete",
        }
    }

    fn into_parts(self) -> (Method, &'static str, Option<Value>) {
        match self {
            Self::Get => (Method::GET, "application/json", None),
            Self::Create(body) => (Method::POST, "application/json", Some(body)),
            Self::Patch(body) => (Method::PATCH, "application/json-patch+json", Some(body)),
            Self::Merge(body) => (Method::PATCH, "application/merge-patch+json", Some(body)),
            // The content is JSON, which is YAML too; there is no JSON media type for apply.
            Self::Apply(body) => (Method::PATCH, "application/apply-patch+yaml", Some(body)),
            Self::Delete(body) => (Method::DELETE, "application/json", Some(body)),
        }
    }
}

/// The path of an object, or of its subresource.
pub fn path(object: &ObjectRef, subresource: Option<&str>) -> String {
    let tail = subresource.map(|name| format!("/{name}")).unwrap_or_default();
    let base = collection(&object.kind.api_version(), &object.namespace, object.kind.plural());
    format!("{base}/{}{tail}", object.name)
}

/// The path of all objects of a kind in a namespace.
pub fn collection(api_version: &str, namespace: &str, plural: &str) -> String {
    let root = if api_version.contains('/') { "apis" } else { "api" };
    format!("/{root}/{api_version}/namespaces/{namespace}/{plural}")
}

fn read(status: StatusCode, headers: &HeaderMap, body: &[u8]) -> Result<Value, Failure> {
    let parsed = serde_json::from_slice::<Value>(body);
    if status.is_success() {
        return parsed.map_err(|error| {
            Failure::new(Refusal::AnswerLost, &format!("the answer cannot be read: {error}"))
        });
    }
    let parsed = parsed.ok();
    let words = parsed.as_ref().and_then(|status| status.get("message")?.as_str());
    let message = words.map_or_else(|| String::from_utf8_lossy(body), Into::into);
    let mut failure = Failure::new(sort(status), &format!("{}: {message}", status.as_u16()));
    failure.retry_after = retry_after(headers);
    failure.status = parsed;
    Err(failure)
}

fn sort(status: StatusCode) -> Refusal {
    match status.as_u16() {
        409 => Refusal::Conflict,
        404 | 410 => Refusal::Gone,
        401 | 403 => Refusal::Forbidden,
        429 => Refusal::Busy,
        // The request was under way when the server gave up on it.
        408 | 504 => Refusal::AnswerLost,
        400..=499 => Refusal::Invalid,
        _ => Refusal::Unreachable,
    }
}

fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let seconds = headers.get(header::RETRY_AFTER)?.to_str().ok()?.parse().ok()?;
    Some(Duration::from_secs(seconds))
}

/// What a request without an answer means: never sent, or nobody knows.
fn unsent(error: &kube::Error) -> Failure {
    let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(error);
    let mut last = error.to_string();
    let mut is_connect = matches!(error, kube::Error::Auth(_));
    while let Some(inner) = cause {
        if let Some(client) = inner.downcast_ref::<hyper_util::client::legacy::Error>() {
            is_connect |= client.is_connect();
        }
        last = inner.to_string();
        cause = inner.source();
    }
    let refusal = if is_connect { Refusal::Unreachable } else { Refusal::AnswerLost };
    Failure::new(refusal, &last)
}

#[cfg(test)]
mod tests {
    use kaspr_core::key::ObjectKind;

    use super::*;

    #[test]
    fn paths_are_those_of_the_api() {
        let set = ObjectRef::new(ObjectKind::StatefulSet, "n", "a-app");
        assert_eq!(
            path(&set, Some("scale")),
            "/apis/apps/v1/namespaces/n/statefulsets/a-app/scale"
        );
        let map = ObjectRef::new(ObjectKind::ConfigMap, "n", "a");
        assert_eq!(path(&map, None), "/api/v1/namespaces/n/configmaps/a");
    }

    #[test]
    fn each_refusal_is_a_way_to_react() {
        let check = |status: u16, expected: Refusal| {
            let body = br#"{"kind": "Status", "message": "no"}"#;
            let status = StatusCode::from_u16(status).unwrap();
            let failure = read(status, &HeaderMap::new(), body).unwrap_err();
            assert_eq!(failure.refusal, expected, "{status}");
            assert_eq!(failure.message, format!("{}: no", status.as_u16()));
        };
        check(409, Refusal::Conflict);
        check(404, Refusal::Gone);
        check(401, Refusal::Forbidden);
        check(403, Refusal::Forbidden);
        check(400, Refusal::Invalid);
        check(422, Refusal::Invalid);
        check(429, Refusal::Busy);
        check(500, Refusal::Unreachable);
        check(503, Refusal::Unreachable);
        check(504, Refusal::AnswerLost);
    }

    #[test]
    fn a_success_that_cannot_be_read_is_a_lost_answer() {
        let failure = read(StatusCode::OK, &HeaderMap::new(), b"<html>").unwrap_err();
        assert_eq!(failure.refusal, Refusal::AnswerLost);
    }

    #[test]
    fn a_busy_server_says_for_how_long() {
        let mut headers = HeaderMap::new();
        headers.insert(header::RETRY_AFTER, "7".parse().unwrap());
        let failure = read(StatusCode::TOO_MANY_REQUESTS, &headers, b"wait").unwrap_err();
        assert_eq!(failure.retry_after, Some(Duration::from_secs(7)));
        assert_eq!(failure.message, "429: wait");
    }
}
