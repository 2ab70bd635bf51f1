//! The members of every app: workers in running pods, their groups, and what they answer over HTTP.
//!
//! Each rule is what Kaspr 0.11.18 was seen to do, or Kafka's group protocol as its documentation
//! says; `tests` holds the states against recorded timelines.

mod group;
mod member;

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use self::group::Group;
pub use self::member::{Ailment, MemberAnswer, MemberAsk};
use self::member::{Member, Phase};
use crate::clock::Instant;
use crate::server::Server;
use crate::server::resource::Resource;
use kaspr_core::ObjectKind;

/// How long things take in a group, in milliseconds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MemberTimings {
    /// From the start of the process to its wish to join.
    pub joins_after: u64,
    /// From that wish to the request (`app_join_grace`, observed: 5 s).
    pub grace: u64,
    /// How long a group without members waits for more (`group.initial.rebalance.delay.ms`, 3 s).
    pub first_window: u64,
    /// How long a join lasts at least; a broker of Kafka ends it as soon as all are in.
    pub window: u64,
    /// Until a member hears of a rebalance (`BROKER_HEARTBEAT_INTERVAL`).
    pub heartbeat: u64,
    /// Until a member that stood still finds out what happened (observed: 1.5 s).
    pub finds_out: u64,
    /// `STREAM_RECOVERY_DELAY`.
    pub recovery_delay: u64,
    /// The reading of small tables (observed: 1 to 4 s).
    pub recovery: u64,
    /// Who is not heard of for so long is out (`BROKER_SESSION_TIMEOUT`).
    pub session: u64,
    /// A rebalance waits no longer for who is late.
    pub rebalance_timeout: u64,
    /// Partitions of each topic.
    pub partitions: u32,
}

impl Default for MemberTimings {
    fn default() -> Self {
        Self {
            joins_after: 2_000,
            grace: 5_000,
            first_window: 3_000,
            window: 0,
            heartbeat: 3_000,
            finds_out: 1_500,
            recovery_delay: 10_000,
            recovery: 2_500,
            session: 120_000,
            rebalance_timeout: 60_000,
            partitions: 6,
        }
    }
}

/// The topic whose only partition makes a member the leader: `<app>-assignor-leader`.
pub(crate) const LEADER_TOPIC: &str = "-assignor-leader";

/// All members of the cluster.
#[derive(Clone, Debug, Default)]
pub(crate) struct Members {
    /// By namespace and name of the app's StatefulSet.
    groups: BTreeMap<(String, String), Group>,
    timings: MemberTimings,
    /// Up to where changes of pods were seen.
    seen: u64,
}

impl Members {
    pub(crate) fn seen(&self) -> u64 {
        self.seen
    }

    /// Takes note of pods that run or go, and lets happen what is due.
    pub(crate) fn step(&mut self, server: &Server, now: Instant) {
        for change in server.since(self.seen).to_vec() {
            if change.key.0 == Resource::POD {
                let (before, after) = (change.before.as_deref(), change.after.as_deref());
                self.note(before, after, server, now);
            }
        }
        self.seen = server.version();
        for group in self.groups.values_mut() {
            while group.step(now, &self.timings) {}
        }
    }

    /// When something happens next by itself.
    pub(crate) fn next_event(&self, now: Instant) -> Option<Instant> {
        self.groups.values().filter_map(|group| group.next_event(now, &self.timings)).min()
    }

    fn note(
        &mut self,
        before: Option<&Value>,
        after: Option<&Value>,
        server: &Server,
        now: Instant,
    ) {
        // It answers, and keeps its place, until its process has ended.
        let runs = |pod: &&Value| pod["status"]["phase"] == "Running";
        let (was, is) = (before.filter(runs), after.filter(runs));
        let Some(pod) = was.or(is) else { return };
        let Some(key) = group_of(pod) else { return };
        let group = self.groups.entry(key.clone()).or_insert_with(|| Group::of(&key));
        match (was, is) {
            (None, Some(pod)) => group.start(member(pod, server, now)),
            (Some(pod), None) => group.stop(text(pod, "name"), now, &self.timings),
            (Some(_), Some(_)) | (None, None) => {}
        }
    }

    /// What the member in a pod answers; nobody listens where none is. A signal takes effect.
    pub(crate) fn ask(
        &mut self,
        (namespace, pod): (&str, &str),
        ask: MemberAsk,
        now: Instant,
    ) -> MemberAnswer {
        let Some((group, member)) = self.find(namespace, pod) else { return MemberAnswer::Refused };
        let answer = member.answer(ask, now);
        let is_deaf = member.ailment == Some(Ailment::Deaf);
        let is_heard = !is_deaf && matches!(answer, MemberAnswer::Said { code: 200, .. });
        // Before it first is in the group a signal has no effect (observed); that of a follower reaches
        // the whole group too (observed; a broker may let it go through the motions alone).
        let is_in = !member.assignment.is_empty();
        if ask == MemberAsk::Rebalance && is_heard && is_in {
            let timings = self.timings.clone();
            if let Some(group) = self.groups.get_mut(&group) {
                group.rebalance(Some(pod), now, &timings);
            }
        }
        answer
    }

    /// From now on something is wrong with the member in a pod, or nothing is.
    pub(crate) fn ail(
        &mut self,
        (namespace, pod): (&str, &str),
        with: Option<Ailment>,
        now: Instant,
    ) {
        let timings = self.timings.clone();
        let groups = self.groups.iter_mut().filter(|((of, _), _)| of == namespace);
        for (_, group) in groups {
            let Some(member) = group.members.get_mut(pod) else { continue };
            let before = std::mem::replace(&mut member.ailment, with);
            member.silent_since = member.is_frozen().then_some(now);
            match (before, with) {
                (Some(Ailment::Frozen), _) => {
                    member.phase = Phase::Thawed { until: now.after(timings.finds_out) };
                }
                (Some(Ailment::StuckInJoin), _) => member.phase = Phase::Waiting { until: now },
                _ => {}
            }
            if with == Some(Ailment::StuckInJoin) {
                member.assignment.clear();
                member.tables.clear();
                member.phase = Phase::Joined;
                group.is_away(pod, now);
            } else if with == Some(Ailment::StuckInRecovery) {
                member.phase = Phase::Recovering { until: now };
            }
        }
    }

    fn find(&self, namespace: &str, pod: &str) -> Option<((String, String), &Member)> {
        let mut groups = self.groups.iter().filter(|((of, _), _)| of == namespace);
        groups.find_map(|(key, group)| Some((key.clone(), group.members.get(pod)?)))
    }
}

fn member(pod: &Value, server: &Server, now: Instant) -> Member {
    let env = pod["spec"]["containers"][0]["env"].as_array().into_iter().flatten();
    let is_static = env.into_iter().any(|one| one["name"] == "K_CONSUMER_GROUP_INSTANCE_ID");
    Member {
        name: text(pod, "name").to_owned(),
        is_static,
        subscription: subscription(pod, server),
        phase: Phase::Starting { since: now },
        ailment: None,
        silent_since: None,
        assignment: BTreeMap::new(),
        tables: BTreeMap::new(),
    }
}

/// The topics of the definitions that a pod mounts, as they are when it starts.
fn subscription(pod: &Value, server: &Server) -> BTreeSet<String> {
    let app = group_of(pod).map(|(_, app)| app).unwrap_or_default();
    let map = Resource::Watched(ObjectKind::ConfigMap);
    let volumes = pod["spec"]["volumes"].as_array().into_iter().flatten();
    let maps = volumes
        .filter_map(|volume| volume["configMap"]["name"].as_str())
        .filter_map(|name| server.get(map, text(pod, "namespace"), name));
    let files = maps.flat_map(|map| map["data"].as_object().into_iter().flatten());
    let mut topics = BTreeSet::new();
    for (_, file) in files {
        let Some(file) = file.as_str().and_then(|text| serde_saphyr::from_str::<Value>(text).ok())
        else {
            continue;
        };
        for agent in file["agents"].as_array().into_iter().flatten() {
            let names = agent["input"]["topic"]["name"].as_str().unwrap_or_default();
            topics.extend(
                names.split(',').map(str::trim).filter(|name| !name.is_empty()).map(str::to_owned),
            );
        }
        for table in file["tables"].as_array().into_iter().flatten() {
            topics.extend(table["name"].as_str().map(|name| format!("{app}-{name}-changelog")));
        }
    }
    topics
}

fn group_of(pod: &Value) -> Option<(String, String)> {
    let owner = pod["metadata"]["ownerReferences"].as_array()?.first()?;
    let is_set = owner["kind"] == "StatefulSet";
    is_set.then(|| {
        (text(pod, "namespace").to_owned(), owner["name"].as_str().unwrap_or_default().to_owned())
    })
}

fn text<'a>(object: &'a Value, field: &str) -> &'a str {
    object["metadata"][field].as_str().unwrap_or_default()
}

#[cfg(test)]
mod tests;
