//! The rebalance that is owed.

use std::time::Duration;

use kaspr_core::marks::{self, Marks};
use kaspr_core::members::Member;
use kaspr_core::outcome::{Answer, Outcome, Refusal};
use kaspr_core::policy::rebalance::{Case, Knobs, Verdict, decide};
use kaspr_core::poll::{Heard, Run};
use kaspr_core::status::AppStatus;
use kaspr_core::status::memory::{Attempt, Came, Cause, Debt, Rebalance};
use kaspr_core::{Reason, Uptime};
use serde_json::json;

use super::table::{Dimension, table};
use super::{INTERVAL, at, member, reviewed, run, word};

const NOW: u64 = 100_000;

pub(super) fn knobs() -> Knobs {
    Knobs {
        is_automatic: true,
        is_static: true,
        is_polling: true,
        cooldown: Duration::from_secs(60),
    }
}

fn told(verdict: &Verdict) -> String {
    let mut parts = Vec::new();
    match &verdict.memory.debt {
        None => parts.push("nothing owed".to_owned()),
        Some(debt) => {
            if let Some(attempt) = &debt.attempt {
                parts.push(format!("attempt {} {}", attempt.n, attempt.came.code()));
            } else {
                parts.push("no attempt".to_owned());
            }
        }
    }
    if verdict.signal.is_some() {
        parts.push("signal sent".to_owned());
    }
    if let Some((why, _)) = &verdict.wait {
        parts.push(format!("waits for {}", why.code()));
    }
    if let Some(news) = verdict.news {
        parts.push(format!("tells {news:?}"));
    }
    parts.join(", ")
}

#[test]
fn every_combination_is_decided_as_reviewed() {
    let dimensions = [
        Dimension::of("debt", &["none", "a change", "a request", "a change tried in vain"]),
        Dimension::of(
            "attempt",
            &["none", "booked", "booked elsewhere", "accepted", "unconfirmed", "refused", "lost"],
        ),
        Dimension::of("outcome", &["none", "yes", "no", "lost"]),
        Dimension::of("switch", &["on", "off"]),
        Dimension::of("in the way", &["nothing", "rollout", "pause", "replacement"]),
        Dimension::of("members", &["all ready", "one not ready"]),
        Dimension::of("seen", &["nothing", "a rebalance"]),
        Dimension::of("since", &["a moment", "long"]),
        Dimension::of("leader", &["one", "none", "two", "unassigned"]),
    ];
    let mut verdict_of = |point: &[usize]| decided(point.try_into().unwrap());
    let about = "two members; the cooldown is 60 s, attempt 2 of generation 7 was the last";
    reviewed("rebalance", about, table(&dimensions, &mut verdict_of));
}

fn decided(point: [usize; 9]) -> String {
    let [debt, attempt, outcome, switch, way, ready, seen, since, leader] = point;
    let came = match attempt {
        1 | 2 => Came::Booked,
        3 => Came::Accepted,
        4 => Came::Unconfirmed,
        5 => Came::Refused,
        _ => Came::Lost,
    };
    let attempt = (attempt > 0).then(|| Attempt {
        n: 2,
        by: if attempt == 2 { "other" } else { "me" }.to_owned(),
        pod_uid: "u0".to_owned(),
        at: at(NOW - 5).stamp(),
        came,
    });
    let debt = (debt > 0).then(|| Debt {
        owed_since: at(NOW - 500).stamp(),
        cause: if debt == 2 { Cause::Manual } else { Cause::SubscriptionChange },
        topics: Vec::new(),
        unconfirmed: if debt == 3 { 3 } else { 0 },
        attempt,
    });
    let memory = Rebalance { generation: 7, subscriptions: None, debt, last: None };
    let seen_at = if since == 0 { NOW - 5 } else { NOW - 500 };
    let marks = marks(&memory, Uptime(seen_at * 1_000));
    let members = members(ready, leader, seen);
    let answer = match outcome {
        0 => None,
        1 => Some(Answer::Done { resource_version: None, generation: None, digest: String::new() }),
        2 => Some(Answer::Refused { refusal: Refusal::Unreachable, message: String::new() }),
        _ => Some(Answer::Refused { refusal: Refusal::AnswerLost, message: String::new() }),
    };
    let at_then = Uptime((seen_at + 1) * 1_000);
    let outcome =
        answer.map(|answer| Outcome { at: at_then, attempts: 1, of: "7.2".to_owned(), answer });
    let obstacle = match way {
        0 => None,
        1 => Some(Reason::RolloutUnderWay),
        2 => Some(Reason::Paused),
        _ => Some(Reason::ReplacementComing),
    };
    let knobs = Knobs { is_automatic: switch == 0, ..knobs() };
    told(&decide(&Case {
        now: at(NOW),
        process: "me",
        knobs: &knobs,
        is_asked_for: false,
        advance: None,
        obstacle: obstacle.as_ref(),
        desired: 2,
        revision: "new",
        members: &members,
        memory: &memory,
        marks: &marks,
        outcome: outcome.as_ref(),
    }))
}

fn members(ready: usize, leader: usize, seen: usize) -> Vec<Member> {
    let leads = |ordinal: i32| match leader {
        0 | 3 => ordinal == 0,
        1 => false,
        _ => true,
    };
    let mut members: Vec<Member> = (0..2)
        .map(|ordinal| {
            let uid = format!("u{ordinal}");
            let said = word(leads(ordinal), seen == 1, false);
            let before = run(&uid, &word(false, false, false), 1, NOW - 31);
            let now = at(NOW - 1);
            let heard = Heard { said, round: 2, now };
            let run = Run::next(Some(before), uid.clone(), heard, INTERVAL);
            member(ordinal, &uid, Some(run))
        })
        .collect();
    if leader == 3
        && let Some(run) = &mut members[0].run
        && let kaspr_core::poll::Said::Known(word) = &mut run.said
    {
        word.topics.clear();
    }
    members[1].is_ready = ready == 0;
    members
}

fn marks(memory: &Rebalance, at: Uptime) -> Marks {
    let status = json!({ "status": { "rebalance": memory } });
    let mut marks = Marks::new();
    marks::note(&mut marks, &AppStatus::of(&status), at);
    marks
}
