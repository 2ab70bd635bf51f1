//! What the members answered, and who is to be asked.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::{Arc, MutexGuard};
use std::time::Duration;

use kaspr_core::app::config::WEB_PORT;
use kaspr_core::key::{AppKey, ObjectKind};
use kaspr_core::meta::Meta;
use kaspr_core::poll::{self, Heard, Round, Run, Said, State};
use kaspr_core::seen::Seen;
use kaspr_core::time::{Now, Uptime};
use serde_json::Value;

use crate::cache::{Store, parse};
use crate::keys::ChildNames;
use crate::object;

/// The answers of the members of all apps.
#[derive(Clone, Debug, Default)]
pub struct Polls {
    apps: BTreeMap<AppKey, App>,
    /// Counts the rounds of all apps: a number never comes again, whatever is forgotten.
    rounds: Round,
}

#[derive(Clone, Debug, Default)]
struct App {
    runs: poll::Polls,
    /// Whether the last round said anything that the one before had not.
    has_news: bool,
    close_until: Option<Uptime>,
}

/// The pause between two rounds of an app that is watched closely.
pub fn close_interval(interval: Duration) -> Duration {
    (interval / 15).clamp(Duration::from_millis(200), Duration::from_secs(2)).min(interval)
}

/// A member that is to be asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// The namespace of the pod.
    pub namespace: String,
    /// The name of the pod.
    pub pod: String,
    /// Its uid.
    pub uid: String,
    /// Its address.
    pub address: IpAddr,
    /// The port of its worker.
    pub port: u16,
    /// The name under which DNS knows it, as the original asks for it.
    pub host: String,
}

/// What one member said in a round.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answered {
    /// The pod.
    pub pod: String,
    /// Its uid, the same before and after it was asked.
    pub uid: String,
    /// When it was asked, and what it said; none if its turn did not come.
    pub said: Option<(Now, Said)>,
}

/// A member whose state is another than it was.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Turned {
    /// The pod.
    pub pod: String,
    /// Its state before; none if it was not asked before.
    pub from: Option<State>,
    /// Its state now.
    pub to: State,
}

impl Polls {
    /// The runs of one app.
    pub fn of(&self, key: &AppKey) -> poll::Polls {
        self.apps.get(key).map(|app| app.runs.clone()).unwrap_or_default()
    }

    /// Takes in one round of an app; says who turned. A pod that was not asked is forgotten: it is
    /// gone, or does not run.
    pub fn take(&mut self, key: &AppKey, round: Vec<Answered>, interval: Duration) -> Vec<Turned> {
        self.rounds += 1;
        let number = self.rounds;
        let app = self.apps.entry(key.clone()).or_default();
        app.has_news = false;
        let mut before = std::mem::take(&mut app.runs);
        let mut turned = Vec::new();
        for Answered { pod, uid, said } in round {
            let old = before.remove(&pod).filter(|old| old.pod_uid == uid);
            let Some((at, said)) = said else {
                // Nobody asked it this time: what it said last still stands.
                app.runs.extend(old.map(|old| (pod, old)));
                continue;
            };
            let (from, to) = (old.as_ref().map(|old| old.said.state()), said.state());
            if !from.is_some_and(|from| from.is_alike(to)) {
                turned.push(Turned { pod: pod.clone(), from, to });
            }
            // Who leads and what is held may change without a change of state.
            app.has_news |= old.as_ref().is_none_or(|old| old.said != said);
            let heard = Heard { said, round: number, now: at };
            let run = Run::next(old, uid, heard, interval);
            app.runs.insert(pod, run);
        }
        turned
    }

    /// Whether a further look at an app may conclude something from its last round although nobody
    /// turned: somebody is not well, or a rebalance is being watched for.
    pub fn is_eventful(&self, key: &AppKey, now: Uptime) -> bool {
        let Some(app) = self.apps.get(key) else { return false };
        let is_well = |run: &Run| run.said.state() == State::Healthy;
        app.has_news || self.is_close(key, now) || !app.runs.values().all(is_well)
    }

    /// An app is asked often until then; no more often than others if there is no such instant.
    pub fn watch(&mut self, key: &AppKey, until: Option<Uptime>) {
        if let Some(app) = self.apps.get_mut(key) {
            app.close_until = until;
        } else if until.is_some() {
            self.apps.entry(key.clone()).or_default().close_until = until;
        }
    }

    /// Whether an app is asked often.
    pub fn is_close(&self, key: &AppKey, now: Uptime) -> bool {
        let until = self.apps.get(key).and_then(|app| app.close_until);
        until.is_some_and(|until| now < until)
    }

    /// Only these apps are there.
    pub fn retain(&mut self, is_there: impl Fn(&AppKey) -> bool) {
        self.apps.retain(|key, _| is_there(key));
    }

    /// Nothing that was heard counts any more.
    pub fn forget_all(&mut self) {
        self.apps.clear();
    }

    /// Nothing names the key any more.
    pub fn forget(&mut self, key: &AppKey) {
        self.apps.remove(key);
    }
}

/// The members of an app that are to be asked: pods of its StatefulSet that run, have an address and
/// are not leaving. The store is free while they are read.
pub fn targets(store: MutexGuard<'_, Store>, key: &AppKey, domain: &str) -> Vec<Target> {
    let text = |kind, name: &str| match store.read(kind, &key.namespace, name) {
        Seen::Present(kept) => Some(kept.text),
        Seen::Absent | Seen::Unknown(_) => None,
    };
    let names = ChildNames::of(&key.name);
    let Some(set) = text(ObjectKind::StatefulSet, &names.stateful_set) else { return Vec::new() };
    let pods = store.names(key, ObjectKind::Pod);
    let pods: Vec<Arc<str>> = pods.iter().filter_map(|name| text(ObjectKind::Pod, name)).collect();
    drop(store);
    let set = parse(&set);
    let Some(set_uid) = object::meta(&set, "uid") else { return Vec::new() };
    let pods = pods.iter().map(|pod| parse(pod));
    let host = format!("{}.{}.svc.{domain}", names.headless_service, key.namespace);
    pods.filter_map(|pod| target(key, &host, set_uid, &pod)).collect()
}

fn target(key: &AppKey, host: &str, set_uid: &str, pod: &Value) -> Option<Target> {
    let status = |field: &str| pod.get("status")?.get(field)?.as_str();
    let name = object::meta(pod, "name")?;
    let is_owned = Meta::of(pod).controller().is_some_and(|owner| owner.uid == set_uid);
    let is_running = is_owned && status("phase") == Some("Running");
    let is_leaving = object::meta(pod, "deletionTimestamp").is_some();
    let address = status("podIP")?.parse().ok()?;
    let port = pod.pointer("/spec/httpPort").and_then(Value::as_u64);
    (is_running && !is_leaving).then(|| Target {
        namespace: key.namespace.clone(),
        pod: name.to_owned(),
        uid: object::meta(pod, "uid").unwrap_or_default().to_owned(),
        address,
        port: port.and_then(|port| u16::try_from(port).ok()).unwrap_or(WEB_PORT),
        host: format!("{name}.{host}"),
    })
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use jiff::Timestamp;
    use kaspr_core::poll::{Silence, Word};
    use serde_json::json;

    use super::*;
    use crate::cache::{Scope, Source};

    fn now(second: u64) -> Now {
        Now { wall: Timestamp::UNIX_EPOCH, uptime: Uptime(second * 1_000) }
    }

    fn answered(second: u64, uid: &str, rebalancing: bool) -> Answered {
        let word =
            Word { rebalancing: Some(rebalancing), recovering: Some(false), ..Word::default() };
        let (pod, uid) = ("a-app-0".to_owned(), uid.to_owned());
        Answered { pod, uid, said: Some((now(second), Said::Known(word))) }
    }

    #[test]
    fn who_turned_is_told_and_who_is_gone_forgotten() {
        let (mut polls, key) = (Polls::default(), AppKey::new("n", "a"));
        let interval = Duration::from_secs(30);
        let mut turns = Vec::new();
        for round in [
            vec![answered(0, "u", false)],
            vec![answered(30, "u", false)],
            vec![answered(60, "u", true)],
            vec![answered(90, "v", true)],
        ] {
            let turned = polls.take(&key, round, interval);
            turns.push(turned.into_iter().map(|one| (one.from, one.to)).collect::<Vec<_>>());
        }
        let (well, stuck) = (State::Healthy, State::Stuck);
        let expected = [vec![(None, well)], vec![], vec![(Some(well), stuck)], vec![(None, stuck)]];
        assert_eq!(turns, expected);
        assert!(polls.is_eventful(&key, Uptime(0)));
        let unasked = Answered { said: None, ..answered(120, "v", true) };
        polls.take(&key, vec![unasked], interval);
        assert_eq!(polls.of(&key)["a-app-0"].last, Uptime(90_000));
        polls.take(&key, Vec::new(), interval);
        assert!(polls.of(&key).is_empty());
    }

    /// Labels are anyone's to set: who is asked is told by the owner, and by the address of Kubernetes.
    #[test]
    fn only_running_pods_of_the_set_are_asked() {
        let set = json!({"name": "a-app", "namespace": "n", "uid": "s", "resourceVersion": "1"});
        let pod = |name: &str, owner: &str, phase: &str, address: Value| {
            json!({
                "metadata": {
                    "name": name, "namespace": "n", "uid": name, "resourceVersion": "1",
                    "labels": {"kaspr.io/cluster": "a", "kaspr.io/kind": "KasprApp"},
                    "ownerReferences": [{
                        "kind": "StatefulSet", "name": "a-app", "uid": owner, "controller": true,
                    }],
                },
                "spec": {"httpPort": 7000}, "status": {"phase": phase, "podIP": address},
            })
        };
        let objects = [
            (ObjectKind::StatefulSet, json!({ "metadata": set })),
            (ObjectKind::Pod, pod("a-app-0", "s", "Running", json!("10.0.0.1"))),
            (ObjectKind::Pod, pod("a-app-1", "another", "Running", json!("10.0.0.2"))),
            (ObjectKind::Pod, pod("a-app-2", "s", "Pending", json!("10.0.0.3"))),
            (ObjectKind::Pod, pod("a-app-3", "s", "Running", json!("example.org"))),
            (ObjectKind::Pod, pod("a-app-4", "s", "Running", Value::Null)),
        ];
        let scopes = ObjectKind::ALL.map(|kind| (kind, Scope::All));
        let mut store = Store::new(scopes, Duration::from_secs(1));
        for kind in ObjectKind::ALL {
            store.begin_list(kind, &Scope::All, Uptime(1));
            store.end_list(kind, &Scope::All, "1", Uptime(2));
        }
        for (kind, body) in &objects {
            store.put(*kind, body, Source::Event, Uptime(3));
        }
        let store = Mutex::new(store);
        let found = targets(store.lock().unwrap(), &AppKey::new("n", "a"), "c");
        let found: Vec<_> = found.iter().map(|one| (one.pod.as_str(), one.port)).collect();
        assert_eq!(found, [("a-app-0", 7000)]);
    }

    #[test]
    fn silence_is_eventful_and_a_close_watch_ends() {
        let (mut polls, key) = (Polls::default(), AppKey::new("n", "a"));
        assert!(!polls.is_eventful(&key, Uptime(0)));
        polls.watch(&key, Some(Uptime(10)));
        assert!(polls.is_eventful(&key, Uptime(9)) && !polls.is_eventful(&key, Uptime(10)));
        polls.watch(&key, None);
        assert!(!polls.is_eventful(&key, Uptime(9)));
        let said = Some((now(0), Said::Silent(Silence::Timeout)));
        let silent = Answered { said, ..answered(0, "u", false) };
        polls.take(&key, vec![silent], Duration::from_secs(30));
        assert!(polls.is_eventful(&key, Uptime(10)));
    }
}
