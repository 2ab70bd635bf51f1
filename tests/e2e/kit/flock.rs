//! Plays the workers in pods: one address each, answers as recorded, or whatever a test wants of them.
//!
//! The make-believe node gives each pod a loopback address of its own. One listener hears all of them,
//! and tells by the address that was called which pod is meant.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use futures::StreamExt;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

use super::space::{Space, name_of, text_at};

/// Where workers listen.
const PORT: u16 = 6065;

/// How a member is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mood {
    /// As it should be.
    Well,
    /// In a rebalance that never ends.
    Stuck,
    /// It listens, and never answers.
    Mute,
    /// It breaks every connection.
    Resets,
    /// One byte a second.
    Drips,
    /// A body of 100 MiB.
    Floods,
    /// A body that would be a thousand times as long unpacked.
    Bomb,
    /// JSON that goes very deep.
    Deep,
    /// JSON that is no object.
    List,
    /// `null`.
    Null,
    /// Says one thing and then the other.
    TwoFaced,
    /// Values of the wrong types.
    WrongTypes,
    /// It says that it is stuck, and another member.
    Impostor,
    /// It sends the caller elsewhere.
    Redirects,
    /// `100 Continue`, for ever.
    Continues,
    /// A version without the route.
    Old,
}

/// All that harm nobody but themselves.
pub(crate) const HOSTILE: [Mood; 13] = [
    Mood::Mute,
    Mood::Resets,
    Mood::Drips,
    Mood::Floods,
    Mood::Bomb,
    Mood::Deep,
    Mood::List,
    Mood::Null,
    Mood::TwoFaced,
    Mood::WrongTypes,
    Mood::Redirects,
    Mood::Continues,
    Mood::Old,
];

/// One request that a member heard.
#[derive(Clone, Debug)]
pub(crate) struct Heard {
    pub(crate) app: String,
    pub(crate) pod: String,
    pub(crate) uid: String,
    /// Method and path.
    pub(crate) line: String,
}

/// The members of all apps in one namespace.
pub(crate) struct Flock {
    state: Arc<Mutex<State>>,
    task: JoinHandle<()>,
}

#[derive(Default)]
struct State {
    pods: HashMap<Ipv4Addr, Pod>,
    /// By pod: its mood, and the uid for which it holds; none for each that comes.
    moods: HashMap<String, (Mood, Option<String>)>,
    heard: Vec<Heard>,
    /// Until when each app rebalances.
    rebalancing: HashMap<String, Instant>,
    /// Requests to rebalance that are answered with 500.
    refusals: usize,
    topics: Vec<String>,
}

#[derive(Clone, Debug)]
struct Pod {
    name: String,
    uid: String,
    app: String,
}

/// Whose address it is.
static FLOCKS: Mutex<Option<HashMap<Ipv4Addr, Arc<Mutex<State>>>>> = Mutex::new(None);

impl Flock {
    /// Plays the members in this namespace from now on.
    pub(crate) fn of(space: &Space) -> Self {
        listen();
        let state =
            Arc::new(Mutex::new(State { topics: vec!["in".to_owned()], ..State::default() }));
        let (api, path, own) = (space.api.clone(), space.all("Pod"), Arc::clone(&state));
        let task = tokio::spawn(async move {
            // A server that is starting ends watches.
            loop {
                let mut versions = Box::pin(api.versions(&path).await);
                let list = api.get(&path).await.good();
                for pod in list["items"].as_array().into_iter().flatten() {
                    learn(&own, pod);
                }
                while let Some(pod) = versions.next().await {
                    learn(&own, &pod);
                }
            }
        });
        Self { state, task }
    }

    /// From now on the pod that has this name is so; its successor is well.
    pub(crate) fn is(&self, pod: &str, mood: Mood) {
        let mut state = lock(&self.state);
        let uid =
            state.pods.values().find(|known| known.name == pod).map(|known| known.uid.clone());
        assert!(uid.is_some(), "no pod {pod} has an address yet");
        state.moods.insert(pod.to_owned(), (mood, uid));
    }

    /// From now on every pod of this name is so.
    pub(crate) fn is_always(&self, pod: &str, mood: Mood) {
        lock(&self.state).moods.insert(pod.to_owned(), (mood, None));
    }

    /// So many requests to rebalance are refused.
    pub(crate) fn refuses(&self, count: usize) {
        lock(&self.state).refusals = count;
    }

    /// What was heard so far.
    pub(crate) fn heard(&self) -> Vec<Heard> {
        assert!(!self.task.is_finished(), "the watch of pods ended");
        lock(&self.state).heard.clone()
    }

    /// The requests to rebalance an app.
    pub(crate) fn signals(&self, app: &str) -> Vec<Heard> {
        let is_signal = |one: &Heard| one.app == app && one.line == "POST /signal/rebalance";
        self.heard().into_iter().filter(is_signal).collect()
    }
}

impl Drop for Flock {
    fn drop(&mut self) {
        self.task.abort();
    }
}

fn learn(state: &Arc<Mutex<State>>, pod: &Value) {
    let Ok(address) = text_at(pod, "/status/podIP").parse::<Ipv4Addr>() else { return };
    let known = Pod {
        name: name_of(pod).to_owned(),
        uid: text_at(pod, "/metadata/uid"),
        app: text_at(pod, "/metadata/labels/kaspr.io~1cluster"),
    };
    {
        let mut state = lock(state);
        state.pods.retain(|_, other| other.name != known.name);
        state.pods.insert(address, known);
    }
    lock(&FLOCKS).get_or_insert_default().insert(address, Arc::clone(state));
}

/// One listener for all tests, in a thread of its own: it outlives each of them.
fn listen() {
    static LISTENS: OnceLock<()> = OnceLock::new();
    LISTENS.get_or_init(|| {
        let listener = std::net::TcpListener::bind((Ipv4Addr::UNSPECIFIED, PORT)).unwrap();
        listener.set_nonblocking(true).unwrap();
        std::thread::spawn(move || {
            let runtime =
                tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async move {
                let listener = TcpListener::from_std(listener).unwrap();
                loop {
                    if let Ok((stream, _)) = listener.accept().await {
                        tokio::spawn(serve(stream));
                    }
                }
            });
        });
    });
}

async fn serve(mut stream: TcpStream) -> Option<()> {
    let IpAddr::V4(address) = stream.local_addr().ok()?.ip() else { return None };
    let state = lock(&FLOCKS).as_ref()?.get(&address).map(Arc::clone)?;
    let line = head(&mut stream).await?;
    let (pod, mood) = {
        let mut state = lock(&state);
        let pod = state.pods.get(&address)?.clone();
        let (app, name, uid) = (pod.app.clone(), pod.name.clone(), pod.uid.clone());
        state.heard.push(Heard { app, pod: name, uid, line: line.clone() });
        let mood = state
            .moods
            .get(&pod.name)
            .filter(|(_, uid)| uid.as_ref().is_none_or(|uid| *uid == pod.uid));
        let mood = mood.map_or(Mood::Well, |(mood, _)| *mood);
        (pod, mood)
    };
    if let Some(answer) = words(&state, &pod, mood, &line) {
        return stream.write_all(answer.as_bytes()).await.ok();
    }
    misbehave(&mut stream, mood).await
}

/// The first line of a request, without its version.
async fn head(stream: &mut TcpStream) -> Option<String> {
    let mut read = Vec::new();
    let mut chunk = [0; 1024];
    while !read.windows(4).any(|four| four == b"\r\n\r\n") {
        let count = stream.read(&mut chunk).await.ok().filter(|count| *count > 0)?;
        read.extend_from_slice(&chunk[..count]);
    }
    let text = String::from_utf8_lossy(&read).into_owned();
    let mut words = text.split_whitespace();
    Some(format!("{} {}", words.next()?, words.next()?))
}

/// What a member says that answers at all.
fn words(state: &Arc<Mutex<State>>, pod: &Pod, mood: Mood, line: &str) -> Option<String> {
    let mut state = lock(state);
    if line == "POST /signal/rebalance" && matches!(mood, Mood::Well | Mood::Stuck) {
        if state.refusals > 0 {
            state.refusals -= 1;
            return Some(answer(500, "Server got itself in trouble"));
        }
        let until = Instant::now() + Duration::from_secs(2);
        state.rebalancing.insert(pod.app.clone(), until);
        return Some(answer(200, r#"{"status": "ok", "message": "Rebalance requested"}"#));
    }
    if line != "GET /status/" {
        return Some(answer(404, "404: Not Found"));
    }
    let rebalances = state.rebalancing.get(&pod.app).is_some_and(|until| Instant::now() < *until);
    let leads = pod.name.ends_with("-0");
    let status = |rebalancing: bool, recovering: bool| {
        let actives: HashMap<&str, [u32; 2]> =
            state.topics.iter().map(|topic| (topic.as_str(), [0, 1])).collect();
        json!({
            "leader": leads, "rebalancing": rebalancing, "recovering": recovering,
            "assignment": { "actives": actives, "standbys": {} }, "table_metadata": {},
        })
    };
    Some(match mood {
        Mood::Well => answer(200, &status(rebalances, false).to_string()),
        Mood::Stuck => answer(200, &status(true, false).to_string()),
        Mood::Impostor => {
            let mut body = status(true, false);
            body["id"] = json!(0);
            answer(200, &body.to_string())
        }
        Mood::Deep => {
            let deep = format!("{{\"x\": {}", "[".repeat(60_000));
            answer(200, &deep)
        }
        Mood::List => answer(200, "[true, true, false]"),
        Mood::Null => answer(200, "null"),
        Mood::TwoFaced => answer(
            200,
            r#"{"rebalancing": true, "recovering": false, "rebalancing": true, "leader": true}"#,
        ),
        Mood::WrongTypes => answer(200, r#"{"rebalancing": "true", "recovering": 0}"#),
        Mood::Redirects => "HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:6065/status/\r\n\
             Set-Cookie: a=b\r\nContent-Length: 0\r\n\r\n"
            .to_owned(),
        Mood::Old => answer(404, "404: Not Found"),
        Mood::Mute | Mood::Resets | Mood::Drips | Mood::Floods | Mood::Bomb | Mood::Continues => {
            return None;
        }
    })
}

fn answer(code: u16, body: &str) -> String {
    let length = body.len();
    format!(
        "HTTP/1.1 {code} X\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n{body}"
    )
}

/// What costs the caller something, if it is not careful.
async fn misbehave(stream: &mut TcpStream, mood: Mood) -> Option<()> {
    match mood {
        Mood::Resets => stream.set_zero_linger().ok(),
        Mood::Drips => {
            let text = answer(200, &"x".repeat(600));
            for byte in text.as_bytes() {
                stream.write_all(&[*byte]).await.ok()?;
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
            None
        }
        Mood::Floods => {
            let length = 100 * 1024 * 1024;
            let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n{{\"x\": \"");
            stream.write_all(head.as_bytes()).await.ok()?;
            let chunk = vec![b'x'; 64 * 1024];
            for _ in 0..length / chunk.len() {
                stream.write_all(&chunk).await.ok()?;
            }
            None
        }
        Mood::Bomb => {
            // What gzip makes of zeros is small, and nobody asked for it.
            let body = [0x1f_u8, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3].repeat(1_000);
            let length = body.len();
            let head = format!(
                "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: {length}\r\n\r\n"
            );
            stream.write_all(head.as_bytes()).await.ok()?;
            stream.write_all(&body).await.ok()
        }
        Mood::Continues => loop {
            stream.write_all(b"HTTP/1.1 100 Continue\r\n\r\n").await.ok()?;
            tokio::time::sleep(Duration::from_millis(1)).await;
        },
        // It keeps the connection open and says nothing.
        _ => {
            tokio::time::sleep(Duration::from_secs(600)).await;
            None
        }
    }
}

fn lock<T>(state: &Mutex<T>) -> MutexGuard<'_, T> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}
