//! Python packages: the container that installs them, its volumes, and the claim that members share.

use k8s_openapi::api::core::v1::{
    Container, EmptyDirVolumeSource, EnvVarSource, KeyToPath, PersistentVolumeClaim,
    PersistentVolumeClaimSpec, PersistentVolumeClaimVolumeSource, SecretKeySelector,
    SecretVolumeSource, Volume, VolumeMount, VolumeResourceRequirements,
};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use kaspr_crds::keys;
use serde_json::Value;

use super::metadata::{Owner, app_labels, body, manifest, metadata};
use super::names::Names;
use super::pod::{PACKAGES_HASH, from_source, literal, one_of_each_name};
use crate::action::Manifest;
use crate::app::App;
use crate::key::{ObjectKind, ObjectRef};
use crate::packages::{BUCKET_KEY, Claim, PROGRAM, Packages, Place, ROOT};

/// The volume of a service account's key.
pub const BUCKET_KEY_VOLUME: &str = "gcs-sa-key";
/// The volume for what the installation needs for a while, where the container's own files are read-only.
pub const SCRATCH_VOLUME: &str = "install-tmp";
/// Where it is mounted: Python's directory for such files.
const SCRATCH: &str = "/tmp";
/// The container that installs packages.
pub const INSTALLER: &str = "install-packages";

// Isolated: neither variables nor the working directory say what is imported.
const COMMAND: [&str; 3] = ["python", "-I", "-c"];

/// Whether a text of a command is the same in every container that installs packages.
pub(crate) fn is_of_installer(text: &str) -> bool {
    COMMAND.contains(&text) || (text.len() >= PROGRAM.len() && text == escaped(PROGRAM))
}

/// The container that installs packages before the worker starts.
pub(super) fn installer(app: &App, names: &Names, packages: &Packages) -> Value {
    let container = Container {
        name: INSTALLER.to_owned(),
        image: Some(app.image.clone()),
        image_pull_policy: Some("IfNotPresent".to_owned()),
        command: Some(COMMAND.map(str::to_owned).to_vec()),
        args: Some(vec![escaped(PROGRAM)]),
        termination_message_policy: Some("FallbackToLogsOnError".to_owned()),
        ..Container::default()
    };
    let mut container = body(&container);
    if let Some(fields) = container.as_object_mut() {
        fields.insert("env".to_owned(), Value::Array(environment(app, names, packages)));
        let mut mounts = vec![mount(names, false)];
        mounts.extend(app.pod.installer.mounts.iter().cloned());
        if let Place::Bucket(_) = packages.place {
            mounts.push(body(&VolumeMount {
                name: BUCKET_KEY_VOLUME.to_owned(),
                mount_path: BUCKET_KEY.to_owned(),
                read_only: Some(true),
                ..VolumeMount::default()
            }));
        }
        if wants_scratch(app) {
            mounts.push(body(&VolumeMount {
                name: SCRATCH_VOLUME.to_owned(),
                mount_path: SCRATCH.to_owned(),
                ..VolumeMount::default()
            }));
        }
        fields.insert("volumeMounts".to_owned(), Value::Array(mounts));
        if let Some(resources) = &packages.resources {
            fields.insert("resources".to_owned(), resources.clone());
        }
        if let Some(context) = &app.pod.installer.security_context {
            fields.insert("securityContext".to_owned(), context.clone());
        }
    }
    container
}

/// Whether the installing container can write nowhere but where the packages go, which others may read.
fn wants_scratch(app: &App) -> bool {
    let installer = &app.pod.installer;
    let is_read_only = |context: &Value| {
        context.get("readOnlyRootFilesystem").and_then(Value::as_bool) == Some(true)
    };
    let is_there = |mount: &Value| mount.get("mountPath").and_then(Value::as_str) == Some(SCRATCH);
    installer.security_context.as_ref().is_some_and(is_read_only)
        && !installer.mounts.iter().any(is_there)
}

fn environment(app: &App, names: &Names, packages: &Packages) -> Vec<Value> {
    let mut env = vec![
        literal(PACKAGES_HASH, packages.hash.clone()),
        literal("KASPR_INSTALL", escaped(&packages.install(&names.base))),
    ];
    if let Some(login) = &packages.login {
        for (name, key) in
            [("PYPI_USERNAME", &login.username_key), ("PYPI_PASSWORD", &login.password_key)]
        {
            let secret =
                SecretKeySelector { name: login.secret.clone(), key: key.clone(), optional: None };
            let source = EnvVarSource { secret_key_ref: Some(secret), ..EnvVarSource::default() };
            env.push(from_source(name, source));
        }
    }
    one_of_each_name(&env, &app.pod.installer.env)
}

/// A text in which Kubernetes expands nothing: it takes `$(NAME)` for a variable, and `$$` for `$`.
/// Source: kubernetes.io/docs/tasks/inject-data-application/define-interdependent-environment-variables.
fn escaped(text: &str) -> String {
    text.replace('$', "$$")
}

/// The mount of the packages; workers read them only.
pub(super) fn mount(names: &Names, is_read_only: bool) -> Value {
    body(&VolumeMount {
        name: names.packages_volume.clone(),
        mount_path: ROOT.to_owned(),
        read_only: is_read_only.then_some(true),
        ..VolumeMount::default()
    })
}

/// The volumes that packages need.
pub(super) fn volumes(app: &App, names: &Names, packages: &Packages) -> Vec<Value> {
    let mut volume = Volume { name: names.packages_volume.clone(), ..Volume::default() };
    match &packages.place {
        Place::Shared(_) => {
            volume.persistent_volume_claim = Some(PersistentVolumeClaimVolumeSource {
                claim_name: names.packages_claim.clone(),
                ..PersistentVolumeClaimVolumeSource::default()
            });
        }
        Place::Pod | Place::Bucket(_) => volume.empty_dir = Some(EmptyDirVolumeSource::default()),
    }
    let mut volumes = vec![body(&volume)];
    if let Place::Bucket(bucket) = &packages.place {
        let file =
            KeyToPath { key: bucket.key.clone(), path: bucket.key.clone(), ..KeyToPath::default() };
        volumes.push(body(&Volume {
            name: BUCKET_KEY_VOLUME.to_owned(),
            secret: Some(SecretVolumeSource {
                secret_name: Some(bucket.secret.clone()),
                items: Some(vec![file]),
                ..SecretVolumeSource::default()
            }),
            ..Volume::default()
        }));
    }
    if wants_scratch(app) {
        volumes.push(body(&Volume {
            name: SCRATCH_VOLUME.to_owned(),
            empty_dir: Some(EmptyDirVolumeSource::default()),
            ..Volume::default()
        }));
    }
    volumes
}

/// The claim `<app>-app-python-packages` that all members share.
///
/// `size` and `class` are those of the live claim where these cannot change. It belongs to the app only
/// if it is to go with it.
pub fn packages_claim(
    owner: &Owner,
    names: &Names,
    claim: &Claim,
    size: &str,
    class: Option<&str>,
) -> Manifest {
    let mut labels = app_labels(owner, &names.base);
    let component = keys::COMPONENT_PYTHON_PACKAGES.to_owned();
    labels.insert(keys::LABEL_COMPONENT.to_owned(), component);
    let mut metadata = metadata(owner, &names.packages_claim, labels, None);
    if !claim.is_deleted {
        metadata.owner_references = None;
    }
    let request = ("storage".to_owned(), Quantity(size.to_owned()));
    let claim = PersistentVolumeClaim {
        metadata,
        spec: Some(PersistentVolumeClaimSpec {
            access_modes: Some(vec!["ReadWriteMany".to_owned()]),
            storage_class_name: class.map(str::to_owned),
            resources: Some(VolumeResourceRequirements {
                requests: Some([request].into()),
                ..VolumeResourceRequirements::default()
            }),
            ..PersistentVolumeClaimSpec::default()
        }),
        ..PersistentVolumeClaim::default()
    };
    let object = ObjectRef::new(ObjectKind::Claim, &owner.namespace, &names.packages_claim);
    manifest(object, body(&claim))
}
