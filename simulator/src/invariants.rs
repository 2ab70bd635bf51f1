//! What must hold at every step, whatever goes wrong. The names are those of `docs/invariants.md`.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use kaspr_core::ObjectKind;
use kaspr_core::quantity::Quantity;
use serde_json::Value;

use crate::cluster::{Cluster, OPERATOR};
use crate::controllers::is_going;
use crate::server::Change;
use crate::server::resource::Resource;

mod members;

pub(crate) use self::members::justified_signal;

/// One that does not hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// Its name.
    pub name: &'static str,
    /// What happened instead.
    pub what: String,
}

/// Looks at every change.
#[derive(Clone, Debug, Default)]
pub struct Watchman {
    seen: u64,
    /// The intents that stood in the status of an app, by its uid.
    intents: BTreeMap<String, BTreeSet<String>>,
    /// The generation that a status spoke of last, by uid.
    spoken: BTreeMap<String, i64>,
    /// The uids of all apps and components that ever were.
    owners: BTreeSet<String>,
    members: members::Members,
}

const SET: Resource = Resource::Watched(ObjectKind::StatefulSet);
const MAP: Resource = Resource::Watched(ObjectKind::ConfigMap);

impl Watchman {
    /// Looks at what changed since the last look.
    ///
    /// # Errors
    /// The first violation.
    pub fn look(&mut self, cluster: &Cluster) -> Result<(), Violation> {
        let news: Vec<Arc<Change>> = cluster.server.since(self.seen).to_vec();
        self.seen = cluster.server.version();
        for change in &news {
            self.note(change);
            if change.by == OPERATOR {
                self.only_owned_objects_touched(change)?;
                self.intent_before_irreversible(change)?;
                if matches!(change.key.0, MAP | SET) {
                    no_definition_before_its_pods(cluster, change)?;
                }
            }
            self.status_never_goes_back(change)?;
            self.members.look(cluster, change)?;
        }
        if let Some(what) = cluster.careless() {
            return Err(Violation { name: "preconditions", what: what.to_owned() });
        }
        self.members.look_at_signals(cluster)
    }

    fn note(&mut self, change: &Change) {
        let (Some(after), true) = (&change.after, change.key.0.is_custom()) else { return };
        let uid = text(after, "/metadata/uid");
        if let Some(inputs) = after.pointer("/status/rollout/inputs").and_then(Value::as_str) {
            self.intents.entry(uid.clone()).or_default().insert(inputs.to_owned());
        }
        self.owners.insert(uid);
    }

    /// An object of somebody else is never written or deleted; one without an owner may be adopted.
    fn only_owned_objects_touched(&self, change: &Change) -> Result<(), Violation> {
        let (resource, _, name) = &change.key;
        let title = || format!("{} {name}", resource.kind());
        let violated = |what| Err(Violation { name: "only_owned_objects_touched", what });
        // Pods are deleted only; for whom, `members` says.
        let is_pod = *resource == Resource::POD && change.after.as_deref().is_none_or(is_going);
        if is_pod {
            return Ok(());
        }
        if *resource == Resource::CLAIM && is_growth(change) {
            return Ok(());
        }
        if *resource == Resource::Revision || [Resource::POD, Resource::CLAIM].contains(resource) {
            return violated(format!("the operator wrote {}", title()));
        }
        let Some(before) = change.before.as_ref().filter(|_| !resource.is_custom()) else {
            return Ok(());
        };
        let owners = before["metadata"]["ownerReferences"].as_array().cloned().unwrap_or_default();
        let is_ours = |owner: &Value| self.owners.contains(&text(owner, "/uid"));
        if owners.is_empty() && change.after.is_some() || owners.iter().any(is_ours) {
            return Ok(());
        }
        violated(format!("the operator wrote {}, which belongs to {owners:?}", title()))
    }

    /// A live template is replaced only by one that stood in the status of its app as an intent.
    fn intent_before_irreversible(&self, change: &Change) -> Result<(), Violation> {
        let (Some(before), Some(after)) = (&change.before, &change.after) else { return Ok(()) };
        if change.key.0 != SET || before["spec"]["template"] == after["spec"]["template"] {
            return Ok(());
        }
        let inputs = text(after, "/metadata/annotations/kaspr.io~1template-inputs");
        let owner = text(after, "/metadata/ownerReferences/0/uid");
        if self.intents.get(&owner).is_some_and(|meant| meant.contains(&inputs)) {
            return Ok(());
        }
        let what = format!("{} got the template {inputs}, which no status meant", change.key.2);
        Err(Violation { name: "intent_before_irreversible", what })
    }

    /// S9: `observedGeneration` never decreases, and never runs ahead.
    fn status_never_goes_back(&mut self, change: &Change) -> Result<(), Violation> {
        let Some(after) = change.after.as_ref().filter(|_| change.key.0.is_custom()) else {
            return Ok(());
        };
        let Some(spoken) = after["status"]["observedGeneration"].as_i64() else { return Ok(()) };
        let generation = after["metadata"]["generation"].as_i64().unwrap_or(0);
        let uid = text(after, "/metadata/uid");
        let before = self.spoken.insert(uid, spoken).unwrap_or(0);
        if spoken >= before && spoken <= generation {
            return Ok(());
        }
        let name = &change.key.2;
        let what = format!("{name} of generation {generation} says {spoken} after {before}");
        Err(Violation { name: "status_never_goes_back", what })
    }
}

/// When an operator has written a template or taken a ConfigMap away, all that a pod or a template
/// mounts is there, as long as the app is.
fn no_definition_before_its_pods(cluster: &Cluster, change: &Change) -> Result<(), Violation> {
    let namespace = &change.key.1;
    let mounters =
        [Resource::POD, SET].into_iter().flat_map(|resource| cluster.server.all(resource));
    for ((resource, of, name), object) in mounters.filter(|((_, of, _), _)| of == namespace) {
        if is_going(object) || !has_app(cluster, object) {
            continue;
        }
        let spec = if *resource == SET { "/spec/template/spec/volumes" } else { "/spec/volumes" };
        let volumes = object.pointer(spec).and_then(Value::as_array).into_iter().flatten();
        for map in volumes.filter_map(|volume| volume["configMap"]["name"].as_str()) {
            if cluster.server.get(MAP, of, map).is_none() {
                let what = format!("{} {name} mounts {map}, which is not there", resource.kind());
                return Err(Violation { name: "no_definition_before_its_pods", what });
            }
        }
    }
    Ok(())
}

/// Whether a change of a claim asks for more storage, and changes nothing else of its spec.
fn is_growth(change: &Change) -> bool {
    let (Some(before), Some(after)) = (&change.before, &change.after) else { return false };
    let asked = |claim: &Value| {
        let asked = claim["spec"]["resources"]["requests"]["storage"].as_str();
        asked.and_then(Quantity::parse)
    };
    let without = |claim: &Value| {
        let mut spec = claim["spec"].clone();
        spec["resources"]["requests"]["storage"] = Value::Null;
        spec
    };
    asked(before) <= asked(after) && without(before) == without(after)
}

/// Whether the app whose object this is still stands.
fn has_app(cluster: &Cluster, object: &Value) -> bool {
    let app = object["metadata"]["labels"]["kaspr.io/cluster"].as_str();
    let app = app.or_else(|| {
        object.pointer("/spec/template/metadata/labels/kaspr.io~1cluster").and_then(Value::as_str)
    });
    let namespace = text(object, "/metadata/namespace");
    let kind = Resource::Watched(ObjectKind::App);
    let live = app.and_then(|app| cluster.server.get(kind, &namespace, app));
    live.is_some_and(|live| !is_going(live))
}

pub(crate) fn text(object: &Value, pointer: &str) -> String {
    object.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned()
}
