//! The independent watcher: every change of every kind that matters, with the instant at which it
//! arrived. It knows nothing of the operator.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use futures::StreamExt;
use kaspr_core::{ObjectKind, ObjectRef};
use kube::core::WatchEvent;
use serde_json::Value;
use tokio::sync::mpsc::{self, UnboundedReceiver, UnboundedSender};
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::api::{Api, Ask, all};
use crate::apps::App;

/// How long the world may take until the next thing happens that is waited for.
const PATIENCE: Duration = Duration::from_mins(3);

/// One version of an object.
pub(crate) struct Seen {
    pub(crate) at: Instant,
    pub(crate) object: ObjectRef,
    pub(crate) body: Value,
}

pub(crate) struct Watcher {
    seen: UnboundedReceiver<Seen>,
    /// What has said that it is ready.
    ready: BTreeSet<ObjectRef>,
    /// None of them ends by itself.
    watches: JoinSet<Result<()>>,
}

impl Watcher {
    /// Watches these kinds in all namespaces from now on.
    pub(crate) async fn of(api: &Api, kinds: &[ObjectKind]) -> Result<Self> {
        let (tell, seen) = mpsc::unbounded_channel();
        let mut watches = JoinSet::new();
        for kind in kinds {
            let list = api.ask(Ask::get(format!("{}?limit=1", all(*kind, None)))).await?;
            let version = list.pointer("/metadata/resourceVersion").and_then(Value::as_str);
            let version = version.context("a list has no version")?.to_owned();
            watches.spawn(watch(api.clone(), *kind, version, tell.clone()));
        }
        Ok(Self { seen, ready: BTreeSet::new(), watches })
    }

    /// What arrives next.
    pub(crate) async fn next(&mut self) -> Result<Seen> {
        let next = tokio::select! {
            next = timeout(PATIENCE, self.seen.recv()) => next.context("nothing happens any more")?,
            ended = self.watches.join_next() => {
                ended.context("there are no watches")???;
                None
            }
        };
        let next = next.context("a watch has ended")?;
        if is_ready(&next.body) {
            self.ready.insert(next.object.clone());
        }
        Ok(next)
    }

    /// What has arrived and was not taken yet.
    pub(crate) fn rest(&mut self) -> Vec<Seen> {
        std::iter::from_fn(|| self.seen.try_recv().ok()).collect()
    }

    /// When the last app became complete: all children there, and its generation observed.
    pub(crate) async fn completed(&mut self, apps: &[App]) -> Result<Instant> {
        let mut missing: BTreeSet<ObjectRef> = apps.iter().flat_map(App::children).collect();
        let app = |app: &App| ObjectRef::new(ObjectKind::App, &app.namespace, &app.name);
        missing.extend(apps.iter().map(app));
        loop {
            let seen = self.next().await?;
            let counts = seen.object.kind != ObjectKind::App || is_observed(&seen.body);
            if counts && missing.remove(&seen.object) && missing.is_empty() {
                return Ok(seen.at);
            }
        }
    }

    /// When the last app and component said that it is ready.
    pub(crate) async fn ready(&mut self, apps: &[App]) -> Result<Instant> {
        let kinds = [ObjectKind::App, ObjectKind::Agent, ObjectKind::Table];
        let each = |app: &App| kinds.map(|kind| ObjectRef::new(kind, &app.namespace, &app.name));
        let wanted: BTreeSet<ObjectRef> = apps.iter().flat_map(each).collect();
        let mut at = Instant::now();
        while !wanted.is_subset(&self.ready) {
            at = self.next().await?.at;
        }
        Ok(at)
    }
}

fn is_observed(app: &Value) -> bool {
    let generation = app.pointer("/metadata/generation");
    generation.is_some() && app.pointer("/status/observedGeneration") == generation
}

fn is_ready(object: &Value) -> bool {
    let conditions = object.pointer("/status/conditions").and_then(Value::as_array);
    let is = |condition: &Value, field: &str, word: &str| {
        condition.get(field).and_then(Value::as_str) == Some(word)
    };
    let mut conditions = conditions.into_iter().flatten();
    is_observed(object)
        && conditions.any(|one| is(one, "type", "Ready") && is(one, "status", "True"))
}

async fn watch(
    api: Api,
    kind: ObjectKind,
    version: String,
    tell: UnboundedSender<Seen>,
) -> Result<()> {
    let path = format!("{}?watch=1&resourceVersion={version}&timeoutSeconds=3600", all(kind, None));
    let request = http::Request::get(path).body(Vec::new())?;
    let mut events = std::pin::pin!(api.client.request_events::<Value>(request).await?);
    while let Some(event) = events.next().await {
        let body = match event? {
            WatchEvent::Added(body) | WatchEvent::Modified(body) => body,
            WatchEvent::Deleted(_) | WatchEvent::Bookmark(_) => continue,
            WatchEvent::Error(why) => bail!("the watch of {} broke: {why:?}", kind.kind()),
        };
        let text = |path: &str| body.pointer(path).and_then(Value::as_str).unwrap_or_default();
        let object = ObjectRef::new(kind, text("/metadata/namespace"), text("/metadata/name"));
        if tell.send(Seen { at: Instant::now(), object, body }).is_err() {
            return Ok(());
        }
    }
    bail!("the watch of {} ended", kind.kind())
}
