//! One request to the API server: sent once, with a deadline, its refusal sorted by what to do.

use std::time::{Duration, Instant};

use http::{HeaderMap, Method, Request, StatusCode, header};
use http_body_util::{BodyExt, Limited};
use kaspr_core::outcome::Refusal;
use kaspr_engine::request::{Ask, Call, Failure};
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
        let (method, content_type, body) = parts_of(call.ask);
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

fn parts_of(ask: Ask) -> (Method, &'static str, Option<Value>) {
    match ask {
        Ask::Get => (Method::GET, "application/json", None),
        Ask::Create(body) => (Method::POST, "application/json", Some(body)),
        Ask::Patch(body) => (Method::PATCH, "application/json-patch+json", Some(body)),
        Ask::Merge(body) => (Method::PATCH, "application/merge-patch+json", Some(body)),
        // The content is JSON, which is YAML too; there is no JSON media type for apply.
        Ask::Apply(body) => (Method::PATCH, "application/apply-patch+yaml", Some(body)),
        Ask::Delete(body) => (Method::DELETE, "application/json", Some(body)),
    }
}

fn read(status: StatusCode, headers: &HeaderMap, body: &[u8]) -> Result<Value, Failure> {
    let parsed = serde_json::from_slice::<Value>(body);
    if status.is_success() {
        return parsed.map_err(|error| {
            Failure::new(Refusal::AnswerLost, &format!("the answer cannot be read: {error}"))
        });
    }
    let words = String::from_utf8_lossy(body);
    let failure = Failure::answered(status.as_u16(), parsed.ok(), &words);
    Err(Failure { retry_after: retry_after(headers), ..failure })
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
    use super::*;

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
