//! The StatefulSet controller.
//!
//! Source: kubernetes.io/docs/concepts/workloads/controllers/statefulset, and
//! `pkg/controller/statefulset/stateful_set_control.go` of Kubernetes 1.37: what is missing is made
//! first, then what is too much goes, then one pod of an older revision at a time.

use std::sync::Arc;

use kaspr_core::{ObjectKind, digest};
use serde_json::{Value, json};

use super::{Client, is_going, is_ready, owned, text};
use crate::server::Server;
use crate::server::resource::Resource;

const SET: Resource = Resource::Watched(ObjectKind::StatefulSet);

/// The label by which a StatefulSet names a pod's revision.
pub(crate) const REVISION: &str = "controller-revision-hash";

/// What every StatefulSet needs next.
pub(crate) fn step(server: &mut Server) {
    let sets: Vec<Arc<Value>> = server.all(SET).map(|(_, set)| Arc::clone(set)).collect();
    let mut client = Client { server, agent: "kube-controller-manager" };
    for set in sets.iter().filter(|set| !is_going(set)) {
        let update = revision(&mut client, set);
        let pods = owned(client.server, Resource::POD, set);
        let view = View { set, pods: &pods, update: &update };
        view.act(&mut client);
        let pods = owned(client.server, Resource::POD, set);
        View { set, pods: &pods, update: &update }.tell(&mut client);
    }
}

/// The name of the revision of the template, kept as a ControllerRevision. An older one that comes
/// back gets the next number.
fn revision(client: &mut Client<'_>, set: &Value) -> String {
    let template = &set["spec"]["template"];
    let hash: String = digest::of_json(template).chars().take(10).collect();
    let name = format!("{}-{hash}", text(set, "name"));
    let kept = owned(client.server, Resource::Revision, set);
    let number = |one: &Arc<Value>| one["revision"].as_i64().unwrap_or(0);
    let last = kept.iter().map(number).max().unwrap_or(0);
    match kept.iter().find(|one| text(one, "name") == name) {
        None => {
            let body = json!({
                "metadata": { "name": name, "ownerReferences": [owner(set)] },
                "data": { "spec": { "template": template } }, "revision": last + 1,
            });
            client.create(Resource::Revision, text(set, "namespace"), body);
        }
        Some(one) if number(one) < last => {
            client.merge(Resource::Revision, one, "", json!({ "revision": last + 1 }));
        }
        Some(_) => {}
    }
    name
}

fn owner(set: &Value) -> Value {
    json!({
        "apiVersion": "apps/v1", "kind": "StatefulSet", "name": text(set, "name"),
        "uid": set["metadata"]["uid"], "controller": true, "blockOwnerDeletion": true,
    })
}

struct View<'a> {
    set: &'a Value,
    pods: &'a [Arc<Value>],
    update: &'a str,
}

impl View<'_> {
    fn wanted(&self) -> usize {
        usize::try_from(self.set["spec"]["replicas"].as_i64().unwrap_or(1)).unwrap_or(0)
    }

    fn is_parallel(&self) -> bool {
        self.set["spec"]["podManagementPolicy"] == "Parallel"
    }

    fn pod(&self, ordinal: usize) -> Option<&Arc<Value>> {
        let name = format!("{}-{ordinal}", text(self.set, "name"));
        self.pods.iter().find(|pod| text(pod, "name") == name)
    }

    /// Makes, deletes or replaces what is next.
    fn act(&self, client: &mut Client<'_>) {
        for ordinal in 0..self.wanted() {
            match self.pod(ordinal) {
                None => {
                    self.create(client, ordinal);
                    if !self.is_parallel() {
                        return;
                    }
                }
                Some(pod) if !self.is_parallel() && (is_going(pod) || !is_ready(pod)) => return,
                Some(_) => {}
            }
        }
        let mut excess: Vec<(usize, &Arc<Value>)> = self
            .pods
            .iter()
            .filter_map(|pod| Some((ordinal_of(pod)?, pod)))
            .filter(|(ordinal, _)| *ordinal >= self.wanted())
            .collect();
        excess.sort_by_key(|(ordinal, _)| std::cmp::Reverse(*ordinal));
        for (_, pod) in excess {
            if !is_going(pod) {
                client.delete(Resource::POD, pod, json!({}));
            }
            if !self.is_parallel() {
                return;
            }
        }
        self.replace(client);
    }

    /// From the highest ordinal down: the first pod of an older revision goes; one that is not ready
    /// is waited for.
    fn replace(&self, client: &mut Client<'_>) {
        if self.set["spec"]["updateStrategy"]["type"] == "OnDelete" {
            return;
        }
        for ordinal in (0..self.wanted()).rev() {
            let Some(pod) = self.pod(ordinal) else { return };
            if pod["metadata"]["labels"][REVISION] != *self.update && !is_going(pod) {
                client.delete(Resource::POD, pod, json!({}));
                return;
            }
            if is_going(pod) || !is_ready(pod) {
                return;
            }
        }
    }

    fn create(&self, client: &mut Client<'_>, ordinal: usize) {
        let (set, name) = (self.set, format!("{}-{ordinal}", text(self.set, "name")));
        let mut body = self.set["spec"]["template"].clone();
        body["metadata"]["name"] = json!(name);
        body["metadata"]["ownerReferences"] = json!([owner(set)]);
        for (label, value) in [
            (REVISION, self.update),
            ("statefulset.kubernetes.io/pod-name", &name),
            ("apps.kubernetes.io/pod-index", &ordinal.to_string()),
        ] {
            body["metadata"]["labels"][label] = json!(value);
        }
        body["spec"]["hostname"] = json!(name);
        body["spec"]["subdomain"] = set["spec"]["serviceName"].clone();
        client.create(Resource::POD, text(set, "namespace"), body);
    }

    /// Writes the status if it is another one.
    fn tell(&self, client: &mut Client<'_>) {
        let old = &self.set["status"];
        let current = old["currentRevision"].as_str().unwrap_or(self.update);
        let of = |revision: &str| {
            let has = |pod: &&Arc<Value>| {
                pod["metadata"]["labels"][REVISION] == revision && !is_going(pod)
            };
            self.pods.iter().filter(has).count()
        };
        let ready = self.pods.iter().filter(|pod| is_ready(pod)).count();
        let (mut current, updated) = (current.to_owned(), of(self.update));
        // The rollout is through.
        if updated == self.pods.len() && updated == self.wanted() && ready == self.wanted() {
            self.update.clone_into(&mut current);
        }
        let status = json!({
            "observedGeneration": self.set["metadata"]["generation"],
            "replicas": self.pods.len(), "readyReplicas": ready, "availableReplicas": ready,
            "currentReplicas": of(&current), "updatedReplicas": updated,
            "currentRevision": current, "updateRevision": self.update, "collisionCount": 0,
        });
        if *old != status {
            client.merge(SET, self.set, "/status", json!({ "status": status }));
        }
    }
}

fn ordinal_of(pod: &Value) -> Option<usize> {
    pod["metadata"]["labels"]["apps.kubernetes.io/pod-index"].as_str()?.parse().ok()
}
