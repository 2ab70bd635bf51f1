//! `render`: custom resources in, Kubernetes objects out, by the very decision of the loop.

use std::collections::BTreeMap;
use std::io::Write;

use kaspr_core::action::{Action, Manifest};
use kaspr_core::key::{AppKey, ObjectKind};
use kaspr_core::seen::Seen;
use kaspr_core::snapshot::{ComponentFacts, Snapshot};
use kaspr_core::{Now, Settings, Uptime, decide};
use kaspr_crds::{Kind, keys};
use serde_json::{Value, json};

use super::CommandError;
use crate::args::{RenderArgs, YamlOrJson};
use crate::manifest::{Document, read_file};
use crate::settings;

/// Prints the objects of every app in the files, as the operator would make them.
pub fn execute(args: &RenderArgs) -> Result<(), CommandError> {
    let settings = settings::from_env().map_err(|error| CommandError::Usage(error.to_string()))?;
    let mut documents = Vec::new();
    for file in &args.files {
        let read = read_file(file).map_err(|error| CommandError::Usage(error.to_string()))?;
        documents.extend(read);
    }
    let manifests = render(&documents, &settings.settings)?;
    print(args.output, &manifests).map_err(CommandError::failed)
}

/// The objects of all apps, in the order in which they are made. An invalid manifest, or a
/// component whose app is not among them, ends it: what is printed must be whole.
fn render(documents: &[Document], settings: &Settings) -> Result<Vec<Value>, CommandError> {
    refuse_invalid(documents, settings)?;
    let mut apps: BTreeMap<AppKey, Vec<&Document>> = BTreeMap::new();
    for document in documents {
        if let Some(key) = key_of(&document.object) {
            apps.entry(key).or_default().push(document);
        }
    }
    let mut rendered = Vec::new();
    for (key, documents) in apps {
        let snapshot = snapshot_of(&key, &documents, settings);
        if snapshot.app.is_absent() {
            let first = documents.first().map(|document| document.title()).unwrap_or_default();
            return Err(CommandError::Failed(format!(
                "{first} belongs to the KasprApp {}, which is not among the files: add it",
                key.name
            )));
        }
        let steps = decide(&snapshot).steps;
        rendered.extend(steps.into_iter().filter_map(|step| match step.action {
            Action::Apply { manifest, .. } => Some(for_people(manifest)),
            _ => None,
        }));
    }
    if rendered.is_empty() {
        return Err(CommandError::Failed("there is no KasprApp in the files".to_owned()));
    }
    Ok(rendered)
}

fn refuse_invalid(documents: &[Document], settings: &Settings) -> Result<(), CommandError> {
    use kaspr_core::check::{Severity, check};

    let objects: Vec<Value> = documents.iter().map(|document| document.object.clone()).collect();
    let errors: Vec<String> = check(&objects, settings)
        .into_iter()
        .filter(|finding| finding.severity == Severity::Error)
        .filter_map(|finding| {
            let document = documents.get(finding.object)?;
            let line = document.line(&finding.problem.field);
            Some(format!("{}:{line}: {}: {}", document.file, document.title(), finding.problem))
        })
        .collect();
    if errors.is_empty() { Ok(()) } else { Err(CommandError::Failed(errors.join("\n"))) }
}

/// The key of a manifest of ours.
fn key_of(object: &Value) -> Option<AppKey> {
    let text = |pointer: &str| object.pointer(pointer).and_then(Value::as_str);
    let kind: Kind = text("/kind")?.parse().ok()?;
    let namespace = text("/metadata/namespace").unwrap_or("default");
    let label = format!("/metadata/labels/{}", keys::LABEL_APP.replace('/', "~1"));
    let name = if kind == Kind::App { text("/metadata/name") } else { text(&label) };
    Some(AppKey::new(namespace, name?))
}

/// What the operator sees right after the manifests were applied to an empty cluster.
fn snapshot_of(key: &AppKey, documents: &[&Document], settings: &Settings) -> Snapshot {
    let all = |kind: Kind| -> Vec<Value> {
        documents
            .iter()
            .map(|document| &document.object)
            .filter(|object| object.get("kind").and_then(Value::as_str) == Some(kind.name()))
            .cloned()
            .collect()
    };
    let listed = |kind| Seen::Present(all(kind));
    // Nothing that is rendered depends on the time.
    let now = Now { wall: jiff::Timestamp::UNIX_EPOCH, uptime: Uptime(0) };
    Snapshot {
        app: all(Kind::App).into_iter().next().into(),
        components: ComponentFacts {
            agents: listed(Kind::Agent),
            tables: listed(Kind::Table),
            web_views: listed(Kind::WebView),
            tasks: listed(Kind::Task),
            joins: listed(Kind::Join),
        },
        ..Snapshot::of_nothing(key.clone(), now, settings.clone())
    }
}

/// A manifest without what only a live owner has: owner references.
fn for_people(manifest: Manifest) -> Value {
    let mut body = manifest.body;
    if let Some(metadata) = body.get_mut("metadata").and_then(Value::as_object_mut) {
        metadata.remove("ownerReferences");
    }
    debug_assert!(!manifest.object.kind.is_component() && manifest.object.kind != ObjectKind::App);
    body
}

fn print(output: YamlOrJson, manifests: &[Value]) -> std::io::Result<()> {
    let mut out = std::io::stdout().lock();
    if output == YamlOrJson::Json {
        let list = json!({ "apiVersion": "v1", "kind": "List", "items": manifests });
        return writeln!(out, "{list:#}");
    }
    for manifest in manifests {
        let text = serde_saphyr::to_string(manifest).map_err(std::io::Error::other)?;
        writeln!(out, "---\n{}", text.trim_end())?;
    }
    Ok(())
}
