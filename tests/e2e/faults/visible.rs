//! The proxy itself: a plain client meets each fault as it is meant.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use http::{Request, StatusCode};
use http_body_util::BodyExt;
use kube::Client;
use kube::client::Body;
use serde_json::{Value, json};
use tokio::time::timeout;

use crate::kit::fixtures::{app, table};
use crate::kit::{
    APPLY, Asked, Audit, Cluster, Fault, Operator, Proxy, Record, Rule, Space, Verb, client, e2e,
};

/// Longer than any answer takes: who has none by then waits for ever.
const FOR_EVER: Duration = Duration::from_secs(3);

/// A client of the proxy, and what it does: applies a ConfigMap, another content each time.
struct Plain {
    client: Client,
    proxy: Proxy,
    space: Space,
}

/// What a client sees of an answer.
#[derive(Debug)]
enum Seen {
    Whole { code: u16, retry_after: Option<String>, text: String },
    BrokenOff,
    Nothing,
}

impl Plain {
    async fn apply(&self, content: &str) -> Seen {
        let body = json!({
            "apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "it"},
            "data": {"content": content},
        });
        let path = format!("{}?fieldManager=plain", self.space.at("ConfigMap", "it"));
        let request = Request::patch(path).header("content-type", APPLY);
        self.send(request.body(Body::from(body.to_string().into_bytes())).unwrap()).await
    }

    async fn send(&self, request: Request<Body>) -> Seen {
        let Ok(answer) = self.client.send(request).await else { return Seen::Nothing };
        let (head, body) = answer.into_parts();
        let Ok(body) = body.collect().await else { return Seen::BrokenOff };
        let retry_after = head.headers.get("retry-after");
        Seen::Whole {
            code: head.status.as_u16(),
            retry_after: retry_after.map(|value| value.to_str().unwrap().to_owned()),
            text: String::from_utf8(body.to_bytes().to_vec()).unwrap(),
        }
    }

    /// Applies once under a fault: what the client saw, and whether the server carried it out.
    async fn meets(&self, fault: Fault) -> (Seen, bool) {
        let content = format!("{fault:?}");
        let switch =
            self.proxy.add(Rule::all(fault.clone()).verbs(&[Verb::Apply]).of("configmaps"));
        let seen = self.apply(&content).await;
        switch.off();
        assert_eq!(switch.hit(), 1, "{fault:?}");
        let noted = self.proxy.log().pop().unwrap();
        assert_eq!(noted.fault, Some(fault), "{}", noted.line());
        let live = self.space.get("ConfigMap", "it").await;
        (seen, live["data"]["content"] == content)
    }
}

async fn plain(cluster: &'static Cluster) -> Plain {
    let proxy = Proxy::of(cluster).await;
    let client = client(proxy.kubeconfig()).await;
    let space = Space::new(cluster, "plain").await;
    Plain { client, proxy, space }
}

#[test]
fn a_plain_client_sees_each_fault_of_a_request() {
    e2e(async |cluster: &'static Cluster| {
        let plain = plain(cluster).await;
        let Seen::Whole { code: 201, .. } = plain.apply("begin").await else {
            panic!("without a rule the proxy is not noticed")
        };
        for code in [403, 409, 410, 422, 500, 503] {
            let (seen, is_done) = plain.meets(Fault::Status(code)).await;
            assert!(is_refusal(&seen, code) && !is_done, "{seen:?}");
        }
        let (seen, is_done) = plain.meets(Fault::Busy(7)).await;
        assert!(is_refusal(&seen, 429) && !is_done, "{seen:?}");
        let Seen::Whole { retry_after: Some(pause), .. } = seen else { panic!("{seen:?}") };
        assert_eq!(pause, "7");
        let (seen, is_done) = plain.meets(Fault::ApplyThen500).await;
        assert!(is_refusal(&seen, 500) && is_done, "{seen:?}");
        for (fault, is_carried_out) in [(Fault::CloseBefore, false), (Fault::ApplyThenClose, true)]
        {
            let (seen, is_done) = plain.meets(fault).await;
            assert!(matches!(seen, Seen::Nothing) && is_done == is_carried_out, "{seen:?}");
        }
        let (seen, is_done) = plain.meets(Fault::BreakJson).await;
        assert!(matches!(seen, Seen::BrokenOff) && is_done, "{seen:?}");
        for (fault, is_carried_out) in
            [(Fault::TruncateJson, true), (Fault::Empty, false), (Fault::NotJson, false)]
        {
            let (seen, is_done) = plain.meets(fault).await;
            let Seen::Whole { code: 200, text, .. } = seen else { panic!("{seen:?}") };
            assert!(serde_json::from_str::<Value>(&text).is_err(), "{text}");
            assert_eq!(is_done, is_carried_out);
        }
        let begin = Instant::now();
        let pause = Duration::from_millis(300);
        let (seen, is_done) = plain.meets(Fault::Delay(pause)).await;
        assert!(matches!(seen, Seen::Whole { code: 200, .. }) && is_done, "{seen:?}");
        assert!(begin.elapsed() >= pause);
        plain.space.done().await;
    });
}

fn is_refusal(seen: &Seen, wanted: u16) -> bool {
    let Seen::Whole { code, text, .. } = seen else { return false };
    let status: Value = serde_json::from_str(text).unwrap();
    *code == wanted && status["kind"] == "Status" && status["code"] == wanted
}

#[test]
fn a_plain_client_waits_for_ever_where_it_is_to_be_held() {
    e2e(async |cluster: &'static Cluster| {
        let plain = plain(cluster).await;
        plain.apply("begin").await;
        for (fault, is_carried_out) in [(Fault::Hold, false), (Fault::ApplyThenHold, true)] {
            let content = format!("{fault:?}");
            let switch = plain.proxy.add(Rule::all(fault).verbs(&[Verb::Apply]).of("configmaps"));
            assert!(timeout(FOR_EVER, plain.apply(&content)).await.is_err());
            switch.off();
            let live = plain.space.get("ConfigMap", "it").await;
            assert_eq!(live["data"]["content"] == content, is_carried_out);
        }
        plain.space.done().await;
    });
}

#[test]
fn a_plain_client_sees_each_fault_of_a_watch() {
    e2e(async |cluster: &'static Cluster| {
        let plain = plain(cluster).await;
        plain.apply("begin").await;
        let list = plain.space.api.get(&plain.space.all("ConfigMap")).await.good();
        let version = list["metadata"]["resourceVersion"].as_str().unwrap().to_owned();
        for content in ["one", "two", "three"] {
            plain.apply(content).await;
        }
        let all = ["one", "two", "three"];
        for (fault, expected) in [
            (Fault::Delay(Duration::from_millis(100)), &all[..]),
            (Fault::DropEvent(2), &["one", "three"]),
            (Fault::HoldWatch(0), &[]),
            (Fault::HoldWatch(1), &["one"]),
            (Fault::Gone(0), &["410"]),
            (Fault::Gone(2), &["one", "two", "410"]),
        ] {
            let switch = plain.proxy.add(Rule::all(fault.clone()).verbs(&[Verb::Watch]));
            assert_eq!(plain.watch(&version).await, expected, "{fault:?}");
            switch.off();
        }
        let switch = plain.proxy.add(Rule::all(Fault::BreakJson).verbs(&[Verb::Watch]));
        assert_eq!(plain.watch(&version).await, ["half a line", "broken off"]);
        switch.off();
        plain.space.done().await;
    });
}

impl Plain {
    /// What a watch from a version brings until it is silent.
    async fn watch(&self, version: &str) -> Vec<String> {
        let only = "fieldSelector=metadata.name%3Dit";
        let path = self.space.all("ConfigMap");
        let path = format!("{path}?watch=1&resourceVersion={version}&{only}");
        let request = Request::get(path).body(Body::empty()).unwrap();
        let answer = self.client.send(request).await.unwrap();
        assert_eq!(answer.status(), StatusCode::OK);
        let (mut body, mut text, mut seen) = (answer.into_body(), Vec::new(), Vec::new());
        loop {
            match timeout(Duration::from_secs(1), body.frame()).await {
                Err(_) | Ok(None) => break,
                Ok(Some(Ok(frame))) => text.extend_from_slice(frame.data_ref().unwrap()),
                Ok(Some(Err(_))) => {
                    seen.push("broken off".to_owned());
                    break;
                }
            }
        }
        let text = String::from_utf8(text).unwrap();
        let mut events: Vec<String> = text.lines().map(content).collect();
        events.append(&mut seen);
        events
    }
}

fn content(line: &str) -> String {
    let Ok(event) = serde_json::from_str::<Value>(line) else { return "half a line".to_owned() };
    let object = &event["object"];
    let content = object["data"]["content"].as_str().map(str::to_owned);
    content.unwrap_or_else(|| object["code"].to_string())
}

#[test]
fn a_server_that_is_down_refuses_connections_and_comes_back() {
    e2e(async |cluster: &'static Cluster| {
        let plain = plain(cluster).await;
        plain.proxy.down();
        assert!(matches!(plain.apply("begin").await, Seen::Nothing));
        plain.proxy.up().await;
        assert!(matches!(plain.apply("begin").await, Seen::Whole { code: 201, .. }));
        plain.space.done().await;
    });
}

#[test]
fn an_operator_works_through_the_proxy_which_notes_what_the_server_notes() {
    e2e(async |cluster: &'static Cluster| {
        let space = Space::new(cluster, "through").await;
        let proxy = Proxy::of(cluster).await;
        let audit = Audit::since_now(cluster).await;
        let flags = ["--no-lease", "--settle", "300ms"];
        let mut operator = Operator::through(&proxy, cluster, &[&space.name], &flags);
        space.apply(&[app("shop"), table("shop", "one-table")]).await;
        space.is_settled("shop").await;
        operator.stop();
        let asked = audit.asked(&[&space.name]).await;
        let mut audited: Vec<(String, String, u64)> = asked
            .into_iter()
            .filter(Asked::is_write)
            .map(|one| (one.resource, one.namespace, one.code))
            .collect();
        let writes: Vec<Record> =
            proxy.log().into_iter().filter(|record| record.asked.is_write()).collect();
        let mut noted: Vec<(String, String, u64)> = writes
            .iter()
            .map(|record| {
                assert_eq!(record.answered, record.upstream, "{}", record.line());
                let code = record.upstream.unwrap_or_default();
                (record.asked.resource.clone(), record.asked.namespace.clone(), u64::from(code))
            })
            .collect();
        audited.sort();
        noted.sort();
        assert_eq!(noted, audited);
        let bodies: BTreeSet<(&str, u64)> =
            writes.iter().map(|record| (record.asked.name.as_str(), record.digest)).collect();
        assert_eq!(bodies.len(), writes.len(), "something was written twice");
        space.done().await;
    });
}
