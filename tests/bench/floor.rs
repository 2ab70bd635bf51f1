//! The floor of a cold start: the same objects and status writes, sent by a client that knows them
//! all beforehand and does nothing but send.

use std::time::{Duration, Instant};

use anyhow::{Result, bail, ensure};
use jiff::Timestamp;
use kaspr_core::action::Action;
use kaspr_core::seen::Seen;
use kaspr_core::snapshot::{ComponentFacts, Snapshot};
use kaspr_core::{AppKey, Now, Settings, Uptime, decide};
use serde_json::{Value, json};
use tokio::time::sleep;

use crate::api::{Ask, all};
use crate::apps::{Made, apps, make};
use crate::cold::{QUIET, kinds, seconds};
use crate::site::Site;
use crate::watcher::Watcher;

/// Makes `count` apps on a fresh control plane, and what an operator would make of them.
pub(crate) async fn measure(count: usize) -> Result<Value> {
    let site = Site::up().await?;
    let apps = apps(count);
    let made = make(&site.api, &apps).await?;
    let mut asks = Vec::new();
    for made in &made {
        asks.extend(requests(made)?);
    }
    let requests = asks.len();
    let mut watcher = Watcher::of(&site.api, &kinds()).await?;
    sleep(QUIET).await;
    let began = Instant::now();
    let (sent, complete) = tokio::join!(site.api.blast(asks), watcher.completed(&apps));
    sent?;
    let answered = began.elapsed();
    let complete = complete?.saturating_duration_since(began);
    site.down()?;
    Ok(json!({
        "complete": seconds(complete), "answered": seconds(answered), "requests": requests,
    }))
}

/// What the operator itself would send for a new app: its first plan, and the write that says that
/// the members are there.
fn requests(made: &Made) -> Result<Vec<Ask>> {
    let plan = decide(&snapshot(made));
    let mut asks = Vec::new();
    for step in plan.steps {
        asks.push(match step.action {
            Action::Apply { manifest, .. } => {
                let place = all(manifest.object.kind, Some(&manifest.object.namespace));
                Ask::create(place, manifest.body)
            }
            Action::PatchStatus { of, status, .. } => {
                let place = all(of.kind, Some(&of.namespace));
                Ask::merge(format!("{place}/{}/status", of.name), json!({ "status": status }))
            }
            other => bail!("a new app is made by creations, not by {other:?}"),
        });
    }
    let creations = asks.len();
    let wanted = made.app.children().len() + 3;
    ensure!(creations == wanted, "{creations} requests for a new app, not {wanted}");
    let ready = json!({ "status": { "replicas": 1, "availableMembers": "1/1" } });
    asks.push(Ask::merge(format!("{}/status", made.app.path()), ready));
    Ok(asks)
}

fn snapshot(made: &Made) -> Snapshot {
    let key = AppKey::new(&made.app.namespace, &made.app.name);
    // Later than anything that might still settle.
    let wall = Timestamp::now() + Duration::from_mins(1);
    let now = Now { wall, uptime: Uptime(60_000) };
    let nothing = Snapshot::of_nothing(key, now, Settings::default());
    Snapshot {
        app: Seen::Present(made.object.clone()),
        components: ComponentFacts {
            agents: Seen::Present(vec![made.agent.clone()]),
            tables: Seen::Present(vec![made.table.clone()]),
            ..nothing.components
        },
        ..nothing
    }
}
