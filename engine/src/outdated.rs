//! Custom resource definitions that are older than this operator, found out by what the API server
//! answers: once for a kind, not once for an object.

use std::collections::BTreeMap;

use kaspr_core::key::ObjectKind;
use kaspr_core::time::Uptime;
use serde_json::Value;

use crate::limits;

/// The kinds whose definition is known to be old.
#[derive(Clone, Debug, Default)]
pub struct Outdated {
    kinds: BTreeMap<ObjectKind, Known>,
}

#[derive(Clone, Copy, Debug)]
struct Known {
    until: Uptime,
    has_status: bool,
}

impl Outdated {
    /// Whether objects of this kind have no status to write, as far as is known: nothing is asked
    /// until it is time to see whether somebody installed newer definitions.
    pub fn lacks_status(&self, kind: ObjectKind, now: Uptime) -> bool {
        self.kinds.get(&kind).is_some_and(|known| !known.has_status && known.until > now)
    }

    /// The definition of a kind was found old. Says whether this is news.
    pub fn note(&mut self, kind: ObjectKind, has_status: bool, now: Uptime) -> bool {
        let until = now.after(limits::OUTDATED_FOR);
        let before = self.kinds.insert(kind, Known { until, has_status });
        before.is_none_or(|before| before.until <= now)
    }
}

/// Whether the API server serves a status of this kind, by what it tells of its resources.
/// Source: kubernetes.io/docs/concepts/overview/kubernetes-api "Discovery API"; every authenticated
/// client may read it (ClusterRole `system:discovery`).
pub fn serves_status(kind: ObjectKind, resources: &Value) -> bool {
    let wanted = format!("{}/status", kind.plural());
    let resources = resources.get("resources").and_then(Value::as_array);
    let names = resources.into_iter().flatten().filter_map(|one| one.get("name")?.as_str());
    names.into_iter().any(|name| name == wanted)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_old_definition_is_news_once_and_again_when_it_is_looked_at_anew() {
        let mut outdated = Outdated::default();
        assert!(outdated.note(ObjectKind::Agent, false, Uptime(1)));
        assert!(!outdated.note(ObjectKind::Agent, false, Uptime(2)));
        assert!(outdated.lacks_status(ObjectKind::Agent, Uptime(3)));
        assert!(!outdated.lacks_status(ObjectKind::Table, Uptime(3)));
        let later = Uptime(3).after(limits::OUTDATED_FOR);
        assert!(!outdated.lacks_status(ObjectKind::Agent, later));
        assert!(outdated.note(ObjectKind::Agent, true, later));
        assert!(!outdated.lacks_status(ObjectKind::Agent, later));
    }

    #[test]
    fn a_kind_without_a_status_is_known_by_what_the_server_serves() {
        let resources = json!({"resources": [
            {"name": "kasprapps"}, {"name": "kasprapps/status"}, {"name": "kaspragents"},
        ]});
        assert!(serves_status(ObjectKind::App, &resources));
        assert!(!serves_status(ObjectKind::Agent, &resources));
    }
}
