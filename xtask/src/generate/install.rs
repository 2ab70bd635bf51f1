//! The single files: what `kubectl kustomize` prints of an overlay, without kubectl.
//!
//! It knows no more of kustomize than our own overlays use, and refuses the rest. The end-to-end
//! suite holds the result against kubectl's.

use std::path::Path;

use anyhow::{Context, Result, bail};
use serde::Deserialize;
use serde_json::Value;

use super::{Files, yaml};
use crate::workspace::joined;

const FILES: [(&str, &str); 2] = [
    ("deploy/install.yaml", "deploy/overlays/cluster"),
    ("deploy/install-namespaced.yaml", "deploy/overlays/namespaced"),
];

/// Finds the text of a file.
type Read<'a> = &'a dyn Fn(&str) -> Result<String>;

/// One file for each overlay.
pub(super) fn files(read: Read<'_>) -> Result<Files> {
    FILES
        .into_iter()
        .map(|(path, overlay)| Ok((path.to_owned(), yaml(&built(read, overlay)?)?)))
        .collect()
}

/// What we use of a kustomization.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Kustomization {
    #[serde(rename = "apiVersion")]
    _api_version: String,
    #[serde(rename = "kind")]
    _kind: String,
    namespace: Option<String>,
    resources: Vec<String>,
    #[serde(default)]
    patches: Vec<Patch>,
}

/// Operations on one object.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Patch {
    target: Target,
    patch: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Target {
    kind: String,
    name: String,
}

/// The objects of a folder with a kustomization.
fn built(read: Read<'_>, folder: &str) -> Result<Vec<Value>> {
    let text = read(&format!("{folder}/kustomization.yaml"))
        .or_else(|_| read(&format!("{folder}/Kustomization")))
        .with_context(|| format!("{folder} has no kustomization"))?;
    let kustomization: Kustomization = serde_saphyr::from_str(&text).with_context(|| {
        format!("the kustomization of {folder} says what `generate` does not know")
    })?;
    let mut objects = Vec::new();
    for resource in &kustomization.resources {
        let path = joined(folder, resource);
        if Path::new(resource).extension().is_some_and(|extension| extension == "yaml") {
            let found: Vec<Value> = serde_saphyr::from_multiple(&read(&path)?)
                .with_context(|| format!("{path} is no YAML"))?;
            objects.extend(found);
        } else {
            objects.extend(built(read, &path)?);
        }
    }
    for object in &mut objects {
        if let Some(namespace) = &kustomization.namespace {
            put_into(object, namespace)?;
        }
    }
    for patch in &kustomization.patches {
        patch.apply(&mut objects).with_context(|| format!("a patch of {folder}"))?;
    }
    Ok(objects)
}

fn put_into(object: &mut Value, namespace: &str) -> Result<()> {
    let metadata = object.get_mut("metadata").and_then(Value::as_object_mut);
    metadata.context("an object has no metadata")?.insert("namespace".to_owned(), namespace.into());
    Ok(())
}

impl Patch {
    fn apply(&self, objects: &mut [Value]) -> Result<()> {
        let operations: json_patch::Patch =
            serde_saphyr::from_str(&self.patch).context("it is no list of operations")?;
        let Target { kind, name } = &self.target;
        let is_meant = |object: &&mut Value| {
            let text = |pointer| object.pointer(pointer).and_then(Value::as_str);
            text("/kind") == Some(kind) && text("/metadata/name") == Some(name)
        };
        let mut meant = objects.iter_mut().filter(is_meant);
        let (Some(object), None) = (meant.next(), meant.next()) else {
            bail!("{kind} {name} is not there, or more than once");
        };
        json_patch::patch(object, &operations).with_context(|| format!("{kind} {name}"))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(path: &str) -> Result<String> {
        let text = match path {
            "a/top/kustomization.yaml" => {
                "apiVersion: v\nkind: K\nresources: [../below, one.yaml]\npatches:\n- target: {kind: One, \
                 name: x}\n  patch: |-\n    - {op: add, path: /list/-, value: new}\n"
            }
            "a/top/one.yaml" => "kind: One\nmetadata: {name: x}\nlist: [old]\n",
            "a/below/Kustomization" => {
                "apiVersion: v\nkind: K\nnamespace: n\nresources: [two.yaml]\n"
            }
            "a/below/two.yaml" => {
                "kind: Two\nmetadata: {name: first}\n---\nkind: Two\nmetadata: {name: second}\n"
            }
            "a/odd/kustomization.yaml" => "apiVersion: v\nkind: K\nresources: []\nimages: []\n",
            _ => bail!("{path} is not there"),
        };
        Ok(text.to_owned())
    }

    #[test]
    fn an_overlay_is_its_parts_with_namespace_and_patches() {
        let two = |name: &str| json!({"kind": "Two", "metadata": {"name": name, "namespace": "n"}});
        let one = json!({"kind": "One", "metadata": {"name": "x"}, "list": ["old", "new"]});
        assert_eq!(built(&read, "a/top").unwrap(), [two("first"), two("second"), one]);
    }

    #[test]
    fn what_is_not_known_of_kustomize_is_refused() {
        let why = format!("{:#}", built(&read, "a/odd").unwrap_err());
        assert!(why.contains("a/odd") && why.contains("images"), "{why}");
    }
}
