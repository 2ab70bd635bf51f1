use std::convert::Infallible;
use std::future::ready;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use futures::{StreamExt, stream};
use http::{Method, Request, Response, StatusCode};
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::{Bytes, Frame};
use kube::Client;
use kube::client::Body;
use tokio::task::JoinHandle;
use tokio::time::Instant;

use super::*;

/// An API server that knows one lease.
#[derive(Clone, Default)]
struct Server {
    lease: Arc<Mutex<Option<Value>>>,
    is_down: Arc<Mutex<bool>>,
    /// Whether a watch tells how the lease stands, and then nothing more for ever; there is none
    /// otherwise.
    hangs: bool,
    /// How many requests its clients sent.
    asked: Arc<AtomicUsize>,
}

impl Server {
    fn client(&self) -> Client {
        let server = self.clone();
        let service = tower::service_fn(move |request: Request<Body>| {
            let server = server.clone();
            async move {
                let (parts, body) = request.into_parts();
                let sent = body.collect().await.unwrap().to_bytes();
                let sent = serde_json::from_slice(&sent).unwrap_or(Value::Null);
                server.asked.fetch_add(1, Ordering::Relaxed);
                let is_watch = parts.uri.query().is_some_and(|query| query.contains("watch=1"));
                let (status, body) = if is_watch && server.hangs {
                    (StatusCode::OK, server.watch())
                } else {
                    let (status, answer) = server.answer(&parts.method, &sent);
                    (status, Full::from(answer.to_string()).boxed())
                };
                let mut response = Response::new(body);
                *response.status_mut() = status;
                Ok::<_, Infallible>(response)
            }
        });
        Client::new(service, "default")
    }

    fn answer(&self, method: &Method, sent: &Value) -> (StatusCode, Value) {
        let refuse = |status| (status, json!({"message": "no"}));
        if *self.is_down.lock().unwrap() {
            return refuse(StatusCode::SERVICE_UNAVAILABLE);
        }
        let mut lease = self.lease.lock().unwrap_or_else(PoisonError::into_inner);
        let version = lease.as_ref().map(|lease| lease["metadata"]["resourceVersion"].clone());
        match (method, &version) {
            (&Method::GET | &Method::PATCH, None) => refuse(StatusCode::NOT_FOUND),
            (&Method::GET, Some(_)) => (StatusCode::OK, lease.clone().unwrap()),
            (&Method::POST, Some(_)) => refuse(StatusCode::CONFLICT),
            (_, Some(version)) if sent["metadata"]["resourceVersion"] != *version => {
                refuse(StatusCode::CONFLICT)
            }
            (_, version) => {
                let number = version
                    .as_ref()
                    .map_or(0, |version| version.as_str().unwrap().parse::<u64>().unwrap());
                let mut next = lease.clone().unwrap_or(Value::Null);
                json_patch::merge(&mut next, sent);
                next["metadata"]["resourceVersion"] = (number + 1).to_string().into();
                *lease = Some(next.clone());
                (StatusCode::OK, next)
            }
        }
    }

    fn watch(&self) -> BoxBody<Bytes, Infallible> {
        let event = json!({ "type": "ADDED", "object": *self.lease.lock().unwrap() });
        let first = Frame::data(Bytes::from(format!("{event}\n")));
        let events = stream::once(ready(Ok::<_, Infallible>(first))).chain(stream::pending());
        BodyExt::boxed(StreamBody::new(events))
    }

    fn holder(&self) -> String {
        let lease = self.lease.lock().unwrap();
        lease.as_ref().unwrap()["spec"]["holderIdentity"].as_str().unwrap().to_owned()
    }
}

struct Process {
    term: Arc<Term>,
    clock: ProcessClock,
    stop: CancellationToken,
    task: JoinHandle<()>,
}

impl Process {
    fn start(identity: &str, server: &Server) -> Self {
        let settings = LeaseSettings {
            name: "l".to_owned(),
            namespace: "n".to_owned(),
            duration: limits::LEASE_DURATION,
            renew: limits::LEASE_RENEW,
            identity: identity.to_owned(),
        };
        let (term, clock, stop) =
            (Arc::new(Term::none()), ProcessClock::start(), CancellationToken::new());
        let api = Api::new(server.client(), limits::LEASE_REQUEST_WITHIN, Tell::default());
        let (follow, heard) = Follow::new(server.client(), &settings);
        tokio::spawn(follow.run(stop.clone()));
        let keeper = Keeper::new(settings, (api, heard), clock, Arc::clone(&term), Tell::default());
        let task = tokio::spawn(keeper.run(stop.clone()));
        Self { term, clock, stop, task }
    }

    fn leads(&self) -> bool {
        self.term.holds(self.clock.now())
    }
}

async fn until(is: impl Fn() -> bool) -> Duration {
    let began = Instant::now();
    while !is() {
        sleep(Duration::from_millis(10)).await;
        assert!(began.elapsed() < Duration::from_mins(10), "it never comes");
    }
    began.elapsed()
}

#[tokio::test(start_paused = true)]
async fn a_lease_given_back_is_taken_at_once() {
    let server = Server::default();
    let first = Process::start("first", &server);
    until(|| first.leads()).await;
    let second = Process::start("second", &server);
    sleep(Duration::from_mins(5)).await;
    assert!(first.leads() && !second.leads());
    first.stop.cancel();
    first.task.await.unwrap();
    assert!(!first.term.holds(first.clock.now()));
    assert!(until(|| second.leads()).await <= limits::LEASE_LOOK + Duration::from_millis(100));
    assert_eq!(server.holder(), "second");
}

#[tokio::test(start_paused = true)]
async fn a_lease_whose_holder_died_is_taken_when_it_ran_out_and_not_before() {
    let server = Server::default();
    let first = Process::start("first", &server);
    until(|| first.leads()).await;
    let second = Process::start("second", &server);
    sleep(Duration::from_secs(30)).await;
    first.task.abort();
    let both = || {
        assert!(!(first.leads() && second.leads()), "two lead");
        second.leads()
    };
    let taken = until(both).await;
    assert!(taken > Duration::from_secs(9) && taken < Duration::from_secs(17), "{taken:?}");
}

#[tokio::test(start_paused = true)]
async fn who_waits_on_a_watch_that_hangs_asks_rarely_and_follows_all_the_same() {
    let server = Server::default();
    let first = Process::start("first", &server);
    until(|| first.leads()).await;
    let hung = Server { hangs: true, asked: Arc::default(), ..server.clone() };
    let second = Process::start("second", &hung);
    let lasts = Duration::from_mins(1);
    sleep(lasts).await;
    assert!(first.leads() && !second.leads());
    // Each time that it looks stale: a write that is refused, and a look.
    let turns = lasts.as_secs() / limits::LEASE_DURATION.as_secs();
    let asked = hung.asked.load(Ordering::Relaxed);
    assert!(asked <= 2 * usize::try_from(turns).unwrap() + 3, "it asked {asked} times");
    first.task.abort();
    assert!(until(|| second.leads()).await <= 2 * limits::LEASE_DURATION);
}

#[tokio::test(start_paused = true)]
async fn a_holder_that_cannot_renew_stops_and_leads_again_later() {
    let server = Server::default();
    let only = Process::start("only", &server);
    until(|| only.leads()).await;
    *server.is_down.lock().unwrap() = true;
    let lost = until(|| !only.leads()).await;
    assert!(lost <= limits::LEASE_DURATION, "{lost:?}");
    sleep(Duration::from_mins(1)).await;
    assert!(!*only.term.leads().borrow());
    *server.is_down.lock().unwrap() = false;
    assert!(until(|| only.leads()).await <= Duration::from_secs(2));
}
