//! Judges the way from one version of manifests to the next.

use kaspr_crds::{Kind, keys};
use serde_json::Value;

use super::{Finding, Severity, namespace_of};
use crate::app::{App, Pinned};
use crate::invalid::Invalid;
use crate::meta::Meta;
use crate::quantity::Quantity;
use crate::settings::Settings;

/// Judges the change from `old` to `new`: what cannot be changed, or not without harm.
pub fn check_change(old: &[Value], new: &[Value], settings: &Settings) -> Vec<Finding> {
    let mut findings = Vec::new();
    let identity = |object: &Value| {
        let kind = object.get("kind").and_then(Value::as_str).unwrap_or_default().to_owned();
        (kind, namespace_of(object), Meta::of(object).name)
    };
    for before in old {
        let after = new.iter().enumerate().find(|(_, after)| identity(after) == identity(before));
        if let Some((at, after)) = after {
            findings.extend(changes(before, after).into_iter().map(|problem| Finding {
                object: at,
                severity: Severity::Error,
                problem,
            }));
        }
    }
    findings.extend(renamed(old, new, settings));
    findings.sort_by_key(|finding| finding.object);
    findings
}

/// What cannot change from one version of an object to the next.
fn changes(before: &Value, after: &Value) -> Vec<Invalid> {
    let mut found = Vec::new();
    let text = |value: Option<&Value>| match value {
        None | Some(Value::Null) => None,
        Some(Value::String(text)) => Some(text.clone()),
        Some(other) => Some(other.to_string()),
    };
    for (path, why, remedy) in FIXED {
        let pointer = format!("/{}", path.replace('.', "/"));
        let (old, new) = (text(before.pointer(&pointer)), text(after.pointer(&pointer)));
        if old.is_some() && old != new {
            let was = old.unwrap_or_default();
            let problem = format!("it was {was}, and {why}");
            let value = after.pointer(&pointer).cloned().unwrap_or(Value::Null);
            found.push(Invalid::new(path, problem, remedy).with_value(&value));
        }
    }
    let size = |object: &Value| Quantity::parse(object.pointer("/spec/storage/size")?.as_str()?);
    if let (Some(old), Some(new)) = (size(before), size(after))
        && new < old
    {
        found.push(
            Invalid::new(
                "spec.storage.size",
                "a claim cannot shrink",
                "restore the old size, or create the app under another name",
            )
            .with_value(after.pointer("/spec/storage/size").unwrap_or(&Value::Null)),
        );
    }
    let label = |object: &Value| Meta::of(object).labels.get(keys::LABEL_APP).cloned();
    if before.get("kind").and_then(Value::as_str) == Some(Kind::Table.name())
        && let (Some(old), Some(new)) = (label(before), label(after))
        && old != new
    {
        found.push(
            Invalid::new(
                "metadata.labels[\"kaspr.io/app\"]",
                format!("the table moves away from the app {old}, and its data stays there"),
                "create a table of another name for the other app",
            )
            .with_value(&new.into()),
        );
    }
    found
}

/// Fields that keep the value that they were given first.
const FIXED: [(&str, &str, &str); 4] = [
    (
        "spec.storage.type",
        "claims cannot change their kind",
        "restore it, or create the app under another name",
    ),
    (
        "spec.storage.class",
        "a claim keeps its class",
        "restore it, or create the app under another name",
    ),
    (
        "spec.config.topicPartitions",
        "topics and tables were made with that many partitions",
        "restore it, or create the app under another name",
    ),
    (
        "spec.partitions",
        "the changelog was made with that many partitions",
        "restore it, or create a table of another name",
    ),
];

/// An app that is gone while one with the same spec came: its consumer group, internal topics and
/// claims carry the old name.
fn renamed(old: &[Value], new: &[Value], settings: &Settings) -> Vec<Finding> {
    let apps = |objects: &[Value]| -> Vec<(usize, String, Option<App>)> {
        let is_app =
            |object: &&Value| object.get("kind").and_then(Value::as_str) == Some(Kind::App.name());
        objects
            .iter()
            .enumerate()
            .filter(|(_, object)| is_app(object))
            .map(|(at, object)| {
                let app = App::parse(object, settings, Pinned(None)).result.ok();
                (at, Meta::of(object).name, app)
            })
            .collect()
    };
    let (old, new) = (apps(old), apps(new));
    let is_gone = |name: &String| new.iter().all(|(_, other, _)| other != name);
    let is_new = |name: &String| old.iter().all(|(_, other, _)| other != name);
    let mut found = Vec::new();
    for (at, name, app) in new.iter().filter(|(_, name, app)| is_new(name) && app.is_some()) {
        let same_spec = |other: &Option<App>| {
            other.as_ref().map(|app| &app.spec) == app.as_ref().map(|app| &app.spec)
        };
        let twin = old.iter().find(|(_, other, spec)| is_gone(other) && same_spec(spec));
        if let Some((_, was, _)) = twin {
            let problem = Invalid::new(
                "metadata.name",
                format!("the app was called {was}: its consumer group, topics and claims are"),
                "restore the name, or expect the app to start from nothing",
            )
            .with_value(&name.clone().into());
            found.push(Finding { object: *at, severity: Severity::Error, problem });
        }
    }
    found
}
