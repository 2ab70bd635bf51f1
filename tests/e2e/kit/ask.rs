//! Requests to the API server, as an administrator, and their answers as they came.

use std::path::Path;

use futures::{Stream, StreamExt};
use http::{Method, Request};
use kube::client::Body;
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::core::WatchEvent;
use kube::{Client, Config};
use serde_json::Value;

pub(crate) const MERGE: &str = "application/merge-patch+json";
pub(crate) const JSON_PATCH: &str = "application/json-patch+json";
pub(crate) const APPLY: &str = "application/apply-patch+yaml";

/// A client.
#[derive(Clone)]
pub(crate) struct Api {
    client: Client,
}

/// What the server said.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) code: u16,
    pub(crate) body: Value,
    /// What it said beside the answer.
    pub(crate) warnings: Vec<String>,
}

impl Answer {
    pub(crate) fn is_ok(&self) -> bool {
        (200..300).contains(&self.code)
    }

    /// The body of an answer that must be good.
    pub(crate) fn good(self) -> Value {
        assert!(self.is_ok(), "the API server answered {}: {:#}", self.code, self.body);
        self.body
    }

    /// The server's words about a refusal.
    pub(crate) fn words(&self) -> &str {
        self.body["message"].as_str().unwrap_or_default()
    }
}

impl Api {
    pub(crate) async fn of(kubeconfig: &Path) -> Self {
        let kubeconfig = Kubeconfig::read_from(kubeconfig).unwrap();
        let options = KubeConfigOptions::default();
        let config = Config::from_custom_kubeconfig(kubeconfig, &options).await.unwrap();
        Self { client: Client::try_from(config).unwrap() }
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.ask(Method::GET, path, "application/json", &Value::Null).await
    }

    pub(crate) async fn post(&self, path: &str, body: &Value) -> Answer {
        self.ask(Method::POST, path, "application/json", body).await
    }

    pub(crate) async fn put(&self, path: &str, body: &Value) -> Answer {
        self.ask(Method::PUT, path, "application/json", body).await
    }

    pub(crate) async fn patch(&self, path: &str, kind: &'static str, body: &Value) -> Answer {
        self.ask(Method::PATCH, path, kind, body).await
    }

    pub(crate) async fn delete(&self, path: &str) -> Answer {
        self.delete_with(path, &Value::Null).await
    }

    pub(crate) async fn delete_with(&self, path: &str, options: &Value) -> Answer {
        self.ask(Method::DELETE, path, "application/json", options).await
    }

    async fn ask(&self, method: Method, path: &str, kind: &'static str, body: &Value) -> Answer {
        let bytes = if body.is_null() { Vec::new() } else { serde_json::to_vec(body).unwrap() };
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header("content-type", kind)
            .body(Body::from(bytes))
            .unwrap();
        let answer = self.client.send(request).await.unwrap();
        let code = answer.status().as_u16();
        let warnings = answer.headers().get_all("warning").iter();
        let warnings = warnings.map(|words| words.to_str().unwrap().to_owned()).collect();
        let bytes = answer.into_body().collect_bytes().await.unwrap();
        Answer { code, body: serde_json::from_slice(&bytes).unwrap_or_default(), warnings }
    }

    /// Every version of the objects at `path` from now on, deleted ones included.
    pub(crate) async fn versions(&self, path: &str) -> impl Stream<Item = Value> + use<> {
        let list = self.get(path).await.good();
        let from = list["metadata"]["resourceVersion"].as_str().unwrap().to_owned();
        let request = Request::get(format!("{path}?watch=1&resourceVersion={from}")).body(vec![]);
        let events = self.client.request_events::<Value>(request.unwrap()).await.unwrap();
        events.filter_map(async |event| match event.unwrap() {
            WatchEvent::Added(object)
            | WatchEvent::Modified(object)
            | WatchEvent::Deleted(object) => Some(object),
            WatchEvent::Bookmark(_) => None,
            WatchEvent::Error(why) => panic!("the watch broke: {why:?}"),
        })
    }
}
