//! The simulated API server held against the real one: random requests, sent to both, must be answered
//! with the same status codes and the same objects.

use std::collections::BTreeMap;
use std::env;

use kaspr_core::{ObjectKind, ObjectRef};
use kaspr_engine::chance::Chance as Numbers;
use kaspr_engine::request::{Ask, Call, path};
use kaspr_simulator::clock::Instant;
use kaspr_simulator::server::Server;
use serde_json::{Value, json};

use crate::kit::{APPLY, Answer, Api, Cluster, JSON_PATCH, MERGE, Space, difference, e2e, normal};

const REQUESTS: usize = 10_000;

/// Other requests with another seed.
fn seed() -> u64 {
    let set = env::var("KASPR_CONFORMANCE_SEED").ok();
    set.map_or(11, |text| text.parse().unwrap())
}

/// So many earlier requests about an object are told with a difference.
const TOLD: usize = 8;

/// What the simulation leaves out, with the place in Kubernetes that says so. Each is a text that a
/// difference contains.
const KNOWN: [(&str, &str); 1] = [(
    "this cluster is not configured for dual-stack",
    "the address families of the cluster: kubernetes.io/docs/concepts/services-networking/dual-stack",
)];

const KINDS: [ObjectKind; 7] = [
    ObjectKind::ConfigMap,
    ObjectKind::ServiceAccount,
    ObjectKind::Service,
    ObjectKind::StatefulSet,
    ObjectKind::Autoscaler,
    ObjectKind::App,
    ObjectKind::Agent,
];

#[test]
fn random_requests_are_answered_as_a_real_server_answers_them() {
    e2e(async |cluster: &'static Cluster| {
        let space = Space::new(cluster, "conformance").await;
        let twins = Twins { api: cluster.api().await, namespace: space.name.clone() };
        let mut server = Server::new(Instant::default());
        let mut chance = Chance(Numbers::new(seed()));
        let mut differences = BTreeMap::<String, (usize, String)>::new();
        let mut history = BTreeMap::<ObjectRef, Vec<String>>::new();
        for number in 0..REQUESTS {
            let asked = Asked::any(&mut chance);
            let history = history.entry(asked.of.clone()).or_default();
            history.push(format!("{} {:?} {:?}", asked.manager, asked.over, asked.ask));
            if let Some(what) = twins.compare(&asked, &mut server).await {
                let title = format!("{} {}: {what}", asked.title(), asked.of.kind.kind());
                let entry = differences.entry(title).or_insert((0, String::new()));
                entry.0 += 1;
                let begin = history.len().saturating_sub(TOLD);
                entry.1 = format!("request {number}, after {:#?}", &history[begin..]);
                history.clear();
                twins.forget(&asked.of, &mut server).await;
            }
        }
        let is_known = |what: &str| KNOWN.iter().any(|(known, _)| what.contains(known));
        let unknown: Vec<_> = differences.iter().filter(|(what, _)| !is_known(what)).collect();
        eprintln!("{REQUESTS} requests, {} sorts of differences", differences.len());
        assert!(unknown.is_empty(), "{unknown:#?}");
        space.done().await;
    });
}

/// The same namespace on both servers.
struct Twins {
    api: Api,
    namespace: String,
}

/// One request, before each server's own versions and uids are put in.
#[derive(Debug)]
struct Asked {
    of: ObjectRef,
    below: Option<&'static str>,
    manager: &'static str,
    over: Over,
    ask: Ask,
}

/// What the request names of the object as it was seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Over {
    Nothing,
    /// The create-only apply.
    First,
    Current,
    OtherUid,
}

impl Twins {
    /// The first difference between the two answers.
    async fn compare(&self, asked: &Asked, server: &mut Server) -> Option<String> {
        let simulated = {
            let seen = get(server, &self.namespace, &asked.of);
            let call = asked.call(&self.namespace, &seen);
            let answer = server.handle("kaspr-tests", &call);
            (answer.code, answer.body)
        };
        let seen = self.api.get(&self.path(&asked.of, None)).await.body;
        let call = asked.call(&self.namespace, &seen);
        let real = self.send(&call).await;
        if real.code != simulated.0 {
            let words = [real.words(), simulated.1["message"].as_str().unwrap_or_default()];
            let code = format!("{} instead of {}", simulated.0, real.code);
            return Some(format!("{code} ({})", generic(&words, &self.namespace)));
        }
        if !real.is_ok() || real.body["kind"] == "Status" {
            return None;
        }
        let found = difference(&same(&real.body, &asked.of), &same(&simulated.1, &asked.of), "");
        if let Some(what) = &found {
            // Most differences are about who holds a field.
            let here = get(server, &self.namespace, &asked.of);
            let held = |body: &Value| body["metadata"]["managedFields"].to_string();
            eprintln!("{what}\nreally held before: {}\nhere after: {}", held(&seen), held(&here));
        }
        found
    }

    async fn forget(&self, of: &ObjectRef, server: &mut Server) {
        self.api.delete(&self.path(of, None)).await;
        let path = self.path(of, None);
        server.handle(
            "kaspr-tests",
            &Call { kind: of.kind.kind(), path, ask: Ask::Delete(json!({})) },
        );
    }

    fn path(&self, of: &ObjectRef, below: Option<&str>) -> String {
        path(&ObjectRef { namespace: self.namespace.clone(), ..of.clone() }, below)
    }

    async fn send(&self, call: &Call) -> Answer {
        match &call.ask {
            Ask::Get => self.api.get(&call.path).await,
            Ask::Create(body) => self.api.post(&call.path, body).await,
            Ask::Merge(body) => self.api.patch(&call.path, MERGE, body).await,
            Ask::Patch(body) => self.api.patch(&call.path, JSON_PATCH, body).await,
            Ask::Apply(body) => self.api.patch(&call.path, APPLY, body).await,
            Ask::Delete(options) => self.api.delete_with(&call.path, options).await,
        }
    }
}

fn get(server: &mut Server, namespace: &str, of: &ObjectRef) -> Value {
    let of = ObjectRef { namespace: namespace.to_owned(), ..of.clone() };
    let call = Call { kind: of.kind.kind(), path: path(&of, None), ask: Ask::Get };
    server.handle("kaspr-tests", &call).body
}

/// The words of two refusals without names.
fn generic(words: &[&str; 2], namespace: &str) -> String {
    let cut =
        |words: &str| words.replace(namespace, "NAMESPACE").chars().take(160).collect::<String>();
    format!("really {:?}, here {:?}", cut(words[0]), cut(words[1]))
}

/// What must be the same: the status of our own kinds too, which nobody else writes.
fn same(body: &Value, of: &ObjectRef) -> Value {
    if body["kind"] == "Scale" {
        return body["spec"].clone();
    }
    let mut same = normal(body);
    same["metadata"]["namespace"] = Value::Null;
    if of.kind == ObjectKind::App || of.kind.is_component() {
        same["status"] = body["status"].clone();
        same["generation"] = body["metadata"]["generation"].clone();
    }
    same
}

impl Asked {
    /// What is asked for, in a word or two.
    fn title(&self) -> String {
        let verb = if let Ask::Merge(_) = self.ask { "merge" } else { self.ask.verb() };
        let below = self.below.map(|below| format!(" {below}")).unwrap_or_default();
        format!("{verb}{below}")
    }

    /// The request to the server that has the object as `seen`.
    fn call(&self, namespace: &str, seen: &Value) -> Call {
        let of = ObjectRef { namespace: namespace.to_owned(), ..self.of.clone() };
        let mut target = path(&of, self.below);
        let mut ask = self.ask.clone();
        match &mut ask {
            Ask::Create(_) => target.truncate(target.rfind('/').unwrap()),
            Ask::Apply(body) | Ask::Merge(body) => self.name(body, seen),
            Ask::Patch(operations) => {
                operations[0]["value"] = seen["metadata"]["resourceVersion"].clone();
            }
            Ask::Get | Ask::Delete(_) => {}
        }
        let force = if matches!(ask, Ask::Apply(_)) { "&force=true" } else { "" };
        if !matches!(ask, Ask::Get | Ask::Delete(_)) {
            target = format!("{target}?fieldManager={}{force}", self.manager);
        }
        Call { kind: of.kind.kind(), path: target, ask }
    }

    fn name(&self, body: &mut Value, seen: &Value) {
        let uid = "00000000-0000-4000-8000-000000000000";
        match self.over {
            Over::Nothing => {}
            Over::First => body["metadata"]["resourceVersion"] = json!("1"),
            Over::Current => {
                body["metadata"]["resourceVersion"] = seen["metadata"]["resourceVersion"].clone();
            }
            Over::OtherUid => body["metadata"]["uid"] = json!(uid),
        }
    }

    fn any(chance: &mut Chance) -> Self {
        let kind = *chance.of(&KINDS);
        let of = ObjectRef::new(kind, "", *chance.of(&["a", "b", "c"]));
        let is_ours = kind == ObjectKind::App || kind == ObjectKind::Agent;
        // Others write the status of these all the time: their version is no precondition here.
        let is_quiet = !matches!(kind, ObjectKind::StatefulSet | ObjectKind::Autoscaler);
        let over = match chance.below(10) {
            0 => Over::First,
            1 => Over::OtherUid,
            2 | 3 if is_quiet => Over::Current,
            _ => Over::Nothing,
        };
        let manager = *chance.of(&["one", "two"]);
        let body = body(kind, &of.name, chance);
        let (below, ask) = match chance.below(20) {
            0..=8 => (None, Ask::Apply(body)),
            9 | 10 => (None, Ask::Create(body)),
            11 | 12 => (None, Ask::Merge(patch(kind, chance))),
            13 | 14 if is_ours => (Some("status"), Ask::Merge(status(chance))),
            13 if kind == ObjectKind::StatefulSet => (Some("scale"), Ask::Apply(scale(&of.name))),
            15 if is_quiet => (None, Ask::Patch(operations(chance))),
            16 | 17 => (None, Ask::Delete(options(chance))),
            _ => (None, Ask::Get),
        };
        // A merge patch that names another uid is answered in too many ways.
        let is_plain = matches!(ask, Ask::Merge(_)) && over == Over::OtherUid;
        Self { of, below, manager, over: if is_plain { Over::Nothing } else { over }, ask }
    }
}

/// Some fields of an object, others each time.
fn body(kind: ObjectKind, name: &str, chance: &mut Chance) -> Value {
    let mut body = json!({
        "apiVersion": kind.api_version(), "kind": kind.kind(),
        "metadata": { "name": name, "labels": some(chance, &["x", "y"]), "annotations": some(chance, &["p"]) },
    });
    match kind {
        ObjectKind::ConfigMap => body["data"] = some(chance, &["k", "l", "m"]),
        ObjectKind::ServiceAccount => {}
        ObjectKind::Service => {
            let ports = [json!({"name": "http", "port": 80}), json!({"name": "more", "port": 81})];
            let count = 1 + chance.below(2);
            body["spec"] =
                json!({ "selector": some(chance, &["x", "y"]), "ports": ports[..count] });
            if name == "c" {
                body["spec"]["clusterIP"] = json!("None");
            }
        }
        ObjectKind::StatefulSet => body["spec"] = set(name, chance),
        ObjectKind::Autoscaler => {
            body["spec"] = json!({
                "minReplicas": 1 + chance.below(2), "maxReplicas": 2 + chance.below(3),
                "scaleTargetRef": { "apiVersion": "apps/v1", "kind": "StatefulSet", "name": "none" },
                "metrics": [{ "type": "Resource", "resource": {
                    "name": "memory", "target": { "type": "AverageValue", "averageValue": "1Mi" },
                } }],
            });
        }
        _ => body["spec"] = custom(kind, chance),
    }
    body
}

fn set(name: &str, chance: &mut Chance) -> Value {
    let mut env = Vec::new();
    for key in ["A", "B"] {
        if chance.is() {
            env.push(json!({ "name": key, "value": chance.word() }));
        }
    }
    let mut spec = json!({
        "replicas": 0, "serviceName": "s", "selector": { "matchLabels": { "app": name } },
        "template": {
            "metadata": { "labels": { "app": name } },
            "spec": { "containers": [{
                "name": "main", "image": format!("image:{}", chance.word()), "env": env,
                "ports": [{ "containerPort": 80 }],
            }] },
        },
    });
    if chance.is() {
        spec["podManagementPolicy"] = json!("Parallel");
    }
    if chance.below(12) == 0 {
        spec["template"]["spec"]["containers"][0]["env"] =
            json!([{ "name": "A", "value": "1" }, { "name": "A", "value": "2" }]);
    }
    spec
}

fn custom(kind: ObjectKind, chance: &mut Chance) -> Value {
    if chance.below(10) == 0 {
        return json!({ "unknown": 1 });
    }
    if kind == ObjectKind::App {
        return json!({
            "replicas": 1 + chance.below(3), "bootstrapServers": "kafka:9092",
            "authentication": { "type": "plain" }, "image": format!("kasprio/kaspr:{}", chance.word()),
        });
    }
    let python = "def keep(value):\n    return value\n";
    json!({
        "description": chance.word(), "input": { "topic": { "name": "t" } },
        "processors": { "pipeline": ["keep"], "operations": [{
            "name": "keep", "map": { "entrypoint": "keep", "python": python },
        }] },
    })
}

fn patch(kind: ObjectKind, chance: &mut Chance) -> Value {
    let value = if chance.is() { json!(chance.word()) } else { Value::Null };
    match kind {
        ObjectKind::ConfigMap if chance.is() => json!({ "data": { "k": value } }),
        ObjectKind::App if chance.is() => json!({ "spec": { "replicas": 1 + chance.below(3) } }),
        _ => json!({ "metadata": { "labels": { "x": value } } }),
    }
}

fn status(chance: &mut Chance) -> Value {
    let value = if chance.is() { json!(chance.below(3)) } else { Value::Null };
    json!({ "spec": { "ignored": true }, "status": { "observedGeneration": value } })
}

fn scale(name: &str) -> Value {
    json!({
        "apiVersion": "autoscaling/v1", "kind": "Scale", "metadata": { "name": name },
        "spec": { "replicas": 0 },
    })
}

fn operations(chance: &mut Chance) -> Value {
    json!([
        { "op": "test", "path": "/metadata/resourceVersion", "value": null },
        { "op": "add", "path": "/metadata/labels", "value": { "x": chance.word() } },
    ])
}

fn options(chance: &mut Chance) -> Value {
    if chance.below(4) > 0 {
        return json!({ "apiVersion": "v1", "kind": "DeleteOptions" });
    }
    json!({
        "apiVersion": "v1", "kind": "DeleteOptions",
        "preconditions": { "uid": "00000000-0000-4000-8000-000000000000" },
    })
}

fn some(chance: &mut Chance, names: &[&str]) -> Value {
    let mut map = json!({});
    for name in names {
        if chance.is() {
            map[*name] = json!(chance.word());
        }
    }
    map
}

/// The same requests in every run.
struct Chance(Numbers);

impl Chance {
    fn below(&mut self, bound: usize) -> usize {
        self.0.below(bound)
    }

    fn is(&mut self) -> bool {
        self.below(2) == 0
    }

    fn word(&mut self) -> &'static str {
        const WORDS: [&str; 3] = ["one", "two", "three"];
        WORDS[self.below(WORDS.len())]
    }

    fn of<'a, T>(&mut self, all: &'a [T]) -> &'a T {
        &all[self.below(all.len())]
    }
}
