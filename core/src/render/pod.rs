//! The pod of a member: one container, its environment, its mounts.
//!
//! The order of environment, volumes and mounts is part of the contract: a change of order is a
//! change of the template.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{
    ConfigMapKeySelector, ConfigMapVolumeSource, Container, ContainerPort, EmptyDirVolumeSource,
    EnvVar, EnvVarSource, KeyToPath, ObjectFieldSelector, SecretKeySelector, Volume, VolumeMount,
};
use kaspr_crds::{Kind, PodTemplate, Raw};
use serde_json::{Map, Value, json};

use super::config_map::settings_data;
use super::metadata::{Owner, body, default_labels, overlay};
use super::names::Names;
use super::{SECRET_VERSIONS, packages};
use crate::app::App;
use crate::app::pod::replace;
use crate::definition::{file_name, joined_file_name, object_name};
use crate::digest;
use crate::mask;

/// A definition that the pod mounts.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Mounted {
    /// The kind of its component.
    pub kind: Kind,
    /// The name of its component.
    pub name: String,
    /// The text of its file.
    pub text: String,
    /// Whether it comes in the file with all joins and tables, not in one of its own.
    pub is_joined: bool,
}

/// The order in which kinds are mounted, and their variable with the digest of their definitions.
pub const HASHES: [(Kind, &str); 5] = [
    (Kind::Agent, "AGENTS_HASH"),
    (Kind::WebView, "WEBVIEWS_HASH"),
    (Kind::Table, "TABLES_HASH"),
    (Kind::Task, "TASKS_HASH"),
    (Kind::Join, "JOINS_HASH"),
];

/// Whether a variable of this name holds a digest that the operator puts there.
pub(crate) fn is_digest_variable(name: &str) -> bool {
    [CONFIG_HASH, PACKAGES_HASH].contains(&name)
        || HASHES.iter().any(|(_, variable)| *variable == name)
}

const PYTHONPATH: &str = "PYTHONPATH";
const CONFIG_HASH: &str = "CONFIG_HASH";
pub(super) const PACKAGES_HASH: &str = "PACKAGES_HASH";

/// The parts of a pod template that depend on more than the app.
#[derive(Clone, Copy, Debug)]
pub struct TemplateParts<'a> {
    /// The definitions, sorted by kind and name.
    pub mounted: &'a [Mounted],
    /// Whether the StatefulSet provides the volume of tables; without it the volume lives and dies
    /// with the pod.
    pub has_claim: bool,
    /// The domain of the cluster's names.
    pub cluster_domain: &'a str,
    /// The versions of Secrets whose last change replaced pods.
    pub secret_versions: Option<&'a str>,
}

/// The pod template of an app.
pub fn template(app: &App, owner: &Owner, names: &Names, parts: &TemplateParts<'_>) -> Value {
    let TemplateParts { mounted, has_claim, secret_versions, .. } = *parts;
    let none = PodTemplate::default();
    let given = app.spec.template.as_ref().and_then(|template| template.pod.as_ref());
    let given = given.unwrap_or(&none);
    let mut spec = Map::new();
    spec.insert("serviceAccountName".to_owned(), json!(names.base));
    if let Some(packages) = &app.packages {
        let installer = packages::installer(app, names, packages);
        spec.insert("initContainers".to_owned(), json!([installer]));
    }
    spec.insert("containers".to_owned(), json!([container(app, owner, names, parts)]));
    insert_list(&mut spec, "volumes", volumes(app, names, mounted, has_claim));
    pass_through(&mut spec, given);
    let metadata = given.metadata.as_ref();
    let mut labels = default_labels(owner, &names.base);
    // The operator's labels win here: the selector and people's queries rest on them.
    let own = labels.clone();
    overlay(
        &mut labels,
        metadata.and_then(|given| given.labels.as_ref()).unwrap_or(&BTreeMap::new()),
    );
    labels.extend(own);
    let mut meta = json!({ "labels": labels });
    let mut annotations = metadata.and_then(|given| given.annotations.clone()).unwrap_or_default();
    // What stands there decides whether pods are replaced: nobody else's value takes its place.
    annotations.remove(SECRET_VERSIONS);
    annotations.extend(secret_versions.map(|text| (SECRET_VERSIONS.to_owned(), text.to_owned())));
    if let (false, Some(meta)) = (annotations.is_empty(), meta.as_object_mut()) {
        meta.insert("annotations".to_owned(), json!(annotations));
    }
    json!({ "metadata": meta, "spec": spec })
}

/// What users set on the pod, as they wrote it.
fn pass_through(spec: &mut Map<String, Value>, given: &PodTemplate) {
    let raw = |list: &Option<Vec<Raw>>| -> Vec<Value> {
        list.iter().flatten().map(|Raw(value)| value.clone()).collect()
    };
    let unique = |list: &Option<Vec<Raw>>, key: &str| {
        let mut kept = Vec::new();
        for Raw(value) in list.iter().flatten() {
            replace(&mut kept, key, value);
        }
        kept
    };
    insert_list(spec, "imagePullSecrets", unique(&given.image_pull_secrets, "name"));
    insert_list(spec, "tolerations", raw(&given.tolerations));
    insert_list(spec, "topologySpreadConstraints", raw(&given.topology_spread_constraints));
    insert_list(spec, "hostAliases", host_aliases(&raw(&given.host_aliases)));
    let scalars = [
        ("securityContext", given.security_context.as_ref().map(|Raw(value)| value.clone())),
        ("affinity", given.affinity.as_ref().map(|Raw(value)| value.clone())),
        ("terminationGracePeriodSeconds", given.termination_grace_period_seconds.map(Value::from)),
        ("nodeSelector", given.node_selector.as_ref().map(|map| json!(map))),
        ("priorityClassName", given.priority_class_name.clone().map(Value::from)),
        ("schedulerName", given.scheduler_name.clone().map(Value::from)),
        // A Service named `kaspr-web` would set KASPR_WEB_PORT to an address, and no worker would start.
        ("enableServiceLinks", Some(given.enable_service_links.unwrap_or(false).into())),
    ];
    for (field, value) in scalars {
        if let Some(value) = value {
            spec.insert(field.to_owned(), value);
        }
    }
}

fn insert_list(spec: &mut Map<String, Value>, field: &str, list: Vec<Value>) {
    if !list.is_empty() {
        spec.insert(field.to_owned(), Value::Array(list));
    }
}

fn container(app: &App, owner: &Owner, names: &Names, parts: &TemplateParts<'_>) -> Value {
    let container = Container {
        name: "kaspr".to_owned(),
        image: Some(app.image.clone()),
        image_pull_policy: Some("IfNotPresent".to_owned()),
        ports: Some(vec![ContainerPort {
            name: Some("http".to_owned()),
            container_port: i32::from(app.config.web_port),
            ..ContainerPort::default()
        }]),
        ..Container::default()
    };
    let mut container = body(&container);
    if let Some(fields) = container.as_object_mut() {
        insert_list(fields, "env", environment(app, owner, names, parts));
        insert_list(fields, "volumeMounts", mounts(app, names, parts.mounted));
        if let Some(Raw(resources)) = &app.spec.resources {
            fields.insert("resources".to_owned(), resources.clone());
        }
        if let Some(context) = &app.pod.security_context {
            fields.insert("securityContext".to_owned(), context.clone());
        }
    }
    container
}

/// The environment in its order: settings, login, identity, digests, the user's own.
fn environment(app: &App, owner: &Owner, names: &Names, parts: &TemplateParts<'_>) -> Vec<Value> {
    let data = settings_data(app, names);
    let mut env: Vec<EnvVar> = data
        .iter()
        .map(|(key, _)| {
            from_source(
                key,
                EnvVarSource {
                    config_map_key_ref: Some(ConfigMapKeySelector {
                        name: names.settings.clone(),
                        key: key.clone(),
                        optional: None,
                    }),
                    ..EnvVarSource::default()
                },
            )
        })
        .collect();
    if let Some(sasl) = &app.security.sasl {
        env.push(from_source(
            "K_KAFKA_AUTH_PASSWORD",
            EnvVarSource {
                secret_key_ref: Some(SecretKeySelector {
                    name: sasl.secret.clone(),
                    key: sasl.key.clone(),
                    optional: None,
                }),
                ..EnvVarSource::default()
            },
        ));
    }
    if app.is_static {
        env.push(from_pod_name("K_CONSUMER_GROUP_INSTANCE_ID", Some("v1")));
    }
    // The image's own, which the user has to name here, comes after it.
    let own_path = users_literal(app, PYTHONPATH);
    if let Some(packages) = &app.packages {
        let more = own_path.filter(|path| !path.is_empty());
        let more = more.map(|path| format!(":{path}")).unwrap_or_default();
        env.push(literal(PYTHONPATH, format!("{}{more}", packages.path())));
    }
    env.push(from_pod_name("POD_NAME", None));
    let (service, namespace) = (&names.base, &owner.namespace);
    let host = format!("$(POD_NAME).{service}.{namespace}.svc.{}", parts.cluster_domain);
    env.push(literal("K_WEB_HOST", host));
    let settings: BTreeMap<String, String> = data.into_iter().collect();
    let settings = json!({ "data": settings });
    env.push(literal(CONFIG_HASH, mask::digest_of(&settings)));
    for (kind, variable) in HASHES {
        let files: Vec<(&str, String)> = parts
            .mounted
            .iter()
            .filter(|mounted| mounted.kind == kind)
            .map(|mounted| (mounted.name.as_str(), mask::text(&mounted.text)))
            .collect();
        if !files.is_empty() {
            env.push(literal(variable, digest::of_json(&files)));
        }
    }
    if let Some(packages) = &app.packages {
        env.push(literal(PACKAGES_HASH, packages.hash.clone()));
    }
    // A key of the config can have the name of a fixed variable, and the user's own can have any:
    // the last one counts, since a list with two is refused (measured).
    let is_said = |one: &&Value| {
        app.packages.is_some() && own_path.is_some() && one.get("name") == Some(&PYTHONPATH.into())
    };
    let users: Vec<Value> = app.pod.env.iter().filter(|one| !is_said(one)).cloned().collect();
    one_of_each_name(&env, &users)
}

/// The literal value that the user gives a variable of the worker.
fn users_literal<'a>(app: &'a App, name: &str) -> Option<&'a str> {
    let one = app.pod.env.iter().find(|one| one.get("name") == Some(&name.into()))?;
    one.get("value")?.as_str()
}

/// The operator's variables and the user's: of two with one name the last, in the place of the first.
pub(super) fn one_of_each_name(ours: &[EnvVar], users: &[Value]) -> Vec<Value> {
    let mut unique = Vec::new();
    for entry in ours.iter().map(body).chain(users.iter().cloned()) {
        replace(&mut unique, "name", &entry);
    }
    unique
}

pub(super) fn literal(name: &str, value: String) -> EnvVar {
    EnvVar { name: name.to_owned(), value: Some(value), value_from: None }
}

pub(super) fn from_source(name: &str, source: EnvVarSource) -> EnvVar {
    EnvVar { name: name.to_owned(), value: None, value_from: Some(source) }
}

fn from_pod_name(name: &str, api_version: Option<&str>) -> EnvVar {
    let field = ObjectFieldSelector {
        api_version: api_version.map(str::to_owned),
        field_path: "metadata.name".to_owned(),
    };
    from_source(name, EnvVarSource { field_ref: Some(field), ..EnvVarSource::default() })
}

/// One entry for each address, with all its names: a list with two of one address is refused.
fn host_aliases(given: &[Value]) -> Vec<Value> {
    let mut merged: Vec<Value> = Vec::new();
    for alias in given {
        let same = merged.iter_mut().find(|known| known.get("ip") == alias.get("ip"));
        let Some(same) = same.and_then(Value::as_object_mut) else {
            merged.push(alias.clone());
            continue;
        };
        let names = alias.get("hostnames").and_then(Value::as_array);
        let known = same.entry("hostnames").or_insert_with(|| json!([]));
        if let (Some(known), Some(names)) = (known.as_array_mut(), names) {
            let new = names.iter().filter(|name| !known.contains(name)).cloned();
            let new: Vec<Value> = new.collect();
            known.extend(new);
        }
    }
    merged
}

/// The definitions by kind in the order of mounts, and within a kind by name.
fn in_order(mounted: &[Mounted]) -> impl Iterator<Item = &Mounted> {
    HASHES.iter().flat_map(|(kind, _)| mounted.iter().filter(move |mounted| mounted.kind == *kind))
}

/// The files to mount, in the order of mounts: the name of each ConfigMap and of its file.
///
/// A join needs its tables, and an agent the channel of its join: the worker loads what is in one file
/// in that order, and several files in none. So joins and tables come in one file, before all others.
fn files(names: &Names, mounted: &[Mounted]) -> Vec<(String, String)> {
    let mut files: Vec<(String, String)> = in_order(mounted)
        .filter(|mounted| !mounted.is_joined)
        .map(|mounted| {
            let object = object_name(mounted.kind, &mounted.name);
            (object, file_name(mounted.kind, &mounted.name))
        })
        .collect();
    if mounted.iter().any(|mounted| mounted.is_joined) {
        files.push((names.joins.clone(), joined_file_name(&names.joins)));
    }
    files
}

fn volumes(app: &App, names: &Names, mounted: &[Mounted], has_claim: bool) -> Vec<Value> {
    let definitions = files(names, mounted).into_iter().map(|(name, file)| {
        body(&Volume {
            name: name.clone(),
            config_map: Some(ConfigMapVolumeSource {
                name,
                items: Some(vec![KeyToPath {
                    key: file.clone(),
                    path: file,
                    ..KeyToPath::default()
                }]),
                ..ConfigMapVolumeSource::default()
            }),
            ..Volume::default()
        })
    });
    let mut volumes: Vec<Value> = definitions.chain(app.pod.volumes.iter().cloned()).collect();
    volumes
        .extend(app.packages.iter().flat_map(|packages| packages::volumes(app, names, packages)));
    if !has_claim {
        volumes.push(body(&Volume {
            name: names.volume.clone(),
            empty_dir: Some(EmptyDirVolumeSource::default()),
            ..Volume::default()
        }));
    }
    volumes
}

fn mounts(app: &App, names: &Names, mounted: &[Mounted]) -> Vec<Value> {
    let tables = VolumeMount {
        name: names.volume.clone(),
        mount_path: app.config.table_dir.clone(),
        ..VolumeMount::default()
    };
    let mut mounts = vec![body(&tables)];
    for (name, file) in files(names, mounted) {
        mounts.push(body(&VolumeMount {
            name,
            mount_path: format!("{}/{file}", app.config.definitions_dir.trim_end_matches('/')),
            sub_path: Some(file),
            read_only: Some(true),
            ..VolumeMount::default()
        }));
    }
    for mount in &app.pod.mounts {
        replace(&mut mounts, "mountPath", mount);
    }
    if app.packages.is_some() {
        replace(&mut mounts, "mountPath", &packages::mount(names, true));
    }
    mounts
}
