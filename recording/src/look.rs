//! What is recorded: a look, and how its objects become references and come back.

use std::collections::BTreeMap;

use kaspr_core::action::Action;
use kaspr_core::marks::Marks;
use kaspr_core::outcome::{Answer, Outcomes};
use kaspr_core::poll::Polls;
use kaspr_core::snapshot::{ChildFacts, ComponentFacts, Edits, ListFacts};
use kaspr_core::{AppKey, Now, ObjectKind, Plan, Seen, Settings, Snapshot, Uptime};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// One look at an app, what was decided, and what came of it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Look<'a> {
    /// What was seen.
    pub snapshot: &'a Snapshot,
    /// What was decided.
    pub plan: &'a Plan,
    /// The name of the decision, as logs and Events carry it.
    pub decision: &'a str,
    /// What came of each step of the plan, in its order, as a stable word; empty if nobody told.
    pub came: &'a [String],
}

/// A snapshot without what differs at nearly every look (whose it is, when, how far the lists
/// are known, and what the members answered), so that an app at rest has the same facts again and again.
///
/// It has the defaults of [`Snapshot`]: a fact that an older recording lacks is unknown.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Facts {
    pub(crate) version: u32,
    #[serde(default)]
    settings: Settings,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    process: String,
    #[serde(default)]
    app: Seen<Value>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    app_read_at: Option<Uptime>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    app_seen_at: Option<Uptime>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    edits: Option<Edits>,
    #[serde(default)]
    components: ComponentFacts,
    #[serde(default)]
    children: ChildFacts,
    #[serde(default)]
    secrets: Seen<Vec<Value>>,
    #[serde(default, skip_serializing_if = "Marks::is_empty")]
    marks: Marks,
    #[serde(default)]
    terminations_elsewhere: u32,
    #[serde(default)]
    outcomes: Outcomes,
}

/// How far the list of each kind of component is known.
pub(crate) type Lists = BTreeMap<ObjectKind, ListFacts>;

impl Facts {
    /// Takes the facts out of a snapshot.
    pub(crate) fn of(snapshot: Snapshot) -> Self {
        let Snapshot {
            version,
            key: _,
            now: _,
            settings,
            process,
            app,
            app_read_at,
            app_seen_at,
            edits,
            components,
            lists: _,
            children,
            secrets,
            polls: _,
            marks,
            terminations_elsewhere,
            outcomes,
        } = snapshot;
        Self {
            version,
            settings,
            process,
            app,
            app_read_at,
            app_seen_at,
            edits,
            components,
            children,
            secrets,
            marks,
            terminations_elsewhere,
            outcomes,
        }
    }

    /// The snapshot that they were taken out of.
    pub(crate) fn at(self, key: AppKey, now: Now, lists: Lists, polls: Polls) -> Snapshot {
        let Self {
            version,
            settings,
            process,
            app,
            app_read_at,
            app_seen_at,
            edits,
            components,
            children,
            secrets,
            marks,
            terminations_elsewhere,
            outcomes,
        } = self;
        Snapshot {
            version,
            key,
            now,
            settings,
            process,
            app,
            app_read_at,
            app_seen_at,
            edits,
            components,
            lists,
            children,
            secrets,
            polls,
            marks,
            terminations_elsewhere,
            outcomes,
        }
    }
}

/// Every place of a snapshot where an object stands, in a fixed order. All fields are named, so that
/// one that is new does not compile until somebody says whether it holds objects.
pub(crate) fn objects(snapshot: &mut Snapshot) -> Vec<&mut Value> {
    let Snapshot {
        version: _,
        key: _,
        now: _,
        settings: _,
        process: _,
        app,
        app_read_at: _,
        app_seen_at: _,
        edits: _,
        components: ComponentFacts { agents, tables, web_views, tasks, joins },
        lists: _,
        children:
            ChildFacts {
                service_account,
                api_service,
                headless_service,
                stateful_set,
                autoscaler,
                config_maps,
                pods,
                claims,
            },
        secrets,
        polls: _,
        marks: _,
        terminations_elsewhere: _,
        outcomes,
    } = snapshot;
    let mut places = Vec::new();
    let single = [app, service_account, api_service, headless_service, stateful_set, autoscaler];
    places.extend(single.into_iter().filter_map(present));
    let several = [agents, tables, web_views, tasks, joins, config_maps, pods, claims, secrets];
    places.extend(several.into_iter().filter_map(present).flatten());
    for outcome in outcomes.values_mut() {
        match &mut outcome.answer {
            Answer::Exists { found } => places.extend(found),
            Answer::Done { .. } | Answer::Refused { .. } => {}
        }
    }
    places
}

/// Every place of a plan where a whole object stands, in a fixed order.
pub(crate) fn bodies(plan: &mut Plan) -> Vec<&mut Value> {
    plan.steps.iter_mut().filter_map(|step| body(&mut step.action)).collect()
}

fn body(action: &mut Action) -> Option<&mut Value> {
    match action {
        Action::Apply { manifest, .. } | Action::Roll { manifest, .. } => Some(&mut manifest.body),
        Action::PatchStatus { .. }
        | Action::ConfirmStatus { .. }
        | Action::TakeOwnership { .. }
        | Action::Scale { .. }
        | Action::Delete { .. }
        | Action::DeletePod { .. }
        | Action::Signal { .. }
        | Action::RemoveAnnotation { .. }
        | Action::RemoveLeftovers { .. } => None,
    }
}

fn present<T>(seen: &mut Seen<T>) -> Option<&mut T> {
    match seen {
        Seen::Present(thing) => Some(thing),
        Seen::Absent | Seen::Unknown(_) => None,
    }
}
