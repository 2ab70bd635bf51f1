//! Whether the pods that the original left run what is wanted now.
//!
//! It may have been stopped in the middle of a change, and its resources may have been edited since.
//! Three things tell: what its framework noted as the spec that it handled last, the text of a
//! definition, and the hashes in the environment of its pods. Where one of them says that something
//! never reached the pods, it is rolled out; where none does, no pod is restarted.

use std::collections::BTreeMap;

use kaspr_crds::{Kind, keys};
use serde_json::{Map, Value};

use crate::app::App;
use crate::component;
use crate::definition::{file_name, object_name};
use crate::mask;
use crate::meta::Meta;
use crate::observed::{Child, LiveApp, LiveComponent, Observed, worker_of};
use crate::original::{model, yaml};
use crate::policy::children::is_definition;
use crate::render::{self, DEFINITION_INPUTS, TEMPLATE_INPUTS};
use crate::snapshot::Snapshot;

/// The value of [`mask::REDACTED`] on a StatefulSet whose pods run what is wanted.
const IS_CURRENT: &str = "current";

/// What the pods of the original lack, in words; nothing where they run what is wanted.
///
/// Of a look without code and settings only whether there is anything is known.
pub(crate) fn unhandled(
    observed: &Observed<'_>,
    live: &LiveApp<'_>,
    app: &App,
    set: &Child<'_>,
) -> Vec<String> {
    if let Some(told) = set.meta.annotations.get(mask::REDACTED) {
        return if told == IS_CURRENT { Vec::new() } else { vec![told.clone()] };
    }
    let mut found = Vec::new();
    if is_edited(live) {
        found.push("the app was edited".to_owned());
    }
    let components = components(observed);
    found.extend(
        components
            .iter()
            .filter(|(kind, one)| is_new_text(observed, *kind, one))
            .map(|(kind, one)| format!("{} {} was edited", kind.name(), one.meta.name)),
    );
    found.extend(gone(observed, app, set).map(|name| format!("{name} is mounted and gone")));
    found.extend(
        stale_variables(observed, app, set, &components)
            .into_iter()
            .map(|name| format!("{name} is of something else")),
    );
    found
}

/// Says on the StatefulSet of a look that is about to be masked what [`unhandled`] finds.
pub(crate) fn told(snapshot: &Snapshot) -> Option<&'static str> {
    let observed = Observed::of(snapshot);
    let (live, set) = (observed.app.present()?, observed.own_set()?);
    let app = live.parsed.result.as_ref().ok()?;
    if set.meta.annotations.contains_key(TEMPLATE_INPUTS) {
        return None;
    }
    let is_current = unhandled(&observed, live, app, set).is_empty();
    Some(if is_current { IS_CURRENT } else { "something is new" })
}

/// The components that the original mounts, in its order within each kind. It mounts no joins.
fn components<'a>(observed: &'a Observed<'_>) -> Vec<(Kind, &'a LiveComponent<'a>)> {
    let mut found: Vec<_> =
        observed.all_components().filter(|(kind, _)| *kind != Kind::Join).collect();
    found.sort_by(|(_, one), (_, other)| one.meta.name.cmp(&other.meta.name));
    found
}

/// The object that the original's framework handled last, as far as it noted it.
/// Source: kopf, `AnnotationsDiffBaseStorage`: the object without status and system fields.
fn handled(meta: &Meta) -> Option<Value> {
    serde_json::from_str(meta.annotations.get(keys::ORIGINAL_LAST_HANDLED)?).ok()
}

/// Whether the app says of its pods what the original did not handle.
fn is_edited(live: &LiveApp<'_>) -> bool {
    let Some(handled) = handled(&live.meta) else { return false };
    let is_static =
        |object: &Value| !Meta::of(object).says_true(keys::ANNOTATION_NO_STATIC_MEMBERSHIP);
    of_pods(&handled) != of_pods(live.object) || is_static(&handled) != is_static(live.object)
}

/// The part of an app's spec that its pods are made of. The image is compared with the one that runs.
fn of_pods(app: &Value) -> Map<String, Value> {
    let mut spec = app.get("spec").and_then(Value::as_object).cloned().unwrap_or_default();
    let apart = ["version", "image", "replicas", "storage", "livenessProbe", "readinessProbe"];
    spec.retain(|field, _| !apart.contains(&field.as_str()));
    if let Some(template) = spec.get_mut("template").and_then(Value::as_object_mut) {
        template.retain(|field, _| !["service", "serviceAccount"].contains(&field.as_str()));
    }
    spec
}

/// Whether a component says what its live definition does not: neither is the spec the one that was
/// handled, nor is the text what the original writes for it.
fn is_new_text(observed: &Observed<'_>, kind: Kind, one: &LiveComponent<'_>) -> bool {
    let handled = handled(&one.meta);
    if handled.is_some_and(|handled| handled.get("spec") == one.object.get("spec")) {
        return false;
    }
    let map = observed.children.config_map(&object_name(kind, &one.meta.name)).present().copied();
    let Some(map) = map.filter(|map| !map.meta.annotations.contains_key(DEFINITION_INPUTS)) else {
        return false;
    };
    // The last good definition of a bad spec goes on running.
    let Some(item) = component::item(kind, one.object) else { return false };
    let items = Value::Array(vec![item]);
    let text =
        yaml::document(&Value::Object(Map::from_iter([(kind.root_key().to_owned(), items)])));
    let file = file_name(kind, &one.meta.name);
    map.object.pointer("/data").and_then(|data| data.get(file)?.as_str()) != Some(text.as_str())
}

/// The definitions that the template mounts of components that are no longer there.
fn gone<'a>(
    observed: &'a Observed<'_>,
    app: &'a App,
    set: &'a Child<'_>,
) -> impl Iterator<Item = &'a str> {
    let is_users =
        |name: &str| app.pod.volumes.iter().any(|volume| volume.get("name") == Some(&name.into()));
    let is_there = |name: &str| {
        observed
            .all_components()
            .any(|(kind, one)| !one.meta.is_deleting && object_name(kind, &one.meta.name) == name)
    };
    let is_made = |name: &str| match observed.children.config_map(name).present() {
        Some(map) => is_definition(map, &observed.key.name),
        None => Kind::COMPONENTS.iter().any(|kind| name.ends_with(&format!("-{}", kind.suffix()))),
    };
    set.config_maps()
        .into_iter()
        .filter(move |name| !is_users(name) && is_made(name) && !is_there(name))
}

/// The variables of the live template whose hash is not that of what is live.
fn stale_variables(
    observed: &Observed<'_>,
    app: &App,
    set: &Child<'_>,
    components: &[(Kind, &LiveComponent<'_>)],
) -> Vec<String> {
    let variables = variables(set);
    let mut stale = Vec::new();
    let mut compare = |name: &str, wanted: &[String]| {
        if let Some(live) = variables.get(name)
            && !wanted.is_empty()
            && !wanted.iter().any(|wanted| wanted == live)
        {
            stale.push(name.to_owned());
        }
    };
    if let Some(map) = observed.children.config_map(&observed.names.settings).present() {
        compare("CONFIG_HASH", &[model::config_hash(&data_of(map))]);
    }
    for (kind, name) in render::HASHES {
        compare(name, &kind_hashes(observed, kind, components));
    }
    let packages = app.spec.python_packages.as_ref().map(model::packages_hash);
    compare("PACKAGES_HASH", packages.as_slice());
    stale
}

/// What the hash of a kind may be: the original labelled a ConfigMap as its component was when it
/// made it, and hashed it as the component is. A label that was edited since is no new definition.
fn kind_hashes(
    observed: &Observed<'_>,
    kind: Kind,
    components: &[(Kind, &LiveComponent<'_>)],
) -> Vec<String> {
    let of_kind = components.iter().filter(|(of, _)| *of == kind);
    let maps: Option<Vec<_>> = of_kind
        .map(|(_, one)| {
            let name = object_name(kind, &one.meta.name);
            Some((*one, *observed.children.config_map(&name).present()?))
        })
        .collect();
    let Some(maps) = maps.filter(|maps| !maps.is_empty()) else { return Vec::new() };
    let over = |labels: &dyn Fn(&LiveComponent<'_>, &Child<'_>) -> BTreeMap<String, String>| {
        let hashes: Vec<String> = maps
            .iter()
            .map(|(one, map)| {
                model::Definition {
                    name: &map.meta.name,
                    namespace: &observed.key.namespace,
                    labels: &labels(one, map),
                    data: &data_of(map),
                }
                .hash()
            })
            .collect();
        model::kind_hash(hashes.iter().map(String::as_str))
    };
    let owner =
        |one: &LiveComponent<'_>| render::owner_of(kind, &observed.key.namespace, &one.meta);
    vec![
        over(&|one, _| render::original_labels(&owner(one))),
        over(&|_, map| {
            let mut labels = map.meta.labels.clone();
            labels.remove(keys::LABEL_CLUSTER);
            labels
        }),
    ]
}

fn data_of(map: &Child<'_>) -> BTreeMap<String, String> {
    let data = map.object.get("data").and_then(Value::as_object).into_iter().flatten();
    data.filter_map(|(key, value)| Some((key.clone(), value.as_str()?.to_owned()))).collect()
}

/// The literal environment of the worker; of two variables of one name the last counts.
fn variables<'a>(set: &Child<'a>) -> BTreeMap<&'a str, &'a str> {
    let env = worker_of(set.object).and_then(|worker| worker.get("env"));
    let entries = env.and_then(Value::as_array).into_iter().flatten();
    entries
        .filter_map(|entry| Some((entry.get("name")?.as_str()?, entry.get("value")?.as_str()?)))
        .collect()
}
