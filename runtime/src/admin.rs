//! Probes and metrics over HTTP: `/healthz`, `/readyz`, `/metrics`.

use std::convert::Infallible;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use http::{Request, Response, StatusCode, header};
use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use metrics::gauge;
use metrics_exporter_prometheus::PrometheusHandle;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tracing::debug;

use crate::cache::Cache;
use crate::limits;
use crate::queue::Queue;

/// What the pages show.
pub struct Admin {
    /// Whether everything is listed.
    pub cache: Arc<Cache>,
    /// How much waits.
    pub queue: Arc<Queue>,
    /// The counted facts.
    pub metrics: PrometheusHandle,
}

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
        let mut upkeep = tokio::time::interval(limits::METRICS_UPKEEP);
        loop {
            let accepted = tokio::select! {
                biased;
                () = stop.cancelled() => return,
                _ = upkeep.tick() => {
                    admin.metrics.run_upkeep();
                    continue;
                }
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

    fn answer(&self, request: &Request<Incoming>) -> Response<Full<Bytes>> {
        match request.uri().path() {
            "/healthz" => page(StatusCode::OK, "ok\n".to_owned()),
            "/readyz" => self.ready(),
            "/metrics" => page(StatusCode::OK, self.metrics()),
            _ => page(StatusCode::NOT_FOUND, "see /healthz, /readyz, /metrics\n".to_owned()),
        }
    }

    fn ready(&self) -> Response<Full<Bytes>> {
        let open = self.cache.lock().coverage().open();
        if open.is_empty() {
            page(StatusCode::OK, "ok\n".to_owned())
        } else {
            let text = format!("not listed yet: {}\n", open.join(", "));
            page(StatusCode::SERVICE_UNAVAILABLE, text)
        }
    }

    fn metrics(&self) -> String {
        gauge!("kasprop_queue_depth").set(as_f64(self.queue.depth()));
        for (kind, scope, is_live) in self.cache.lock().coverage().live() {
            gauge!("kasprop_watch_up", "kind" => kind.kind(), "scope" => scope.to_string())
                .set(if is_live { 1.0 } else { 0.0 });
        }
        self.metrics.render()
    }
}

fn as_f64(count: usize) -> f64 {
    u32::try_from(count).map_or(f64::from(u32::MAX), f64::from)
}

fn page(status: StatusCode, text: String) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from(text)));
    *response.status_mut() = status;
    let plain = http::HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");
    response.headers_mut().insert(header::CONTENT_TYPE, plain);
    response
}
