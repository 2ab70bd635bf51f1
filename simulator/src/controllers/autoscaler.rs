//! The horizontal pod autoscaler: members use more memory than any target, so that the count goes to
//! its maximum as fast as the policies allow.
//!
//! Source: kubernetes.io/docs/concepts/workloads/autoscaling/horizontal-pod-autoscale
//! "Configurable scaling behavior"; a count of 0 switches it off ("Implicit maintenance-mode
//! deactivation").

use std::sync::Arc;

use kaspr_core::ObjectKind;
use serde_json::{Value, json};

use super::{Client, text};
use crate::server::Server;
use crate::server::resource::Resource;

const SCALER: Resource = Resource::Watched(ObjectKind::Autoscaler);
const SET: Resource = Resource::Watched(ObjectKind::StatefulSet);

/// One round of all autoscalers. A round adds what the scale-up policies of our own autoscalers allow in
/// a minute; rounds are closer, but wait until all members are ready.
pub(crate) fn step(server: &mut Server) {
    let scalers: Vec<Arc<Value>> =
        server.all(SCALER).map(|(_, scaler)| Arc::clone(scaler)).collect();
    let mut client = Client { server, agent: "kube-controller-manager" };
    for scaler in scalers {
        let name = scaler["spec"]["scaleTargetRef"]["name"].as_str().unwrap_or_default();
        let namespace = text(&scaler, "namespace");
        let Some(set) = client.server.get(SET, namespace, name).cloned() else { continue };
        let live = set["spec"]["replicas"].as_i64().unwrap_or(1);
        let most = scaler["spec"]["maxReplicas"].as_i64().unwrap_or(1);
        let least = scaler["spec"]["minReplicas"].as_i64().unwrap_or(1);
        // Who is not ready is not measured: the others decide when all are.
        let is_measured = set["status"]["readyReplicas"].as_i64() == Some(live);
        let grown = if is_measured { live.saturating_add(live.max(4)) } else { live };
        let wanted = grown.clamp(least.min(most), most);
        if live > 0 && wanted != live {
            client.merge(SET, &set, "", json!({ "spec": { "replicas": wanted } }));
        }
        let status = json!({ "currentReplicas": live, "desiredReplicas": wanted });
        if scaler["status"] != status {
            client.merge(SCALER, &scaler, "/status", json!({ "status": status }));
        }
    }
}
