//! The state of the cache, and how each event changes it. No locks, no clock, no requests.
//!
//! A key is *due* where something changed that its next look would show.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use kaspr_core::key::{AppKey, ObjectKind, ObjectRef};
use kaspr_core::seen::{Seen, Unseen};
use kaspr_core::snapshot::{Edits, ListFacts};
use kaspr_core::time::Uptime;
use serde_json::Value;

use super::edits::Bursts;
use super::entry::{Age, Entry, Kept, Source, parse};
use super::mentions::Mentions;
use super::scope::{Coverage, Listing, Scope};
use super::tombstones::Tombstones;
use crate::{keys, limits, object};

/// The keys that are due.
pub type Due = BTreeSet<AppKey>;

type Shelf = BTreeMap<String, Entry>;

/// All that is known of the cluster.
#[derive(Clone, Debug)]
pub struct Store {
    /// By kind, namespace and name.
    shelves: BTreeMap<(ObjectKind, String), Shelf>,
    /// The components, ConfigMaps and pods of each key; other objects are found by their names.
    index: BTreeMap<AppKey, BTreeSet<(ObjectKind, String)>>,
    mentions: Mentions,
    coverage: Coverage,
    /// What our writes created and no watch has delivered yet.
    undelivered: BTreeSet<ObjectRef>,
    tombstones: Tombstones,
    bursts: Bursts,
}

impl Store {
    /// An empty store that waits for the lists of `scopes`.
    pub fn new(scopes: impl IntoIterator<Item = (ObjectKind, Scope)>, quiet: Duration) -> Self {
        Self {
            shelves: BTreeMap::new(),
            index: BTreeMap::new(),
            mentions: Mentions::default(),
            coverage: Coverage::new(scopes),
            undelivered: BTreeSet::new(),
            tombstones: Tombstones::default(),
            bursts: Bursts::new(quiet),
        }
    }

    /// What the lists say of their own state.
    pub fn coverage(&self) -> &Coverage {
        &self.coverage
    }

    /// A list begins; what it does not name is gone at its end.
    pub fn begin_list(&mut self, kind: ObjectKind, scope: &Scope, asked_at: Uptime) {
        self.coverage.begin(kind, scope, asked_at);
    }

    /// A list is complete, as of `version`.
    pub fn end_list(&mut self, kind: ObjectKind, scope: &Scope, version: &str, now: Uptime) -> Due {
        let number = self.coverage.number(kind, scope);
        let mut lost = Vec::new();
        for ((_, namespace), shelf) in self.shelves_in(kind, scope) {
            let missing = shelf.iter().filter(|(_, entry)| {
                let is_young = now.since(entry.since) < limits::UNDELIVERED_MAX;
                entry.list != number && (entry.is_delivered || !is_young)
            });
            lost.extend(missing.map(|(name, _)| ObjectRef::new(kind, namespace.as_str(), name)));
        }
        let mut due = Due::new();
        for object in lost {
            due.append(&mut self.remove(&object, now));
        }
        self.coverage.complete(kind, scope, version);
        // Also one that was complete before: somebody may have waited for a newer one.
        due.append(&mut self.keys_in(scope));
        due
    }

    /// Every change of the kind up to `version` has arrived.
    pub fn advance(&mut self, kind: ObjectKind, scope: &Scope, version: &str) {
        self.coverage.advance(kind, scope, version);
    }

    /// How far the lists are known that the template of `key` is made of: of components, and of
    /// Secrets where they are watched and the app names some.
    pub fn lists(&self, key: &AppKey) -> BTreeMap<ObjectKind, ListFacts> {
        let facts = |kind| Some((kind, self.coverage.list_facts(kind, &key.namespace)?));
        let names_secrets = !self.mentions.of_app(key).is_empty();
        let secrets = names_secrets.then_some(ObjectKind::Secret);
        ObjectKind::COMPONENTS.into_iter().chain(secrets).filter_map(facts).collect()
    }

    /// The server will not list the kind, for a reason that time alone does not change.
    pub fn refuse(&mut self, kind: ObjectKind, scope: &Scope, why: Listing) -> Due {
        if self.coverage.refuse(kind, scope, why) { self.keys_in(scope) } else { Due::new() }
    }

    /// Whether the watch is connected.
    pub fn set_live(&mut self, kind: ObjectKind, scope: &Scope, is_live: bool) {
        self.coverage.set_live(kind, scope, is_live);
    }

    /// A version of an object arrived, trimmed.
    pub fn put(&mut self, kind: ObjectKind, body: &Value, source: Source, now: Uptime) -> Due {
        let object = reference(kind, body);
        let mut entry = Entry::new(body, source, now);
        if object.name.is_empty() || self.tombstones.cover(&entry.uid, entry.version) {
            return Due::new();
        }
        if !keys::is_watched(kind, body) {
            // What an event takes out of our view is gone from it; an answer says no such thing.
            return if source.is_watch() { self.remove(&object, now) } else { Due::new() };
        }
        if source == Source::List {
            entry.list = self.coverage.number_at(kind, &object.namespace);
        }
        let Some(kept) = self.entry_mut(&object) else {
            return self.insert(&object, entry, body, now);
        };
        if source == Source::List {
            kept.list = entry.list;
        }
        match kept.age_of(&entry) {
            Age::Older => {
                kept.is_delivered |= source.is_watch() && kept.uid == entry.uid;
                Due::new()
            }
            Age::Same => {
                kept.confirm(source);
                if kept.is_delivered {
                    self.undelivered.remove(&object);
                }
                Due::new()
            }
            Age::Newer => {
                entry.succeed(kept);
                self.insert(&object, entry, body, now)
            }
        }
    }

    /// The watch says that an object is gone from its view, as of the version in `body`.
    pub fn delete(&mut self, kind: ObjectKind, body: &Value, now: Uptime) -> Due {
        let object = reference(kind, body);
        let gone = Entry::new(body, Source::Event, now);
        let due = match self.entry(&object) {
            Some(entry) if entry.uid == gone.uid => self.remove(&object, now),
            _ => Due::new(),
        };
        self.tombstones.put(gone.uid, gone.version, now);
        due
    }

    /// The server says in answer to a deletion of ours that this uid is gone for good.
    pub fn forget(&mut self, object: &ObjectRef, uid: &str, now: Uptime) -> Due {
        let due = match self.entry(object) {
            Some(entry) if &*entry.uid == uid => self.remove(object, now),
            _ => Due::new(),
        };
        self.tombstones.put(uid.into(), None, now);
        due
    }

    /// Gives up what no watch delivered for too long, and forgets old deletions.
    pub fn sweep(&mut self, now: Uptime) -> Due {
        self.tombstones.drop_old(now);
        let mut due = Due::new();
        for object in std::mem::take(&mut self.undelivered) {
            let Some(entry) = self.entry(&object).filter(|entry| !entry.is_delivered) else {
                continue;
            };
            let is_old = now.since(entry.since) >= limits::UNDELIVERED_MAX;
            if is_old && self.coverage.is_live(object.kind, &object.namespace) {
                due.append(&mut self.remove(&object, now));
            } else {
                self.undelivered.insert(object);
            }
        }
        due
    }

    /// One object, or why it cannot be known.
    pub fn read(&self, kind: ObjectKind, namespace: &str, name: &str) -> Seen<Kept> {
        if let Some(why) = self.unseen(kind, namespace) {
            return Seen::Unknown(why);
        }
        let entry = self.shelf(kind, namespace).and_then(|shelf| shelf.get(name));
        entry.map(Kept::of).into()
    }

    /// The names of the objects of a kind that the index has for a key, sorted.
    pub fn names(&self, key: &AppKey, kind: ObjectKind) -> Vec<String> {
        let indexed = self.index.get(key).into_iter().flatten();
        indexed.filter(|(of, _)| *of == kind).map(|(_, name)| name.clone()).collect()
    }

    /// The names of the Secrets that the app of a key names, sorted; they may not be there.
    pub fn secrets_of(&self, key: &AppKey) -> Vec<String> {
        self.mentions.of_app(key)
    }

    /// Why objects of this kind in this namespace cannot be known, if they cannot.
    pub fn unseen(&self, kind: ObjectKind, namespace: &str) -> Option<Unseen> {
        self.coverage.unseen(kind, namespace)
    }

    /// The last burst of edits.
    pub fn edits(&self, key: &AppKey) -> Option<Edits> {
        self.bursts.of(key)
    }

    /// Whether an app or a component names the key.
    pub fn exists(&self, key: &AppKey) -> bool {
        let is_app = self
            .shelf(ObjectKind::App, &key.namespace)
            .is_some_and(|shelf| shelf.contains_key(&key.name));
        let mut indexed = self.index.get(key).into_iter().flatten();
        is_app || indexed.any(|(kind, _)| kind.is_component())
    }

    /// Every key that exists.
    pub fn keys(&self) -> Due {
        self.keys_in(&Scope::All)
    }

    /// The number of objects of a kind.
    pub fn count(&self, kind: ObjectKind) -> usize {
        self.shelves_in(kind, &Scope::All).map(|(_, shelf)| shelf.len()).sum()
    }

    fn insert(&mut self, object: &ObjectRef, entry: Entry, body: &Value, now: Uptime) -> Due {
        let mut due = self.keys_of(object.kind, body);
        if entry.is_delivered {
            self.undelivered.remove(object);
        } else {
            self.undelivered.insert(object.clone());
        }
        let place = (object.kind, object.namespace.clone());
        let (content, edit, uid) = (entry.content, entry.edit, entry.uid.clone());
        let before = self.shelves.entry(place).or_default().insert(object.name.clone(), entry);
        if before.as_ref().is_some_and(|before| before.content == content) {
            return Due::new();
        }
        if let Some(before) = &before {
            let old = before.parsed();
            due.append(&mut self.keys_of(object.kind, &old));
            self.unindex(object, &old);
            if before.uid != uid {
                // Two objects never have one name at one time.
                self.tombstones.put(before.uid.clone(), None, now);
            }
        }
        self.enter(object, body);
        if before.is_none_or(|before| before.edit != edit) {
            self.note_edit(object, &due, now);
        }
        self.existing(object.kind, due)
    }

    fn remove(&mut self, object: &ObjectRef, now: Uptime) -> Due {
        self.undelivered.remove(object);
        let place = (object.kind, object.namespace.clone());
        let Some(entry) = self.shelves.get_mut(&place).and_then(|at| at.remove(&object.name))
        else {
            return Due::new();
        };
        self.tombstones.put(entry.uid.clone(), entry.version, now);
        let body = parse(&entry.text);
        let due = self.keys_of(object.kind, &body);
        self.unindex(object, &body);
        self.note_edit(object, &due, now);
        for key in &due {
            if !self.exists(key) {
                self.bursts.forget(key);
            }
        }
        self.existing(object.kind, due)
    }

    /// What a watch says before its first list is complete is no edit: it was so before.
    fn note_edit(&mut self, object: &ObjectRef, due: &Due, now: Uptime) {
        // A change of two Secrets is one change for the pods.
        let is_edited = matches!(object.kind, ObjectKind::App | ObjectKind::Secret)
            || object.kind.is_component();
        if is_edited && self.coverage.was_listed(object.kind, &object.namespace) {
            for key in due {
                self.bursts.note(key, now);
            }
        }
    }

    /// Children alone make no key.
    fn existing(&self, kind: ObjectKind, mut due: Due) -> Due {
        if kind != ObjectKind::App && !kind.is_component() {
            due.retain(|key| self.exists(key));
        }
        due
    }

    /// The keys of an object by its own words, and those of the components that own it.
    fn keys_of(&self, kind: ObjectKind, body: &Value) -> Due {
        let mut due = keys::keys_of(kind, body);
        let namespace = object::meta(body, "namespace").unwrap_or_default();
        if kind == ObjectKind::Secret {
            let name = object::meta(body, "name").unwrap_or_default();
            due.append(&mut self.mentions.of_secret(namespace, name));
        }
        if kind == ObjectKind::ConfigMap {
            for (owner, name) in object::owners(body) {
                let component = keys::component_kind(owner)
                    .and_then(|owner| Some((owner, self.shelf(owner, namespace)?.get(name)?)));
                if let Some((owner, entry)) = component {
                    due.append(&mut keys::keys_of(owner, &entry.parsed()));
                }
            }
        }
        due
    }

    fn enter(&mut self, object: &ObjectRef, body: &Value) {
        if object.kind == ObjectKind::App {
            self.mentions.enter(&AppKey::new(&*object.namespace, &*object.name), body);
        }
        if is_indexed(object.kind) {
            for key in keys::keys_of(object.kind, body) {
                let entries = self.index.entry(key).or_default();
                entries.insert((object.kind, object.name.clone()));
            }
        }
    }

    fn unindex(&mut self, object: &ObjectRef, body: &Value) {
        if object.kind == ObjectKind::App {
            self.mentions.leave(&AppKey::new(&*object.namespace, &*object.name));
        }
        if !is_indexed(object.kind) {
            return;
        }
        for key in keys::keys_of(object.kind, body) {
            if let Some(entries) = self.index.get_mut(&key) {
                entries.remove(&(object.kind, object.name.clone()));
                if entries.is_empty() {
                    self.index.remove(&key);
                }
            }
        }
    }

    fn keys_in(&self, scope: &Scope) -> Due {
        let apps = self.shelves_in(ObjectKind::App, scope).flat_map(|((_, namespace), shelf)| {
            shelf.keys().map(|name| AppKey::new(namespace.as_str(), name.as_str()))
        });
        let named = self.index.iter().filter(|(key, entries)| {
            scope.holds(&key.namespace) && entries.iter().any(|(kind, _)| kind.is_component())
        });
        apps.chain(named.map(|(key, _)| key.clone())).collect()
    }

    fn shelves_in<'a>(
        &'a self,
        kind: ObjectKind,
        scope: &'a Scope,
    ) -> impl Iterator<Item = (&'a (ObjectKind, String), &'a Shelf)> {
        self.shelves
            .range((kind, String::new())..)
            .take_while(move |((of, _), _)| *of == kind)
            .filter(move |((_, namespace), _)| scope.holds(namespace))
    }

    fn shelf(&self, kind: ObjectKind, namespace: &str) -> Option<&Shelf> {
        self.shelves.get(&(kind, namespace.to_owned()))
    }

    fn entry(&self, object: &ObjectRef) -> Option<&Entry> {
        self.shelf(object.kind, &object.namespace)?.get(&object.name)
    }

    fn entry_mut(&mut self, object: &ObjectRef) -> Option<&mut Entry> {
        let place = (object.kind, object.namespace.clone());
        self.shelves.get_mut(&place)?.get_mut(&object.name)
    }
}

/// Which object `body` is.
pub fn reference(kind: ObjectKind, body: &Value) -> ObjectRef {
    let text = |field: &str| object::meta(body, field).unwrap_or_default();
    ObjectRef::new(kind, text("namespace"), text("name"))
}

/// Whether a look takes all objects of a kind that concern its key, and not one by its name.
fn is_indexed(kind: ObjectKind) -> bool {
    match kind {
        ObjectKind::Agent
        | ObjectKind::Table
        | ObjectKind::WebView
        | ObjectKind::Task
        | ObjectKind::Join
        | ObjectKind::ConfigMap
        | ObjectKind::Pod
        | ObjectKind::Claim => true,
        ObjectKind::App
        | ObjectKind::ServiceAccount
        | ObjectKind::Service
        | ObjectKind::StatefulSet
        | ObjectKind::Autoscaler
        | ObjectKind::Secret => false,
    }
}
