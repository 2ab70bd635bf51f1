//! A look for others: what may be secret in it is masked, and it is still decided as it was.

use kaspr_core::action::Action;
use kaspr_core::outcome::Answer;
use kaspr_core::plan::Notice;
use kaspr_core::{Plan, Snapshot, decide, mask};
use serde_json::Value;

use crate::look::{Look, bodies, objects};

/// The reason of conditions and notices that repeat words of the API server, which may quote anything.
const SERVERS_WORDS: &str = "Error";
/// The condition that tells what is odd about a spec: of a mask less is.
const OF_SPEC: &str = "Accepted";
/// Its reason then.
const VALID: &str = "Valid";

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
    // Only such sentences are told anew: they are made of what was masked.
    let decided = decide(&snapshot);
    (without_sentences(&decided) == without_sentences(&plan)).then_some((snapshot, decided))
}

fn masked_snapshot(snapshot: &Snapshot) -> Snapshot {
    let mut masked = snapshot.clone();
    mask::mark(&mut masked);
    for outcome in masked.outcomes.values_mut() {
        if let Answer::Refused { message, .. } = &mut outcome.answer {
            *message = mask::text(message);
        }
    }
    objects(&mut masked).into_iter().for_each(mask::object);
    // A sentence that is told anew is told of the masks; any other one may quote whatever there was.
    let (told, told_masked) = (told_anew(snapshot), told_anew(&masked));
    each_told(&mut masked, &mut |sentence| {
        let at = told.iter().position(|told| told == sentence);
        let same = at.and_then(|at| told_masked.get(at)).cloned();
        *sentence = same.unwrap_or_else(|| mask::text(sentence));
    });
    masked
}

/// The sentences that are told anew, as they are decided now, whatever the status
/// says of them already.
fn told_anew(snapshot: &Snapshot) -> Vec<String> {
    let mut told = Vec::new();
    each_told(&mut snapshot.clone(), &mut |_| told.push(()));
    if told.is_empty() {
        return Vec::new();
    }
    let mut untold = snapshot.clone();
    for object in objects(&mut untold) {
        if let Some(Value::Object(status)) = object.get_mut("status") {
            status.remove("conditions");
        }
    }
    // What was refused lately is written all the same.
    untold.outcomes.retain(|id, _| !id.0.starts_with("PatchStatus "));
    let mut sentences = Vec::new();
    each_sentence(&mut decide(&untold), &mut |sentence| sentences.push(sentence.clone()));
    sentences
}

/// Every such sentence in the statuses of a look.
fn each_told(snapshot: &mut Snapshot, act: &mut dyn FnMut(&mut String)) {
    for object in objects(snapshot) {
        if let Some(status) = object.get_mut("status") {
            each_message(status, act);
        }
    }
}

fn masked_plan(plan: &Plan) -> Plan {
    let mut plan = plan.clone();
    bodies(&mut plan).into_iter().for_each(mask::object);
    for step in &mut plan.steps {
        if let Action::PatchStatus { status, .. } = &mut step.action {
            mask::status(status);
        }
    }
    each_sentence(&mut plan, &mut |sentence| *sentence = mask::text(sentence));
    plan
}

fn without_sentences(plan: &Plan) -> Plan {
    let mut plan = plan.clone();
    each_sentence(&mut plan, &mut String::clear);
    plan
}

/// Every sentence of a plan that repeats words of the API server, or tells what is odd about a spec.
fn each_sentence(plan: &mut Plan, act: &mut dyn FnMut(&mut String)) {
    for step in &mut plan.steps {
        if let Action::PatchStatus { status, .. } = &mut step.action {
            each_message(status, act);
        }
    }
    let is_told = |notice: &&mut Notice| [SERVERS_WORDS, VALID].contains(&notice.reason.as_str());
    let notices = plan.notices.iter_mut().filter(is_told);
    notices.for_each(|notice| act(&mut notice.note));
}

/// The same of the conditions of a status.
fn each_message(status: &mut Value, act: &mut dyn FnMut(&mut String)) {
    let conditions = status.get_mut("conditions").and_then(Value::as_array_mut);
    for condition in conditions.into_iter().flatten() {
        let is = |field: &str, word| condition.get(field).and_then(Value::as_str) == Some(word);
        let is_told = is("reason", SERVERS_WORDS) || (is("type", OF_SPEC) && is("reason", VALID));
        if let Some(Value::String(message)) = condition.get_mut("message").filter(|_| is_told) {
            act(message);
        }
    }
}
