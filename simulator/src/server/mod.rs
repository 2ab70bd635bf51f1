//! The API server, as far as the operator and the controllers use it: objects with versions and
//! owners of fields, requests in, answers out, and the history that watches read.
//!
//! Every rule cites its source; `tests/e2e/conformance.rs` holds them against a real server.

mod apply;
mod defaults;
mod fields;
mod lists;
mod object;
pub mod resource;
mod rules;
mod status;

use std::collections::BTreeMap;
use std::sync::Arc;

use kaspr_core::{ObjectKind, digest};
use kaspr_engine::request::{Ask, Call};
use serde_json::{Value, json};

use crate::clock::Instant;

use self::apply::Applied;
use self::fields::{Manager, Managers};
use self::object::{allot, full_name, is_other_spec, is_to_go, key, not_as_seen, restore, untyped};
use self::resource::{Place, Resource};

pub use self::object::stamp;
pub use self::status::Answer;

/// Where an object is.
pub type Key = (Resource, String, String);

/// The cluster's objects and their history.
#[derive(Clone, Debug)]
pub struct Server {
    /// Without their managed fields, which only a read shows.
    objects: BTreeMap<Key, Arc<Value>>,
    managers: BTreeMap<Key, Arc<Managers>>,
    history: Vec<Arc<Change>>,
    version: u64,
    /// How many objects of each name there were.
    incarnations: BTreeMap<Key, u32>,
    now: Instant,
    /// Whose request is answered.
    by: &'static str,
}

/// One change of one object.
#[derive(Debug)]
pub struct Change {
    /// The version that it made.
    pub version: u64,
    /// When.
    pub at: Instant,
    /// Whose request it was, as its client names itself.
    pub by: &'static str,
    /// Which object.
    pub key: Key,
    /// The object before; none if it is new.
    pub before: Option<Arc<Value>>,
    /// The object after; none if it is gone.
    pub after: Option<Arc<Value>>,
}

/// Who asks, and on whose behalf fields are held.
#[derive(Clone, Copy, Debug)]
struct Who<'a> {
    manager: &'a str,
    place: &'a Place,
}

impl Server {
    /// An empty cluster.
    pub fn new(now: Instant) -> Self {
        Self {
            objects: BTreeMap::new(),
            managers: BTreeMap::new(),
            history: Vec::new(),
            version: 100,
            incarnations: BTreeMap::new(),
            now,
            by: "",
        }
    }

    /// The time that objects and changes are stamped with.
    pub fn set_time(&mut self, now: Instant) {
        self.now = now;
    }

    /// The newest version.
    pub fn version(&self) -> u64 {
        self.version
    }

    /// Every object of a resource, by namespace and name.
    pub fn all(&self, resource: Resource) -> impl Iterator<Item = (&Key, &Arc<Value>)> {
        let from = (resource, String::new(), String::new());
        self.objects.range(from..).take_while(move |((found, ..), _)| *found == resource)
    }

    /// One object.
    pub fn get(&self, resource: Resource, namespace: &str, name: &str) -> Option<&Arc<Value>> {
        self.objects.get(&(resource, namespace.to_owned(), name.to_owned()))
    }

    /// All objects.
    pub fn objects(&self) -> &BTreeMap<Key, Arc<Value>> {
        &self.objects
    }

    /// The changes after `version`, oldest first.
    pub fn since(&self, version: u64) -> &[Arc<Change>] {
        let from = self.history.partition_point(|change| change.version <= version);
        self.history.get(from..).unwrap_or_default()
    }

    /// The objects as they were at an earlier version, as far as the history goes back.
    #[must_use]
    pub fn as_of(&self, version: u64) -> Self {
        let mut old = Self { history: Vec::new(), version, ..self.clone() };
        for change in self.since(version).iter().rev() {
            match &change.before {
                Some(before) => old.objects.insert(change.key.clone(), Arc::clone(before)),
                None => old.objects.remove(&change.key),
            };
        }
        old
    }

    /// Forgets what every watch has read.
    pub fn forget_until(&mut self, version: u64) {
        let until = self.history.partition_point(|change| change.version <= version);
        self.history.drain(..until);
    }

    /// Answers one request of the client `agent`.
    pub fn handle(&mut self, agent: &'static str, call: &Call) -> Answer {
        self.by = agent;
        let (path, query) = call.path.split_once('?').unwrap_or((&call.path, ""));
        let Some(place) = Place::read(path) else {
            return Answer::refused(404, "the server could not find the requested resource");
        };
        let manager =
            query.split('&').find_map(|pair| pair.strip_prefix("fieldManager=")).unwrap_or(agent);
        let sent = match &call.ask {
            Ask::Create(body) | Ask::Merge(body) | Ask::Apply(body) | Ask::Delete(body) => body,
            Ask::Get | Ask::Patch(_) => &Value::Null,
        };
        if let Some(field) = rules::misshapen(place.resource, sent) {
            return Answer::refused(400, format!("{field} cannot be read"));
        }
        let who = Who { manager, place: &place };
        match (&call.ask, place.below.as_str()) {
            (Ask::Get, "") => self.read(&place),
            (Ask::Create(body), "") => self.create(who, body.clone()),
            (Ask::Apply(body), "") => self.apply(who, body),
            (Ask::Apply(body), "scale") => self.scale(who, body),
            (Ask::Merge(body), "") => self.merge(who, body),
            (Ask::Merge(body), "status") if place.resource.has_status() => self.merge(who, body),
            (Ask::Patch(operations), "") => self.operate(who, operations),
            (Ask::Delete(options), "") => self.delete(&place, options),
            _ => Answer::refused(404, "the server could not find the requested resource"),
        }
    }

    fn read(&self, place: &Place) -> Answer {
        match self.live(place) {
            Some(live) => {
                let mut object = (**live).clone();
                self.managers(place).store(&mut object);
                Answer::ok(200, object)
            }
            None => Answer::not_found(place),
        }
    }

    fn managers(&self, place: &Place) -> Arc<Managers> {
        self.managers.get(&key(place)).map(Arc::clone).unwrap_or_default()
    }

    fn create(&mut self, who: Who<'_>, mut body: Value) -> Answer {
        let name = body["metadata"]["name"].as_str().unwrap_or_default().to_owned();
        let place = Place { name, ..who.place.clone() };
        if place.name.is_empty() {
            return Answer::invalid(&place, "metadata.name", "Required value: name is required");
        }
        if !body["metadata"]["resourceVersion"].is_null() {
            let why = "resourceVersion should not be set on objects to be created";
            return Answer::refused(400, why);
        }
        // What is wrong is told before what is there.
        if let Some(refusal) = rules::check(&place, None, &mut body) {
            return refusal;
        }
        if self.live(&place).is_some() {
            return Answer::exists(&place);
        }
        let mut managers = Managers::default();
        let manager = Manager::new(who.manager, "Update", "");
        managers.take(&manager, &fields::of_object(&body));
        self.begin(&place, &mut body);
        self.put(&place, None, Applied { object: body, managers })
    }

    /// What the server gives a new object.
    fn begin(&mut self, place: &Place, object: &mut Value) {
        let uid = self.uid(place);
        object["apiVersion"] = json!(place.resource.api_version());
        object["kind"] = json!(place.resource.kind());
        let metadata = &mut object["metadata"];
        metadata["name"] = json!(place.name);
        metadata["namespace"] = json!(place.namespace);
        metadata["uid"] = json!(uid);
        metadata["creationTimestamp"] = json!(self.stamp());
        if place.resource.has_generation() {
            metadata["generation"] = json!(1);
        }
        if place.resource.has_status()
            && let Some(fields) = object.as_object_mut()
        {
            fields.remove("status");
        }
    }

    /// Source: kubernetes.io/docs/reference/using-api/server-side-apply; of the measured
    /// facts: the version in an apply is a precondition, also where there is no object.
    fn apply(&mut self, who: Who<'_>, config: &Value) -> Answer {
        let place = who.place;
        let meta = |field: &str| config["metadata"][field].as_str().filter(|text| !text.is_empty());
        let manager = Manager::new(who.manager, "Apply", "");
        if let Err(duplicate) = apply::no_duplicates(config, "") {
            return untyped(&duplicate.0);
        }
        let Some(live) = self.live(place).cloned() else {
            if meta("uid").is_some() {
                return Answer::conflict(place, "uid mismatch: the object is not there");
            }
            let mut object = json!({ "metadata": {} });
            let applied = apply::apply((&object, &Managers::default()), config, &manager);
            object.clone_from(&applied.object);
            self.begin(place, &mut object);
            return self.put(place, None, Applied { object, ..applied });
        };
        if let Some(answer) = not_as_seen(place, &live, config) {
            return answer;
        }
        let applied = apply::apply((&live, &self.managers(place)), config, &manager);
        self.put(place, Some(&live), applied)
    }

    /// The scale subresource of a StatefulSet: its fields belong to the manager there.
    fn scale(&mut self, who: Who<'_>, body: &Value) -> Answer {
        let place = who.place;
        let is_scalable = place.resource == Resource::Watched(ObjectKind::StatefulSet);
        let Some(live) = self.live(place).filter(|_| is_scalable).cloned() else {
            return Answer::not_found(place);
        };
        if let Some(answer) = not_as_seen(place, &live, body) {
            // Another uid is a failed precondition here, not a field that cannot change.
            let why = "Precondition failed: UID in precondition is another one";
            return if answer.code == 422 { Answer::conflict(place, why) } else { answer };
        }
        let mut object = (*live).clone();
        object["spec"]["replicas"] = body["spec"]["replicas"].clone();
        let mut managers = (*self.managers(place)).clone();
        let count = fields::read(&json!({ "f:spec": { "f:replicas": {} } }));
        managers.take(&Manager::new(who.manager, "Apply", "scale"), &count);
        let answer = self.put(place, Some(&live), Applied { object, managers });
        if !answer.is_good() {
            return answer;
        }
        let metadata = &answer.body["metadata"];
        let count = answer.body["spec"]["replicas"].as_i64().filter(|count| *count > 0);
        let spec = count.map_or_else(|| json!({}), |count| json!({ "replicas": count }));
        Answer::ok(
            200,
            json!({
                "kind": "Scale", "apiVersion": "autoscaling/v1",
                "metadata": {
                    "name": metadata["name"], "namespace": metadata["namespace"],
                    "uid": metadata["uid"], "resourceVersion": metadata["resourceVersion"],
                    "creationTimestamp": metadata["creationTimestamp"],
                },
                "spec": spec,
                "status": { "replicas": answer.body["status"]["replicas"].as_i64().unwrap_or(0) },
            }),
        )
    }

    fn merge(&mut self, who: Who<'_>, patch: &Value) -> Answer {
        let Some(live) = self.live(who.place).cloned() else {
            return Answer::not_found(who.place);
        };
        if let Some(answer) = not_as_seen(who.place, &live, patch) {
            return answer;
        }
        let mut object = (*live).clone();
        json_patch::merge(&mut object, patch);
        self.update(who, &live, object)
    }

    fn operate(&mut self, who: Who<'_>, operations: &Value) -> Answer {
        let Some(live) = self.live(who.place).cloned() else {
            return Answer::not_found(who.place);
        };
        let mut object = self.read(who.place).body;
        let operations: json_patch::Patch = match serde_json::from_value(operations.clone()) {
            Ok(operations) => operations,
            Err(error) => {
                return Answer::refused(400, format!("the patch cannot be read: {error}"));
            }
        };
        if let Err(why) = json_patch::patch(&mut object, &operations) {
            // a failed test is told as content that is wrong.
            let what = "the server rejected our request due to an error in our request";
            return Answer::refused(422, format!("{what}: {why}"));
        }
        if let Some(field) = rules::misshapen(who.place.resource, &object) {
            return Answer::refused(400, format!("{field} cannot be read"));
        }
        self.update(who, &live, object)
    }

    /// A plain change: what changed belongs to who changed it.
    fn update(&mut self, who: Who<'_>, live: &Value, mut object: Value) -> Answer {
        let below = who.place.below.as_str();
        if below == "status" {
            let status = object["status"].take();
            object = live.clone();
            object["status"] = status;
        } else if who.place.resource.has_status() {
            restore(&mut object, live, "status");
        }
        for field in ["uid", "creationTimestamp", "generation", "namespace", "name"] {
            object["metadata"][field] = live["metadata"][field].clone();
        }
        let before = self.managers(who.place);
        let given =
            object["metadata"].as_object_mut().and_then(|meta| meta.remove("managedFields"));
        let given = given.map(|given| Managers::of(&given));
        let managers = given.filter(|given| *given != *before).unwrap_or_else(|| {
            before.after_change(&Manager::new(who.manager, "Update", below), live, &object)
        });
        self.put(who.place, Some(live), Applied { object, managers })
    }

    /// Source: kubernetes.io/docs/reference/using-api/api-concepts; finalizers and grace keep an
    /// object that is to go.
    fn delete(&mut self, place: &Place, options: &Value) -> Answer {
        let Some(live) = self.live(place).cloned() else { return Answer::not_found(place) };
        let (wanted, uid) = (&options["preconditions"]["uid"], &live["metadata"]["uid"]);
        if !wanted.is_null() && wanted != uid {
            let why = format!(
                "Precondition failed: UID in precondition: {wanted}, UID in object meta: {uid}"
            );
            return Answer::conflict(place, &why);
        }
        let grace = (place.resource == Resource::POD)
            .then(|| options["gracePeriodSeconds"].as_i64())
            .map(|asked| asked.or_else(|| live["spec"]["terminationGracePeriodSeconds"].as_i64()))
            .map_or(0, |grace| grace.unwrap_or(30));
        let finalizers = live["metadata"]["finalizers"].as_array().map_or(0, Vec::len);
        if grace == 0 && finalizers == 0 {
            self.remove(place);
            if object::answers_with_object(place.resource) {
                return Answer::ok(200, (*live).clone());
            }
            let details =
                json!({ "name": place.name, "kind": place.resource.plural(), "uid": uid });
            let body = json!({
                "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success",
                "details": details,
            });
            return Answer::ok(200, body);
        }
        if !live["metadata"]["deletionTimestamp"].is_null() {
            return Answer::ok(200, (*live).clone());
        }
        let mut object = (*live).clone();
        let at = self.now.after(u64::try_from(grace).unwrap_or(0) * 1_000);
        object["metadata"]["deletionTimestamp"] = json!(stamp(at.wall()));
        object["metadata"]["deletionGracePeriodSeconds"] = json!(grace);
        if place.resource.has_generation() {
            let generation = object["metadata"]["generation"].as_i64().unwrap_or(0);
            object["metadata"]["generation"] = json!(generation + 1);
        }
        let managers = (*self.managers(place)).clone();
        Answer::ok(200, (*self.store(place, object, managers)).clone())
    }

    /// Checks a new state of an object and stores it if it is another one.
    fn put(&mut self, place: &Place, live: Option<&Value>, next: Applied) -> Answer {
        let Applied { mut object, mut managers } = next;
        managers.0.retain(|_, fields| !fields.is_empty());
        if place.below.is_empty() {
            defaults::fill(place.resource, &mut object);
            allot(place, &mut object, live);
            if let Some(answer) = rules::check(place, live, &mut object) {
                return answer;
            }
        }
        let Some(live) = live else {
            return Answer::ok(201, (*self.store(place, object, managers)).clone());
        };
        if place.resource.has_generation() && is_other_spec(live, &object) {
            let generation = live["metadata"]["generation"].as_i64().unwrap_or(0);
            object["metadata"]["generation"] = json!(generation + 1);
        }
        object["metadata"]["resourceVersion"] = live["metadata"]["resourceVersion"].clone();
        if object == *live && managers == *self.managers(place) {
            return Answer::ok(200, object);
        }
        if is_to_go(&object) {
            self.remove(place);
            return Answer::ok(200, object);
        }
        Answer::ok(200, (*self.store(place, object, managers)).clone())
    }

    /// A uid that depends on what an object is, and not on what else was made before it: so runs that
    /// differ in their order can be compared.
    fn uid(&mut self, place: &Place) -> String {
        let count = self.incarnations.entry(key(place)).or_default();
        *count += 1;
        let hex = digest::of_text(&format!("{} {count}", full_name(place)));
        let (one, two) = hex.split_at(hex.len().min(8));
        format!("{one:0>8}-0000-4000-8000-{two:0>12}")
    }

    fn live(&self, place: &Place) -> Option<&Arc<Value>> {
        self.get(place.resource, &place.namespace, &place.name)
    }

    fn store(&mut self, place: &Place, mut object: Value, managers: Managers) -> Arc<Value> {
        self.version += 1;
        object["metadata"]["resourceVersion"] = json!(self.version.to_string());
        let object = Arc::new(object);
        let key = key(place);
        self.managers.insert(key.clone(), Arc::new(managers));
        let before = self.objects.insert(key.clone(), Arc::clone(&object));
        self.record(key, before, Some(Arc::clone(&object)));
        object
    }

    fn remove(&mut self, place: &Place) {
        let key = key(place);
        self.managers.remove(&key);
        if let Some(before) = self.objects.remove(&key) {
            self.version += 1;
            self.record(key, Some(before), None);
        }
    }

    fn record(&mut self, key: Key, before: Option<Arc<Value>>, after: Option<Arc<Value>>) {
        let (version, at, by) = (self.version, self.now, self.by);
        self.history.push(Arc::new(Change { version, at, by, key, before, after }));
    }

    fn stamp(&self) -> String {
        stamp(self.now.wall())
    }
}

#[cfg(test)]
mod tests;
