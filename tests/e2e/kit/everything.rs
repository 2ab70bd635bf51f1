//! All objects of a namespace, whatever their kind.

use std::collections::BTreeMap;

use serde_json::Value;

use super::ask::Api;
use super::space::{Space, name_of};

/// What the control plane makes by itself, or what concerns the moment.
const NOT_OURS: [&str; 6] =
    ["Pod", "PersistentVolumeClaim", "ControllerRevision", "Event", "PodMetrics", "Endpoints"];

/// Every object of the namespace that people or the operator made, by `Kind name`.
pub(crate) async fn everything(space: &Space) -> BTreeMap<String, Value> {
    let mut found = BTreeMap::new();
    for (kind, path) in collections(&space.api, &space.name).await {
        let list = space.api.get(&path).await.good();
        for object in list["items"].as_array().into_iter().flatten() {
            let title = format!("{kind} {}", name_of(object));
            let is_given =
                ["ConfigMap kube-root-ca.crt", "ServiceAccount default"].contains(&title.as_str());
            if !is_given && !NOT_OURS.contains(&kind.as_str()) {
                found.insert(title, object.clone());
            }
        }
    }
    found
}

/// Every object of the namespace, whoever made it, with its kind.
pub(crate) async fn all_objects(space: &Space) -> Vec<(String, Value)> {
    let mut found = Vec::new();
    for (kind, path) in collections(&space.api, &space.name).await {
        let list = space.api.get(&path).await.good();
        let objects = list["items"].as_array().into_iter().flatten();
        found.extend(objects.map(|object| (kind.clone(), object.clone())));
    }
    found
}

/// Kind and path of all that can be listed in a namespace.
async fn collections(api: &Api, namespace: &str) -> Vec<(String, String)> {
    let groups = api.get("/apis").await.good();
    let mut versions = vec!["/api/v1".to_owned()];
    for group in groups["groups"].as_array().into_iter().flatten() {
        let version = group["preferredVersion"]["groupVersion"].as_str().unwrap();
        versions.push(format!("/apis/{version}"));
    }
    let mut found = Vec::new();
    for version in versions {
        let resources = api.get(&version).await;
        // A group whose definitions are going is still named for a moment.
        if resources.code == 404 {
            continue;
        }
        let resources = resources.good();
        for resource in resources["resources"].as_array().into_iter().flatten() {
            let verbs = resource["verbs"].as_array();
            let lists = verbs.is_some_and(|verbs| verbs.iter().any(|verb| verb == "list"));
            if lists && resource["namespaced"] == true {
                let kind = resource["kind"].as_str().unwrap().to_owned();
                let name = resource["name"].as_str().unwrap();
                found.push((kind, format!("{version}/namespaces/{namespace}/{name}")));
            }
        }
    }
    found
}
