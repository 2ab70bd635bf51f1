//! Where a run ends, so that two ends can be compared: every object without what differs from run to
//! run.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use crate::cluster::Cluster;
use crate::server::resource::Resource;

/// All objects at the end of a run, by kind and name. Kept revisions are left out: how
/// many there are depends on the way.
pub fn outcome(cluster: &Cluster) -> BTreeMap<String, Value> {
    let objects = cluster.server.objects().iter();
    objects
        .filter(|((resource, ..), _)| *resource != Resource::Revision)
        .map(|((resource, _, name), object)| {
            (format!("{} {name}", resource.kind()), normal(object))
        })
        .collect()
}

/// What the run, and not the story, decides: identities, versions, times.
const OF_THE_RUN: [&str; 25] = [
    "uid",
    "resourceVersion",
    "creationTimestamp",
    "managedFields",
    "lastTransitionTime",
    "clusterIP",
    "clusterIPs",
    "podIP",
    "lists",
    "since",
    "observedGeneration",
    "generation",
    // Who leads, and how many attempts, strikes and replacements it took.
    "leader",
    "podUID",
    "podCreationTime",
    "created",
    "at",
    "attempts",
    "by",
    "round",
    "owedSince",
    "replacements",
    "stuckFor",
    "topics",
    "last",
];

fn normal(value: &Value) -> Value {
    match value {
        Value::Object(fields) => fields
            .iter()
            .filter(|(name, _)| !OF_THE_RUN.contains(&name.as_str()))
            .map(|(name, value)| (name.clone(), normal(value)))
            .collect::<Map<_, _>>()
            .into(),
        Value::Array(items) => {
            // Whether a rebalance was ever owed depends on the way; that none is owed at the end does not.
            let is_through =
                |item: &Value| item["type"] == "Rebalanced" && item["status"] == "True";
            items.iter().filter(|item| !is_through(item)).map(normal).collect()
        }
        other => other.clone(),
    }
}

/// The first difference, for people.
pub fn difference(
    wanted: &BTreeMap<String, Value>,
    found: &BTreeMap<String, Value>,
) -> Option<String> {
    let names = wanted.keys().chain(found.keys());
    for name in names {
        match (wanted.get(name), found.get(name)) {
            (Some(one), Some(two)) if one == two => {}
            (Some(_), None) => return Some(format!("{name} is missing")),
            (None, Some(_)) => return Some(format!("{name} is left")),
            (one, two) => {
                let none = Value::Null;
                let path = differs(one.unwrap_or(&none), two.unwrap_or(&none), "");
                return Some(format!("{name} differs at {path}"));
            }
        }
    }
    None
}

fn differs(one: &Value, two: &Value, path: &str) -> String {
    match (one, two) {
        (Value::Object(one), Value::Object(two)) => {
            let names = one.keys().chain(two.keys());
            for name in names {
                let (below, other) = (one.get(name), two.get(name));
                if below != other {
                    let none = Value::Null;
                    let path = format!("{path}/{name}");
                    return differs(below.unwrap_or(&none), other.unwrap_or(&none), &path);
                }
            }
            path.to_owned()
        }
        (Value::Array(one), Value::Array(two)) if one.len() == two.len() => {
            let at = one.iter().zip(two).position(|(one, two)| one != two);
            let at = at.unwrap_or(0);
            let none = Value::Null;
            let path = format!("{path}/{at}");
            differs(one.get(at).unwrap_or(&none), two.get(at).unwrap_or(&none), &path)
        }
        (one, two) => format!("{path}: {two} instead of {one}"),
    }
}
