//! What was decided in the same case a moment ago is not thought through again.
//!
//! An app at rest is looked at again and again: every five minutes, and whenever something happens
//! that turns out to concern it not at all. A version of an object is never two contents, so equal
//! versions of all that a decision reads make an equal decision, until time alone changes it.

use std::fmt::Write;

use serde_json::{Map, Value};

use crate::decide::decide;
use crate::digest;
use crate::lists;
use crate::plan::Plan;
use crate::poll::State;
use crate::reason::Reason;
use crate::seen::Seen;
use crate::snapshot::Snapshot;
use crate::status::memory::Memory;

/// A decision to do nothing, and the case in which it was made.
#[derive(Clone, Debug, PartialEq)]
pub struct Memo {
    case: String,
    plan: Plan,
}

/// Decides as [`decide`] does; `memo` only spares work. It is kept for decisions to do nothing, and
/// holds until their wake-up.
pub fn decide_again(snapshot: &Snapshot, memo: &mut Option<Memo>) -> Plan {
    let case = case(snapshot);
    if let Some(known) = memo.as_ref().filter(|known| Some(&known.case) == case.as_ref())
        && known.plan.wake_up.is_none_or(|at| snapshot.now.uptime < at)
    {
        return known.plan.clone();
    }
    let plan = decide(snapshot);
    // How old an object is says another clock: the same wait is a millisecond longer by the next look.
    let settles = plan.waits.iter().any(|wait| wait.because == Reason::Settling);
    let is_kept = plan.is_silent() && plan.notices.is_empty() && !settles;
    *memo = case.filter(|_| is_kept).map(|case| Memo { case, plan: plan.clone() });
    plan
}

/// All that a decision reads but the time, by versions; none where an object has no version. All fields
/// are named, so that one that is new does not compile until somebody says what it is here.
fn case(snapshot: &Snapshot) -> Option<String> {
    let mut text = String::with_capacity(2_048);
    let Snapshot {
        version: _,
        key,
        now: _,
        settings,
        process,
        app,
        app_read_at: _,
        app_seen_at: _,
        edits,
        components,
        lists: _,
        children,
        secrets,
        polls: _,
        marks: _,
        terminations_elsewhere,
        outcomes,
    } = snapshot;
    let _ = write!(text, "{key} {settings:?} {edits:?} ");
    one(app, &mut text)?;
    for list in [
        &components.agents,
        &components.tables,
        &components.web_views,
        &components.tasks,
        &components.joins,
        &children.config_maps,
        &children.pods,
        &children.claims,
        secrets,
    ] {
        all(list, &mut text)?;
    }
    for child in [
        &children.service_account,
        &children.api_service,
        &children.headless_service,
        &children.stateful_set,
        &children.autoscaler,
    ] {
        one(child, &mut text)?;
    }
    // After an answer that named only a part of it, a set is known before its version is delivered.
    if let Seen::Present(set) = &children.stateful_set {
        let field = |path: &str| set.pointer(path).unwrap_or(&Value::Null);
        let _ = write!(text, "{}{}", field("/spec/replicas"), field("/status"));
    }
    let _ = write!(text, "{process} {terminations_elsewhere} ");
    let none = Map::new();
    let status = app.present().and_then(|app| app.get("status")?.as_object());
    let status = status.unwrap_or(&none);
    members(snapshot, &Memory::of(status), &mut text);
    for (id, outcome) in outcomes {
        let _ = write!(text, "{id} {:?} {} ", outcome.at, outcome.attempts);
    }
    let _ = write!(text, "{:?}", lists::behind(snapshot, status));
    Some(digest::of_text(&text))
}

/// What the members answered: of those that are well only that they are, while nothing of them is
/// remembered that a further answer may change.
fn members(snapshot: &Snapshot, memory: &Memory, text: &mut String) {
    let Memory { strikes, terminations, replacements, rebalance } = memory;
    let is_at_rest = strikes.is_empty()
        && terminations.is_empty()
        && replacements.is_empty()
        && rebalance.debt.is_none();
    for (pod, run) in &snapshot.polls {
        let _ = write!(text, "{pod} {} {:?} ", run.pod_uid, run.said);
        if !is_at_rest || run.said.state() != State::Healthy {
            let _ = write!(text, "{:?} {} {:?} ", run.first, run.round, run.broken);
        }
    }
}

fn one(seen: &Seen<Value>, text: &mut String) -> Option<()> {
    match seen {
        Seen::Present(object) => version(object, text)?,
        Seen::Absent => text.push_str("- "),
        Seen::Unknown(why) => {
            let _ = write!(text, "{why:?} ");
        }
    }
    Some(())
}

fn all(seen: &Seen<Vec<Value>>, text: &mut String) -> Option<()> {
    match seen {
        Seen::Present(objects) => {
            text.push('[');
            objects.iter().try_for_each(|object| version(object, text))?;
            text.push(']');
        }
        Seen::Absent => text.push_str("- "),
        Seen::Unknown(why) => {
            let _ = write!(text, "{why:?} ");
        }
    }
    Some(())
}

fn version(object: &Value, text: &mut String) -> Option<()> {
    let metadata = object.get("metadata")?;
    for field in ["uid", "resourceVersion"] {
        text.push_str(metadata.get(field)?.as_str()?);
        text.push(' ');
    }
    Some(())
}
