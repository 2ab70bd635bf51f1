use std::time::Duration;

use kaspr_core::key::{AppKey, ObjectKind};
use kaspr_core::seen::{Seen, Unseen};
use kaspr_core::snapshot::Edits;
use kaspr_core::time::Uptime;
use serde_json::{Value, json};

use super::*;
use crate::keys::{APP_LABEL, MANAGED_BY, MANAGED_BY_LABEL};
use crate::{limits, object};

const LATER: u64 = 10_000;

struct Rig {
    store: Store,
    now: Uptime,
}

impl Rig {
    /// A store whose lists are complete and hold `objects`.
    fn listed(objects: &[(ObjectKind, Value)]) -> Self {
        let scopes = ObjectKind::ALL.map(|kind| (kind, Scope::All));
        let mut rig = Self { store: Store::new(scopes, Duration::from_secs(1)), now: Uptime(1) };
        for kind in ObjectKind::ALL {
            rig.list(kind, objects);
        }
        rig
    }

    fn list(&mut self, kind: ObjectKind, objects: &[(ObjectKind, Value)]) -> Vec<String> {
        let mut due = Due::new();
        self.store.begin_list(kind, &Scope::All, self.now);
        for (_, body) in objects.iter().filter(|(of, _)| *of == kind) {
            due.append(&mut self.store.put(kind, body, Source::List, self.now));
        }
        due.append(&mut self.store.end_list(kind, &Scope::All, "1", self.now));
        names(due)
    }

    fn event(&mut self, kind: ObjectKind, body: &Value) -> Vec<String> {
        names(self.store.put(kind, body, Source::Event, self.now))
    }

    fn answer(&mut self, kind: ObjectKind, body: &Value) -> Vec<String> {
        names(self.store.put(kind, body, Source::Answer(self.now), self.now))
    }

    fn delete(&mut self, kind: ObjectKind, body: &Value) -> Vec<String> {
        names(self.store.delete(kind, body, self.now))
    }

    fn pass_time(&mut self, millis: u64) {
        self.now = Uptime(self.now.0 + millis);
    }

    fn version(&self, kind: ObjectKind, name: &str) -> Option<String> {
        match self.store.read(kind, "n", name) {
            Seen::Present(Kept { text, .. }) => {
                object::meta(&parse(&text), "resourceVersion").map(str::to_owned)
            }
            Seen::Absent | Seen::Unknown(_) => None,
        }
    }
}

fn names(due: Due) -> Vec<String> {
    due.into_iter().map(|key| key.name).collect()
}

fn app(name: &str, version: u64, generation: u64) -> Value {
    json!({"metadata": {
        "namespace": "n", "name": name, "uid": format!("uid-{name}"),
        "resourceVersion": version.to_string(), "generation": generation,
    }, "status": {"at": version}})
}

fn agent(name: &str, of: &str, version: u64) -> Value {
    let mut agent = app(name, version, version);
    agent["metadata"]["labels"] = json!({ APP_LABEL: of });
    agent
}

fn service(name: &str, version: u64) -> Value {
    let mut service = app(name, version, 1);
    service["metadata"]["labels"] = json!({ MANAGED_BY_LABEL: MANAGED_BY });
    service
}

fn key() -> AppKey {
    AppKey::new("n", "a")
}

#[test]
fn nothing_is_absent_before_the_list_is_complete() {
    let scopes = [(ObjectKind::App, Scope::Namespace("n".to_owned()))];
    let mut store = Store::new(scopes.clone(), Duration::ZERO);
    assert_eq!(store.read(ObjectKind::App, "n", "a"), Seen::Unknown(Unseen::NotListed));
    assert!(!store.coverage().is_settled());
    store.refuse(ObjectKind::App, &scopes[0].1, Listing::Forbidden);
    assert_eq!(store.read(ObjectKind::App, "n", "a"), Seen::Unknown(Unseen::Forbidden));
    assert!(store.coverage().is_settled());
    store.begin_list(ObjectKind::App, &scopes[0].1, Uptime(1));
    store.end_list(ObjectKind::App, &scopes[0].1, "1", Uptime(1));
    assert_eq!(store.read(ObjectKind::App, "n", "a"), Seen::Absent);
    assert_eq!(store.read(ObjectKind::App, "other", "a"), Seen::Unknown(Unseen::NotListed));
}

#[test]
fn a_list_that_is_read_anew_wakes_who_waited_for_it() {
    let objects = [(ObjectKind::App, app("a", 100, 1))];
    let mut rig = Rig::listed(&objects);
    assert_eq!(rig.list(ObjectKind::Agent, &[]), ["a"]);
    let known = rig.store.lists(&AppKey::new("n", "a"));
    assert_eq!(known[&ObjectKind::Agent].read_at, rig.now);
}

#[test]
fn an_object_never_goes_back_to_an_older_version() {
    let mut rig = Rig::listed(&[(ObjectKind::App, app("a", 100, 1))]);
    assert_eq!(rig.answer(ObjectKind::App, &app("a", 120, 1)), ["a"]);
    assert_eq!(rig.event(ObjectKind::App, &app("a", 110, 1)), Vec::<String>::new());
    assert_eq!(rig.version(ObjectKind::App, "a").as_deref(), Some("120"));
    // 99 is older than 120 as a number, though not as text.
    rig.list(ObjectKind::App, &[(ObjectKind::App, app("a", 99, 1))]);
    assert_eq!(rig.version(ObjectKind::App, "a").as_deref(), Some("120"));
}

#[test]
fn the_watch_that_brings_our_own_write_wakes_nobody() {
    let mut rig = Rig::listed(&[(ObjectKind::App, app("a", 100, 1))]);
    rig.answer(ObjectKind::App, &app("a", 120, 1));
    assert_eq!(rig.event(ObjectKind::App, &app("a", 120, 1)), Vec::<String>::new());
}

#[test]
fn a_version_with_the_same_content_wakes_nobody_but_is_kept() {
    let mut rig = Rig::listed(&[(ObjectKind::App, app("a", 100, 1))]);
    let mut same = app("a", 100, 1);
    same["metadata"]["resourceVersion"] = "130".into();
    assert_eq!(rig.event(ObjectKind::App, &same), Vec::<String>::new());
    assert_eq!(rig.version(ObjectKind::App, "a").as_deref(), Some("130"));
}

#[test]
fn a_late_answer_brings_nothing_back() {
    let mut rig = Rig::listed(&[(ObjectKind::App, app("a", 100, 1))]);
    assert_eq!(rig.delete(ObjectKind::App, &app("a", 140, 1)), ["a"]);
    rig.answer(ObjectKind::App, &app("a", 130, 1));
    assert!(rig.store.read(ObjectKind::App, "n", "a").is_absent());
}

#[test]
fn an_object_that_left_the_view_by_its_labels_can_come_back() {
    let mut rig = Rig::listed(&[
        (ObjectKind::App, app("a", 1, 1)),
        (ObjectKind::Service, service("a-app", 100)),
    ]);
    assert_eq!(rig.delete(ObjectKind::Service, &service("a-app", 110)), ["a"]);
    assert!(rig.store.read(ObjectKind::Service, "n", "a-app").is_absent());
    assert_eq!(rig.answer(ObjectKind::Service, &service("a-app", 120)), ["a"]);
    assert_eq!(rig.version(ObjectKind::Service, "a-app").as_deref(), Some("120"));
}

#[test]
fn a_deletion_concerns_only_its_own_uid() {
    let mut rig = Rig::listed(&[(ObjectKind::App, app("a", 100, 1))]);
    let mut successor = app("a", 120, 1);
    successor["metadata"]["uid"] = "other".into();
    rig.answer(ObjectKind::App, &successor);
    assert_eq!(rig.delete(ObjectKind::App, &app("a", 110, 1)), Vec::<String>::new());
    assert_eq!(rig.version(ObjectKind::App, "a").as_deref(), Some("120"));
}

#[test]
fn what_we_just_created_survives_a_list_without_it_for_a_while() {
    let mut rig = Rig::listed(&[(ObjectKind::App, app("a", 1, 1))]);
    rig.answer(ObjectKind::Service, &service("a-app", 100));
    rig.list(ObjectKind::Service, &[]);
    assert!(rig.store.read(ObjectKind::Service, "n", "a-app").present().is_some());
    rig.pass_time(u64::try_from(limits::UNDELIVERED_MAX.as_millis()).unwrap());
    assert_eq!(names(rig.store.sweep(rig.now)), ["a"]);
    assert!(rig.store.read(ObjectKind::Service, "n", "a-app").is_absent());
}

#[test]
fn what_was_delivered_once_is_gone_when_a_list_lacks_it() {
    let mut rig = Rig::listed(&[
        (ObjectKind::App, app("a", 1, 1)),
        (ObjectKind::Service, service("a-app", 100)),
    ]);
    rig.answer(ObjectKind::Service, &service("a-app", 120));
    assert_eq!(rig.list(ObjectKind::Service, &[]), ["a"]);
    rig.pass_time(LATER);
    assert_eq!(names(rig.store.sweep(rig.now)), Vec::<String>::new());
}

#[test]
fn a_part_laid_over_gives_way_to_the_whole_of_the_same_version() {
    let mut rig = Rig::listed(&[(ObjectKind::App, app("a", 100, 1))]);
    rig.store.put(ObjectKind::App, &app("a", 110, 2), Source::Composed(rig.now), rig.now);
    let mut whole = app("a", 110, 2);
    whole["status"]["more"] = true.into();
    assert_eq!(rig.event(ObjectKind::App, &whole), ["a"]);
}

#[test]
fn a_moved_label_makes_both_keys_due() {
    let mut rig = Rig::listed(&[
        (ObjectKind::App, app("a", 1, 1)),
        (ObjectKind::Agent, agent("x", "a", 100)),
    ]);
    assert_eq!(rig.event(ObjectKind::Agent, &agent("x", "b", 110)), ["a", "b"]);
    assert_eq!(rig.store.names(&key(), ObjectKind::Agent), Vec::<String>::new());
    assert_eq!(rig.store.names(&AppKey::new("n", "b"), ObjectKind::Agent), ["x"]);
    assert_eq!(names(rig.store.keys()), ["a", "b"]);
}

#[test]
fn children_alone_make_no_key() {
    let mut rig = Rig::listed(&[]);
    assert_eq!(rig.event(ObjectKind::StatefulSet, &app("a-app", 100, 1)), Vec::<String>::new());
    assert_eq!(names(rig.store.keys()), Vec::<String>::new());
    assert_eq!(rig.event(ObjectKind::App, &app("a", 110, 1)), ["a"]);
    assert_eq!(rig.event(ObjectKind::StatefulSet, &app("a-app", 120, 1)), ["a"]);
}

#[test]
fn the_first_list_is_no_edit_and_neither_is_a_status() {
    let mut rig = Rig::listed(&[(ObjectKind::App, app("a", 100, 1))]);
    assert_eq!(rig.store.edits(&key()), None);
    rig.pass_time(LATER);
    rig.event(ObjectKind::App, &app("a", 110, 1));
    assert_eq!(rig.store.edits(&key()), None);
    rig.event(ObjectKind::App, &app("a", 120, 2));
    let first = rig.now;
    rig.pass_time(400);
    rig.event(ObjectKind::Agent, &agent("x", "a", 130));
    assert_eq!(rig.store.edits(&key()), Some(Edits { first, last: rig.now }));
}

#[test]
fn the_definition_of_a_component_is_due_with_its_owner() {
    let mut map = service("x-agent", 120);
    map["metadata"]["ownerReferences"] = json!([{"kind": "KasprAgent", "name": "x"}]);
    let mut rig = Rig::listed(&[(ObjectKind::Agent, agent("x", "a", 100))]);
    assert_eq!(rig.event(ObjectKind::ConfigMap, &map), ["a"]);
}

#[test]
fn an_own_write_says_when_it_was_asked_and_a_later_watch_takes_it_back() {
    let mut rig = Rig::listed(&[(ObjectKind::App, app("a", 100, 1))]);
    rig.answer(ObjectKind::App, &app("a", 110, 1));
    let read_at = |rig: &Rig| match rig.store.read(ObjectKind::App, "n", "a") {
        Seen::Present(Kept { read_at, .. }) => read_at,
        Seen::Absent | Seen::Unknown(_) => None,
    };
    let asked = rig.now;
    rig.pass_time(10);
    rig.event(ObjectKind::App, &app("a", 110, 1));
    assert_eq!(read_at(&rig), Some(asked));
    rig.event(ObjectKind::App, &app("a", 120, 1));
    assert_eq!(read_at(&rig), None);
}

#[test]
fn a_secret_wakes_the_apps_that_name_it() {
    let naming = |name: &str, secret: &str, version: u64| {
        let mut body = app(name, version, version);
        body["spec"] = json!({ "authentication": { "passwordSecret": { "secretName": secret } } });
        body
    };
    let secret = |version: u64| object::trimmed(ObjectKind::Secret, app("kafka", version, 0));
    let mut rig = Rig::listed(&[
        (ObjectKind::App, naming("a", "kafka", 1)),
        (ObjectKind::App, naming("b", "kafka", 1)),
        (ObjectKind::App, naming("c", "other", 1)),
    ]);
    assert_eq!(rig.event(ObjectKind::Secret, &secret(2)), ["a", "b"]);
    assert_eq!(rig.event(ObjectKind::Secret, &secret(2)), [""; 0], "it is no other version");
    rig.event(ObjectKind::App, &naming("a", "other", 3));
    assert_eq!(rig.store.secrets_of(&AppKey::new("n", "a")), ["other"]);
    assert_eq!(rig.event(ObjectKind::Secret, &secret(4)), ["b"], "only what is in it changed");
    rig.delete(ObjectKind::App, &naming("b", "kafka", 1));
    assert_eq!(rig.event(ObjectKind::Secret, &secret(5)), [""; 0]);
}
