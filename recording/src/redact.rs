//! A look for others: what may be secret in it is masked, and it is still decided as it was.

use kaspr_core::action::Action;
use kaspr_core::outcome::Answer;
use kaspr_core::{Plan, Snapshot, decide, mask};
use serde_json::Value;

use crate::look::{Look, bodies, objects};

/// The reason of conditions and notices that repeat words of the API server, which may quote anything.
const SERVERS_WORDS: &str = "Error";

/// A snapshot and its plan without what may be secret: see [`mask`], and the words of the API server.
///
/// None if the look would be decided in another way; then it must be left out. It happens where a
/// definition is about as large as a `ConfigMap` can be, and where a sentence of many refusals was cut.
/// A plan that this build does not make of the snapshot is masked as well, so that what differs before
/// differs afterwards.
pub fn redact(look: &Look<'_>) -> Option<(Snapshot, Plan)> {
    let snapshot = masked_snapshot(look.snapshot);
    let plan = masked_plan(look.plan);
    if decide(look.snapshot) != *look.plan {
        return Some((snapshot, plan));
    }
    // Only its sentences are told anew: they are made of what was masked.
    let decided = decide(&snapshot);
    (without_sentences(&decided) == without_sentences(&plan)).then_some((snapshot, decided))
}

fn masked_snapshot(snapshot: &Snapshot) -> Snapshot {
    let mut snapshot = snapshot.clone();
    mask::name_files(&mut snapshot.components);
    let mut words = Vec::new();
    for outcome in snapshot.outcomes.values_mut() {
        if let Answer::Refused { message, .. } = &mut outcome.answer {
            let masked = mask::text(message);
            words.push((std::mem::replace(message, masked.clone()), masked));
        }
    }
    for object in objects(&mut snapshot) {
        mask::object(object);
        if let Some(status) = object.get_mut("status") {
            each_message(status, &mut |message| {
                for (words, masked) in &words {
                    *message = message.replace(words.as_str(), masked);
                }
                // Words that no outcome of this look holds any more.
                if !message.split("; ").all(ends_in_a_mask) {
                    *message = mask::text(message);
                }
            });
        }
    }
    snapshot
}

fn ends_in_a_mask(sentence: &str) -> bool {
    sentence.rsplit(": ").next().is_some_and(mask::is_mask)
}

fn masked_plan(plan: &Plan) -> Plan {
    let mut plan = plan.clone();
    bodies(&mut plan).into_iter().for_each(mask::object);
    each_sentence(&mut plan, &mut |sentence| *sentence = mask::text(sentence));
    plan
}

fn without_sentences(plan: &Plan) -> Plan {
    let mut plan = plan.clone();
    each_sentence(&mut plan, &mut String::clear);
    plan
}

/// Every sentence of a plan that repeats words of the API server.
fn each_sentence(plan: &mut Plan, act: &mut dyn FnMut(&mut String)) {
    for step in &mut plan.steps {
        if let Action::PatchStatus { status, .. } = &mut step.action {
            each_message(status, act);
        }
    }
    let notices = plan.notices.iter_mut().filter(|notice| notice.reason == SERVERS_WORDS);
    notices.for_each(|notice| act(&mut notice.note));
}

/// The same of the conditions of a status.
fn each_message(status: &mut Value, act: &mut dyn FnMut(&mut String)) {
    let conditions = status.get_mut("conditions").and_then(Value::as_array_mut);
    for condition in conditions.into_iter().flatten() {
        let is_told = condition.get("reason").and_then(Value::as_str) == Some(SERVERS_WORDS);
        if let Some(Value::String(message)) = condition.get_mut("message").filter(|_| is_told) {
            act(message);
        }
    }
}
