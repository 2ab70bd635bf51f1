//! What the server refuses: fields that cannot change, and specs that their definition does not
//! allow.

use kaspr_core::ObjectKind;
use kaspr_core::schema;
use kaspr_crds::{Kind, spec_schema};
use serde_json::Value;

use super::resource::{Place, Resource};
use super::status::Answer;

/// The refusal of a new state, if it is one; prunes and fills in the spec of a custom resource.
pub(super) fn check(place: &Place, live: Option<&Value>, object: &mut Value) -> Option<Answer> {
    match place.resource {
        Resource::Watched(ObjectKind::StatefulSet) => stateful_set(place, live, object),
        Resource::Watched(_) if place.resource.is_custom() => custom(place, object),
        _ => None,
    }
}

/// Parts that are maps, or null, in every object that has them.
const MAPS: [&str; 7] =
    ["", "/metadata", "/metadata/labels", "/metadata/annotations", "/spec", "/status", "/data"];
/// The same in a StatefulSet.
const MAPS_OF_SET: [&str; 4] = [
    "/spec/template",
    "/spec/template/metadata",
    "/spec/template/metadata/labels",
    "/spec/template/spec",
];

/// The first part of an object that has not the shape that all objects of a resource have.
pub(super) fn misshapen(resource: Resource, object: &Value) -> Option<&'static str> {
    let of_set: &[&str] =
        if resource == Resource::Watched(ObjectKind::StatefulSet) { &MAPS_OF_SET } else { &[] };
    let is_odd = |pointer: &&str| {
        object.pointer(pointer).is_some_and(|value| !value.is_object() && !value.is_null())
    };
    MAPS.iter().chain(of_set).copied().find(is_odd)
}

/// Fields of a StatefulSet's spec that an update may change.
/// Source: `ValidateStatefulSetUpdate` of Kubernetes 1.37.
const CHANGEABLE: [&str; 7] = [
    "replicas",
    "ordinals",
    "template",
    "updateStrategy",
    "revisionHistoryLimit",
    "persistentVolumeClaimRetentionPolicy",
    "minReadySeconds",
];

fn stateful_set(place: &Place, live: Option<&Value>, object: &Value) -> Option<Answer> {
    let none = serde_json::Map::new();
    let spec = |object: &Value| object["spec"].as_object().cloned().unwrap_or_else(|| none.clone());
    if let Some(live) = live {
        let (was, is) = (spec(live), spec(object));
        let names = was.keys().chain(is.keys());
        let differs = |name: &&String| {
            !CHANGEABLE.contains(&name.as_str()) && was.get(*name) != is.get(*name)
        };
        if names.into_iter().any(|name| differs(&name)) {
            let why = "Forbidden: updates to statefulset spec for fields other than 'replicas', 'ordinals', 'template', 'updateStrategy', 'revisionHistoryLimit', 'persistentVolumeClaimRetentionPolicy' and 'minReadySeconds' are forbidden";
            return Some(Answer::invalid(place, "spec", why));
        }
    }
    let labels = &object["spec"]["template"]["metadata"]["labels"];
    let wanted = object["spec"]["selector"]["matchLabels"].as_object().into_iter().flatten();
    let fits = wanted.into_iter().all(|(name, value)| labels[name.as_str()] == *value);
    (!fits).then(|| {
        let why = "Invalid value: `selector` does not match template `labels`";
        Answer::invalid(place, "spec.template.metadata.labels", why)
    })
}

fn custom(place: &Place, object: &mut Value) -> Option<Answer> {
    let is_its = |kind: &Kind| Resource::Watched(ObjectKind::from(*kind)) == place.resource;
    let schema = spec_schema(Kind::ALL.into_iter().find(is_its)?);
    if !object["spec"].is_object() {
        return Some(Answer::invalid(place, "spec", "Required value"));
    }
    let verdict = schema::validate(schema, &object["spec"], "spec");
    if let Some(problem) = verdict.problems.first() {
        return Some(Answer::invalid(place, &problem.field, &problem.to_string()));
    }
    object["spec"] = verdict.spec;
    None
}
