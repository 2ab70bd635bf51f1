//! Labels, owner references and the digest that every child carries.

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, OwnerReference};
use kaspr_crds::{Kind, keys};
use serde_json::{Map, Value};

use crate::action::Manifest;
use crate::key::ObjectRef;
use crate::mask;
use crate::meta::Meta;

/// The resource that a child belongs to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Owner {
    /// Its kind.
    pub kind: Kind,
    /// Its name.
    pub name: String,
    /// Its namespace, which is also the child's.
    pub namespace: String,
    /// Its uid.
    pub uid: String,
    /// Its labels, which go to the children where those have none of the key.
    pub labels: BTreeMap<String, String>,
}

/// The owner that a live resource is for its children.
pub fn owner_of(kind: Kind, namespace: &str, meta: &Meta) -> Owner {
    Owner {
        kind,
        name: meta.name.clone(),
        namespace: namespace.to_owned(),
        uid: meta.uid.clone(),
        labels: meta.labels.clone(),
    }
}

impl Owner {
    /// The reference that a child carries; one owner of several is the controller.
    pub(super) fn reference(&self, is_controller: bool) -> OwnerReference {
        OwnerReference {
            api_version: keys::API_VERSION.to_owned(),
            kind: self.kind.name().to_owned(),
            name: self.name.clone(),
            uid: self.uid.clone(),
            controller: is_controller.then_some(true),
            block_owner_deletion: is_controller.then_some(true),
        }
    }
}

/// The labels that select the members of an app. They can never change: a StatefulSet's selector
/// is immutable.
pub fn selector_labels(app: &str) -> BTreeMap<String, String> {
    BTreeMap::from([
        (keys::LABEL_CLUSTER.to_owned(), app.to_owned()),
        (keys::LABEL_NAME.to_owned(), format!("{app}-app")),
        (keys::LABEL_KIND.to_owned(), Kind::App.name().to_owned()),
    ])
}

/// The selector of an app's members as text, for the scale subresource.
pub fn selector_text(app: &str) -> String {
    let pairs: Vec<String> =
        selector_labels(app).iter().map(|(key, value)| format!("{key}={value}")).collect();
    pairs.join(",")
}

/// The default labels of what is made from the resource `owner`, for an object called `name`.
pub(super) fn default_labels(owner: &Owner, name: &str) -> BTreeMap<String, String> {
    let kind = owner.kind.name();
    let mut labels: BTreeMap<String, String> = [
        (keys::LABEL_KIND, kind),
        (keys::LABEL_NAME, name),
        (keys::LABEL_COMPONENT_TYPE, kind),
        (keys::LABEL_K8S_NAME, kind),
        (keys::LABEL_K8S_INSTANCE, &owner.name),
        (keys::LABEL_MANAGED_BY, keys::MANAGED_BY),
    ]
    .into_iter()
    .map(|(key, value)| (key.to_owned(), value.to_owned()))
    .collect();
    labels.insert(keys::LABEL_K8S_PART_OF.to_owned(), part_of(&owner.name));
    if owner.kind == Kind::App {
        labels.insert(keys::LABEL_APP.to_owned(), owner.name.clone());
        labels.insert(keys::LABEL_CLUSTER.to_owned(), owner.name.clone());
    }
    labels
}

/// The labels that the original hashes a component's `ConfigMap` with: the component's own win.
pub(crate) fn original_labels(owner: &Owner) -> BTreeMap<String, String> {
    let name = format!("{}-{}", owner.name, owner.kind.suffix());
    let mut labels = default_labels(owner, &name);
    labels.extend(owner.labels.clone());
    labels.remove(keys::LABEL_CLUSTER);
    labels
}

/// `kaspr-<name>` as a label value: at most 63 characters, ending in a letter or digit.
fn part_of(name: &str) -> String {
    let cut: String = format!("kaspr-{name}").chars().take(63).collect();
    cut.trim_end_matches(|character: char| !character.is_ascii_alphanumeric()).to_owned()
}

/// Whether a label says whose an object is: the operator finds its objects by these, so nobody
/// else's value takes their place.
fn is_identity(key: &str) -> bool {
    key == keys::LABEL_MANAGED_BY || (key.starts_with("kaspr.io/") && key != keys::LABEL_COMPONENT)
}

/// Lays `over` on `labels`, leaving alone what says whose the object is.
pub(super) fn overlay(labels: &mut BTreeMap<String, String>, over: &BTreeMap<String, String>) {
    for (key, value) in over {
        if !(is_identity(key) && labels.contains_key(key)) {
            labels.insert(key.clone(), value.clone());
        }
    }
}

/// Adds the labels of `under` whose key is free.
pub(super) fn underlay(labels: &mut BTreeMap<String, String>, under: &BTreeMap<String, String>) {
    for (key, value) in under {
        labels.entry(key.clone()).or_insert_with(|| value.clone());
    }
}

/// The metadata of a child called `name`.
pub(super) fn metadata(
    owner: &Owner,
    name: &str,
    labels: BTreeMap<String, String>,
    annotations: Option<&BTreeMap<String, String>>,
) -> ObjectMeta {
    ObjectMeta {
        name: Some(name.to_owned()),
        namespace: Some(owner.namespace.clone()),
        labels: Some(labels),
        annotations: annotations.filter(|map| !map.is_empty()).cloned(),
        owner_references: Some(vec![owner.reference(true)]),
        ..ObjectMeta::default()
    }
}

/// The default labels of an app's child, with the app's own labels where the key is free.
pub(super) fn app_labels(owner: &Owner, base: &str) -> BTreeMap<String, String> {
    let mut labels = default_labels(owner, base);
    underlay(&mut labels, &owner.labels);
    labels
}

/// Puts the digest of `body`, over masks, into its annotations, and makes it a manifest.
///
/// The digest tells later that this very object was applied, so that a field that is no longer
/// wanted is noticed although the live object cannot show who set it.
pub(super) fn manifest(object: ObjectRef, body: Value) -> Manifest {
    let hash = mask::digest_of(&body);
    manifest_of(object, body, hash)
}

/// The same with the digest of what counts, where that is not all of `body`.
pub(super) fn manifest_of(object: ObjectRef, mut body: Value, hash: String) -> Manifest {
    if let Some(metadata) = body.get_mut("metadata").and_then(Value::as_object_mut) {
        let annotations =
            metadata.entry("annotations").or_insert_with(|| Value::Object(Map::new()));
        if let Some(annotations) = annotations.as_object_mut() {
            annotations.insert(keys::ANNOTATION_RESOURCE_HASH.to_owned(), Value::String(hash));
        }
    }
    Manifest { object, body }
}

/// A typed object as JSON. Serialising these types cannot fail; if it did, the API server would
/// refuse the null by name.
pub(super) fn body<T: serde::Serialize>(object: &T) -> Value {
    serde_json::to_value(object).unwrap_or(Value::Null)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn owner(kind: Kind, name: &str) -> Owner {
        Owner {
            kind,
            name: name.to_owned(),
            namespace: "ns".to_owned(),
            uid: "u".to_owned(),
            labels: BTreeMap::new(),
        }
    }

    #[test]
    fn a_long_name_ends_its_label_in_a_letter_or_digit() {
        let name = format!("{}-b", "a".repeat(56));
        assert_eq!(part_of(&name), format!("kaspr-{}", "a".repeat(56)));
    }

    #[test]
    fn nobody_takes_the_labels_by_which_we_find_our_objects() {
        let mut labels = default_labels(&owner(Kind::Agent, "a"), "a-agent");
        let over = [(keys::LABEL_MANAGED_BY, "Helm"), (keys::LABEL_K8S_NAME, "x"), ("team", "t")];
        let over = over.map(|(key, value)| (key.to_owned(), value.to_owned()));
        overlay(&mut labels, &BTreeMap::from(over));
        assert_eq!(labels[keys::LABEL_MANAGED_BY], "kaspr-operator");
        assert_eq!((labels[keys::LABEL_K8S_NAME].as_str(), labels["team"].as_str()), ("x", "t"));
    }
}
