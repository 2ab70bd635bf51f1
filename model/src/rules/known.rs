//! A look as the policies of production have it, and the status that they make of it.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;
use kaspr_core::marks::{self, Marks};
use kaspr_core::members::Member;
use kaspr_core::observed::SetFacts;
use kaspr_core::policy::rollout;
use kaspr_core::poll::{Run, Said, Stuck, Word};
use kaspr_core::status::memory::{Attempt, Came, Cause, Debt, Entry, Memory, Rebalance, Strikes};
use kaspr_core::status::{self, AppStatus};
use kaspr_core::{Now, Uptime, limits};

use super::words::{
    at, count, list, number, pod_name, process, revision, set_of, split, template, uid, version,
};
use super::{INTERVAL, Look, NOW, booker};
use crate::runs::{Config, Without};
use crate::world::{self, At, DEAD, Health, Intent, Phase, Pod, Status, View};

/// Longer than anything waits.
const LONG: Duration = Duration::from_hours(10);

/// A look as production has it.
pub(super) struct Known {
    pub(super) now: Now,
    pub(super) set: SetFacts,
    pub(super) members: Vec<Member>,
    pub(super) memory: Memory,
    pub(super) template: rollout::Memory,
    pub(super) marks: Marks,
}

impl Known {
    pub(super) fn of(config: &Config, look: &Look) -> Self {
        let view = &look.view;
        let now = Now { wall: at(1_000_000), uptime: NOW };
        let leader = view.pods[..config.pods].iter().position(|pod| pod.phase == Phase::Ready);
        let members = (0..config.pods)
            .filter(|ordinal| view.pods[*ordinal].exists())
            .map(|ordinal| {
                let mut member = member(view, ordinal, leader == Some(ordinal), now);
                if config.without == Some(Without::WholeRevision) {
                    member.revision = revision(view.live);
                }
                member
            })
            .collect();
        let template = rollout::Memory {
            template: Some(status::Template {
                inputs: template(view.status.record.0),
                revision: revision(view.status.record.0),
                is_adopted: false,
                lists: list(view.status.record.1),
            }),
            rollout: view.status.intent.map(|intent| status::Rollout {
                inputs: template(intent.template),
                generation: None,
                since: now.stamp(),
                withdrawn: intent.is_withdrawn.then(|| now.stamp()),
                lists: list(intent.list),
            }),
        };
        let memory = memory(config, view, now);
        let marks = marks(look, booker(config, look), &memory, &template);
        Self { now, set: set_facts(config, view), members, memory, template, marks }
    }
}

/// The status after a look.
pub(super) fn status(view: &View, memory: &Memory, template: &rollout::Memory) -> Status {
    let mut next = Status::default();
    for one in &memory.strikes {
        let (ordinal, uid) = split(&one.pod_uid);
        if !one.at.is_empty() {
            next.strikes[ordinal] = (uid, count(one.at.len()));
        }
    }
    for one in &memory.terminations {
        let (ordinal, uid) = split(&one.pod_uid);
        next.ledger[ordinal] = Some(world::Entry { uid, is_lapsed: one.lapsed.is_some() });
    }
    next.intent = template.rollout.as_ref().map(|rollout| Intent {
        template: number(&rollout.inputs),
        list: version(&rollout.lists),
        is_withdrawn: rollout.withdrawn.is_some(),
    });
    let record = template.template.as_ref();
    next.record =
        record.map_or(view.status.record, |one| (number(&one.inputs), version(&one.lists)));
    let rebalance = &memory.rebalance;
    next.tracked = rebalance.subscriptions.as_deref().map_or(0, number);
    next.generation = u8::try_from(rebalance.generation).unwrap_or(u8::MAX);
    next.debt = rebalance.debt.as_ref().map(|debt| world::Debt {
        n: debt.attempt.as_ref().map_or(0, |attempt| u8::try_from(attempt.n).unwrap_or(7)),
        unconfirmed: u8::try_from(debt.unconfirmed).unwrap_or(u8::MAX),
        at: debt.attempt.as_ref().map_or(At::Nothing, came),
    });
    next
}

fn member(view: &View, ordinal: usize, leads: bool, now: Now) -> Member {
    let pod = view.pods[ordinal];
    let is_ready = pod.phase == Phase::Ready;
    Member {
        installer: None,
        pod: pod_name(ordinal),
        ordinal: i32::try_from(ordinal).unwrap_or(0),
        uid: uid(ordinal, pod.uid),
        created: Some(at(i64::from(pod.uid))),
        revision: revision(pod.revision),
        is_running: true,
        is_ready,
        is_leaving: pod.phase == Phase::Leaving,
        run: is_ready.then(|| run(view, ordinal, pod, leads, now)),
    }
}

fn run(view: &View, ordinal: usize, pod: Pod, leads: bool, now: Now) -> Run {
    let held = if pod.health == Health::Hung { LONG } else { Duration::ZERO };
    let is_stuck = pod.health != Health::Well;
    Run {
        pod_uid: uid(ordinal, pod.uid),
        said: Said::Known(Word {
            leader: Some(leads),
            rebalancing: Some(is_stuck),
            recovering: Some(false),
            topics: view.assigned.map(set_of).into_iter().chain(["in".to_owned()]).collect(),
        }),
        first: NOW,
        last: NOW,
        at: now.wall,
        count: 1,
        round: 1,
        stuck: is_stuck.then(|| Stuck {
            held: u64::try_from(held.as_millis()).unwrap_or(u64::MAX),
            last: NOW,
            whole_since: Uptime(0),
        }),
        rebalanced: None,
        broken: None,
    }
}

fn memory(config: &Config, view: &View, now: Now) -> Memory {
    let is_without = |rule| config.without == Some(rule);
    let status = &view.status;
    let ordinals =
        || (0..config.pods).map(|ordinal| (ordinal, i32::try_from(ordinal).unwrap_or(0)));
    let strikes = ordinals().filter_map(|(place, ordinal)| {
        let (of, count) = status.strikes[place];
        let of = if is_without(Without::StrikesOfUid) { view.pods[place].uid } else { of };
        (count > 0).then(|| Strikes {
            ordinal,
            pod_uid: uid(place, of),
            at: (0..count).map(|at| at.to_string()).collect(),
            by: "p0".to_owned(),
            ..Strikes::default()
        })
    });
    let is_counted = |entry: &world::Entry| !(entry.is_lapsed && is_without(Without::LapsedCounts));
    // Any pod of the ordinal is younger than the epoch.
    let is_any_young = is_without(Without::YoungerReplacement);
    let entries = ordinals().filter_map(|(place, ordinal)| {
        let entry = status.ledger[place].filter(is_counted)?;
        let created = if is_any_young { Timestamp::UNIX_EPOCH } else { at(i64::from(entry.uid)) };
        Some(Entry {
            ordinal,
            pod_uid: uid(place, entry.uid),
            created: created.to_string(),
            since: now.stamp(),
            lapsed: entry.is_lapsed.then(|| now.stamp()),
        })
    });
    let debt = status.debt.map(|debt| Debt {
        owed_since: now.stamp(),
        cause: Cause::SubscriptionChange,
        topics: vec![set_of(status.tracked)],
        unconfirmed: u32::from(debt.unconfirmed),
        attempt: attempt(debt),
    });
    Memory {
        strikes: strikes.collect(),
        terminations: entries.collect(),
        replacements: Vec::new(),
        rebalance: Rebalance {
            generation: i64::from(status.generation),
            subscriptions: Some(set_of(status.tracked)),
            debt,
            last: None,
        },
    }
}

fn attempt(debt: world::Debt) -> Option<Attempt> {
    let (by, pod_uid, came) = match debt.at {
        At::Nothing => return None,
        At::Booked { by, ordinal, uid: of } => {
            (process(by), uid(usize::from(ordinal), of), Came::Booked)
        }
        At::Accepted => (process(DEAD), String::new(), Came::Accepted),
        At::Refused => (process(DEAD), String::new(), Came::Refused),
        At::Lost => (process(DEAD), String::new(), Came::Lost),
        At::Unconfirmed => (process(DEAD), String::new(), Came::Unconfirmed),
    };
    Some(Attempt { n: i64::from(debt.n), by, pod_uid, at: String::new(), came })
}

fn came(attempt: &Attempt) -> At {
    match attempt.came {
        Came::Booked => {
            let (ordinal, uid) = split(&attempt.pod_uid);
            At::Booked { by: number(&attempt.by), ordinal: count(ordinal), uid }
        }
        Came::Accepted => At::Accepted,
        Came::Refused => At::Refused,
        Came::Lost => At::Lost,
        Came::Unconfirmed => At::Unconfirmed,
    }
}

/// Since when what is dated in the status is known: for so long that it has run out, or since now.
fn marks(look: &Look, booker: u8, memory: &Memory, template: &rollout::Memory) -> Marks {
    let Look { view, due, .. } = look;
    let status = AppStatus {
        memory: memory.clone(),
        rollout: template.rollout.clone(),
        ..AppStatus::default()
    };
    let mut marks = BTreeMap::new();
    marks::note(&mut marks, &status, NOW);
    let ago = |time: Duration| {
        Uptime(NOW.0.saturating_sub(u64::try_from(time.as_millis()).unwrap_or(u64::MAX)))
    };
    let if_due = |is_due: bool, time: Duration| if is_due { ago(time) } else { NOW };
    let a_second = Duration::from_secs(1);
    let of_attempt = match view.status.debt.map(|debt| debt.at) {
        Some(At::Booked { by, .. }) if by == booker => NOW,
        Some(At::Booked { .. }) => if_due(due.booking, limits::TWO_DEADLINES),
        Some(At::Accepted) if due.window => ago(limits::CONFIRM_WITHIN),
        // What is seen now came after it.
        Some(At::Accepted) => ago(a_second),
        Some(At::Nothing | At::Refused | At::Lost | At::Unconfirmed) | None => ago(LONG),
    };
    for (mark, seen_at) in &mut marks {
        *seen_at = match mark.split('/').next() {
            Some("strike") => ago(INTERVAL),
            Some("entry") => if_due(due.age, limits::ENTRY_FIRES_WITHIN + a_second),
            Some("lapsed") => if_due(due.lapse, limits::TWO_DEADLINES),
            Some("withdrawn") => if_due(due.intent, limits::TWO_DEADLINES),
            Some("attempt") => of_attempt,
            _ => NOW,
        };
    }
    marks
}

fn set_facts(config: &Config, view: &View) -> SetFacts {
    let pods = || view.pods[..config.pods].iter().filter(|pod| pod.exists());
    let number = |count: usize| i64::try_from(count).unwrap_or(i64::MAX);
    SetFacts {
        is_observed: true,
        wanted: number(config.pods),
        replicas: number(pods().count()),
        updated: number(pods().filter(|pod| pod.revision == view.live).count()),
        available: number(pods().filter(|pod| pod.phase == Phase::Ready).count()),
        current_revision: revision(view.current),
        update_revision: revision(view.live),
        inputs: Some(template(view.live)),
        image: String::new(),
    }
}
