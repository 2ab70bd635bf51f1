//! Requests to the API server as an administrator, and many of them side by side.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use anyhow::{Context, Result, bail};
use http::{Method, Request};
use kaspr_core::ObjectKind;
use kube::client::Body;
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Client, Config};
use serde_json::Value;
use tokio::task::JoinSet;

/// Requests at the same time: as many as a polite client sends.
const WAYS: usize = 32;

#[derive(Clone)]
pub(crate) struct Api {
    pub(crate) client: Client,
}

/// One request.
#[derive(Clone)]
pub(crate) struct Ask {
    method: Method,
    path: String,
    content: &'static str,
    body: Value,
}

impl Ask {
    pub(crate) fn get(path: impl Into<String>) -> Self {
        Self::of(Method::GET, path, "application/json", Value::Null)
    }

    pub(crate) fn create(path: impl Into<String>, body: Value) -> Self {
        Self::of(Method::POST, path, "application/json", body)
    }

    pub(crate) fn merge(path: impl Into<String>, body: Value) -> Self {
        Self::of(Method::PATCH, path, "application/merge-patch+json", body)
    }

    fn of(method: Method, path: impl Into<String>, content: &'static str, body: Value) -> Self {
        Self { method, path: path.into(), content, body }
    }
}

impl Api {
    pub(crate) async fn of(kubeconfig: &Path) -> Result<Self> {
        let kubeconfig = Kubeconfig::read_from(kubeconfig).context("the cluster's kubeconfig")?;
        let config =
            Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await?;
        Ok(Self { client: Client::try_from(config).context("no client for the cluster")? })
    }

    /// Sends one request; the answer must be good.
    pub(crate) async fn ask(&self, ask: Ask) -> Result<Value> {
        let Ask { method, path, content, body } = ask;
        let bytes = if body.is_null() { Vec::new() } else { serde_json::to_vec(&body)? };
        let request = Request::builder()
            .method(&method)
            .uri(&path)
            .header("content-type", content)
            .body(Body::from(bytes))?;
        let answer = self.client.send(request).await.with_context(|| format!("{method} {path}"))?;
        let code = answer.status();
        let bytes = answer.into_body().collect_bytes().await?;
        if !code.is_success() {
            bail!("{method} {path}: {code}: {}", String::from_utf8_lossy(&bytes));
        }
        Ok(serde_json::from_slice(&bytes)?)
    }

    /// Sends all requests, in their order and many at the same time; the answers in that order.
    pub(crate) async fn blast(&self, asks: Vec<Ask>) -> Result<Vec<Value>> {
        let asks: Arc<[Ask]> = asks.into();
        let next = Arc::new(AtomicUsize::new(0));
        let mut workers = JoinSet::new();
        for _ in 0..WAYS {
            let (api, asks, next) = (self.clone(), Arc::clone(&asks), Arc::clone(&next));
            workers.spawn(async move {
                let mut answers = Vec::new();
                while let at = next.fetch_add(1, Ordering::Relaxed)
                    && let Some(ask) = asks.get(at)
                {
                    answers.push((at, api.ask(ask.clone()).await?));
                }
                Ok::<_, anyhow::Error>(answers)
            });
        }
        let mut answers = Vec::with_capacity(asks.len());
        while let Some(some) = workers.join_next().await {
            answers.extend(some??);
        }
        answers.sort_by_key(|(at, _)| *at);
        Ok(answers.into_iter().map(|(_, answer)| answer).collect())
    }
}

/// The path of all objects of a kind, in one namespace or in all.
pub(crate) fn all(kind: ObjectKind, namespace: Option<&str>) -> String {
    let root = if kind.group().is_empty() { "api" } else { "apis" };
    let version = kind.api_version();
    let place = namespace.map(|name| format!("namespaces/{name}/")).unwrap_or_default();
    format!("/{root}/{version}/{place}{}", kind.plural())
}
