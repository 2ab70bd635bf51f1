//! The group of an app's members: who is in it, who has what, and how that changes.
//!
//! Source: Kafka's group protocol (classic, with static membership of KIP-345), as members of Kaspr
//! 0.11.18 go through it; times observed.

use std::collections::{BTreeMap, BTreeSet};

use super::member::{Ailment, Assignment, Member, Phase};
use super::{LEADER_TOPIC, MemberTimings};
use crate::clock::Instant;

/// Members by name of their pod, and how far the group is.
#[derive(Clone, Debug, Default)]
pub(super) struct Group {
    namespace: String,
    app: String,
    pub(super) members: BTreeMap<String, Member>,
    /// What each place has, also one whose process is away for less than the session.
    places: BTreeMap<String, Place>,
    /// A rebalance that is on its way.
    round: Option<Round>,
}

/// A place in the group: one process after another has it, where membership is static.
#[derive(Clone, Debug, Default)]
struct Place {
    assignment: Assignment,
    is_static: bool,
    /// Since when nobody is heard of in it.
    away_since: Option<Instant>,
}

/// A rebalance.
#[derive(Clone, Debug)]
struct Round {
    began: Instant,
    /// From when on those that did not begin it have heard of it.
    heard_at: Instant,
    /// The earliest end.
    ends_from: Instant,
}

impl Group {
    /// The group of a StatefulSet.
    pub(super) fn of((namespace, app): &(String, String)) -> Self {
        Self { namespace: namespace.clone(), app: app.clone(), ..Self::default() }
    }

    /// A process begins in a pod.
    pub(super) fn start(&mut self, member: Member) {
        self.members.insert(member.name.clone(), member);
    }

    /// The process of a pod is gone, or is asked to go: one that keeps its place says no farewell.
    pub(super) fn stop(&mut self, name: &str, now: Instant, timings: &MemberTimings) {
        let Some(member) = self.members.remove(name) else { return };
        if member.is_static || member.is_frozen() {
            if let Some(place) = self.places.get_mut(name) {
                place.away_since.get_or_insert(member.silent_since.unwrap_or(now));
            }
        } else if self.places.remove(name).is_some() {
            self.rebalance(None, now, timings);
        }
    }

    /// Nothing is heard any more of who has a place.
    pub(super) fn is_away(&mut self, name: &str, now: Instant) {
        if let Some(place) = self.places.get_mut(name) {
            place.away_since.get_or_insert(now);
        }
    }

    /// A rebalance that one member asks for; all others hear of it by their next heartbeat.
    pub(super) fn rebalance(&mut self, by: Option<&str>, now: Instant, timings: &MemberTimings) {
        if let Some(member) = by.and_then(|name| self.members.get_mut(name))
            && matches!(
                member.phase,
                Phase::Steady | Phase::Delayed { .. } | Phase::Recovering { .. }
            )
        {
            member.phase = Phase::Revoked;
        }
        if self.round.is_none() {
            let is_first = self.places.is_empty();
            let window = if is_first { timings.first_window } else { timings.window };
            let heard_at = now.after(timings.heartbeat);
            self.round = Some(Round { began: now, heard_at, ends_from: now.after(window) });
        }
    }

    /// Lets happen what is due. Says whether anything did.
    pub(super) fn step(&mut self, now: Instant, timings: &MemberTimings) -> bool {
        let mut moved = false;
        for name in self.members.keys().cloned().collect::<Vec<_>>() {
            moved |= self.step_member(&name, now, timings);
        }
        moved |= self.expire(now, timings);
        moved |= self.step_round(now, timings);
        moved
    }

    /// When something happens next by itself.
    pub(super) fn next_event(&self, now: Instant, timings: &MemberTimings) -> Option<Instant> {
        let of_member = |member: &Member| match member.phase {
            _ if member.is_frozen() => member.silent_since.map(|at| at.after(timings.session)),
            Phase::Starting { since } => Some(since.after(timings.joins_after)),
            Phase::Waiting { until }
            | Phase::Delayed { until }
            | Phase::Recovering { until }
            | Phase::Thawed { until } => Some(until),
            Phase::Joined | Phase::Revoked | Phase::Steady => None,
        };
        let members = self.members.values().filter_map(of_member);
        let places = self.places.values().filter_map(|place| place.away_since);
        let expiries = places.map(|at| at.after(timings.session));
        let round = self.round.iter().flat_map(|round| {
            let late = round.began.after(timings.rebalance_timeout);
            [round.heard_at, round.ends_from, late]
        });
        members.chain(expiries).chain(round).filter(|at| *at > now).min()
    }

    fn step_member(&mut self, name: &str, now: Instant, timings: &MemberTimings) -> bool {
        let is_heard = self.round.as_ref().is_some_and(|round| round.heard_at <= now);
        let Some(member) = self.members.get_mut(name).filter(|member| !member.is_frozen()) else {
            return false;
        };
        let next = match member.phase {
            Phase::Starting { since } if since.after(timings.joins_after) <= now => {
                Phase::Waiting { until: since.after(timings.joins_after + timings.grace) }
            }
            Phase::Waiting { until } if until <= now => return self.join(name, now, timings),
            Phase::Thawed { until } if until <= now => {
                if !self.places.contains_key(name) {
                    return self.join(name, now, timings);
                }
                Phase::Steady
            }
            // Who came too late for one rebalance asks for the next.
            Phase::Joined
                if self.round.is_none() && member.ailment != Some(Ailment::StuckInJoin) =>
            {
                self.rebalance(None, now, timings);
                return true;
            }
            // What it is in the middle of comes first.
            Phase::Revoked if member.ailment != Some(Ailment::Busy) => Phase::Joined,
            Phase::Steady | Phase::Delayed { .. } | Phase::Recovering { .. } if is_heard => {
                Phase::Revoked
            }
            Phase::Delayed { until } if until <= now && !member.has_tables() => Phase::Steady,
            Phase::Delayed { until } if until <= now => {
                Phase::Recovering { until: now.after(timings.recovery) }
            }
            Phase::Recovering { until }
                if until <= now && member.ailment != Some(Ailment::StuckInRecovery) =>
            {
                Phase::Steady
            }
            _ => return false,
        };
        member.phase = next;
        true
    }

    /// A member asks to join. One that keeps its place gets back what that has, and nobody else
    /// hears of it: also where it reads other topics than before.
    fn join(&mut self, name: &str, now: Instant, timings: &MemberTimings) -> bool {
        let Some(member) = self.members.get_mut(name) else { return false };
        member.phase = Phase::Joined;
        if member.ailment == Some(Ailment::StuckInJoin) {
            return true;
        }
        let place = self.places.get_mut(name).filter(|_| member.is_static && self.round.is_none());
        if let Some(place) = place {
            place.away_since = None;
            member.assignment = place.assignment.clone();
            member.phase = Phase::Delayed { until: now.after(timings.recovery_delay) };
            self.tell_tables();
        } else {
            self.rebalance(Some(name), now, timings);
        }
        true
    }

    /// Who is not heard of for the length of a session loses its place.
    fn expire(&mut self, now: Instant, timings: &MemberTimings) -> bool {
        let is_over =
            |since: Option<Instant>| since.is_some_and(|at| at.after(timings.session) <= now);
        let mut gone: BTreeSet<String> = self
            .places
            .iter()
            .filter(|(_, place)| is_over(place.away_since))
            .map(|(name, _)| name.clone())
            .collect();
        for member in self.members.values_mut().filter(|member| is_over(member.silent_since)) {
            member.silent_since = None;
            gone.insert(member.name.clone());
        }
        gone.retain(|name| self.places.remove(name).is_some());
        if gone.is_empty() {
            return false;
        }
        self.rebalance(None, now, timings);
        true
    }

    fn step_round(&mut self, now: Instant, timings: &MemberTimings) -> bool {
        let Some(round) = &self.round else { return false };
        let is_late = round.began.after(timings.rebalance_timeout) <= now;
        // The broker waits for everybody who has a place, also for who is away or stands still.
        let has_joined = |name: &String| {
            let member = self.members.get(name);
            member.is_some_and(|member| member.phase == Phase::Joined && !member.is_frozen())
        };
        if round.ends_from > now || !(self.places.keys().all(has_joined) || is_late) {
            return false;
        }
        self.round = None;
        self.assign(now, timings);
        true
    }

    /// Everybody who has joined gets partitions: what they had as far as that is even. Who is late loses
    /// its place, unless it is one that is kept (KIP-345): then its partitions stand still with it.
    fn assign(&mut self, now: Instant, timings: &MemberTimings) {
        let is_in = |member: &&Member| {
            member.phase == Phase::Joined && member.ailment != Some(Ailment::StuckInJoin)
        };
        let names: Vec<String> =
            self.members.values().filter(is_in).map(|member| member.name.clone()).collect();
        let late: Vec<String> = self
            .places
            .iter()
            .filter(|(name, place)| place.is_static && !names.contains(name))
            .map(|(name, _)| name.clone())
            .collect();
        let mut shares: BTreeMap<String, Assignment> =
            names.iter().chain(&late).map(|name| (name.clone(), Assignment::new())).collect();
        let leader_topic = format!("{}{LEADER_TOPIC}", self.app);
        let mut topics: BTreeMap<String, u32> = self
            .members
            .values()
            .flat_map(|member| member.subscription.iter())
            .map(|topic| (topic.clone(), timings.partitions))
            .collect();
        topics.insert(leader_topic, 1);
        for (topic, count) in topics {
            self.share(&topic, count, &mut shares);
        }
        for (name, assignment) in &shares {
            let place = self.places.entry(name.clone()).or_default();
            place.assignment.clone_from(assignment);
            if let Some(member) = self.members.get(name).filter(|_| names.contains(name)) {
                place.is_static = member.is_static;
                place.away_since = None;
            }
        }
        self.places.retain(|name, _| shares.contains_key(name));
        for name in names {
            if let (Some(member), Some(share)) = (self.members.get_mut(&name), shares.remove(&name))
            {
                member.assignment = share;
                member.phase = Phase::Delayed { until: now.after(timings.recovery_delay) };
            }
        }
        self.tell_tables();
    }

    /// Deals the partitions of one topic among those that read it.
    fn share(&self, topic: &str, count: u32, shares: &mut BTreeMap<String, Assignment>) {
        let reads = |name: &&String| {
            let member = self.members.get(*name);
            topic.ends_with(LEADER_TOPIC)
                || member.is_none_or(|member| member.subscription.contains(topic))
        };
        let readers: Vec<String> = shares.keys().filter(reads).cloned().collect();
        let most = count.div_ceil(u32::try_from(readers.len()).unwrap_or(1).max(1));
        let had = |name: &str| self.places.get(name)?.assignment.get(topic).cloned();
        let mut free: BTreeSet<u32> = (0..count).collect();
        let mut dealt: BTreeMap<&String, BTreeSet<u32>> = BTreeMap::new();
        for name in &readers {
            let kept: BTreeSet<u32> = had(name)
                .into_iter()
                .flatten()
                .filter(|partition| free.contains(partition))
                .take(usize::try_from(most).unwrap_or(usize::MAX))
                .collect();
            free.retain(|partition| !kept.contains(partition));
            dealt.insert(name, kept);
        }
        for partition in free {
            let least = dealt.iter_mut().min_by_key(|(_, held)| held.len());
            if let Some((_, held)) = least {
                held.insert(partition);
            }
        }
        let dealt: Vec<(String, BTreeSet<u32>)> =
            dealt.into_iter().map(|(name, held)| (name.clone(), held)).collect();
        for (name, held) in dealt.into_iter().filter(|(_, held)| !held.is_empty()) {
            if let Some(share) = shares.get_mut(&name) {
                share.insert(topic.to_owned(), held);
            }
        }
    }

    /// Everybody in the group learns who has which part of which table.
    fn tell_tables(&mut self) {
        let of_place = |(name, place): (&String, &Place)| {
            let changelogs =
                place.assignment.iter().filter(|(topic, _)| topic.ends_with("-changelog"));
            let changelogs = changelogs.map(|(topic, held)| (topic.clone(), held.clone()));
            (url(name, &self.app, &self.namespace), changelogs.collect())
        };
        let tables: BTreeMap<String, Assignment> = self.places.iter().map(of_place).collect();
        for member in self.members.values_mut() {
            if self.places.contains_key(&member.name) && !member.is_frozen() {
                member.tables.clone_from(&tables);
            }
        }
    }
}

/// The URL that a member gives the others (its `K_WEB_HOST`, with the default port).
fn url(name: &str, app: &str, namespace: &str) -> String {
    format!("http://{name}.{app}.{namespace}.svc.cluster.local:6065")
}
