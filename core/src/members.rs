//! The members of an app: its pods, and what each of them answered.

use std::collections::BTreeSet;

use jiff::Timestamp;
use serde::Deserialize;
use serde_json::Value;

use crate::action::Uid;
use crate::meta::Meta;
use crate::observed::Child;
use crate::poll::{Polls, Run, State, Word};
use crate::seen::Seen;

/// The label by which a StatefulSet names a pod's revision.
const REVISION: &str = "controller-revision-hash";

/// One member: a pod that the app's StatefulSet owns.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Member {
    /// The name of the pod.
    pub pod: String,
    /// Its ordinal.
    pub ordinal: i32,
    /// Its uid.
    pub uid: Uid,
    /// When it was made, by the API server's clock.
    pub created: Option<Timestamp>,
    /// Its revision.
    pub revision: String,
    /// Whether its process runs.
    pub is_running: bool,
    /// Whether it is Ready.
    pub is_ready: bool,
    /// Whether it is being deleted.
    pub is_leaving: bool,
    /// What became of the installation of its packages; none if its pod has no such container yet.
    pub installer: Option<Installer>,
    /// What it answered; none if it has not been asked yet.
    pub run: Option<Run>,
}

/// What became of the container that installs packages.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Installer {
    /// Why it waits, if it does.
    pub waiting: Option<Waiting>,
    /// Its exit code, if it has ended and is not started again.
    pub exit_code: Option<i64>,
    /// What its program told when it last ended.
    pub told: Told,
}

/// Why a container waits.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Waiting {
    /// In the words of the kubelet.
    pub reason: Option<String>,
}

/// What the program that installs packages tells, in words of closed sets and figures.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Told {
    /// `Installed` or `Failed`.
    pub state: Option<String>,
    /// `pip`, `kept` or `bucket`.
    pub source: Option<String>,
    /// When they were installed.
    pub install_time: Option<String>,
    /// How long that took, as `45.2s`.
    pub duration: Option<String>,
    /// The pod that did.
    pub installed_by: Option<String>,
    /// What went wrong, in one word.
    pub error: Option<String>,
}

impl Member {
    /// Its state, if it has been asked.
    pub fn state(&self) -> Option<State> {
        self.run.as_ref().map(|run| run.said.state())
    }

    /// What it said last, if its last answer is known.
    pub fn word(&self) -> Option<&Word> {
        self.run.as_ref().and_then(Run::word)
    }

    /// Whether it is to be asked how it is.
    pub fn is_asked(&self) -> bool {
        self.is_running && !self.is_leaving
    }
}

/// The pods of `set`, by ordinal. An answer that an earlier pod of the same name gave is none.
pub fn of(pods: &Seen<Vec<Value>>, polls: &Polls, set: &Child<'_>) -> Seen<Vec<Member>> {
    pods.as_ref().map(|pods| {
        let mut members: Vec<Member> =
            pods.iter().filter_map(|pod| member(pod, polls, set)).collect();
        members.sort_by_key(|member| member.ordinal);
        members
    })
}

fn member(pod: &Value, polls: &Polls, set: &Child<'_>) -> Option<Member> {
    let meta = Meta::of(pod);
    let is_owned = meta.controller().is_some_and(|owner| owner.uid == set.meta.uid);
    let ordinal = meta.name.strip_prefix(&set.meta.name)?.strip_prefix('-')?.parse().ok()?;
    let status = |field: &str| pod.get("status")?.get(field)?.as_str();
    let run = polls.get(&meta.name).filter(|run| run.pod_uid == meta.uid).cloned();
    is_owned.then(|| Member {
        ordinal,
        created: meta.created,
        revision: meta.labels.get(REVISION).cloned().unwrap_or_default(),
        is_running: status("phase") == Some("Running") && status("podIP").is_some(),
        is_ready: is_ready(pod),
        is_leaving: meta.is_deleting,
        installer: pod
            .pointer("/status/installer")
            .and_then(|installer| serde_json::from_value(installer.clone()).ok()),
        run,
        pod: meta.name,
        uid: meta.uid,
    })
}

fn is_ready(pod: &Value) -> bool {
    let conditions = pod.pointer("/status/conditions").and_then(Value::as_array);
    conditions.into_iter().flatten().any(|condition| {
        condition.get("type").and_then(Value::as_str) == Some("Ready")
            && condition.get("status").and_then(Value::as_str) == Some("True")
    })
}

/// The ordinals that are wanted and have no Ready pod, but for those of `except`.
pub(crate) fn unready(members: &[Member], desired: i32, except: &BTreeSet<i32>) -> usize {
    let is_served = |ordinal: i32| {
        members
            .iter()
            .any(|member| member.ordinal == ordinal && member.is_ready && !member.is_leaving)
    };
    (0..desired).filter(|ordinal| !except.contains(ordinal) && !is_served(*ordinal)).count()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_member_is_a_pod_that_the_set_owns() {
        let set = json!({"metadata": {"name": "a-app", "uid": "s"}});
        let pod = |name: &str, owner: &str, phase: &str| {
            json!({
                "metadata": {
                    "name": name, "uid": name, "labels": {REVISION: "a-app-1"},
                    "ownerReferences": [{"kind": "StatefulSet", "name": "a-app", "uid": owner,
                        "controller": true}],
                },
                "status": {"phase": phase, "podIP": "10.0.0.1",
                    "conditions": [{"type": "Ready", "status": "True"}]},
            })
        };
        let pods = Seen::Present(vec![
            pod("a-app-10", "s", "Running"),
            pod("a-app-2", "s", "Pending"),
            pod("a-app-3", "other", "Running"),
            pod("a-app-api-1", "s", "Running"),
        ]);
        let members = of(&pods, &Polls::new(), &Child::of(&set));
        let members = members.present().unwrap();
        let told: Vec<_> = members.iter().map(|one| (one.ordinal, one.is_asked())).collect();
        assert_eq!(told, [(2, false), (10, true)]);
        assert_eq!(unready(members, 4, &[3].into()), 2);
    }
}
