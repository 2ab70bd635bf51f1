//! From an edit to the child that it changes: the editor has its answer, and the independent
//! watcher sees the child.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use kaspr_core::{ObjectKind, ObjectRef};
use kaspr_engine::chance::Chance;
use serde_json::{Value, json};
use tokio::time::{sleep, sleep_until};

use crate::api::Ask;
use crate::apps::App;
use crate::audit::silence;
use crate::cold::Case;
use crate::options::Options;
use crate::say;
use crate::watcher::{Seen, Watcher};

/// Four edits a second: at rest in between, and some overlap.
const PAUSE: Duration = Duration::from_millis(250);
/// How long the last edits may take.
const PATIENCE: Duration = Duration::from_secs(30);

/// One sort of edit, and where it shows.
struct Sort {
    name: &'static str,
    /// `--settle` of the operator.
    settle: &'static str,
    /// The n-th edit of one app, and the value that shows it.
    edit: fn(usize) -> (Value, Value),
    child: fn(&App) -> ObjectRef,
    shows: &'static str,
}

/// Edits that change no pod template.
pub(crate) async fn autoscaler(case: &mut Case, options: &Options) -> Result<Value> {
    measure(case, options, AUTOSCALER).await
}

/// Edits of the pod template, with the default settling time.
pub(crate) async fn template(case: &mut Case, options: &Options) -> Result<Value> {
    measure(case, options, TEMPLATE).await
}

/// The same without a settling time.
pub(crate) async fn template_at_once(case: &mut Case, options: &Options) -> Result<Value> {
    measure(case, options, TEMPLATE_AT_ONCE).await
}

async fn measure(case: &mut Case, options: &Options, sort: Sort) -> Result<Value> {
    case.operator.restart(&["--settle", sort.settle]).await?;
    silence(&case.site.cluster.audit_log).await?;
    say(&format!("{} edits: {}, --settle {}", options.edits, sort.name, sort.settle));
    one_sort(case, options, &sort).await
}

/// The number of members: no pod template, one write. It stays small: the members are made.
const AUTOSCALER: Sort = Sort {
    name: "spec.replicas to the autoscaler",
    settle: "1s",
    edit: |nth| {
        let replicas = 2 + nth;
        (json!({ "spec": { "replicas": replicas } }), json!(replicas))
    },
    child: |app| {
        ObjectRef::new(ObjectKind::Autoscaler, &app.namespace, format!("{}-app-hpa", app.name))
    },
    shows: "/spec/maxReplicas",
};

/// What containers ask for: another pod template, the intent first.
const TEMPLATE: Sort = Sort {
    name: "spec.resources to the StatefulSet",
    settle: "1s",
    edit: |nth| resources(129 + nth),
    child: |app| {
        ObjectRef::new(ObjectKind::StatefulSet, &app.namespace, format!("{}-app", app.name))
    },
    shows: "/spec/template/spec/containers/0/resources/requests/memory",
};

const TEMPLATE_AT_ONCE: Sort =
    Sort { settle: "0s", edit: |nth| resources(1_029 + nth), ..TEMPLATE };

fn resources(mebibytes: usize) -> (Value, Value) {
    let memory = format!("{mebibytes}Mi");
    (json!({ "spec": { "resources": { "requests": { "memory": memory } } } }), json!(memory))
}

async fn one_sort(case: &Case, options: &Options, sort: &Sort) -> Result<Value> {
    let kind = (sort.child)(case.apps.first().context("there is no app")?).kind;
    let mut watcher = Watcher::of(&case.site.api, &[kind]).await?;
    // The same apps in every run.
    let mut chance = Chance::new(7);
    let (mut awaited, mut made) = (BTreeMap::new(), BTreeMap::<&App, usize>::new());
    let mut next = tokio::time::Instant::now();
    for _ in 0..options.edits {
        let app = case.apps.get(chance.below(case.apps.len())).context("there is no app")?;
        let nth = made.entry(app).or_default();
        let (change, shown) = (sort.edit)(*nth);
        *nth += 1;
        case.site.api.ask(Ask::merge(app.path(), change)).await?;
        awaited.insert(((sort.child)(app), shown.to_string()), Instant::now());
        next += PAUSE;
        sleep_until(next).await;
    }
    let (mut took, began) = (Vec::new(), Instant::now());
    // One that a later edit of the same app overtook is never seen.
    while !awaited.is_empty() && began.elapsed() < PATIENCE {
        for Seen { at, object, body } in watcher.rest() {
            let shown = body.pointer(sort.shows).map(Value::to_string).unwrap_or_default();
            if let Some(sent) = awaited.remove(&(object, shown)) {
                // The event can come before the editor's answer: then it took no time.
                took.push(at.saturating_duration_since(sent).as_secs_f64() * 1e3);
            }
        }
        sleep(Duration::from_millis(100)).await;
    }
    took.sort_by(f64::total_cmp);
    Ok(json!({
        "what": sort.name, "settle": sort.settle, "edits": options.edits, "unseen": awaited.len(),
        "p50": quantile(&took, 50), "p99": quantile(&took, 99), "most": took.last(),
    }))
}

/// The value that so many of a hundred do not exceed, in milliseconds with one decimal.
fn quantile(sorted: &[f64], percent: usize) -> Option<f64> {
    let at = (sorted.len() * percent).div_ceil(100).saturating_sub(1);
    sorted.get(at).map(|value| (value * 10.0).round() / 10.0)
}
