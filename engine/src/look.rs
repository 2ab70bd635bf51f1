//! Caches to snapshot: one look at all that concerns one key. No request.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use kaspr_core::Settings;
use kaspr_core::key::{AppKey, ObjectKind};
use kaspr_core::marks::Marks;
use kaspr_core::outcome::Outcomes;
use kaspr_core::poll::Polls;
use kaspr_core::seen::Seen;
use kaspr_core::snapshot::{ChildFacts, ComponentFacts, Edits, ListFacts, Snapshot, VERSION};
use kaspr_core::time::Now;
use serde_json::Value;

use crate::cache::{Kept, Store, parse};
use crate::keys::{ChildNames, definition_name};

type Text = Seen<Arc<str>>;
type Texts = Seen<Vec<Arc<str>>>;

/// What a look takes out of the cache, all of it of one instant; parsed when the cache is free again.
#[derive(Clone, Debug)]
pub struct Look {
    app: Seen<Kept>,
    lists: BTreeMap<ObjectKind, ListFacts>,
    edits: Option<Edits>,
    components: [Texts; 5],
    service_account: Text,
    api_service: Text,
    headless_service: Text,
    stateful_set: Text,
    autoscaler: Text,
    config_maps: Texts,
    pods: Texts,
    claims: Texts,
    secrets: Texts,
}

/// What a process knows beside its cache, as far as it concerns one key.
#[derive(Clone, Debug, Default)]
pub struct Known {
    /// Its own name.
    pub process: String,
    /// What came of its actions.
    pub outcomes: Outcomes,
    /// What the members answered.
    pub polls: Polls,
}

impl Look {
    /// Takes what concerns `key`.
    pub fn at(store: &Store, key: &AppKey) -> Self {
        let names = ChildNames::of(&key.name);
        let one = |kind: ObjectKind, name: &str| {
            store.read(kind, &key.namespace, name).map(|kept| kept.text)
        };
        Self {
            app: store.read(ObjectKind::App, &key.namespace, &key.name),
            lists: store.lists(key),
            edits: store.edits(key),
            components: ObjectKind::COMPONENTS
                .map(|kind| all(store, key, kind, store.names(key, kind))),
            service_account: one(ObjectKind::ServiceAccount, &names.service_account),
            api_service: one(ObjectKind::Service, &names.api_service),
            headless_service: one(ObjectKind::Service, &names.headless_service),
            stateful_set: one(ObjectKind::StatefulSet, &names.stateful_set),
            autoscaler: one(ObjectKind::Autoscaler, &names.autoscaler),
            config_maps: config_maps(store, key, &names),
            pods: all(store, key, ObjectKind::Pod, store.names(key, ObjectKind::Pod)),
            claims: all(store, key, ObjectKind::Claim, store.names(key, ObjectKind::Claim)),
            secrets: all(store, key, ObjectKind::Secret, store.secrets_of(key)),
        }
    }

    /// The same as a snapshot of `key`. Since when things are so is for [`Memory::date`] to say.
    ///
    /// [`Memory::date`]: crate::memory::Memory::date
    pub fn snapshot(self, key: &AppKey, now: Now, settings: &Settings, known: Known) -> Snapshot {
        let [agents, tables, web_views, tasks, joins] = self.components.map(parse_all);
        let app_read_at = self.app.present().and_then(|app| app.read_at);
        let app_seen_at = self.app.present().map(|app| app.seen_at);
        Snapshot {
            version: VERSION,
            key: key.clone(),
            now,
            settings: settings.clone(),
            process: known.process,
            app: self.app.map(|app| parse(&app.text)),
            app_read_at,
            app_seen_at,
            edits: self.edits,
            components: ComponentFacts { agents, tables, web_views, tasks, joins },
            lists: self.lists,
            children: ChildFacts {
                service_account: parse_one(self.service_account),
                api_service: parse_one(self.api_service),
                headless_service: parse_one(self.headless_service),
                stateful_set: parse_one(self.stateful_set),
                autoscaler: parse_one(self.autoscaler),
                config_maps: parse_all(self.config_maps),
                pods: parse_all(self.pods),
                claims: parse_all(self.claims),
            },
            secrets: parse_all(self.secrets),
            polls: known.polls,
            marks: Marks::new(),
            terminations_elsewhere: 0,
            outcomes: known.outcomes,
        }
    }
}

/// Those that say by label or owner that they belong here, and those that have the name of one
/// that does: a component that moved here brings its ConfigMap along, whose label still says
/// otherwise.
fn config_maps(store: &Store, key: &AppKey, names: &ChildNames) -> Texts {
    let mut wanted: BTreeSet<String> =
        store.names(key, ObjectKind::ConfigMap).into_iter().collect();
    wanted.insert(names.settings.clone());
    for kind in ObjectKind::COMPONENTS {
        let components = store.names(key, kind).into_iter();
        wanted.extend(components.filter_map(|name| definition_name(kind, &name)));
    }
    all(store, key, ObjectKind::ConfigMap, wanted)
}

fn all(
    store: &Store,
    key: &AppKey,
    kind: ObjectKind,
    names: impl IntoIterator<Item = String>,
) -> Texts {
    if let Some(why) = store.unseen(kind, &key.namespace) {
        return Seen::Unknown(why);
    }
    let found =
        names.into_iter().filter_map(|name| match store.read(kind, &key.namespace, &name) {
            Seen::Present(kept) => Some(kept.text),
            Seen::Absent | Seen::Unknown(_) => None,
        });
    Seen::Present(found.collect())
}

fn parse_one(text: Text) -> Seen<Value> {
    text.map(|text| parse(&text))
}

fn parse_all(texts: Texts) -> Seen<Vec<Value>> {
    texts.map(|texts| texts.iter().map(|text| parse(text)).collect())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use jiff::Timestamp;
    use kaspr_core::seen::Unseen;
    use kaspr_core::time::Uptime;
    use serde_json::json;

    use super::*;
    use crate::cache::{Listing, Scope, Source};
    use crate::keys::{APP_LABEL, MANAGED_BY, MANAGED_BY_LABEL};
    use crate::object::trimmed;

    fn object(name: &str, labels: &Value) -> Value {
        json!({"metadata": {
            "namespace": "n", "name": name, "uid": name, "resourceVersion": "1", "labels": labels,
        }})
    }

    fn names(seen: &Seen<Vec<Value>>) -> Vec<&str> {
        let bodies = seen.present().into_iter().flatten();
        bodies.map(|body| body["metadata"]["name"].as_str().unwrap()).collect()
    }

    const AT: Uptime = Uptime(7);

    fn snapshot(store: &Store, name: &str) -> Snapshot {
        let (key, now) = (AppKey::new("n", name), Now { wall: Timestamp::UNIX_EPOCH, uptime: AT });
        Look::at(store, &key).snapshot(&key, now, &Settings::default(), Known::default())
    }

    fn store(objects: Vec<(ObjectKind, Value)>) -> Store {
        let scopes = ObjectKind::ALL.map(|kind| (kind, Scope::All));
        let mut store = Store::new(scopes, Duration::from_secs(1));
        for kind in ObjectKind::ALL {
            store.begin_list(kind, &Scope::All, AT);
        }
        for (kind, body) in objects {
            store.put(kind, &trimmed(kind, body), Source::List, AT);
        }
        for kind in ObjectKind::ALL {
            store.end_list(kind, &Scope::All, "1", AT);
        }
        store
    }

    #[test]
    fn each_object_is_found_in_its_role_and_lists_are_sorted() {
        let ours = json!({MANAGED_BY_LABEL: MANAGED_BY, APP_LABEL: "a"});
        let members = json!({"kaspr.io/kind": "KasprApp", "kaspr.io/cluster": "a"});
        let store = store(vec![
            (ObjectKind::App, object("a", &json!({}))),
            (ObjectKind::Agent, object("y", &json!({APP_LABEL: "a"}))),
            (ObjectKind::Agent, object("x", &json!({APP_LABEL: "a"}))),
            (ObjectKind::Agent, object("z", &json!({APP_LABEL: "b"}))),
            (ObjectKind::Service, object("a-app-api", &ours)),
            (ObjectKind::ConfigMap, object("x-agent", &ours)),
            (ObjectKind::ConfigMap, object("a-app-config", &ours)),
            (ObjectKind::Claim, object("a-app-pv-a-app-0", &members)),
            (ObjectKind::Pod, object("a-app-0", &members)),
        ]);
        let snapshot = snapshot(&store, "a");
        assert!(snapshot.app.present().is_some());
        assert_eq!(names(&snapshot.components.agents), ["x", "y"]);
        assert_eq!(snapshot.components.joins, Seen::Present(Vec::new()));
        assert!(snapshot.children.api_service.present().is_some());
        assert!(snapshot.children.headless_service.is_absent());
        assert_eq!(names(&snapshot.children.config_maps), ["a-app-config", "x-agent"]);
        assert_eq!(names(&snapshot.children.claims), ["a-app-pv-a-app-0"]);
        assert_eq!(names(&snapshot.children.pods), ["a-app-0"]);
    }

    #[test]
    fn a_component_that_moved_here_brings_its_definition() {
        let store = store(vec![
            (ObjectKind::Agent, object("x", &json!({APP_LABEL: "b"}))),
            (
                ObjectKind::ConfigMap,
                object("x-agent", &json!({MANAGED_BY_LABEL: MANAGED_BY, APP_LABEL: "a"})),
            ),
        ]);
        assert_eq!(names(&snapshot(&store, "b").children.config_maps), ["x-agent"]);
    }

    #[test]
    fn of_secrets_a_look_has_those_that_the_app_names_and_none_of_their_values() {
        let mut app = object("a", &json!({}));
        app["spec"] = json!({ "authentication": { "passwordSecret": { "secretName": "kafka" } } });
        let mut secret = object("kafka", &json!({}));
        secret["data"] = json!({ "password": "aHVzaA==" });
        let store = store(vec![
            (ObjectKind::App, app),
            (ObjectKind::Secret, secret),
            (ObjectKind::Secret, object("other", &json!({}))),
        ]);
        let secrets = snapshot(&store, "a").secrets;
        assert_eq!(names(&secrets), ["kafka"]);
        let [kafka] = &secrets.present().unwrap()[..] else { panic!("{secrets:?}") };
        assert_eq!(kafka["keys"], json!(["password"]));
        assert!(!format!("{store:?}").contains("aHVzaA=="));
    }

    #[test]
    fn what_cannot_be_listed_is_unknown() {
        let mut store = store(Vec::new());
        store.refuse(ObjectKind::Join, &Scope::All, Listing::Forbidden);
        let snapshot = snapshot(&store, "a");
        assert_eq!(snapshot.components.joins, Seen::Unknown(Unseen::Forbidden));
        assert_eq!(snapshot.components.tasks, Seen::Present(Vec::new()));
        assert!(snapshot.app.is_absent());
    }
}
