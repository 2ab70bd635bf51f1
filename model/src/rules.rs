//! A look: the world as the policies of production see it, and what they make of it.
//!
//! Every instant is either now or long ago: what may have run out is chosen by [`Due`].

mod known;
mod without;
mod words;

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use kaspr_core::decide::members;
use kaspr_core::lists;
use kaspr_core::outcome::{self, Answer, Refusal};
use kaspr_core::policy::knobs::Knobs;
use kaspr_core::policy::rebalance::Advance;
use kaspr_core::policy::{hung, rebalance, rollout, secrets};
use kaspr_core::{Reason, Seen, Unseen, Uptime};

use self::known::Known;
use self::words::{count, list, process, set_of, split, template};
use crate::runs::{Config, Without};
use crate::time::Due;
use crate::world::{At, Heard, Mode, Outcome, Phase, Plan, Signal, Status, View};

/// The pause between two rounds of polls.
const INTERVAL: Duration = Duration::from_secs(30);
/// The instant of every look.
const NOW: Uptime = Uptime(1_000_000_000);

/// What a look depends on.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
struct Look {
    view: View,
    process: u8,
    outcome: Option<Outcome>,
    due: Due,
}

/// The policies, and what they made of looks before: they are pure.
pub struct Rules {
    config: Config,
    hasher: RandomState,
    known: Vec<Mutex<HashMap<Look, Plan>>>,
}

impl Rules {
    /// The policies under this configuration.
    pub fn new(config: Config) -> Self {
        let known = (0..64).map(|_| Mutex::default()).collect();
        Self { config, hasher: RandomState::new(), known }
    }

    /// What a process plans that sees this.
    pub fn plan(&self, view: &View, process: u8, outcome: Option<Outcome>, due: Due) -> Plan {
        let look = Look { view: *view, process, outcome, due };
        let place = usize::try_from(self.hasher.hash_one(look) % 64).unwrap_or(0);
        let known = || self.known[place].lock().unwrap_or_else(PoisonError::into_inner);
        let before = known().get(&look).copied();
        before.unwrap_or_else(|| {
            let plan = decide(&self.config, &look);
            known().insert(look, plan);
            plan
        })
    }
}

/// The policies in their order, as `kaspr_core::decide` ranks them.
fn decide(config: &Config, look: &Look) -> Plan {
    let view = &look.view;
    let is_without = |rule| config.without == Some(rule);
    let newest = view.status.intent.map_or(0, |intent| intent.list).max(view.status.record.1);
    let is_behind = lists::is_older(&view.list.to_string(), &newest.to_string())
        && !is_without(Without::NewerLists);
    let known = Known::of(config, look);
    let kept = if view.mode == Mode::Paused {
        Some(Reason::Paused)
    } else {
        is_behind.then_some(Reason::Unknown(Unseen::Behind))
    };
    let waits_for_entries = !is_without(Without::TemplateWaits);
    let mut rollout = rollout::decide(&rollout::Case {
        now: known.now,
        kept: kept.as_ref(),
        settling: None,
        set: Some(&known.set),
        fits: &|| true,
        drift: &|| None,
        inputs: &template(view.wanted),
        changed: &Reason::TemplateChanged,
        secrets: &secrets::Verdict::default(),
        generation: 1,
        lists: &list(view.list),
        terminations: if waits_for_entries { &known.memory.terminations } else { &[] },
        members: Seen::Present(&known.members),
        memory: &known.template,
        marks: &known.marks,
    });
    without::rollout(config, view, &mut rollout);
    let is_new_set = rollout.is_decided() && view.status.tracked != view.wanted;
    let advance = is_new_set.then(|| Advance {
        subscriptions: set_of(view.wanted),
        owes: !is_without(Without::Debt),
        topics: vec![set_of(view.wanted)],
    });
    let verdict = conclude(config, look, &known, &rollout, advance);
    let status = (!is_behind).then(|| known::status(view, &verdict.memory, &rollout.memory));
    let mut plan = to_plan(look, &verdict, &rollout, status);
    without::members(config, look, &mut plan);
    plan
}

/// What is concluded about the members.
fn conclude(
    config: &Config,
    look: &Look,
    known: &Known,
    rollout: &rollout::Verdict,
    advance: Option<Advance>,
) -> members::Verdict {
    let view = &look.view;
    let is_without = |rule| config.without == Some(rule);
    let mut rollout = rollout.clone();
    let mut is_meant = view.status.intent.is_some();
    if is_without(Without::GateOfIntent) {
        (is_meant, rollout.memory.rollout) = (false, None);
    }
    let is_unready = view.pods[..config.pods].iter().any(|pod| pod.phase != Phase::Ready);
    if is_without(Without::OpenGate) && is_unready {
        is_meant = true;
    }
    let outcome = look.outcome.map(heard);
    let process = process(booker(config, look));
    members::decide(&members::Case {
        now: known.now,
        process: &process,
        knobs: &knobs(config, view),
        is_paused: view.mode == Mode::Paused && !is_without(Without::Obedience),
        set: Some(&known.set),
        members: Seen::Present(&known.members),
        template: Some(members::Template {
            rollout: &rollout,
            subscriptions: &set_of(view.wanted),
            advance,
        }),
        is_meant,
        memory: &known.memory,
        marks: &known.marks,
        elsewhere: 0,
        outcome: outcome.as_ref(),
    })
}

/// The process that the look is of. Where it is nobody's business who booked, it is whoever did.
fn booker(config: &Config, look: &Look) -> u8 {
    match look.view.status.debt.map(|debt| debt.at) {
        Some(At::Booked { by, .. }) if config.without == Some(Without::OneBooker) => by,
        _ => look.process,
    }
}

fn knobs(config: &Config, view: &View) -> Knobs {
    let is_obedient = config.without != Some(Without::Obedience);
    Knobs {
        follows_secrets: true,
        hung: hung::Knobs {
            is_on: view.mode != Mode::DetectionOff || !is_obedient,
            threshold: Duration::from_mins(5),
            interval: INTERVAL,
            // Stuck together or one by one: the model knows no clock that could tell.
            group_factor: 1,
            takes_majority: config.without == Some(Without::Budget),
            fleet_max: 0,
        },
        rebalance: rebalance::Knobs {
            is_automatic: true,
            is_static: true,
            is_polling: true,
            cooldown: Duration::ZERO,
        },
        is_asked_for: false,
        ignored: Vec::new(),
    }
}

fn heard(outcome: Outcome) -> outcome::Outcome {
    let refused = |refusal| Answer::Refused { refusal, message: String::new() };
    let (generation, n) = outcome.attempt;
    outcome::Outcome {
        at: Uptime(NOW.0 - 1_000),
        attempts: 1,
        of: format!("{generation}.{n}"),
        answer: match outcome.answer {
            Heard::Yes => {
                Answer::Done { resource_version: None, generation: None, digest: String::new() }
            }
            Heard::No => refused(Refusal::Invalid),
            Heard::Nothing => refused(Refusal::AnswerLost),
        },
    }
}

/// The verdicts as a plan.
fn to_plan(
    look: &Look,
    verdict: &members::Verdict,
    rollout: &rollout::Verdict,
    status: Option<Status>,
) -> Plan {
    let view = &look.view;
    let mut plan = Plan { status_holds: true, set_holds: true, ..Plan::default() };
    plan.status = status.filter(|status| *status != view.status);
    if let Some(next) = plan.status {
        for (ordinal, (uid, count)) in next.strikes.into_iter().enumerate() {
            let (of, before) = view.status.strikes[ordinal];
            let is_news = count > if of == uid { before } else { 0 };
            plan.struck |= u8::from(is_news) << ordinal;
        }
    }
    if matches!(rollout.choice, rollout::Choice::Change(_)) {
        plan.template = Some((view.wanted, view.list));
    }
    for (_, uid) in &verdict.deletions {
        let (ordinal, uid) = split(uid);
        plan.delete[ordinal] = Some(uid);
        let is_lapsed = view.status.ledger[ordinal].is_some_and(|entry| entry.is_lapsed);
        plan.lapsed |= u8::from(is_lapsed) << ordinal;
    }
    plan.signal = verdict.signal.as_ref().map(|signal| {
        let (ordinal, uid) = split(&signal.uid);
        let n = view.status.debt.map_or(0, |debt| debt.n);
        let attempt = (view.status.generation, n);
        Signal { attempt, ordinal: count(ordinal), uid, is_due: false }
    });
    plan
}
