//! Probes and metrics over HTTP: `/healthz`, `/readyz`, `/metrics`.

use std::convert::Infallible;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use http::{Request, Response, StatusCode, header};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::{Bytes, Frame, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tracing::debug;

use crate::cache::Cache;
use crate::lease::Term;
use crate::limits;
use crate::queue::Queue;
use crate::sensors::Tell;
use crate::sensors::prometheus::{CONTENT_TYPE, Metrics, Page, State};

/// What the pages show.
pub struct Admin {
    /// Whether everything is listed.
    pub cache: Arc<Cache>,
    /// How much waits.
    pub queue: Arc<Queue>,
    /// Whether this process leads.
    pub term: Arc<Term>,
    /// What sensors did not hear.
    pub tell: Tell,
    /// The counted facts.
    pub metrics: Metrics,
}

type Body = UnsyncBoxBody<Bytes, Infallible>;

/// The port cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("port {port} for metrics and probes cannot be opened: {source}; set METRICS_PORT")]
pub struct ListenError {
    port: u16,
    source: std::io::Error,
}

/// Opens the port on all interfaces.
///
/// # Errors
/// If it is taken or forbidden.
pub async fn listen(port: u16) -> Result<TcpListener, ListenError> {
    let address = SocketAddr::from((Ipv4Addr::UNSPECIFIED, port));
    TcpListener::bind(address).await.map_err(|source| ListenError { port, source })
}

impl Admin {
    /// Answers until `stop`.
    pub async fn run(self, listener: TcpListener, stop: CancellationToken) {
        let admin = Arc::new(self);
        loop {
            let accepted = tokio::select! {
                biased;
                () = stop.cancelled() => return,
                accepted = listener.accept() => accepted,
            };
            let Ok((stream, _)) = accepted else {
                // Out of file descriptors, most likely: give others time to close.
                tokio::time::sleep(limits::ACCEPT_PAUSE).await;
                continue;
            };
            let admin = Arc::clone(&admin);
            let stop = stop.clone();
            tokio::spawn(async move {
                let service = service_fn(|request| {
                    let answer = admin.answer(&request);
                    async move { Ok::<_, Infallible>(answer) }
                });
                let connection = http1::Builder::new()
                    .timer(TokioTimer::new())
                    .header_read_timeout(limits::ADMIN_HEADERS_WITHIN)
                    .serve_connection(TokioIo::new(stream), service);
                tokio::select! {
                    biased;
                    () = stop.cancelled() => {}
                    ended = connection => if let Err(error) = ended {
                        debug!("a connection for metrics or probes broke: {error}");
                    }
                }
            });
        }
    }

    fn answer(&self, request: &Request<Incoming>) -> Response<Body> {
        match request.uri().path() {
            "/healthz" => page(StatusCode::OK, "ok\n".to_owned()),
            "/readyz" => self.ready(),
            "/metrics" => self.metrics(),
            _ => page(StatusCode::NOT_FOUND, "see /healthz, /readyz, /metrics\n".to_owned()),
        }
    }

    fn ready(&self) -> Response<Body> {
        let (open, refused) = {
            let store = self.cache.lock();
            (store.coverage().open(), store.coverage().refused())
        };
        if !open.is_empty() {
            let text = format!("not listed yet: {}\n", open.join(", "));
            return page(StatusCode::SERVICE_UNAVAILABLE, text);
        }
        let refused = match refused.as_slice() {
            [] => String::new(),
            some => format!("no right to list, or no such kind: {}\n", some.join(", ")),
        };
        page(StatusCode::OK, format!("ok\n{refused}"))
    }

    /// Thousands of apps make a long page: it is written as fast as it is read.
    fn metrics(&self) -> Response<Body> {
        let page = Page::new(self.metrics.clone(), self.state());
        let chunks = page.map(|chunk| Ok(Frame::data(Bytes::from(chunk))));
        let chunks = futures::stream::iter(chunks);
        response(StatusCode::OK, CONTENT_TYPE, StreamBody::new(chunks).boxed_unsync())
    }

    fn state(&self) -> State {
        let store = self.cache.lock();
        let coverage = store.coverage();
        let watches = coverage.live().map(|(kind, scope, is_live)| {
            let is_refused = coverage.listing(kind, scope).is_refused();
            (kind.kind(), scope.to_string(), is_live, is_refused)
        });
        State {
            watches: watches.collect(),
            waiting: self.queue.waiting(),
            leads: *self.term.leads().borrow(),
            dropped: self.tell.dropped(),
        }
    }
}

fn page(status: StatusCode, text: String) -> Response<Body> {
    let body = Full::new(Bytes::from(text)).boxed_unsync();
    response(status, "text/plain; charset=utf-8", body)
}

fn response(status: StatusCode, content_type: &'static str, body: Body) -> Response<Body> {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    let content_type = http::HeaderValue::from_static(content_type);
    response.headers_mut().insert(header::CONTENT_TYPE, content_type);
    response
}
