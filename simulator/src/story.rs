//! A story: what people and chance do to a cluster, step by step, as a file says it.

use serde::Deserialize;
use serde_json::{Map, Value, json};

use kaspr_core::ObjectKind;

use crate::members::Ailment;
use crate::server::resource::{Place, Resource};

/// A story.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Story {
    /// What it shows, in a sentence.
    pub about: String,
    /// The operators at work from the beginning.
    #[serde(default = "one")]
    pub operators: Vec<String>,
    /// What happens, in order.
    pub steps: Vec<Step>,
}

fn one() -> Vec<String> {
    vec!["operator".to_owned()]
}

/// One thing that people or chance do.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Step {
    /// A sentence for the reader.
    Tell(String),
    /// Objects are applied, one after the other, at once.
    Apply(Vec<Given>),
    /// A merge patch of one object.
    Edit(Edit),
    /// An object is deleted.
    Delete(Named),
    /// Pods with this image never get ready.
    Break(String),
    /// They do again, from their next start on.
    Mend(String),
    /// So many seconds pass.
    Wait(u64),
    /// Time passes until nothing happens any more.
    Rest,
    /// An operator ends as by a crash; it is started again.
    Crash(String),
    /// Another operator starts.
    Start(String),
    /// An operator learns that it does not lead.
    Depose(String),
    /// The operators lose the right to write a kind.
    Forbid(String),
    /// They get it back.
    Allow(String),
    /// Operators that start can neither list nor watch a kind.
    Hide(String),
    /// Half a minute later at the latest they can again.
    Show(String),
    /// Something goes wrong with the member in a pod.
    Ail(Ailing),
    /// Nothing is wrong with it any more.
    Heal(String),
    /// Somebody asks the member in a pod for a rebalance.
    Rebalance(String),
    /// Somebody asks every member of an app how it does.
    Members(String),
}

/// What is wrong with the member in a pod.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ailing {
    pub(crate) pod: String,
    pub(crate) with: Ailment,
}

/// An object in short form: what is not said is as it mostly is.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Given {
    kind: String,
    name: String,
    /// The app that it belongs to.
    #[serde(default)]
    app: Option<String>,
    #[serde(default)]
    annotations: Map<String, Value>,
    /// Laid over a small spec that is valid, as a merge patch.
    #[serde(default)]
    spec: Value,
    /// Of a ConfigMap.
    #[serde(default)]
    data: Value,
}

/// One object by kind and name.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Named {
    kind: String,
    name: String,
}

/// A change of one object.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Edit {
    kind: String,
    name: String,
    merge: Value,
}

/// The namespace of all stories.
pub const NAMESPACE: &str = "default";

impl Story {
    /// Reads a story.
    ///
    /// # Errors
    /// What is wrong, and in which line.
    pub fn read(text: &str) -> Result<Self, String> {
        let story: Self = serde_saphyr::from_str(text).map_err(|error| error.to_string())?;
        for step in &story.steps {
            step.check()?;
        }
        Ok(story)
    }
}

impl Step {
    /// Every kind that it names must be there.
    fn check(&self) -> Result<(), String> {
        let kinds: Vec<&str> = match self {
            Self::Apply(given) => given.iter().map(|given| given.kind.as_str()).collect(),
            Self::Edit(Edit { kind, .. })
            | Self::Delete(Named { kind, .. })
            | Self::Forbid(kind)
            | Self::Allow(kind)
            | Self::Hide(kind)
            | Self::Show(kind) => vec![kind],
            Self::Tell(_)
            | Self::Break(_)
            | Self::Mend(_)
            | Self::Wait(_)
            | Self::Rest
            | Self::Crash(_)
            | Self::Start(_)
            | Self::Depose(_)
            | Self::Ail(_)
            | Self::Heal(_)
            | Self::Rebalance(_)
            | Self::Members(_) => Vec::new(),
        };
        match kinds.into_iter().find(|kind| Resource::of_kind(kind).is_none()) {
            Some(kind) => Err(format!(
                "there are no objects of kind {kind}: use one of Kaspr's or Kubernetes'"
            )),
            None => Ok(()),
        }
    }
}

impl Given {
    /// The whole manifest.
    pub fn manifest(&self) -> Value {
        let Self { kind, name, .. } = self;
        let resource = Resource::of_kind(kind);
        let api_version = resource.map(Resource::api_version);
        let mut metadata = json!({ "name": name, "namespace": NAMESPACE });
        if let Some(app) = &self.app {
            metadata["labels"] = json!({ "kaspr.io/app": app });
        }
        if !self.annotations.is_empty() {
            metadata["annotations"] = self.annotations.clone().into();
        }
        let mut manifest = json!({ "apiVersion": api_version, "kind": kind, "metadata": metadata });
        let mut spec = resource.map_or(Value::Null, |resource| small(resource, name));
        if !self.spec.is_null() {
            json_patch::merge(&mut spec, &self.spec);
        }
        if !spec.is_null() {
            manifest["spec"] = spec;
        }
        if !self.data.is_null() {
            manifest["data"] = self.data.clone();
        }
        manifest
    }
}

impl Named {
    /// Where it is.
    pub fn place(&self) -> Option<Place> {
        place(&self.kind, &self.name)
    }
}

impl Edit {
    /// Where the object is, and what is laid over it.
    pub fn patch(&self) -> Option<(Place, &Value)> {
        Some((place(&self.kind, &self.name)?, &self.merge))
    }
}

/// An object of the stories' namespace.
pub fn place(kind: &str, name: &str) -> Option<Place> {
    let (resource, name) = (Resource::of_kind(kind)?, name.to_owned());
    Some(Place { resource, namespace: NAMESPACE.to_owned(), name, below: String::new() })
}

/// The smallest spec that says something.
fn small(resource: Resource, name: &str) -> Value {
    let function = name.replace('-', "_");
    let Resource::Watched(kind) = resource else { return Value::Null };
    match kind {
        ObjectKind::App => json!({
            "replicas": 3, "bootstrapServers": "kafka:9092",
            "authentication": { "type": "plain" },
            "resources": { "requests": { "memory": "512Mi" } },
            "storage": { "type": "ephemeral" },
        }),
        ObjectKind::Agent => json!({
            "input": { "topic": { "name": format!("{name}-in") } },
            "processors": { "pipeline": [function], "operations": [{
                "name": function,
                "map": { "entrypoint": function, "python": format!("def {function}(value):\n    return value\n") },
            }] },
        }),
        ObjectKind::Table => json!({ "name": function, "partitions": 6 }),
        _ => Value::Null,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_story_is_read_and_its_objects_are_whole() {
        let story = Story::read(
            "about: x\nsteps:\n  - apply: [{kind: KasprApp, name: a, spec: {replicas: 1}}]\n  - rest\n",
        )
        .unwrap();
        let [Step::Apply(given), Step::Rest] = story.steps.as_slice() else {
            panic!("{:?}", story.steps)
        };
        let manifest = given[0].manifest();
        assert_eq!(manifest["spec"]["replicas"], 1);
        assert_eq!(manifest["spec"]["bootstrapServers"], "kafka:9092");
    }

    #[test]
    fn an_error_names_its_line() {
        let error = Story::read("about: x\nsteps:\n  - rest\n  - jump: 3\n").unwrap_err();
        assert!(error.contains("line 4"), "{error}");
        let error = Story::read("about: x\nsteps: [{forbid: Thing}]\n").unwrap_err();
        assert!(error.contains("Thing"), "{error}");
    }
}
