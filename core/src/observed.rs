//! What a snapshot means: typed, and still honest about what nobody could look at.

use std::collections::{BTreeMap, BTreeSet};

use kaspr_crds::{Kind, keys};
use serde_json::Value;

use crate::action::Uid;
use crate::app::image::running_version;
use crate::app::{App, Parsed, Pinned};
use crate::key::{AppKey, ObjectKind, ObjectRef};
use crate::lists;
use crate::marks::Marks;
use crate::members::{self, Member};
use crate::meta::Meta;
use crate::outcome::Outcomes;
use crate::render::Names;
use crate::secrets::{self, Secret};
use crate::seen::{Seen, Unseen};
use crate::settings::Settings;
use crate::snapshot::{Edits, Snapshot};
use crate::status::AppStatus;
use crate::time::{Now, Uptime};

/// One look, read: plain data that borrows from its snapshot.
#[derive(Clone, Debug)]
pub struct Observed<'a> {
    /// Whose look it is.
    pub key: &'a AppKey,
    /// Its instant.
    pub now: Now,
    /// The operator's settings.
    pub settings: &'a Settings,
    /// The names of the app's objects.
    pub names: Names,
    /// The app.
    pub app: Seen<LiveApp<'a>>,
    /// The last burst of edits.
    pub edits: Option<Edits>,
    /// When the app was read by an own request, if it was.
    pub app_read_at: Option<Uptime>,
    /// The components by kind, each kind seen or not.
    pub components: Vec<(Kind, Seen<Vec<LiveComponent<'a>>>)>,
    /// The kinds of components whose list is older than one that the status rests on.
    pub behind: Vec<ObjectKind>,
    /// The versions of the lists of components.
    pub lists: lists::Versions,
    /// The objects with our names.
    pub children: Children<'a>,
    /// Every pod with the labels of this app's members, whoever owns it.
    pub pods: &'a Seen<Vec<Value>>,
    /// The Secrets that the app names.
    pub secrets: Seen<BTreeMap<&'a str, Secret>>,
    /// The members: pods of the app's StatefulSet, and what they answered.
    pub members: Seen<Vec<Member>>,
    /// When this process first saw what is dated in the status.
    pub marks: &'a Marks,
    /// The process that looks.
    pub process: &'a str,
    /// How many members of other apps are in replacement.
    pub terminations_elsewhere: u32,
    /// What came of earlier actions.
    pub outcomes: &'a Outcomes,
}

/// A live `KasprApp`.
#[derive(Clone, Debug)]
pub struct LiveApp<'a> {
    /// The object.
    pub object: &'a Value,
    /// Its metadata.
    pub meta: Meta,
    /// Its spec: valid, or every problem.
    pub parsed: Parsed<App>,
    /// Its status: the only memory.
    pub status: AppStatus,
    /// The version that it gets while it names none: as recorded, or as it runs.
    pub pinned: Option<String>,
}

/// A live component.
#[derive(Clone, Debug)]
pub struct LiveComponent<'a> {
    /// The object.
    pub object: &'a Value,
    /// Its metadata.
    pub meta: Meta,
}

/// A live child.
#[derive(Clone, Debug)]
pub struct Child<'a> {
    /// The object.
    pub object: &'a Value,
    /// Its metadata.
    pub meta: Meta,
}

/// The children by role.
#[derive(Clone, Debug)]
#[expect(missing_docs, reason = "one field for each role, see `ChildFacts`")]
pub struct Children<'a> {
    pub service_account: Seen<Child<'a>>,
    pub api_service: Seen<Child<'a>>,
    pub headless_service: Seen<Child<'a>>,
    pub stateful_set: Seen<Child<'a>>,
    pub autoscaler: Seen<Child<'a>>,
    pub config_maps: Seen<Vec<Child<'a>>>,
    pub claims: Seen<Vec<Child<'a>>>,
    /// Where each of them stands, by name.
    places: BTreeMap<&'a str, usize>,
}

/// Whose an object is, as far as an app is concerned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Holder {
    /// The owner controls it.
    Ours,
    /// Nobody controls it, and it carries what the original wrote on such objects.
    Adoptable,
    /// An earlier resource of this name controls it; garbage collection takes it away.
    Predecessor,
    /// Somebody else has it; in words.
    Foreign(String),
}

impl<'a> Observed<'a> {
    /// Reads a snapshot. Nothing in it can make this fail: what cannot be read is told as such.
    pub fn of(snapshot: &'a Snapshot) -> Self {
        let facts = &snapshot.components;
        let listed = |seen: &'a Seen<Vec<Value>>| {
            seen.as_ref().map(|items| items.iter().map(LiveComponent::of).collect())
        };
        let app = snapshot.app.as_ref().map(|object| LiveApp::of(object, snapshot));
        let behind = app.present().map(|app| lists::behind(snapshot, &app.status.raw));
        let mut observed = Self {
            key: &snapshot.key,
            now: snapshot.now,
            settings: &snapshot.settings,
            names: Names::of(&snapshot.key.name),
            app,
            behind: behind.unwrap_or_default(),
            lists: lists::versions(&snapshot.lists),
            edits: snapshot.edits,
            app_read_at: snapshot.app_read_at,
            components: vec![
                (Kind::Agent, listed(&facts.agents)),
                (Kind::Table, listed(&facts.tables)),
                (Kind::WebView, listed(&facts.web_views)),
                (Kind::Task, listed(&facts.tasks)),
                (Kind::Join, listed(&facts.joins)),
            ],
            children: Children::of(snapshot),
            pods: &snapshot.children.pods,
            secrets: snapshot.secrets.as_ref().map(|objects| secrets::by_name(objects)),
            members: Seen::Absent,
            marks: &snapshot.marks,
            process: &snapshot.process,
            terminations_elsewhere: snapshot.terminations_elsewhere,
            outcomes: &snapshot.outcomes,
        };
        observed.members = observed.read_members(snapshot);
        observed
    }

    /// The pods of the app's own StatefulSet; absent while there is no such set.
    fn read_members(&self, snapshot: &Snapshot) -> Seen<Vec<Member>> {
        match (&self.children.stateful_set, self.own_set()) {
            (Seen::Unknown(why), _) => Seen::Unknown(*why),
            (_, None) => Seen::Absent,
            (_, Some(set)) => members::of(&snapshot.children.pods, &snapshot.polls, set),
        }
    }

    /// The object `name` of `kind` in the namespace of this key.
    pub fn object(&self, kind: ObjectKind, name: &str) -> ObjectRef {
        ObjectRef::new(kind, &self.key.namespace, name)
    }

    /// Whether every component kind was listed, and none is behind; if not, the first reason.
    pub fn components_known(&self) -> Result<(), Unseen> {
        let unlisted = self.components.iter().find_map(|(_, seen)| seen.unknown());
        let behind = (!self.behind.is_empty()).then_some(Unseen::Behind);
        unlisted.or(behind).map_or(Ok(()), Err)
    }

    /// The StatefulSet, if it is there, is the app's, and is not on its way out.
    pub fn own_set(&self) -> Option<&Child<'a>> {
        let (app, set) = (self.app.present()?, self.children.stateful_set.present()?);
        let holder = set.holder(Kind::App, &app.meta.name, &app.meta.uid, &self.key.name);
        let is_ours = matches!(holder, Holder::Ours | Holder::Adoptable);
        (is_ours && !set.meta.is_deleting).then_some(set)
    }

    /// All components that were seen.
    pub fn all_components(&self) -> impl Iterator<Item = (Kind, &LiveComponent<'a>)> {
        self.components
            .iter()
            .flat_map(|(kind, seen)| seen.present().into_iter().flatten().map(|live| (*kind, live)))
    }
}

impl<'a> LiveApp<'a> {
    fn of(object: &'a Value, snapshot: &Snapshot) -> Self {
        let status = AppStatus::of(object);
        // An app that is taken over keeps the version that it runs, not the newest default.
        let running = || {
            let set = snapshot.children.stateful_set.present()?;
            running_version(&SetFacts::of(&Child::of(set)).image).map(str::to_owned)
        };
        let pinned = status.default_version.clone().or_else(running);
        let parsed = App::parse(object, &snapshot.settings, Pinned(pinned.as_deref()));
        Self { object, meta: Meta::of(object), parsed, status, pinned }
    }
}

impl<'a> LiveComponent<'a> {
    fn of(object: &'a Value) -> Self {
        Self { object, meta: Meta::of(object) }
    }
}

impl<'a> Child<'a> {
    /// Reads a live object.
    pub fn of(object: &'a Value) -> Self {
        Self { object, meta: Meta::of(object) }
    }

    /// Whose it is, for an owner of this kind, name and uid, under the app `app`.
    pub fn holder(&self, kind: Kind, name: &str, uid: &Uid, app: &str) -> Holder {
        match self.meta.controller() {
            Some(owner) if owner.uid == *uid => Holder::Ours,
            Some(owner) if owner.kind == kind.name() && owner.name == name => Holder::Predecessor,
            Some(owner) => Holder::Foreign(format!("{} {}", owner.kind, owner.name)),
            None if self.is_original(kind, app) => Holder::Adoptable,
            None => Holder::Foreign("nobody that this operator knows".to_owned()),
        }
    }

    /// The ConfigMaps that the pod template of this StatefulSet mounts.
    pub fn config_maps(&self) -> BTreeSet<&'a str> {
        let volumes = self.object.pointer("/spec/template/spec/volumes");
        let volumes = volumes.and_then(Value::as_array).into_iter().flatten();
        volumes.filter_map(|volume| volume.get("configMap")?.get("name")?.as_str()).collect()
    }

    /// Whether an object without a controller is one that the original, or an app deleted without
    /// its children, left: by its labels, or a StatefulSet by its immutable selector. An
    /// autoscaler carries none: its target says it.
    fn is_original(&self, kind: Kind, app: &str) -> bool {
        let label = |key: &str| self.meta.labels.get(key).map(String::as_str);
        let selects = |path: &str, wanted: &str| {
            self.object.pointer(path).and_then(Value::as_str) == Some(wanted)
        };
        let base = format!("{app}-app");
        let by_label = label(keys::LABEL_KIND) == Some(kind.name())
            && (label(keys::LABEL_CLUSTER) == Some(app) || label(keys::LABEL_APP) == Some(app));
        by_label
            || selects("/spec/selector/matchLabels/kaspr.io~1cluster", app)
            || (selects("/spec/scaleTargetRef/name", &base)
                && selects("/spec/scaleTargetRef/kind", "StatefulSet"))
    }
}

impl<'a> Children<'a> {
    fn of(snapshot: &'a Snapshot) -> Self {
        let facts = &snapshot.children;
        let child = |seen: &'a Seen<Value>| seen.as_ref().map(Child::of);
        let all = |seen: &'a Seen<Vec<Value>>| {
            seen.as_ref().map(|objects| objects.iter().map(Child::of).collect())
        };
        Self {
            service_account: child(&facts.service_account),
            api_service: child(&facts.api_service),
            headless_service: child(&facts.headless_service),
            stateful_set: child(&facts.stateful_set),
            autoscaler: child(&facts.autoscaler),
            config_maps: all(&facts.config_maps),
            claims: all(&facts.claims),
            places: places(facts.config_maps.present().map(Vec::as_slice).unwrap_or_default()),
        }
    }

    /// The ConfigMap of this name.
    pub fn config_map(&self, name: &str) -> Seen<&Child<'a>> {
        match &self.config_maps {
            Seen::Present(maps) => self.places.get(name).and_then(|at| maps.get(*at)).into(),
            Seen::Absent => Seen::Absent,
            Seen::Unknown(why) => Seen::Unknown(*why),
        }
    }
}

/// Where the first object of each name stands.
fn places(objects: &[Value]) -> BTreeMap<&str, usize> {
    let mut places = BTreeMap::new();
    for (at, object) in objects.iter().enumerate() {
        let name = object.pointer("/metadata/name").and_then(Value::as_str).unwrap_or_default();
        places.entry(name).or_insert(at);
    }
    places
}

/// The worker's container in the template of a StatefulSet.
pub(crate) fn worker_of(set: &Value) -> Option<&Value> {
    let containers = set.pointer("/spec/template/spec/containers")?.as_array()?;
    containers
        .iter()
        .find(|container| container.get("name").and_then(Value::as_str) == Some("kaspr"))
}

/// What a StatefulSet says about its revisions and members.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SetFacts {
    /// Whether the controller has seen the last change.
    pub is_observed: bool,
    /// `spec.replicas`.
    pub wanted: i64,
    /// `status.replicas`.
    pub replicas: i64,
    /// `status.updatedReplicas`.
    pub updated: i64,
    /// `status.availableReplicas`.
    pub available: i64,
    /// `status.currentRevision`.
    pub current_revision: String,
    /// `status.updateRevision`.
    pub update_revision: String,
    /// The inputs of the template, if we rendered it.
    pub inputs: Option<String>,
    /// The image of the worker in the template.
    pub image: String,
}

impl SetFacts {
    /// Reads a live StatefulSet.
    pub fn of(set: &Child<'_>) -> Self {
        let number = |path: &str| set.object.pointer(path).and_then(Value::as_i64);
        let text = |path: &str| {
            set.object.pointer(path).and_then(Value::as_str).unwrap_or_default().to_owned()
        };
        let worker = worker_of(set.object);
        Self {
            is_observed: number("/status/observedGeneration") == Some(set.meta.generation),
            wanted: number("/spec/replicas").unwrap_or(1),
            replicas: number("/status/replicas").unwrap_or(0),
            updated: number("/status/updatedReplicas").unwrap_or(0),
            available: number("/status/availableReplicas").unwrap_or(0),
            current_revision: text("/status/currentRevision"),
            update_revision: text("/status/updateRevision"),
            inputs: set.meta.annotations.get(crate::render::TEMPLATE_INPUTS).cloned(),
            image: worker
                .and_then(|worker| worker.get("image"))
                .and_then(Value::as_str)
                .unwrap_or_default()
                .to_owned(),
        }
    }

    /// Whether the controller has seen the last change, and every pod that it makes is of one revision.
    pub fn is_on_one_revision(&self) -> bool {
        self.is_observed && self.current_revision == self.update_revision
    }

    /// Whether every member runs the last template, as far as the controller has seen.
    /// Source: kubernetes.io/docs/concepts/workloads/controllers/statefulset, rolling updates.
    pub fn is_rolled_out(&self) -> bool {
        self.is_observed
            && self.current_revision == self.update_revision
            && self.updated == self.replicas
    }
}
