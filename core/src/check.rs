//! Judges manifests before anybody applies them, by the very rules of the loop.

mod change;

use std::collections::BTreeMap;

use kaspr_crds::{Kind, keys};
use serde::Serialize;
use serde_json::Value;

pub use self::change::check_change;
use crate::app::{App, Pinned, is_dns_label};
use crate::component::{self, Definition};
use crate::definition::{file_name, object_name};
use crate::invalid::Invalid;
use crate::meta::Meta;
use crate::policy::components::label_missing;
use crate::references::{self, Known};
use crate::settings::Settings;

/// One thing about one manifest.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// Which of the manifests, by position.
    pub object: usize,
    /// How much it matters.
    pub severity: Severity,
    /// What it is, where, and what to do.
    #[serde(flatten)]
    pub problem: Invalid,
}

/// How much a finding matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// The manifest is refused, or set aside when it is applied.
    Error,
    /// It is accepted and may surprise.
    Warning,
}

/// What the manifests of one call say about each other.
#[derive(Default)]
struct Read<'a> {
    findings: Vec<Finding>,
    apps: BTreeMap<(String, String), (usize, App)>,
    definitions: Vec<Component<'a>>,
}

struct Component<'a> {
    object: usize,
    app: (String, String),
    definition: Definition,
    spec: &'a Value,
}

/// Judges manifests, alone and beside each other. What they name and none of them defines is
/// taken to be elsewhere. Findings come in the order of the manifests.
pub fn check(objects: &[Value], settings: &Settings) -> Vec<Finding> {
    let mut read = Read::default();
    let mut seen: BTreeMap<(String, String, String), usize> = BTreeMap::new();
    for (at, object) in objects.iter().enumerate() {
        let Some(kind) = read.kind_of(at, object) else { continue };
        let meta = Meta::of(object);
        let namespace = namespace_of(object);
        if !namespace.is_empty() && (!is_dns_label(&namespace) || namespace.len() > 63) {
            let remedy = "use lower-case letters, digits and '-', at most 63";
            let problem = Invalid::new("metadata.namespace", "no namespace has this name", remedy);
            read.error(at, problem.with_value(&namespace.into()));
        }
        let key = (kind.name().to_owned(), namespace_of(object), meta.name.clone());
        if seen.insert(key, at).is_some() && !meta.name.is_empty() {
            read.error(
                at,
                Invalid::new("metadata.name", "another manifest has it too", "remove one of them")
                    .with_value(&meta.name.clone().into()),
            );
        }
        if kind == Kind::App {
            read.app(at, object, settings);
        } else {
            read.component(at, kind, object, &meta);
        }
    }
    read.beside_each_other();
    // Beside ours, manifests of other kinds are passed over; alone, they were meant to be checked.
    if seen.is_empty() {
        for finding in &mut read.findings {
            finding.severity = Severity::Error;
        }
    }
    let mut findings = read.findings;
    findings.sort_by_key(|finding| finding.object);
    findings
}

impl<'a> Read<'a> {
    fn error(&mut self, object: usize, problem: Invalid) {
        self.findings.push(Finding { object, severity: Severity::Error, problem });
    }

    fn add(&mut self, object: usize, errors: Vec<Invalid>, odd: Vec<Invalid>) {
        for problem in errors {
            self.error(object, problem);
        }
        let severity = Severity::Warning;
        self.findings.extend(odd.into_iter().map(|problem| Finding { object, severity, problem }));
    }

    /// The kind of a manifest, if it is one of ours and says so rightly.
    fn kind_of(&mut self, at: usize, object: &Value) -> Option<Kind> {
        let text = |field: &str| object.get(field).and_then(Value::as_str).unwrap_or_default();
        let (kind, version) = (text("kind"), text("apiVersion"));
        if !object.is_object() || kind.is_empty() {
            let remedy = "write a Kubernetes object with apiVersion, kind, metadata and spec";
            self.error(at, Invalid::new("kind", "this is no Kubernetes object", remedy));
            return None;
        }
        let known = kind.parse::<Kind>().ok();
        let is_ours = version.split('/').next() == Some(keys::GROUP);
        match known {
            Some(known) if version == keys::API_VERSION => return Some(known),
            Some(_) => self.error(
                at,
                Invalid::new(
                    "apiVersion",
                    format!("a {kind} has another one"),
                    format!("write {}", keys::API_VERSION),
                )
                .with_value(&version.into()),
            ),
            None => {
                let problem = Invalid::new(
                    "kind",
                    "it is no kind of Kaspr",
                    format!("use one of {}", Kind::ALL.map(Kind::name).join(", ")),
                )
                .with_value(&kind.into());
                // Manifests of other kinds may stand beside ours; a misspelt one of ours may not.
                let severity = if is_ours || kind.starts_with("Kaspr") || version.is_empty() {
                    Severity::Error
                } else {
                    Severity::Warning
                };
                self.findings.push(Finding { object: at, severity, problem });
            }
        }
        None
    }

    fn app(&mut self, at: usize, object: &Value, settings: &Settings) {
        let parsed = App::parse(object, settings, Pinned(None));
        match parsed.result {
            Ok(app) => {
                self.add(at, Vec::new(), parsed.odd);
                self.apps.insert((namespace_of(object), Meta::of(object).name), (at, app));
            }
            Err(problems) => self.add(at, problems, parsed.odd),
        }
    }

    fn component(&mut self, at: usize, kind: Kind, object: &'a Value, meta: &Meta) {
        let app = meta.labels.get(keys::LABEL_APP).cloned().unwrap_or_default();
        if app.is_empty() {
            self.error(at, label_missing());
        } else if !is_dns_label(&app) || app.len() > Kind::App.name_max() {
            self.error(
                at,
                Invalid::new(
                    "metadata.labels[\"kaspr.io/app\"]",
                    "no KasprApp can have this name",
                    "set it to the name of the KasprApp that the component belongs to",
                )
                .with_value(&app.clone().into()),
            );
        }
        let parsed = component::parse(kind, object);
        match parsed.result {
            Ok(definition) => {
                self.add(at, Vec::new(), parsed.odd);
                let app = (namespace_of(object), app);
                let spec = object.get("spec").unwrap_or(&Value::Null);
                self.definitions.push(Component { object: at, app, definition, spec });
            }
            Err(problems) => self.add(at, problems, parsed.odd),
        }
    }

    /// Routes and channels that two components claim, tables of another app, volumes of one name.
    fn beside_each_other(&mut self) {
        let mut found = Vec::new();
        for component in &self.definitions {
            let siblings: Vec<&Definition> = self
                .definitions
                .iter()
                .filter(|other| other.app == component.app && other.object <= component.object)
                .map(|other| &other.definition)
                .collect();
            let key = (component.definition.kind, component.definition.name.as_str());
            if let Some(problem) = component::collisions(&siblings).remove(&key) {
                found.push((component.object, problem));
            }
            if component.definition.kind == Kind::Join {
                let all = self.definitions.iter().filter(|other| other.app == component.app);
                let too_large = component::joined_too_large(all.map(|other| &other.definition));
                found.extend(too_large.map(|problem| (component.object, problem)));
            }
            found.extend(self.tables(component).map(|problem| (component.object, problem)));
            if let Some((at, app)) = self.apps.get(&component.app)
                && let Some(problem) =
                    place_taken(app, component.definition.kind, &component.definition.name)
            {
                found.push((*at, problem));
            }
        }
        for (at, problem) in found {
            self.error(at, problem);
        }
        self.references();
        self.idle_members();
    }

    /// What components of an app that is among the manifests refer to and none of them is. It may be
    /// elsewhere.
    fn references(&mut self) {
        let mut known: BTreeMap<&(String, String), Known> = BTreeMap::new();
        for Component { app, definition, spec, .. } in &self.definitions {
            known.entry(app).or_default().add(definition.kind, &definition.name, spec);
        }
        let of_apps = self.definitions.iter().filter(|one| self.apps.contains_key(&one.app));
        let found: Vec<(usize, Invalid)> = of_apps
            .flat_map(|one| {
                let known = known.get(&one.app);
                let found = known.and_then(|known| known.unresolved(one.definition.kind, one.spec));
                found.into_iter().flatten().map(|found| (one.object, found.problem))
            })
            .collect();
        for (at, problem) in found {
            // What belongs to another app is told as that.
            if !self
                .findings
                .iter()
                .any(|told| told.object == at && told.problem.field == problem.field)
            {
                self.add(at, Vec::new(), vec![problem]);
            }
        }
    }

    /// Apps with more members than there are partitions to read.
    fn idle_members(&mut self) {
        let mut found = Vec::new();
        for (key, (at, app)) in &self.apps {
            let of_app = self.definitions.iter().filter(|one| one.app == *key);
            let agents =
                of_app.filter(|one| one.definition.kind == Kind::Agent).map(|one| one.spec);
            let idle =
                references::idle_members(app.replicas, app.config.topic_partitions(), agents);
            found.extend(idle.map(|(idle, most)| (*at, references::too_many_members(idle, most))));
        }
        for (at, problem) in found {
            self.add(at, Vec::new(), vec![problem]);
        }
    }

    fn tables(&self, component: &'a Component<'a>) -> impl Iterator<Item = Invalid> {
        let Component { app, spec, definition, .. } = component;
        let referenced = references::tables(definition.kind, spec);
        referenced.into_iter().filter_map(move |(field, name)| {
            let table = self.definitions.iter().find(|other| {
                other.definition.kind == Kind::Table
                    && other.definition.name == name
                    && other.app.0 == app.0
            })?;
            (table.app != *app).then(|| {
                let owner = &table.app.1;
                Invalid::new(
                    field,
                    format!("the table belongs to the app {owner}"),
                    "name a table of the same app",
                )
                .with_value(&name.into())
            })
        })
    }
}

/// A volume of the app's own that has the name of a component's volume, or a mount at the place of its file.
pub(crate) fn place_taken(app: &App, kind: Kind, component: &str) -> Option<Invalid> {
    let owner = format!("{} {component}", kind.name());
    let at = |list: &[Value], field: &str, text: &str| {
        list.iter().position(|one| one.get(field).and_then(Value::as_str) == Some(text))
    };
    let name = object_name(kind, component);
    if let Some(at) = at(&app.pod.volumes, "name", &name) {
        let field = format!("spec.template.pod.volumes[{at}].name");
        let problem = format!("the volume of {owner} has the name");
        return Some(Invalid::new(field, problem, "choose another name").with_value(&name.into()));
    }
    let folder = app.config.definitions_dir.trim_end_matches('/');
    let path = format!("{folder}/{}", file_name(kind, component));
    let at = at(&app.pod.mounts, "mountPath", &path)?;
    let field = format!("spec.template.kasprContainer.volumeMounts[{at}].mountPath");
    let problem = format!("the file of {owner} is mounted there");
    Some(Invalid::new(field, problem, "choose another path").with_value(&path.into()))
}

fn namespace_of(object: &Value) -> String {
    object.pointer("/metadata/namespace").and_then(Value::as_str).unwrap_or_default().to_owned()
}
