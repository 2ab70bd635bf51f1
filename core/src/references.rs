//! What components name of each other: tables, channels, equal partitions.
//!
//! A worker that cannot resolve a reference ends (a join without its tables), crashes at the first event
//! (a table in an operation) or waits for ever (a channel). Source: the contract of Kaspr 0.11.18.

use std::collections::{BTreeMap, BTreeSet};

use kaspr_crds::Kind;
use serde_json::Value;

use crate::invalid::Invalid;

/// A reference that leads nowhere, or to what does not fit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unresolved {
    /// The stable word: the reason of the condition `ResolvedRefs`.
    pub code: &'static str,
    /// Where, what, and what to do.
    pub problem: Invalid,
}

/// What components of one app may refer to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Known {
    /// The tables, with their partitions where the spec names them.
    pub tables: BTreeMap<String, Option<i64>>,
    /// The channels that joins write to.
    pub channels: BTreeSet<String>,
}

impl Known {
    /// Adds what a component offers.
    pub fn add(&mut self, kind: Kind, name: &str, spec: &Value) {
        match kind {
            Kind::Table => {
                let partitions = spec.get("partitions").and_then(Value::as_i64);
                self.tables.insert(name.to_owned(), partitions);
            }
            Kind::Join => {
                let channel = spec.get("outputChannel").and_then(Value::as_str);
                let channel = channel.filter(|channel| !channel.is_empty());
                // Source: the worker's default for a join without a channel.
                let own = || format!("{name}-channel");
                self.channels.insert(channel.map_or_else(own, str::to_owned));
            }
            Kind::App | Kind::Agent | Kind::WebView | Kind::Task => {}
        }
    }

    /// The references of a component that do not resolve; none where it refers to nothing.
    pub fn unresolved(&self, kind: Kind, spec: &Value) -> Option<Vec<Unresolved>> {
        let tables = tables(kind, spec);
        let channel = channel(kind, spec);
        if tables.is_empty() && channel.is_none() {
            return None;
        }
        let mut found: Vec<Unresolved> = tables
            .iter()
            .filter(|(_, name)| !self.tables.contains_key(name))
            .map(|(field, name)| Unresolved {
                code: "TableNotFound",
                problem: Invalid::new(
                    field,
                    "the app has no such table",
                    "create the KasprTable with the label kaspr.io/app of this app, or name another one",
                )
                .with_value(&name.as_str().into()),
            })
            .collect();
        found.extend(self.partitions(kind, &tables));
        let is_dead = |channel: &&str| !self.channels.contains(*channel);
        found.extend(channel.filter(is_dead).map(|channel| {
            Unresolved {
                code: "ChannelNotFound",
                problem: Invalid::new(
                    "spec.input.channel.name",
                    "no join of the app writes to it, so nothing would ever come",
                    "name the outputChannel of a KasprJoin, or create that",
                )
                .with_value(&channel.into()),
            }
        }));
        Some(found)
    }

    /// Tables that are joined must have equally many partitions, where both say how many.
    fn partitions(&self, kind: Kind, tables: &[(String, String)]) -> Option<Unresolved> {
        let [(_, left), (field, right)] = tables else { return None };
        let count = |name: &String| self.tables.get(name).copied().flatten();
        let (one, two) = (count(left)?, count(right)?);
        (kind == Kind::Join && one != two).then(|| Unresolved {
            code: "PartitionsDiffer",
            problem: Invalid::new(
                field,
                format!("{left} has {one} partitions and {right} has {two}"),
                "give both tables, and the topics that feed them, equally many",
            ),
        })
    }
}

/// The tables that a spec names, with the paths where it does.
pub fn tables(kind: Kind, spec: &Value) -> Vec<(String, String)> {
    let mut found = Vec::new();
    if kind == Kind::Join {
        for field in ["leftTable", "rightTable"] {
            if let Some(name) = spec.get(field).and_then(Value::as_str) {
                found.push((format!("spec.{field}"), name.to_owned()));
            }
        }
    }
    let operations = spec.pointer("/processors/operations").and_then(Value::as_array);
    for (at, operation) in operations.into_iter().flatten().enumerate() {
        let tables = operation.get("tables").and_then(Value::as_array);
        for (index, table) in tables.into_iter().flatten().enumerate() {
            if let Some(name) = table.get("name").and_then(Value::as_str) {
                let path = format!("spec.processors.operations[{at}].tables[{index}].name");
                found.push((path, name.to_owned()));
            }
        }
    }
    found
}

/// The channel that an agent reads.
fn channel(kind: Kind, spec: &Value) -> Option<&str> {
    let channel = spec.pointer("/input/channel/name").and_then(Value::as_str);
    channel.filter(|channel| kind == Kind::Agent && !channel.is_empty())
}

/// How many members of an app can have nothing to do: those beyond the partitions of every topic that
/// its agents read. None where somebody reads a topic of unknown partitions, or nobody reads one.
pub fn idle_members<'a>(
    replicas: i32,
    default_partitions: Option<i64>,
    agents: impl Iterator<Item = &'a Value>,
) -> Option<(i64, i64)> {
    let mut most = None;
    for topic in agents.filter_map(|spec| spec.pointer("/input/topic").map(|topic| (spec, topic))) {
        let (spec, topic) = topic;
        let is_declared = spec.pointer("/input/declare").and_then(Value::as_bool) == Some(true);
        let own = topic.get("partitions").and_then(Value::as_i64);
        let count = own.or(default_partitions).filter(|_| is_declared)?;
        most = most.max(Some(count));
    }
    let most = most?;
    let idle = i64::from(replicas) - most;
    (idle > 0).then_some((idle, most))
}

/// What is told of an app whose members are too many.
pub fn too_many_members(idle: i64, most: i64) -> Invalid {
    Invalid::new(
        "spec.replicas",
        format!("the topics of the app have at most {most} partitions, so {idle} members are idle"),
        format!("write {most} or less, or give the topics more partitions"),
    )
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn members_beyond_the_partitions_are_idle() {
        let agent = |declare: bool, partitions: Value| json!({ "input": { "declare": declare, "topic": { "name": "t", "partitions": partitions } } });
        let idle = |agents: &[Value]| idle_members(5, Some(2), agents.iter());
        assert_eq!(idle(&[agent(true, json!(3))]), Some((2, 3)));
        assert_eq!(idle(&[agent(true, Value::Null)]), Some((3, 2)));
        assert_eq!(idle(&[agent(true, json!(3)), agent(true, json!(6))]), None);
        assert_eq!(
            idle(&[agent(true, json!(3)), agent(false, json!(3))]),
            None,
            "somebody else's topic"
        );
        assert_eq!(idle(&[]), None);
    }
}
