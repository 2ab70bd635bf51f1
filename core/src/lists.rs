//! How new the lists of components and Secrets are that a decision rests on.
//!
//! The set of components that a template was made of is only as new as the lists it was taken
//! from, and so are the versions of Secrets. The status records their versions along with the intent, so that no process, started
//! later or slower to hear, takes an older set for the newest one and rolls it out again.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use crate::action::ResourceVersion;
use crate::key::ObjectKind;
use crate::snapshot::{ListFacts, Snapshot};

/// The versions of the lists that something was decided on, by the name of the kind.
pub type Versions = BTreeMap<String, ResourceVersion>;

/// The versions of the lists in this look.
pub fn versions(lists: &BTreeMap<ObjectKind, ListFacts>) -> Versions {
    lists.iter().map(|(kind, list)| (kind.kind().to_owned(), list.version.clone())).collect()
}

/// The kinds whose list in `snapshot` is older than the one that `status` rests on. One that nobody
/// can list is not: it is unknown, and holds back only what needs to know it.
///
/// A list that was asked for after this version of the status had been seen is not: it holds all
/// that the writer of the status knew, whatever its version says. So a store that was restored from
/// a backup, whose versions begin anew, blocks nothing for ever.
/// Source: kubernetes.io/docs/reference/using-api/api-concepts "resource versions": versions of one
/// resource compare as integers, and a list without a version is consistent.
pub fn behind(snapshot: &Snapshot, status: &Map<String, Value>) -> Vec<ObjectKind> {
    let recorded =
        |place: &str| status.get(place).and_then(|place| place.get("lists")?.as_object());
    let recorded: Vec<_> = ["rollout", "template"].into_iter().filter_map(recorded).collect();
    let is_behind = |kind: &ObjectKind| {
        let Some(known) = snapshot.lists.get(kind) else { return false };
        let is_newer = snapshot.app_seen_at.is_some_and(|seen_at| known.read_at > seen_at);
        let mut decided_on = recorded.iter().filter_map(|lists| lists.get(kind.kind())?.as_str());
        !is_newer && decided_on.any(|version| is_older(&known.version, version))
    };
    ObjectKind::COMPONENTS.into_iter().chain([ObjectKind::Secret]).filter(is_behind).collect()
}

/// Whether a list of version `known` is older than one of version `recorded`. One that is no number says
/// nothing.
pub fn is_older(known: &str, recorded: &str) -> bool {
    let number = |version: &str| version.parse::<u64>().ok();
    number(recorded).is_some_and(|recorded| number(known) < Some(recorded))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::time::Uptime;

    fn check(version: &str, read_at: u64, recorded: &Value, expected: &[ObjectKind]) {
        let mut snapshot: Snapshot = serde_json::from_value(json!({
            "version": 1, "key": {"namespace": "n", "name": "a"},
            "now": {"wall": "2030-01-01T00:00:00Z", "uptime": 1000}, "appSeenAt": 500,
        }))
        .unwrap();
        for kind in ObjectKind::COMPONENTS {
            let facts = ListFacts { version: "100".to_owned(), read_at: Uptime(1) };
            snapshot.lists.insert(kind, facts);
        }
        let facts = ListFacts { version: version.to_owned(), read_at: Uptime(read_at) };
        snapshot.lists.insert(ObjectKind::Agent, facts);
        let found = behind(&snapshot, recorded.as_object().unwrap());
        assert_eq!(found, expected, "{version} read at {read_at}, recorded {recorded}");
    }

    #[test]
    fn a_list_is_behind_while_the_status_rests_on_a_newer_one() {
        let recorded = json!({"rollout": {"lists": {"KasprAgent": "90", "KasprTable": "100"}}});
        check("89", 1, &recorded, &[ObjectKind::Agent]);
        check("90", 1, &recorded, &[]);
        // As numbers, not as text.
        check("100", 1, &recorded, &[]);
        let template = json!({"template": {"lists": {"KasprAgent": "90"}}});
        check("89", 1, &template, &[ObjectKind::Agent]);
        check("89", 1, &json!({"template": {"inputs": "x"}}), &[]);
    }

    /// Nothing of an app would be written any more while one kind cannot be listed.
    #[test]
    fn a_kind_that_nobody_can_list_is_not_behind() {
        let recorded = json!({"rollout": {"lists": {"KasprAgent": "90"}}});
        let snapshot: Snapshot = serde_json::from_value(json!({
            "version": 1, "key": {"namespace": "n", "name": "a"},
            "now": {"wall": "2030-01-01T00:00:00Z", "uptime": 1000}, "appSeenAt": 500,
        }))
        .unwrap();
        assert!(behind(&snapshot, recorded.as_object().unwrap()).is_empty());
    }

    #[test]
    fn a_list_that_was_read_after_the_status_is_never_behind() {
        let recorded = json!({"rollout": {"lists": {"KasprAgent": "90"}}});
        // Within one millisecond nobody knows which was first.
        check("7", 500, &recorded, &[ObjectKind::Agent]);
        check("7", 501, &recorded, &[]);
    }
}
