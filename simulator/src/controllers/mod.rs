//! The controllers of kube-controller-manager that the operator's objects meet.
//!
//! Each looks at all that is there and does what is next; called again, it goes on.

pub(crate) mod autoscaler;
pub(crate) mod claims;
pub(crate) mod garbage;
pub(crate) mod stateful_set;

use std::sync::Arc;

use kaspr_engine::request::{Ask, Call, collection};
use serde_json::Value;

use crate::server::Server;
use crate::server::resource::Resource;

/// What a controller works with: the server, under its name.
pub(crate) struct Client<'a> {
    pub(crate) server: &'a mut Server,
    pub(crate) agent: &'static str,
}

impl Client<'_> {
    pub(crate) fn create(&mut self, resource: Resource, namespace: &str, body: Value) {
        let path = collection(&resource.api_version(), namespace, resource.plural());
        self.ask(resource, path, Ask::Create(body));
    }

    /// Merges into an object, or into its subresource.
    pub(crate) fn merge(&mut self, resource: Resource, of: &Value, below: &str, patch: Value) {
        let whole = path_of(resource, of);
        self.ask(resource, format!("{whole}{below}"), Ask::Merge(patch));
    }

    pub(crate) fn delete(&mut self, resource: Resource, object: &Value, options: Value) {
        self.ask(resource, path_of(resource, object), Ask::Delete(options));
    }

    fn ask(&mut self, resource: Resource, path: String, ask: Ask) {
        self.server.handle(self.agent, &Call { kind: resource.kind(), path, ask });
    }
}

fn path_of(resource: Resource, object: &Value) -> String {
    let path = collection(&resource.api_version(), text(object, "namespace"), resource.plural());
    format!("{path}/{}", text(object, "name"))
}

/// A text of the metadata.
pub(crate) fn text<'a>(object: &'a Value, field: &str) -> &'a str {
    object["metadata"][field].as_str().unwrap_or_default()
}

/// Whether somebody asked for the object to go.
pub(crate) fn is_going(object: &Value) -> bool {
    !object["metadata"]["deletionTimestamp"].is_null()
}

/// The objects of a resource whose controller is `owner`, by name.
pub(crate) fn owned(server: &Server, resource: Resource, owner: &Value) -> Vec<Arc<Value>> {
    let uid = &owner["metadata"]["uid"];
    let is_owned = |object: &Value| {
        let owners = object["metadata"]["ownerReferences"].as_array().into_iter().flatten();
        owners.into_iter().any(|one| one["uid"] == *uid && one["controller"] == true)
    };
    let all = server.all(resource).map(|(_, object)| object);
    all.filter(|object| is_owned(object)).cloned().collect()
}

/// Whether a pod says that it is ready.
pub(crate) fn is_ready(pod: &Value) -> bool {
    let conditions = pod["status"]["conditions"].as_array().into_iter().flatten();
    conditions.into_iter().any(|one| one["type"] == "Ready" && one["status"] == "True")
}
