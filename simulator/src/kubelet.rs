//! The scheduler and the kubelet of one node: pods start, get ready, and end.
//!
//! Source: kubernetes.io/docs/concepts/workloads/pods/pod-lifecycle.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde_json::{Value, json};

use crate::clock::Instant;
use crate::cluster::Timings;
use crate::controllers::{Client, is_going, is_ready, text};
use crate::server::Server;
use crate::server::resource::Resource;

/// What happens to each pod next.
#[derive(Clone, Debug, Default)]
pub(crate) struct Kubelet {
    /// By uid of the pod.
    due: BTreeMap<String, Instant>,
    /// Up to where changes of pods were seen.
    seen: u64,
    /// Images whose pods start and never get ready.
    broken: BTreeSet<String>,
    addresses: u32,
}

impl Kubelet {
    pub(crate) fn break_image(&mut self, image: &str, is_broken: bool) {
        if is_broken {
            self.broken.insert(image.to_owned());
        } else {
            self.broken.remove(image);
        }
    }

    pub(crate) fn seen(&self) -> u64 {
        self.seen
    }

    pub(crate) fn next_event(&self) -> Option<Instant> {
        self.due.values().min().copied()
    }

    /// Takes note of changed pods, and does what is due.
    pub(crate) fn step(&mut self, server: &mut Server, timings: &Timings, now: Instant) {
        let changed: Vec<Arc<Value>> = server
            .since(self.seen)
            .iter()
            .filter(|change| change.key.0 == Resource::POD)
            .filter_map(|change| change.after.clone())
            .collect();
        self.seen = server.version();
        for pod in changed {
            let uid = text(&pod, "uid").to_owned();
            match self.pause(&pod, timings) {
                Some(pause) => self.due.insert(uid, now.after(pause)),
                None => self.due.remove(&uid),
            };
        }
        if self.due.values().all(|at| *at > now) {
            return;
        }
        let pods: Vec<Arc<Value>> =
            server.all(Resource::POD).map(|(_, pod)| Arc::clone(pod)).collect();
        let mut client = Client { server, agent: "kubelet" };
        for pod in pods {
            let uid = text(&pod, "uid");
            if self.due.get(uid).is_some_and(|at| *at <= now) {
                self.due.remove(uid);
                self.advance(&mut client, &pod);
            }
        }
        self.due.retain(|_, at| *at > now);
    }

    /// How long until the next thing happens to a pod by itself.
    fn pause(&self, pod: &Value, timings: &Timings) -> Option<u64> {
        if is_going(pod) {
            return Some(timings.pod_stops);
        }
        match pod["status"]["phase"].as_str() {
            Some("Running") if is_ready(pod) || self.is_broken(pod) => None,
            Some("Running") => Some(timings.pod_ready),
            _ => Some(timings.pod_starts),
        }
    }

    fn is_broken(&self, pod: &Value) -> bool {
        let image = pod["spec"]["containers"][0]["image"].as_str().unwrap_or_default();
        self.broken.contains(image)
    }

    fn advance(&mut self, client: &mut Client<'_>, pod: &Value) {
        if is_going(pod) {
            let options = json!({
                "gracePeriodSeconds": 0, "preconditions": { "uid": pod["metadata"]["uid"] },
            });
            return client.delete(Resource::POD, pod, options);
        }
        let is_running = pod["status"]["phase"] == "Running";
        let mut status = json!({
            "phase": "Running",
            "conditions": [{ "type": "Ready", "status": if is_running { "True" } else { "False" } }],
        });
        if !is_running {
            self.addresses += 1;
            let [_, high, mid, low] = self.addresses.to_be_bytes();
            status["podIP"] = json!(format!("10.{}.{mid}.{low}", 100 + u32::from(high)));
        }
        client.merge(Resource::POD, pod, "/status", json!({ "status": status }));
    }
}
