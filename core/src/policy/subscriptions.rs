//! What the workers of an app subscribe to, as one set; and the components as people read them.

use std::collections::BTreeSet;

use kaspr_crds::{Kind, LinkedResource, LinkedResources};
use serde::Serialize;
use serde_json::{Value, json};

use crate::digest;
use crate::limits;
use crate::observed::LiveApp;
use crate::policy::definitions::{Item, State, Tracked};
use crate::policy::{components, rebalance, rollout};

/// All that decides which partitions a group assigns. A table has the name of its resource: workers
/// go by that, whatever its spec says.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Set {
    topics: BTreeSet<String>,
    patterns: BTreeSet<String>,
    tables: BTreeSet<String>,
    joins: BTreeSet<String>,
}

/// The set, and the components that it is made of.
pub(crate) struct Subscriptions {
    set: Set,
    /// The digest of the set.
    pub(crate) digest: String,
    linked: LinkedResources,
    /// The components as the status has them.
    before: Option<LinkedResources>,
}

/// Reads what the tracked components subscribe to.
pub(crate) fn of(live: &LiveApp<'_>, tracked: &Tracked<'_>) -> Subscriptions {
    let before = linked_before(live);
    let old = Old {
        linked: before.as_ref(),
        is_ours: live.status.memory.rebalance.subscriptions.is_some(),
    };
    let mounted = tracked.items.iter().filter(|item| item.mounted().is_some());
    let mut linked = LinkedResources {
        agents: Some(Vec::new()),
        webviews: Some(Vec::new()),
        tables: Some(Vec::new()),
        tasks: Some(Vec::new()),
        joins: Some(Vec::new()),
    };
    for item in mounted {
        let resource = resource(item, old);
        let list = match item.kind {
            Kind::App => continue,
            Kind::Agent => &mut linked.agents,
            Kind::WebView => &mut linked.webviews,
            Kind::Table => &mut linked.tables,
            Kind::Task => &mut linked.tasks,
            Kind::Join => &mut linked.joins,
        };
        list.get_or_insert_default().push(resource);
    }
    let set = Set::of(&linked);
    Subscriptions { digest: set.digest(), set, linked, before }
}

/// What the status says of components.
#[derive(Clone, Copy)]
struct Old<'a> {
    linked: Option<&'a LinkedResources>,
    /// Whether this operator wrote it.
    is_ours: bool,
}

/// The components that the status names, whoever wrote it.
fn linked_before(live: &LiveApp<'_>) -> Option<LinkedResources> {
    let linked = live.status.raw.get("linkedResources")?;
    serde_json::from_value(linked.clone()).ok()
}

/// A component as the original tracked it. One whose spec turned bad still subscribes to what its last
/// good definition says, if that is the one that was tracked; if not, nobody knows to what, and the set is
/// another one in any case: rather one rebalance too many than none.
fn resource(item: &Item<'_>, old: Old<'_>) -> LinkedResource {
    let name = item.live.meta.name.clone();
    let hash = Some(components::hash_of(item).unwrap_or_default());
    if matches!(item.state, State::LastGood { .. }) {
        let list = old.linked.and_then(|linked| match item.kind {
            Kind::Agent => linked.agents.as_ref(),
            Kind::Table => linked.tables.as_ref(),
            Kind::App | Kind::WebView | Kind::Task | Kind::Join => None,
        });
        let is_this =
            |known: &&LinkedResource| known.name == name && (known.hash == hash || !old.is_ours);
        let known = list.into_iter().flatten().find(is_this);
        return LinkedResource { name, hash, ..known.cloned().unwrap_or_default() };
    }
    let text = |path: &str| {
        let value = item.live.object.pointer(path).and_then(Value::as_str);
        value.filter(|value| !value.is_empty()).map(str::to_owned)
    };
    let of_kind = |kind: Kind, path: &str| (item.kind == kind).then(|| text(path)).flatten();
    LinkedResource {
        name,
        hash,
        topic_name: of_kind(Kind::Agent, "/spec/input/topic/name"),
        topic_pattern: of_kind(Kind::Agent, "/spec/input/topic/pattern"),
        table_name: of_kind(Kind::Table, "/spec/name"),
    }
}

impl Set {
    /// What linked components subscribe to: order, blanks and repetition mean nothing.
    fn of(linked: &LinkedResources) -> Self {
        let agents = || linked.agents.iter().flatten();
        let names = |list: &Option<Vec<LinkedResource>>| {
            list.iter().flatten().map(|one| one.name.clone()).collect()
        };
        let trimmed = |text: &str| {
            let text = text.trim();
            (!text.is_empty()).then(|| text.to_owned())
        };
        let topics = agents().filter_map(|agent| agent.topic_name.as_deref());
        let patterns = agents().filter_map(|agent| agent.topic_pattern.as_deref());
        Self {
            topics: topics.flat_map(|names| names.split(',')).filter_map(trimmed).collect(),
            patterns: patterns.filter_map(trimmed).collect(),
            tables: names(&linked.tables),
            joins: names(&linked.joins),
        }
    }

    fn digest(&self) -> String {
        digest::of_json(&json!(self))
    }
}

impl Subscriptions {
    /// The set to track from now on, if it is another than the one that is tracked.
    ///
    /// It is only taken along with the template that carries it: while that is not decided about, the
    /// tracked one stays.
    pub(crate) fn advance(
        &self,
        live: &LiveApp<'_>,
        rollout: &rollout::Verdict,
        has_set: bool,
    ) -> Option<rebalance::Advance> {
        if !rollout.is_decided() {
            return None;
        }
        let tracked = live.status.memory.rebalance.subscriptions.as_ref();
        if tracked == Some(&self.digest) {
            return None;
        }
        let before = self.before.as_ref().map(|linked| {
            let before = Set::of(linked);
            // The original did not track joins.
            let joins = match linked.joins {
                Some(_) => before.joins,
                None => self.set.joins.clone(),
            };
            Set { joins, ..before }
        });
        // Members may outlive their set; where a template never stood, there are none.
        let has_run = has_set || live.status.template.is_some();
        let owes = match (tracked, &before) {
            _ if !has_run => false,
            (Some(_), _) => true,
            (None, Some(before)) => *before != self.set,
            // Nobody tracked anything: what runs carries this set if it stands.
            (None, None) => rollout.choice != rollout::Choice::Stand,
        };
        // The list that people read may have been cut: then nobody can say which topics are new.
        let is_whole = |before: &Set| tracked.is_none_or(|tracked| *tracked == before.digest());
        let before = before.filter(is_whole);
        let known = before.as_ref().map_or(&self.set.topics, |before| &before.topics);
        let added = self.set.topics.difference(known);
        let topics = added.take(limits::EVIDENCE_MAX).cloned().collect();
        let subscriptions = self.digest.clone();
        Some(rebalance::Advance { subscriptions, owes, topics })
    }

    /// The components as the status has them: those that fit.
    pub(crate) fn field(&self) -> Value {
        let mut linked = self.linked.clone();
        while json!(linked).to_string().len() > limits::LINKED_BYTES_MAX {
            let lists = [
                &mut linked.agents,
                &mut linked.webviews,
                &mut linked.tables,
                &mut linked.tasks,
                &mut linked.joins,
            ];
            let longest = lists.into_iter().flatten().max_by_key(|list| list.len());
            let Some(longest) = longest.filter(|longest| !longest.is_empty()) else { break };
            let kept = longest.len() - longest.len().div_ceil(4);
            longest.truncate(kept);
        }
        json!(linked)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn agent(name: &str, topics: &str) -> LinkedResource {
        LinkedResource {
            name: name.to_owned(),
            topic_name: Some(topics.to_owned()),
            ..LinkedResource::default()
        }
    }

    fn set(agents: Vec<LinkedResource>, tables: Vec<LinkedResource>) -> Set {
        let (agents, tables) = (Some(agents), Some(tables));
        Set::of(&LinkedResources { agents, tables, ..LinkedResources::default() })
    }

    #[test]
    fn a_set_is_of_topics_whoever_reads_them() {
        let one = set(vec![agent("a", "x, y ,,x")], vec![]);
        assert_eq!(one, set(vec![agent("b", "y"), agent("c", "x")], vec![]));
        assert_ne!(one, set(vec![agent("b", "y")], vec![]));
    }

    /// C6 of the original: `spec.name` of a table is not what workers call it.
    #[test]
    fn a_table_counts_by_the_name_of_its_resource() {
        let table = |name: &str, said: &str| LinkedResource {
            name: name.to_owned(),
            table_name: Some(said.to_owned()),
            ..LinkedResource::default()
        };
        assert_eq!(set(vec![], vec![table("t", "a")]), set(vec![], vec![table("t", "b")]));
        assert_ne!(set(vec![], vec![table("t", "a")]), set(vec![], vec![table("u", "a")]));
    }
}
