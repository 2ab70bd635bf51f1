//! The StatefulSet of an app's members.

use k8s_openapi::api::apps::v1::{
    StatefulSet, StatefulSetPersistentVolumeClaimRetentionPolicy, StatefulSetSpec,
    StatefulSetUpdateStrategy,
};
use k8s_openapi::api::core::v1::{
    PersistentVolumeClaim, PersistentVolumeClaimSpec, VolumeResourceRequirements,
};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{LabelSelector, ObjectMeta};
use serde_json::{Map, Value, json};

use super::metadata::{Owner, app_labels, body, manifest_of, metadata, selector_labels};
use super::names::Names;
use super::{FOUND_REPLICAS, SECRET_VERSIONS, TEMPLATE_INPUTS};
use crate::action::Manifest;
use crate::app::App;
use crate::key::{ObjectKind, ObjectRef};
use crate::mask;

/// The parts of a StatefulSet that depend on what is live.
#[derive(Clone, Debug, PartialEq)]
pub struct StatefulSetParts {
    /// The pod template; none leaves the live one to whoever owns it (an adopted one).
    pub template: Option<Value>,
    /// The inputs that the template was rendered from; none for one that we did not render.
    pub inputs: Option<String>,
    /// The versions of the Secrets that its pods are made with.
    pub secret_versions: Option<String>,
    /// The claim templates: immutable, so a live value is repeated.
    pub claim_templates: Value,
    /// The number of members, where it is not left to the autoscaler: 0, or those that run already.
    pub replicas: Option<i32>,
}

/// StatefulSet `<app>-app`.
pub fn statefulset(app: &App, owner: &Owner, names: &Names, parts: StatefulSetParts) -> Manifest {
    let StatefulSetParts { template, inputs, secret_versions, claim_templates, replicas } = parts;
    let delete_claim =
        app.spec.storage.as_ref().and_then(|storage| storage.delete_claim).unwrap_or(false);
    let set = StatefulSet {
        metadata: metadata(owner, &names.base, app_labels(owner, &names.base), None),
        spec: StatefulSetSpec {
            replicas,
            service_name: Some(names.base.clone()),
            pod_management_policy: Some("Parallel".to_owned()),
            update_strategy: Some(StatefulSetUpdateStrategy {
                type_: Some("RollingUpdate".to_owned()),
                ..StatefulSetUpdateStrategy::default()
            }),
            selector: LabelSelector {
                match_labels: Some(selector_labels(&owner.name)),
                ..LabelSelector::default()
            },
            persistent_volume_claim_retention_policy: Some(
                StatefulSetPersistentVolumeClaimRetentionPolicy {
                    when_deleted: Some(if delete_claim { "Delete" } else { "Retain" }.to_owned()),
                    when_scaled: Some("Retain".to_owned()),
                },
            ),
            ..StatefulSetSpec::default()
        },
        ..StatefulSet::default()
    };
    let mut body = body(&set);
    if let Some(spec) = body.get_mut("spec").and_then(Value::as_object_mut) {
        spec.remove("template");
    }
    // The digest covers what is ours besides the template, which its inputs stand for: a template
    // that is only repeated must not look like a new object.
    let mut content = body.clone();
    if let Some(content) = content.as_object_mut() {
        content.insert("inputs".to_owned(), json!(inputs));
        content.extend(secret_versions.iter().map(|text| ("secrets".to_owned(), json!(text))));
    }
    let hash = mask::digest_of(&content);
    if let Some(spec) = body.get_mut("spec").and_then(Value::as_object_mut) {
        if let Some(template) = template {
            spec.insert("template".to_owned(), template);
        }
        if claim_templates.as_array().is_some_and(|claims| !claims.is_empty()) {
            spec.insert("volumeClaimTemplates".to_owned(), claim_templates);
        }
    }
    let found = replicas.filter(|count| *count > 0).map(|count| count.to_string());
    let told =
        [(FOUND_REPLICAS, found), (TEMPLATE_INPUTS, inputs), (SECRET_VERSIONS, secret_versions)];
    let annotations: Map<String, Value> =
        told.into_iter().filter_map(|(key, text)| Some((key.to_owned(), json!(text?)))).collect();
    if let (Some(metadata), false) =
        (body.get_mut("metadata").and_then(Value::as_object_mut), annotations.is_empty())
    {
        metadata.insert("annotations".to_owned(), Value::Object(annotations));
    }
    let object = ObjectRef::new(ObjectKind::StatefulSet, &owner.namespace, &names.base);
    manifest_of(object, body, hash)
}

/// The claim of each member for a new StatefulSet: one for its tables, or none.
pub fn claim_templates(app: &App, names: &Names) -> Value {
    if !app.wants_claim() {
        return json!([]);
    }
    let storage = app.spec.storage.as_ref();
    let size = storage.and_then(|storage| storage.size.clone()).unwrap_or_default();
    let claim = PersistentVolumeClaim {
        metadata: ObjectMeta { name: Some(names.volume.clone()), ..ObjectMeta::default() },
        spec: Some(PersistentVolumeClaimSpec {
            access_modes: Some(vec!["ReadWriteOnce".to_owned()]),
            resources: Some(VolumeResourceRequirements {
                requests: Some([("storage".to_owned(), Quantity(size))].into()),
                ..VolumeResourceRequirements::default()
            }),
            storage_class_name: storage.and_then(|storage| storage.class.clone()),
            ..PersistentVolumeClaimSpec::default()
        }),
        ..PersistentVolumeClaim::default()
    };
    json!([body(&claim)])
}
