//! The garbage collector: what has owners, and none of them is there, goes.
//!
//! Source: kubernetes.io/docs/concepts/architecture/garbage-collection; A-17 of the measured facts: a
//! reference whose owner is gone is taken away while another owner lives.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde_json::{Value, json};

use super::{Client, is_going};
use crate::server::Server;
use crate::server::resource::Resource;

/// Deletes what nobody owns any more.
pub(crate) fn step(server: &mut Server) {
    let living: BTreeSet<String> = server
        .objects()
        .values()
        .filter_map(|object| object["metadata"]["uid"].as_str().map(str::to_owned))
        .collect();
    let owned: Vec<(Resource, Arc<Value>)> = server
        .objects()
        .iter()
        .filter(|(_, object)| object["metadata"]["ownerReferences"].is_array() && !is_going(object))
        .map(|((resource, ..), object)| (*resource, Arc::clone(object)))
        .collect();
    let mut client = Client { server, agent: "generic-garbage-collector" };
    for (resource, object) in owned {
        let owners = object["metadata"]["ownerReferences"].as_array().cloned().unwrap_or_default();
        let is_living =
            |owner: &Value| owner["uid"].as_str().is_some_and(|uid| living.contains(uid));
        let left: Vec<Value> = owners.iter().filter(|owner| is_living(owner)).cloned().collect();
        if !owners.is_empty() && left.is_empty() {
            let options = json!({ "preconditions": { "uid": object["metadata"]["uid"] } });
            client.delete(resource, &object, options);
        } else if left.len() < owners.len() {
            let patch = json!({ "metadata": { "ownerReferences": left } });
            client.merge(resource, &object, "", patch);
        }
    }
}
