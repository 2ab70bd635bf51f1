//! One request: its fault, its way to the API server, its answer.

use std::future::pending;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use http::request::Parts;
use http::{HeaderMap, Request, Response, header};
use http_body_util::BodyExt;
use hyper::body::{Bytes, Incoming};
use kube::Client;
use kube::client::Body;
use serde_json::Value;

use super::answer::{Answer, Broken, half, refusal, streamed, whole};
use super::asked::{Asked, Verb};
use super::record::{Record, Told};
use super::rule::{Fault, Rules};
use super::stream::{events, first_event};

/// What the connections of a proxy share.
pub(super) struct Shared {
    pub(super) upstream: Client,
    pub(super) began: Instant,
    pub(super) state: Mutex<State>,
}

/// Rules and log change together: the order of counts is that of the log.
#[derive(Default)]
pub(super) struct State {
    pub(super) rules: Rules,
    pub(super) log: Vec<Record>,
    pub(super) told: Vec<Told>,
}

/// A request that was read whole. A client's requests are small; answers are streamed.
struct Read {
    head: Parts,
    body: Bytes,
    asked: Asked,
    /// Its place in the log.
    at: usize,
}

impl Shared {
    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The answer; an error ends the connection without one.
    pub(super) async fn serve(
        self: &Arc<Self>,
        request: Request<Incoming>,
    ) -> Result<Answer, Broken> {
        let (head, body) = request.into_parts();
        let body = body.collect().await.map_err(|_| Broken)?.to_bytes();
        let asked = Asked::of(&head);
        let (fault, at) = self.begin(&asked, &body);
        let read = Read { head, body, asked, at };
        let answer = match fault {
            None => self.pass_on(read).await?,
            Some(fault) => self.spoil(read, fault).await?,
        };
        self.lock().log[at].answered = Some(answer.status().as_u16());
        Ok(answer)
    }

    fn begin(&self, asked: &Asked, body: &[u8]) -> (Option<Fault>, usize) {
        let mut state = self.lock();
        let fault = state.rules.choose(asked);
        state.log.push(Record::new(self.began.elapsed(), asked.clone(), body, fault.clone()));
        (fault, state.log.len() - 1)
    }

    async fn spoil(self: &Arc<Self>, read: Read, fault: Fault) -> Result<Answer, Broken> {
        match fault {
            Fault::Delay(pause) => {
                tokio::time::sleep(pause).await;
                self.pass_on(read).await
            }
            Fault::Status(code) => Ok(refusal(code, None)),
            Fault::Busy(seconds) => Ok(refusal(429, Some(Duration::from_secs(seconds)))),
            Fault::Empty => Ok(whole(200, "application/json", Bytes::new())),
            Fault::NotJson => Ok(whole(200, "text/html", Bytes::from_static(PAGE))),
            Fault::CloseBefore => Err(Broken),
            Fault::Hold => pending().await,
            Fault::ApplyThenClose => {
                self.carry_out(read).await?;
                Err(Broken)
            }
            Fault::ApplyThen500 => {
                self.carry_out(read).await?;
                Ok(refusal(500, None))
            }
            Fault::ApplyThenHold => {
                self.carry_out(read).await?;
                pending().await
            }
            Fault::TruncateJson => self.cut(read, false).await,
            Fault::BreakJson => self.cut(read, true).await,
            Fault::HoldWatch(_) | Fault::DropEvent(_) | Fault::Gone(_) => {
                self.stream(read, Some(fault)).await
            }
        }
    }

    async fn pass_on(self: &Arc<Self>, read: Read) -> Result<Answer, Broken> {
        if read.asked.verb == Verb::Watch {
            return self.stream(read, None).await;
        }
        let answer = self.forward(read).await?;
        Ok(answer.map(|body| body.map_err(|_| Broken).boxed_unsync()))
    }

    /// The events of a watch, each noted.
    async fn stream(self: &Arc<Self>, read: Read, fault: Option<Fault>) -> Result<Answer, Broken> {
        let resource = read.asked.resource.clone();
        let answer = self.forward(read).await?;
        if !answer.status().is_success() {
            return Ok(answer.map(|body| body.map_err(|_| Broken).boxed_unsync()));
        }
        let shared = Arc::clone(self);
        let tell = move |meta: &Value| {
            let version = meta["resourceVersion"].as_str().unwrap_or_default().to_owned();
            let at = shared.began.elapsed();
            let told = Told { at, resource: resource.clone(), version };
            shared.lock().told.push(told);
        };
        let (head, body) = answer.into_parts();
        Ok(streamed(head.status, head.headers, events(body, fault, tell)))
    }

    /// Sends it, and takes the answer for itself. A watch is carried out once it is open.
    async fn carry_out(&self, read: Read) -> Result<(), Broken> {
        let is_watch = read.asked.verb == Verb::Watch;
        let answer = self.forward(read).await?;
        if !is_watch {
            answer.into_body().collect().await.map_err(|_| Broken)?;
        }
        Ok(())
    }

    /// Half of the answer, of a watch half of its first event.
    async fn cut(&self, read: Read, is_broken: bool) -> Result<Answer, Broken> {
        let is_watch = read.asked.verb == Verb::Watch;
        let (head, body) = self.forward(read).await?.into_parts();
        let bytes = if is_watch {
            first_event(body).await?
        } else {
            body.collect().await.map_err(|_| Broken)?.to_bytes()
        };
        Ok(half(head.status, head.headers, &bytes, is_broken))
    }

    async fn forward(&self, read: Read) -> Result<Response<Body>, Broken> {
        let Read { head, body, at, .. } = read;
        let path = head.uri.path_and_query().map_or("/", |path| path.as_str());
        let mut request = Request::builder().method(head.method).uri(path);
        if let Some(headers) = request.headers_mut() {
            *headers = without_connection(head.headers);
        }
        let request = request.body(Body::from(body.to_vec())).unwrap();
        let answer = self.upstream.send(request).await.map_err(|_| Broken)?;
        self.lock().log[at].upstream = Some(answer.status().as_u16());
        let (mut head, body) = answer.into_parts();
        head.headers = without_connection(head.headers);
        if let Some(length) = hyper::body::Body::size_hint(&body).exact() {
            head.headers.insert(header::CONTENT_LENGTH, length.into());
        }
        Ok(Response::from_parts(head, body))
    }
}

const PAGE: &[u8] = b"<html><body><h1>It works!</h1></body></html>\n";

/// The headers that are about the message, not about the connection that it came by.
fn without_connection(mut headers: HeaderMap) -> HeaderMap {
    for name in [
        header::HOST,
        header::CONNECTION,
        header::CONTENT_LENGTH,
        header::TRANSFER_ENCODING,
        header::UPGRADE,
        header::AUTHORIZATION,
    ] {
        headers.remove(name);
    }
    headers
}
