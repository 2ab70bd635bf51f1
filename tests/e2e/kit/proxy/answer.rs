//! Answers that the API server did not give.

use std::time::Duration;

use futures::{Stream, StreamExt, stream};
use http::{HeaderMap, Response, StatusCode, header};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::{Bytes, Frame};
use serde_json::{Value, json};

/// An answer on its way to the client.
pub(super) type Answer = Response<UnsyncBoxBody<Bytes, Broken>>;

/// The connection ends here.
#[derive(Debug)]
pub(super) struct Broken;

impl std::fmt::Display for Broken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("the connection is broken on purpose")
    }
}

impl std::error::Error for Broken {}

/// A `Status` as the API server words it.
pub(super) fn status(code: u16) -> Value {
    let reason = match code {
        403 => "Forbidden",
        404 => "NotFound",
        409 => "Conflict",
        410 => "Expired",
        422 => "Invalid",
        429 => "TooManyRequests",
        500 => "InternalError",
        503 => "ServiceUnavailable",
        _ => "Unknown",
    };
    json!({
        "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
        "message": format!("the fault proxy answers {code}"), "reason": reason, "code": code,
    })
}

/// A refusal, with the time after which to come back.
pub(super) fn refusal(code: u16, retry_after: Option<Duration>) -> Answer {
    let mut answer = whole(code, "application/json", status(code).to_string().into());
    if let Some(pause) = retry_after {
        answer.headers_mut().insert(header::RETRY_AFTER, pause.as_secs().into());
    }
    answer
}

/// An answer of one piece.
pub(super) fn whole(code: u16, content: &'static str, body: Bytes) -> Answer {
    let body = Full::new(body).map_err(|never| match never {}).boxed_unsync();
    let code = StatusCode::from_u16(code).unwrap();
    Response::builder().status(code).header(header::CONTENT_TYPE, content).body(body).unwrap()
}

/// The half of an answer, which then ends well or not.
pub(super) fn half(code: StatusCode, headers: HeaderMap, body: &Bytes, is_broken: bool) -> Answer {
    let begin = stream::iter([Ok(body.slice(..body.len() / 2))]);
    let end = stream::iter(is_broken.then_some(Err(Broken)));
    // A turn of the runtime between them, so that the half is sent before the connection ends.
    let end = end.then(async |item| {
        tokio::time::sleep(Duration::from_millis(20)).await;
        item
    });
    streamed(code, headers, begin.chain(end))
}

/// An answer whose pieces come one by one, its length unknown.
pub(super) fn streamed<S>(code: StatusCode, mut headers: HeaderMap, pieces: S) -> Answer
where
    S: Stream<Item = Result<Bytes, Broken>> + Send + 'static,
{
    headers.remove(header::CONTENT_LENGTH);
    let body = StreamBody::new(pieces.map(|piece| piece.map(Frame::data))).boxed_unsync();
    let mut answer = Response::new(body);
    *answer.status_mut() = code;
    *answer.headers_mut() = headers;
    answer
}
