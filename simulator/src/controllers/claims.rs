//! Claims: made for each ordinal, bound at once, grown when asked to, and kept or not by what the
//! retention policy says of a deletion. What it says of fewer members is left out.
//!
//! Source: kubernetes.io/docs/concepts/workloads/controllers/statefulset "PersistentVolumeClaim
//! retention", kubernetes.io/docs/concepts/storage/persistent-volumes "Expanding".

use std::sync::Arc;

use kaspr_core::ObjectKind;
use serde_json::{Value, json};

use super::{Client, is_going, text};
use crate::server::Server;
use crate::server::resource::Resource;

const SET: Resource = Resource::Watched(ObjectKind::StatefulSet);

/// What claims need next.
pub(crate) fn step(server: &mut Server) {
    let sets: Vec<Arc<Value>> = server.all(SET).map(|(_, set)| Arc::clone(set)).collect();
    let mut client = Client { server, agent: "kube-controller-manager" };
    for set in sets.iter().filter(|set| !is_going(set)) {
        let wanted = set["spec"]["replicas"].as_i64().unwrap_or(1);
        for template in set["spec"]["volumeClaimTemplates"].as_array().into_iter().flatten() {
            for ordinal in 0..wanted {
                make(&mut client, set, template, ordinal);
            }
        }
    }
    let claims: Vec<Arc<Value>> =
        client.server.all(Resource::CLAIM).map(|(_, claim)| Arc::clone(claim)).collect();
    for claim in claims {
        let asked = &claim["spec"]["resources"]["requests"];
        if claim["status"]["capacity"] != *asked {
            let status = json!({ "phase": "Bound", "capacity": asked });
            client.merge(Resource::CLAIM, &claim, "/status", json!({ "status": status }));
        }
    }
}

fn make(client: &mut Client<'_>, set: &Value, template: &Value, ordinal: i64) {
    let name = format!("{}-{}-{ordinal}", text(template, "name"), text(set, "name"));
    let namespace = text(set, "namespace");
    if client.server.get(Resource::CLAIM, namespace, &name).is_some() {
        return;
    }
    let mut body = json!({ "metadata": { "name": name }, "spec": template["spec"] });
    body["metadata"]["labels"] = set["spec"]["selector"]["matchLabels"].clone();
    if set["spec"]["persistentVolumeClaimRetentionPolicy"]["whenDeleted"] == "Delete" {
        body["metadata"]["ownerReferences"] = json!([{
            "apiVersion": "apps/v1", "kind": "StatefulSet", "name": text(set, "name"),
            "uid": set["metadata"]["uid"],
        }]);
    }
    client.create(Resource::CLAIM, namespace, body);
}
