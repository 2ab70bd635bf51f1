//! What must hold of members: who is deleted has earned it, few are down at once, nobody is signalled
//! who should not be.

use std::collections::{BTreeMap, BTreeSet};

use kaspr_core::plan::Step;
use kaspr_core::{Action, ObjectKind, Plan, Snapshot, limits};
use kaspr_crds::keys;
use serde_json::Value;

use super::{SET, Violation, text};
use crate::clock::Instant;
use crate::cluster::{Cluster, OPERATOR, Signalled};
use crate::controllers::stateful_set::REVISION;
use crate::controllers::{is_going, is_ready, owned};
use crate::server::Change;
use crate::server::resource::Resource;

/// What was committed and done so far.
#[derive(Clone, Debug, Default)]
pub(super) struct Members {
    /// By the uid of a pod: when each of its strikes was committed.
    strikes: BTreeMap<String, Vec<Instant>>,
    /// The uids of pods that ever had an entry in a ledger.
    entered: BTreeSet<String>,
    /// Pods that an operator deleted and that no Ready pod has replaced: namespace and name.
    down: BTreeSet<(String, String)>,
    /// Since when apps are paused, by uid.
    paused: BTreeMap<String, Instant>,
    /// Since when members that hang are to be left alone.
    spared: BTreeMap<String, Instant>,
    /// The attempts for which a signal arrived, with the uid of the app.
    attempts: BTreeSet<(String, i64, i64)>,
    signals: usize,
}

/// The pause between two rounds of polls, in milliseconds.
const INTERVAL: u64 = 30_000;
/// The threshold of an app that names none, in milliseconds.
const THRESHOLD: u64 = 300_000;
/// At most so many of an app at once.
const DOWN_MAX: i64 = 5;

impl Members {
    /// Takes note of a change, and judges it.
    pub(super) fn look(&mut self, cluster: &Cluster, change: &Change) -> Result<(), Violation> {
        if change.key.0 == Resource::Watched(ObjectKind::App) {
            self.note_stop(change);
            return self.note_status(change);
        }
        if change.key.0 == SET && change.by == OPERATOR {
            return self.template_may_change(cluster, change);
        }
        if change.key.0 == Resource::POD {
            let place = (change.key.1.clone(), change.key.2.clone());
            if change.after.as_deref().is_some_and(|pod| is_ready(pod) && !is_going(pod)) {
                self.down.remove(&place);
            }
            let was_there = change.before.as_deref().filter(|pod| !is_going(pod));
            let goes = change.after.as_deref().is_none_or(is_going);
            if let Some(pod) = was_there.filter(|_| goes && change.by == OPERATOR) {
                self.earned_deletion(cluster, change, pod)?;
                let app = app_of(cluster, &change.key.1, pod);
                is_obeyed(&[&self.paused, &self.spared], app.as_ref(), change)?;
                no_deletion_while_pods_roll(cluster, change, pod)?;
                self.down.insert(place);
                return self.bounded_blast_radius(cluster, &change.key.1, pod);
            }
        }
        Ok(())
    }

    fn note_stop(&mut self, change: &Change) {
        let Some(app) = change.after.as_deref() else { return };
        let annotation = |name: &str| app["metadata"]["annotations"][name].as_str();
        let uid = text(app, "/metadata/uid");
        let is_paused = annotation(keys::ANNOTATION_PAUSE) == Some("true");
        let is_spared = annotation(keys::ANNOTATION_HUNG_DETECTION) == Some("false");
        for (is_so, since) in [(is_paused, &mut self.paused), (is_spared, &mut self.spared)] {
            if is_so {
                since.entry(uid.clone()).or_insert(change.at);
            } else {
                since.remove(&uid);
            }
        }
    }

    /// S3, S6: no template changes while the pod of an entry is there, nor while the app is paused.
    fn template_may_change(&self, cluster: &Cluster, change: &Change) -> Result<(), Violation> {
        let (Some(before), Some(after)) = (&change.before, &change.after) else { return Ok(()) };
        let Some(app) = app_of(cluster, &change.key.1, after) else { return Ok(()) };
        if before["spec"]["template"] == after["spec"]["template"] {
            return Ok(());
        }
        is_obeyed(&[&self.paused], Some(&app), change)?;
        let pods = owned(&cluster.server, Resource::POD, after);
        let uids: Vec<String> = pods.iter().map(|pod| text(pod, "/metadata/uid")).collect();
        let entries = app["status"]["terminations"].as_array().cloned().unwrap_or_default();
        let condemned = entries.iter().find(|entry| uids.contains(&text(entry, "/podUID")));
        condemned.map_or(Ok(()), |entry| {
            let what = format!("{} got a template while {entry} can fire", change.key.2);
            Err(Violation { name: "mutual_exclusion", what })
        })
    }

    /// S1: strikes are committed one by one, at least half an interval apart; S10: an entry comes with
    /// the third one.
    fn note_status(&mut self, change: &Change) -> Result<(), Violation> {
        let Some(app) = change.after.as_deref() else { return Ok(()) };
        let items = |field: &str| app["status"][field].as_array().cloned().unwrap_or_default();
        for strikes in items("strikes") {
            let uid = text(&strikes, "/podUID");
            let count = strikes["strikes"].as_array().map_or(0, Vec::len);
            let known = self.strikes.entry(uid.clone()).or_default();
            if count < known.len() {
                known.truncate(count);
            }
            if count == known.len() {
                continue;
            }
            let last = known.last().copied();
            let is_quick = last.is_some_and(|last| change.at.since(last) < INTERVAL / 2);
            if count > known.len() + 1 || is_quick {
                let what = format!("{uid} has {count} strikes after {known:?} at {:?}", change.at);
                return Err(Violation { name: "earned_deletion", what });
            }
            known.push(change.at);
        }
        for entry in items("terminations") {
            let uid = text(&entry, "/podUID");
            let is_earned = self.strikes.get(&uid).is_some_and(|strikes| strikes.len() >= 3);
            if !self.entered.contains(&uid) && !is_earned {
                let what = format!("{uid} has an entry without three strikes");
                return Err(Violation { name: "earned_deletion", what });
            }
            self.entered.insert(uid);
        }
        Ok(())
    }

    /// S1, S10, S14: the pod has an entry, and was stuck for the threshold and two rounds, by a clock that
    /// nobody moves.
    fn earned_deletion(
        &self,
        cluster: &Cluster,
        change: &Change,
        pod: &Value,
    ) -> Result<(), Violation> {
        let (uid, name) = (text(pod, "/metadata/uid"), &change.key.2);
        let violated = |what| Err(Violation { name: "earned_deletion", what });
        if !self.entered.contains(&uid) {
            return violated(format!("{name} was deleted without an entry"));
        }
        let threshold =
            app_of(cluster, &change.key.1, pod).map_or(THRESHOLD, |app| threshold(&app));
        let Some(since) = cluster.ailing_since(&uid) else { return Ok(()) };
        let stuck_for = change.at.since(since);
        if stuck_for < threshold + 2 * INTERVAL {
            return violated(format!("{name} was deleted after {stuck_for} ms"));
        }
        Ok(())
    }

    /// S2: at all times few members of an app are deleted and not replaced.
    fn bounded_blast_radius(
        &self,
        cluster: &Cluster,
        namespace: &str,
        pod: &Value,
    ) -> Result<(), Violation> {
        let owner = text(pod, "/metadata/ownerReferences/0/name");
        let Some(set) = cluster.server.get(SET, namespace, &owner) else { return Ok(()) };
        let wanted = set["spec"]["replicas"].as_i64().unwrap_or(1);
        let most = DOWN_MAX.min((wanted / 2).max(1));
        let of_set = |(of, name): &&(String, String)| {
            of == namespace && name.strip_prefix(&owner).is_some_and(|rest| rest.starts_with('-'))
        };
        let down: Vec<_> = self.down.iter().filter(of_set).collect();
        if i64::try_from(down.len()).unwrap_or(i64::MAX) > most {
            let what = format!("{down:?} of {wanted} are down, more than {most}");
            return Err(Violation { name: "bounded_blast_radius", what });
        }
        Ok(())
    }

    /// S7: a signal arrives for an attempt that stands in the status, once.
    pub(super) fn look_at_signals(&mut self, cluster: &Cluster) -> Result<(), Violation> {
        let news = cluster.signals().get(self.signals..).unwrap_or_default();
        self.signals = cluster.signals().len();
        for Signalled { app, uid, generation, n } in news {
            let violated = |what| Err(Violation { name: "justified_signal", what });
            let is_new = self.attempts.insert((uid.clone(), *generation, *n));
            if !is_new {
                return violated(format!("{app} was signalled twice for attempt {generation}.{n}"));
            }
        }
        Ok(())
    }
}

/// S3: no pod is deleted while others of its set are of another revision.
fn no_deletion_while_pods_roll(
    cluster: &Cluster,
    change: &Change,
    pod: &Value,
) -> Result<(), Violation> {
    let namespace = &change.key.1;
    let owner = text(pod, "/metadata/ownerReferences/0/name");
    let Some(set) = cluster.server.get(SET, namespace, &owner) else { return Ok(()) };
    let revision = text(set, "/status/updateRevision");
    let pods = owned(&cluster.server, Resource::POD, set);
    let outdated = pods.iter().find(|pod| pod["metadata"]["labels"][REVISION] != *revision);
    outdated.map_or(Ok(()), |outdated| {
        let other = text(outdated, "/metadata/name");
        let what = format!("{} was deleted while {other} is not of {revision}", change.key.2);
        Err(Violation { name: "mutual_exclusion", what })
    })
}

/// S6: who says stop is obeyed, but for what was decided before.
fn is_obeyed(
    stops: &[&BTreeMap<String, Instant>],
    app: Option<&Value>,
    change: &Change,
) -> Result<(), Violation> {
    let uid = app.map(|app| text(app, "/metadata/uid")).unwrap_or_default();
    let since = stops.iter().filter_map(|since| since.get(&uid)).min();
    let time = since.map_or(0, |since| change.at.since(*since));
    if u128::from(time) <= limits::PLAN_DEADLINE.as_millis() {
        return Ok(());
    }
    let what = format!("{} was written {time} ms after a stop", change.key.2);
    Err(Violation { name: "obedience", what })
}

/// S7: a signal is decided on only where every wanted member is seen Ready, on one revision.
pub(crate) fn justified_signal(snapshot: &Snapshot, plan: &Plan) -> Result<(), Violation> {
    let signals = |step: &Step| matches!(step.action, Action::Signal { .. });
    if !plan.steps.iter().any(signals) {
        return Ok(());
    }
    let set = snapshot.children.stateful_set.present().cloned().unwrap_or_default();
    let status = &set["status"];
    // The controller counts a moment later than pods say it themselves.
    let ready = snapshot.children.pods.present().into_iter().flatten();
    let ready = ready.filter(|pod| is_ready(pod) && !is_going(pod)).count();
    let is_ready = status["currentRevision"] == status["updateRevision"]
        && status["observedGeneration"] == set["metadata"]["generation"]
        && set["spec"]["replicas"].as_u64() == u64::try_from(ready).ok();
    if is_ready {
        return Ok(());
    }
    let what = format!("{} is signalled while its set says {status}", snapshot.key);
    Err(Violation { name: "justified_signal", what })
}

/// The app of a pod.
fn app_of(cluster: &Cluster, namespace: &str, pod: &Value) -> Option<Value> {
    let name = text(pod, "/metadata/labels/kaspr.io~1cluster");
    let app = cluster.server.get(Resource::Watched(ObjectKind::App), namespace, &name)?;
    Some((**app).clone())
}

fn threshold(app: &Value) -> u64 {
    let value = &app["metadata"]["annotations"]["kaspr.io/hung-rebalancing-threshold-seconds"];
    let seconds = value.as_str().and_then(|text| text.parse::<u64>().ok());
    seconds.map_or(THRESHOLD, |seconds| seconds * 1_000)
}
