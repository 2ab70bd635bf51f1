//! The cluster around the operator: the API server, the controllers and the node, on one clock.

use std::collections::{BTreeMap, BTreeSet};

use kaspr_core::ObjectKind;
use kaspr_engine::chance::Chance;
use kaspr_engine::request::{Ask, Call, collection};
use serde_json::{Value, json};

use crate::clock::Instant;
use crate::controllers::{autoscaler, claims, garbage, stateful_set};
use crate::kubelet::Kubelet;
use crate::members::{Ailment, MemberAnswer, MemberAsk, Members};
use crate::server::resource::{Place, Resource};
use crate::server::{Answer, Server};

/// How long things take, in milliseconds.
#[derive(Clone, Debug)]
pub struct Timings {
    /// One request to the API server.
    pub request: u64,
    /// From a change to the event of a watch.
    pub event: u64,
    /// From a change to a controller's answer to it.
    pub controller: u64,
    /// From a pod to its process.
    pub pod_starts: u64,
    /// From its process to its readiness. A worker needs 25 s to join its group (`worker.md` 6).
    pub pod_ready: u64,
    /// From the deletion of a pod to its end.
    pub pod_stops: u64,
    /// Between two looks of an autoscaler (kube-controller-manager's default: 15 s).
    pub autoscaler: u64,
}

impl Timings {
    /// Times that differ a little from the usual ones: the same for the same seed.
    pub fn of_seed(seed: u64) -> Self {
        let usual = Self::default();
        let mut chance = Chance::new(seed);
        let mut about =
            |millis: u64| millis * 4 / 5 + millis * 2 / 5 * u64::from(chance.part()) / (1 << 16);
        Self {
            request: about(usual.request).max(1),
            event: about(usual.event).max(1),
            controller: about(usual.controller).max(1),
            pod_starts: about(usual.pod_starts),
            pod_ready: about(usual.pod_ready),
            pod_stops: about(usual.pod_stops),
            autoscaler: usual.autoscaler,
        }
    }
}

impl Default for Timings {
    fn default() -> Self {
        Self {
            request: 3,
            event: 4,
            controller: 10,
            pod_starts: 1_000,
            pod_ready: 25_000,
            pod_stops: 2_000,
            autoscaler: 15_000,
        }
    }
}

/// A cluster. A copy of it goes its own way.
#[derive(Clone, Debug)]
pub struct Cluster {
    /// The API server.
    pub server: Server,
    /// How long things take.
    pub timings: Timings,
    now: Instant,
    kubelet: Kubelet,
    members: Members,
    /// The signals of operators that arrived.
    signals: Vec<Signalled>,
    /// Since when members are ill, by the uid of the pod.
    ailing: BTreeMap<String, Instant>,
    /// Up to where the controllers have seen changes.
    controlled: u64,
    autoscaled: Instant,
    /// Kinds that operators may not write.
    forbidden: BTreeSet<String>,
    /// Kinds that operators cannot list.
    hidden: BTreeSet<String>,
    /// A request of an operator that may hit what it does not mean.
    careless: Option<String>,
}

/// A signal of an operator that arrived, and the app at that moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signalled {
    /// The name of the app.
    pub app: String,
    /// Its uid.
    pub uid: String,
    /// The attempt that its status names.
    pub generation: i64,
    /// Which one of that generation.
    pub n: i64,
}

impl Signalled {
    fn now(server: &Server, namespace: &str, pod: &str) -> Option<Self> {
        let pod = server.get(Resource::POD, namespace, pod)?;
        let name = pod["metadata"]["labels"]["kaspr.io/cluster"].as_str()?;
        let app = server.get(Resource::Watched(ObjectKind::App), namespace, name)?;
        let rebalance = &app["status"]["rebalance"];
        Some(Self {
            app: name.to_owned(),
            uid: app["metadata"]["uid"].as_str()?.to_owned(),
            generation: rebalance["generation"].as_i64().unwrap_or_default(),
            n: rebalance["attempt"]["n"].as_i64().unwrap_or_default(),
        })
    }
}

/// How operators name themselves to the server.
pub const OPERATOR: &str = "kaspr-operator";

impl Cluster {
    /// An empty cluster.
    pub fn new(timings: Timings) -> Self {
        let now = Instant::default();
        Self {
            server: Server::new(now),
            timings,
            now,
            kubelet: Kubelet::default(),
            members: Members::default(),
            signals: Vec::new(),
            ailing: BTreeMap::new(),
            controlled: 0,
            autoscaled: now,
            forbidden: BTreeSet::new(),
            hidden: BTreeSet::new(),
            careless: None,
        }
    }

    /// The instant.
    pub fn now(&self) -> Instant {
        self.now
    }

    /// Lets time pass until `at`.
    pub fn pass_until(&mut self, at: Instant) {
        self.now = self.now.max(at);
        self.server.set_time(self.now);
    }

    /// Whether pods with an image start and never get ready.
    pub fn break_image(&mut self, image: &str, is_broken: bool) {
        self.kubelet.break_image(image, is_broken);
    }

    /// Whether operators lack the right to write objects of a kind.
    pub fn forbid(&mut self, kind: &str, is_forbidden: bool) {
        if is_forbidden {
            self.forbidden.insert(kind.to_owned());
        } else {
            self.forbidden.remove(kind);
        }
    }

    /// Whether operators cannot list objects of a kind.
    pub fn hide(&mut self, kind: &str, is_hidden: bool) {
        if is_hidden {
            self.hidden.insert(kind.to_owned());
        } else {
            self.hidden.remove(kind);
        }
    }

    pub(crate) fn careless(&self) -> Option<&str> {
        self.careless.as_deref()
    }

    pub(crate) fn is_hidden(&self, kind: &str) -> bool {
        self.hidden.contains(kind)
    }

    /// A request of an operator, which takes its time and needs its rights.
    pub(crate) fn ask_as_operator(&mut self, call: &Call) -> Answer {
        self.pass_until(self.now.after(self.timings.request));
        if !matches!(call.ask, Ask::Get) && self.forbidden.contains(call.kind) {
            return Answer::refused(403, format!("the operator may not write {}", call.kind));
        }
        if let Ask::Delete(options) = &call.ask
            && options.pointer("/preconditions/uid").is_none()
        {
            self.careless = Some(format!("{} was to be deleted whatever its uid", call.path));
        }
        self.server.handle(OPERATOR, call)
    }

    /// Forgets the changes that all operators have heard, and the controllers have seen.
    pub(crate) fn forget_until(&mut self, version: u64) {
        let seen = self.controlled.min(self.kubelet.seen()).min(self.members.seen());
        self.server.forget_until(version.min(seen));
    }

    /// Lets the controllers and the node do what is due now. Says whether anything moved.
    pub fn control(&mut self) -> bool {
        let before = self.server.version();
        self.kubelet.step(&mut self.server, &self.timings, self.now);
        // Nobody is told of what members do but who asks them.
        self.members.step(&self.server, self.now);
        if self.controllers_due().is_some_and(|at| at <= self.now) {
            self.controlled = before;
            claims::step(&mut self.server);
            stateful_set::step(&mut self.server);
            garbage::step(&mut self.server);
        }
        if self.autoscaled.after(self.timings.autoscaler) <= self.now {
            self.autoscaled = self.now;
            autoscaler::step(&mut self.server);
        }
        self.server.version() != before
    }

    /// When something happens here by itself.
    pub fn next_event(&self) -> Option<Instant> {
        let autoscaler = (self.server.all(AUTOSCALER).next().is_some())
            .then(|| self.autoscaled.after(self.timings.autoscaler));
        let members = self.members.next_event(self.now);
        [self.controllers_due(), self.kubelet.next_event(), members, autoscaler]
            .into_iter()
            .flatten()
            .min()
    }

    /// When the controllers act on what changed last, if anything did.
    fn controllers_due(&self) -> Option<Instant> {
        let last = self.server.since(self.controlled).last()?;
        Some(last.at.after(self.timings.controller))
    }

    /// What the member in a pod answers; a signal takes effect.
    pub fn ask_member(&mut self, namespace: &str, pod: &str, ask: MemberAsk) -> MemberAnswer {
        self.members.ask((namespace, pod), ask, self.now)
    }

    /// A signal of an operator, which takes its time; what the app looked like when it arrived is kept.
    pub(crate) fn signal_as_operator(&mut self, namespace: &str, pod: &str) -> MemberAnswer {
        self.pass_until(self.now.after(self.timings.request));
        self.signals.extend(Signalled::now(&self.server, namespace, pod));
        self.ask_member(namespace, pod, MemberAsk::Rebalance)
    }

    /// The signals of operators that arrived so far.
    pub fn signals(&self) -> &[Signalled] {
        &self.signals
    }

    /// Since when the member in the pod of this uid is ill, if it ever was.
    pub fn ailing_since(&self, uid: &str) -> Option<Instant> {
        self.ailing.get(uid).copied()
    }

    /// From now on something is wrong with the member in a pod, or nothing is.
    pub fn ail(&mut self, namespace: &str, pod: &str, with: Option<Ailment>) {
        let live = self.server.get(Resource::POD, namespace, pod);
        if let Some(uid) = live.and_then(|pod| pod["metadata"]["uid"].as_str()) {
            if with.is_some() {
                self.ailing.entry(uid.to_owned()).or_insert(self.now);
            } else {
                self.ailing.remove(uid);
            }
        }
        self.members.ail((namespace, pod), with, self.now);
    }

    /// Somebody creates or applies an object, as `kubectl apply --server-side` does.
    pub fn apply(&mut self, manifest: &Value) -> Answer {
        let Some(resource) = manifest["kind"].as_str().and_then(Resource::of_kind) else {
            return Answer::refused(404, "no such kind");
        };
        let meta = |field: &str| manifest["metadata"][field].as_str().unwrap_or_default();
        let namespace = Some(meta("namespace")).filter(|name| !name.is_empty());
        let path =
            collection(&resource.api_version(), namespace.unwrap_or("default"), resource.plural());
        let path = format!("{path}/{}?fieldManager=people&force=true", meta("name"));
        self.ask(resource, path, Ask::Apply(manifest.clone()))
    }

    /// Somebody changes an object by a merge patch.
    pub fn edit(&mut self, place: &Place, patch: Value) -> Answer {
        self.ask(place.resource, path_of(place), Ask::Merge(patch))
    }

    /// Somebody deletes an object.
    pub fn delete(&mut self, place: &Place) -> Answer {
        self.ask(place.resource, path_of(place), Ask::Delete(json!({})))
    }

    fn ask(&mut self, resource: Resource, path: String, ask: Ask) -> Answer {
        self.server.handle("people", &Call { kind: resource.kind(), path, ask })
    }
}

const AUTOSCALER: Resource = Resource::Watched(ObjectKind::Autoscaler);

fn path_of(place: &Place) -> String {
    let path = collection(&place.resource.api_version(), &place.namespace, place.resource.plural());
    let below = if place.below.is_empty() { String::new() } else { format!("/{}", place.below) };
    format!("{path}/{}{below}", place.name)
}

#[cfg(test)]
mod tests;
