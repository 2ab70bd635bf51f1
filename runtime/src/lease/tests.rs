use std::sync::{Mutex, PoisonError};

use http::{Method, Request, Response, StatusCode};
use http_body_util::BodyExt;
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
                let (status, answer) = server.answer(&parts.method, &sent);
                let body = Body::from(answer.to_string().into_bytes());
                let mut response = Response::new(body);
                *response.status_mut() = status;
                Ok::<_, std::convert::Infallible>(response)
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
