use std::collections::VecDeque;
use std::sync::Mutex;

use http::{Request, Response, StatusCode};
use kaspr_core::seen::{Seen, Unseen};
use kube::client::Body;
use serde_json::{Value, json};

use super::*;
use crate::clock::ProcessClock;

/// What the server answers, one after the other; then it refuses.
type Script = Arc<Mutex<VecDeque<(u16, String)>>>;

struct Rig {
    cache: Arc<Cache>,
    asked: Arc<Mutex<Vec<(Instant, String)>>>,
}

impl Rig {
    /// Runs a watch of apps against the script for a while.
    async fn run(script: Vec<(u16, String)>, during: Duration) -> Self {
        let script: Script = Arc::new(Mutex::new(script.into()));
        let asked = Arc::new(Mutex::new(Vec::new()));
        let log = Arc::clone(&asked);
        let service = tower::service_fn(move |request: Request<Body>| {
            log.lock().unwrap().push((Instant::now(), request.uri().to_string()));
            let next = script.lock().unwrap().pop_front();
            let (status, text) = next.unwrap_or((500, status(500)));
            async move {
                let mut response = Response::new(Body::from(text.into_bytes()));
                *response.status_mut() = StatusCode::from_u16(status).unwrap();
                Ok::<_, std::convert::Infallible>(response)
            }
        });
        let clock = ProcessClock::start();
        let scopes = [(ObjectKind::App, Scope::All)];
        let cache = Arc::new(Cache::new(scopes, Duration::from_secs(1), clock));
        let queue = Arc::new(Queue::new(1, clock));
        let sink = Sink { cache: Arc::clone(&cache), queue, tell: Tell::default() };
        let client = Client::new(service, "default");
        let watch = Watch::new(ObjectKind::App, Scope::All, client, sink, Arc::default());
        let stop = CancellationToken::new();
        let task = tokio::spawn(watch.run(stop.clone()));
        sleep(during).await;
        stop.cancel();
        task.await.unwrap();
        Self { cache, asked }
    }

    fn read(&self, name: &str) -> Option<Unseen> {
        match self.cache.lock().read(ObjectKind::App, "n", name) {
            Seen::Present(_) => None,
            Seen::Absent => Some(Unseen::Unreadable),
            Seen::Unknown(why) => Some(why),
        }
    }

    fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().iter().map(|(_, uri)| uri.clone()).collect()
    }
}

fn status(code: u16) -> String {
    json!({"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": code, "message": "no"})
        .to_string()
}

fn app(name: &str, version: &str) -> Value {
    json!({
        "apiVersion": "kaspr.io/v1alpha1", "kind": "KasprApp",
        "metadata": {"namespace": "n", "name": name, "uid": name, "resourceVersion": version},
    })
}

fn event(word: &str, object: &Value) -> String {
    format!("{}\n", json!({"type": word, "object": object}))
}

fn initial_end(version: &str) -> String {
    let mut mark = app("", version);
    mark["metadata"]["annotations"] = json!({ INITIAL_END: "true" });
    event("BOOKMARK", &mark)
}

const MOMENT: Duration = Duration::from_millis(100);

#[tokio::test(start_paused = true)]
async fn a_streamed_list_is_complete_at_its_mark_and_is_followed() {
    let stream = event("ADDED", &app("a", "5"))
        + &initial_end("7")
        + &event("ADDED", &app("b", "8"))
        + &event("DELETED", &app("a", "9"));
    let rig = Rig::run(vec![(200, stream)], Duration::from_secs(5)).await;
    assert_eq!((rig.read("a"), rig.read("b")), (Some(Unseen::Unreadable), None));
    let asked = rig.asked();
    assert!(asked[0].contains("sendInitialEvents=true"), "{asked:?}");
    // It goes on from the last event, whatever the server does.
    assert!(asked[1].contains("resourceVersion=9") && !asked[1].contains("sendInitial"));
}

#[tokio::test(start_paused = true)]
async fn a_list_that_broke_off_says_nothing() {
    let rig = Rig::run(vec![(200, event("ADDED", &app("a", "5")))], MOMENT).await;
    assert_eq!(rig.read("z"), Some(Unseen::NotListed));
}

#[tokio::test(start_paused = true)]
async fn a_server_that_cannot_stream_is_listed_in_pages() {
    let page = |next: &str, name: &str| {
        json!({
            "apiVersion": "kaspr.io/v1alpha1", "kind": "KasprAppList",
            "metadata": {"resourceVersion": "7", "continue": next}, "items": [app(name, "5")],
        })
        .to_string()
    };
    let script = vec![(422, status(422)), (200, page("more", "a")), (200, page("", "b"))];
    let rig = Rig::run(script, MOMENT).await;
    assert_eq!((rig.read("a"), rig.read("b")), (None, None));
    let asked = rig.asked();
    assert!(asked[2].contains("continue=more") && asked[3].contains("resourceVersion=7"));
}

#[tokio::test(start_paused = true)]
async fn a_forbidden_kind_is_unknown_and_asked_for_again_and_again_but_not_often() {
    let script = std::iter::repeat_n((403, status(403)), 1_000).collect();
    let rig = Rig::run(script, Duration::from_mins(5)).await;
    assert_eq!(rig.read("a"), Some(Unseen::Forbidden));
    assert!(rig.cache.lock().coverage().is_settled());
    assert!((10..20).contains(&rig.asked().len()), "{}", rig.asked().len());
}

#[tokio::test(start_paused = true)]
async fn a_server_that_closes_at_once_is_not_asked_in_a_loop() {
    let script = std::iter::repeat_n((200, String::new()), 10_000).collect();
    let rig = Rig::run(script, Duration::from_mins(5)).await;
    assert!(rig.asked().len() < 20, "{}", rig.asked().len());
}

#[tokio::test(start_paused = true)]
async fn an_expired_version_is_listed_anew() {
    let gone = event("ERROR", &serde_json::from_str(&status(410)).unwrap());
    let script = vec![
        (200, event("ADDED", &app("a", "5")) + &initial_end("7") + &gone),
        (200, event("ADDED", &app("b", "8")) + &initial_end("9")),
    ];
    let rig = Rig::run(script, Duration::from_secs(10)).await;
    assert_eq!((rig.read("a"), rig.read("b")), (Some(Unseen::Unreadable), None));
}

#[tokio::test(start_paused = true)]
async fn what_an_outage_made_too_old_is_listed_anew_at_once() {
    let list = |name: &str, version: &str| event("ADDED", &app(name, "5")) + &initial_end(version);
    let mut script = vec![(200, list("a", "7"))];
    script.extend(std::iter::repeat_n((500, status(500)), 10));
    script.extend([(410, status(410)), (200, list("b", "90"))]);
    let rig = Rig::run(script, Duration::from_mins(5)).await;
    assert_eq!(rig.read("b"), None);
    let asked = rig.asked.lock().unwrap();
    let ((expired, _), (listed, uri)) = (&asked[11], &asked[12]);
    assert!(uri.contains("sendInitialEvents=true"), "{uri}");
    assert!(*listed - *expired < Duration::from_secs(1), "{:?} later", *listed - *expired);
}

#[tokio::test(start_paused = true)]
async fn a_server_to_which_every_list_is_too_old_is_not_asked_in_a_loop() {
    let script = std::iter::repeat_n((410, status(410)), 10_000).collect();
    let rig = Rig::run(script, Duration::from_mins(5)).await;
    assert!(rig.asked().len() < 25, "{}", rig.asked().len());
}
