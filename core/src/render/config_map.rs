//! The ConfigMaps: the settings of an app, and the definition of each component.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::ConfigMap;
use kaspr_crds::{Kind, keys};

use super::metadata::{Owner, app_labels, body, default_labels, manifest, metadata, overlay};
use super::names::Names;
use super::{DEFINITION_DIGEST, DEFINITION_INPUTS};
use crate::action::Manifest;
use crate::app::App;
use crate::app::config::set;
use crate::definition::object_name;
use crate::digest;
use crate::key::{ObjectKind, ObjectRef};
use crate::mask;

/// The variables of the settings ConfigMap, in the order in which the container names them.
///
/// What the config gives comes first; the fixed ones keep the place of one that they replace.
pub fn settings_data(app: &App, names: &Names) -> Vec<(String, String)> {
    let mut data = app.config.variables.clone();
    let mut put = |name: &str, value: &str| set(&mut data, name.to_owned(), value.to_owned());
    put("K_APP_NAME", &names.base);
    put("K_KAFKA_BOOTSTRAP_SERVERS", &app.spec.bootstrap_servers);
    put("K_KAFKA_SECURITY_PROTOCOL", app.security.protocol);
    if let Some(sasl) = &app.security.sasl {
        put("K_KAFKA_SASL_MECHANISM", sasl.mechanism);
        if !sasl.username.is_empty() {
            put("K_KAFKA_AUTH_USERNAME", &sasl.username);
        }
    }
    put("K_WEB_PORT", &app.config.web_port.to_string());
    put("K_DATA_DIR", &app.config.data_dir);
    put("K_TABLE_DIR", &app.config.table_dir);
    put("K_DEFINITIONS_DIR", &app.config.definitions_dir);
    data
}

/// ConfigMap `<app>-app-config`; of `kept`, the keys that the app does not set stay as they are.
pub fn settings(
    app: &App,
    owner: &Owner,
    names: &Names,
    kept: &BTreeMap<String, String>,
) -> Manifest {
    let mut data = kept.clone();
    data.extend(settings_data(app, names));
    let map = ConfigMap {
        metadata: metadata(owner, &names.settings, app_labels(owner, &names.base), None),
        data: Some(data),
        ..ConfigMap::default()
    };
    manifest(ObjectRef::new(ObjectKind::ConfigMap, &owner.namespace, &names.settings), body(&map))
}

/// The digest that is recorded of the data of a definition.
pub fn digest_of(data: &BTreeMap<String, String>) -> String {
    let masks: BTreeMap<&str, String> =
        data.iter().map(|(file, text)| (file.as_str(), mask::text(text))).collect();
    digest::of_json(&masks)
}

/// What a definition's ConfigMap holds, and what is recorded of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Contents {
    /// The file by its name.
    pub data: BTreeMap<String, String>,
    /// The digest of the spec that it was rendered from.
    pub inputs: String,
    /// [`digest_of`] the data as it was rendered; none where that was lost.
    pub digest: Option<String>,
}

impl Contents {
    /// What was just rendered, or is taken for it.
    pub fn rendered(data: BTreeMap<String, String>, inputs: &str) -> Self {
        let digest = Some(digest_of(&data));
        Self { data, inputs: inputs.to_owned(), digest }
    }

    /// What is recorded of it.
    fn annotations(&self) -> BTreeMap<String, String> {
        let digest = self.digest.clone().map(|digest| (DEFINITION_DIGEST.to_owned(), digest));
        [(DEFINITION_INPUTS.to_owned(), self.inputs.clone())].into_iter().chain(digest).collect()
    }
}

/// ConfigMap `<app>-app-joins`: all joins and tables of an app in one file.
pub fn joins(owner: &Owner, names: &Names, contents: Contents) -> Manifest {
    let labels = app_labels(owner, &names.base);
    let annotations = contents.annotations();
    let map = ConfigMap {
        metadata: metadata(owner, &names.joins, labels, Some(&annotations)),
        data: Some(contents.data),
        ..ConfigMap::default()
    };
    manifest(ObjectRef::new(ObjectKind::ConfigMap, &owner.namespace, &names.joins), body(&map))
}

/// ConfigMap `<name>-agent` (and so on) of the component `owner` of the app `app`.
///
/// The component controls it; the app owns it too, so that it outlives the component until no
/// pod mounts it (measured: an object with two owners stays until both are gone).
pub fn definition(owner: &Owner, app: &Owner, contents: Contents) -> Manifest {
    let name = object_name(owner.kind, &owner.name);
    let mut labels = default_labels(owner, &name);
    labels.insert(keys::LABEL_APP.to_owned(), app.name.clone());
    overlay(&mut labels, &owner.labels);
    labels.remove(keys::LABEL_CLUSTER);
    let annotations = contents.annotations();
    let mut metadata = metadata(owner, &name, labels, Some(&annotations));
    debug_assert!(app.kind == Kind::App, "only an app owns its components' definitions");
    metadata.owner_references.get_or_insert_default().push(app.reference(false));
    let map = ConfigMap { metadata, data: Some(contents.data), ..ConfigMap::default() };
    manifest(ObjectRef::new(ObjectKind::ConfigMap, &owner.namespace, &name), body(&map))
}
