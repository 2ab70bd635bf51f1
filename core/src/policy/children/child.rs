//! One child: created, adopted, repaired, or left alone.

use kaspr_crds::keys;
use serde_json::Value;

use super::{Context, Verdict};
use crate::action::{Action, Held, Manifest, Precondition};
use crate::backoff;
use crate::drift;
use crate::key::{ObjectKind, ObjectRef};
use crate::observed::{Child, Holder, Observed};
use crate::outcome::{Answer, Outcome, Refusal};
use crate::plan::{Stage, Step, Wait};
use crate::reason::Reason;
use crate::render::Owner;
use crate::seen::Seen;
use crate::time::Uptime;

/// A child as it is wanted.
pub(super) struct Wanted<'a> {
    /// Whose it is to be.
    pub(super) owner: &'a Owner,
    /// All of it.
    pub(super) manifest: Manifest,
    /// What depends on it.
    pub(super) stage: Stage,
}

/// Brings one child to its manifest, or says why not.
pub(super) fn settle(
    context: &Context<'_>,
    wanted: Wanted<'_>,
    seen: Seen<&Child<'_>>,
    verdict: &mut Verdict,
) {
    let is_foundation = wanted.stage == Stage::Foundation;
    let waits = verdict.waits.len();
    bring(context, wanted, seen, verdict);
    verdict.lacks_foundation |= is_foundation && verdict.waits.len() > waits;
}

fn bring(context: &Context<'_>, wanted: Wanted<'_>, seen: Seen<&Child<'_>>, verdict: &mut Verdict) {
    let observed = context.observed;
    let Wanted { owner, manifest, stage } = wanted;
    match seen {
        Seen::Unknown(why) => wait(verdict, manifest.object, Reason::Unknown(why), None),
        Seen::Absent => create(context, Wanted { owner, manifest, stage }, verdict),
        Seen::Present(child) => match holder(context, owner, child) {
            Holder::Foreign(who) => {
                wait(verdict, manifest.object, Reason::NameConflict(who), None);
            }
            Holder::Predecessor => {
                wait(verdict, manifest.object, Reason::PredecessorLeaving, None);
            }
            Holder::Ours | Holder::Adoptable if child.meta.is_deleting => {
                wait(verdict, manifest.object, Reason::PredecessorLeaving, None);
            }
            Holder::Ours | Holder::Adoptable => {
                // It moves the version that the apply rests on.
                if let Some(action) = from_original(context, &manifest.object, child) {
                    return act(verdict, stage, action, Reason::Adopted);
                }
                if let Some(because) = difference(observed, child, &manifest) {
                    if let Some(action) = ownership_first(observed, &manifest.object, child) {
                        act(verdict, stage, action, because.clone());
                        // It moves the version that the apply of a StatefulSet rests on.
                        if manifest.object.kind == ObjectKind::StatefulSet {
                            return;
                        }
                    }
                    let over = precondition(child);
                    act(verdict, stage, Action::Apply { manifest, over }, because);
                }
            }
        },
    }
}

/// Creates what is not there. Where the last try met an object that no cache shows, that object
/// decides: adopted, waited for, or left alone until it is time to try again.
fn create(context: &Context<'_>, wanted: Wanted<'_>, verdict: &mut Verdict) {
    let Wanted { owner, manifest, stage } = wanted;
    let object = manifest.object.clone();
    let create = |verdict: &mut Verdict, manifest| {
        let action = Action::Apply { manifest, over: Precondition::Absent };
        act(verdict, stage, action, Reason::Missing);
    };
    let Some(found) = met(context.observed, &object) else { return create(verdict, manifest) };
    let child = Child::of(found);
    let because = match holder(context, owner, &child) {
        Holder::Ours | Holder::Adoptable if !child.meta.is_deleting => {
            let over = precondition(&child);
            let action = Action::Apply { manifest, over };
            return act(verdict, stage, action, Reason::Adopted);
        }
        Holder::Ours | Holder::Adoptable | Holder::Predecessor => Reason::PredecessorLeaving,
        Holder::Foreign(who) => Reason::NameConflict(who),
    };
    // Whether the name is free again is tried from time to time; until it is, the fact stands.
    let id = Action::id_of("Create", &object);
    let now = context.observed.now.uptime;
    let blocked = backoff::blocked_until(&id, context.observed.outcomes, None, now);
    if blocked.is_none() {
        create(verdict, manifest);
    }
    wait(verdict, object, because, blocked.map(|(until, _)| until));
}

/// The object that the last create-only apply met; none once an apply over it has been answered:
/// what it looked like then says nothing of now.
fn met<'a>(observed: &Observed<'a>, object: &ObjectRef) -> Option<&'a Value> {
    let created = observed.outcomes.get(&Action::id_of("Create", object))?;
    let applied = observed.outcomes.get(&Action::id_of("Apply", object));
    if applied.is_some_and(|applied| applied.at >= created.at) {
        return None;
    }
    match &created.answer {
        Answer::Exists { found } => found.as_ref(),
        Answer::Done { .. } | Answer::Refused { .. } => None,
    }
}

/// The move of ownership that must come before an apply: the server found the last one wrong,
/// which may be since another manager holds what is in the way. Once for each refusal: where the
/// content itself is wrong, it finds that all is ours, and costs a read.
pub(super) fn ownership_first(
    observed: &Observed<'_>,
    object: &ObjectRef,
    child: &Child<'_>,
) -> Option<Action> {
    let newest = outcomes(observed, object).max_by_key(|outcome| outcome.at);
    let refused = newest.filter(|outcome| {
        matches!(
            &outcome.answer,
            Answer::Refused { refusal: Refusal::Invalid | Refusal::Unreachable, .. }
        )
    })?;
    let taken = observed.outcomes.get(&Action::id_of("TakeOwnership", object));
    let is_tried = taken.is_some_and(|taken| taken.at >= refused.at);
    (!is_tried).then(|| Action::TakeOwnership {
        of: object.clone(),
        seen: child.meta.resource_version.clone(),
        held: Held::ByAnybody,
    })
}

/// The move of what the original holds of an object, once for each process that takes its app over.
fn from_original(context: &Context<'_>, object: &ObjectRef, child: &Child<'_>) -> Option<Action> {
    if !context.takes_over {
        return None;
    }
    let is_done = |verb: &str| {
        let outcome = context.observed.outcomes.get(&Action::id_of(verb, object));
        outcome.is_some_and(|outcome| matches!(outcome.answer, Answer::Done { .. }))
    };
    // What this process has made itself is its own already.
    (!is_done("TakeOwnership") && !is_done("Create")).then(|| Action::TakeOwnership {
        of: object.clone(),
        seen: child.meta.resource_version.clone(),
        held: Held::ByOriginal,
    })
}

/// An object is applied over the very version that was read: a process that stood still in the
/// middle of a request, and has a successor by now, changes nothing on its old view.
fn precondition(child: &Child<'_>) -> Precondition {
    Precondition::Version {
        uid: child.meta.uid.clone(),
        resource_version: child.meta.resource_version.clone(),
    }
}

fn holder(context: &Context<'_>, owner: &Owner, child: &Child<'_>) -> Holder {
    child.holder(owner.kind, &owner.name, &owner.uid, &context.observed.key.name)
}

/// Why a live object needs an apply, if it does.
pub(super) fn difference(
    observed: &Observed<'_>,
    child: &Child<'_>,
    manifest: &Manifest,
) -> Option<Reason> {
    let wanted = manifest.body.pointer("/metadata/annotations").and_then(|annotations| {
        annotations.get(keys::ANNOTATION_RESOURCE_HASH).and_then(Value::as_str)
    });
    let applied = child.meta.annotations.get(keys::ANNOTATION_RESOURCE_HASH).map(String::as_str);
    if wanted != applied {
        let is_new = child.meta.controller().is_none();
        return Some(if is_new { Reason::Adopted } else { Reason::DesiredChanged });
    }
    let hash = format!("metadata.annotations.{}", keys::ANNOTATION_RESOURCE_HASH);
    let is_settled = |path: &str| is_answered_at(observed, child, manifest, path);
    let first = drift::differences(&manifest.body, child.object)
        .into_iter()
        .map(|found| found.path)
        .find(|path| *path != hash && !is_settled(path))?;
    Some(Reason::Drift(first))
}

/// Whether the difference at `path` is the server's own answer to this very manifest: it reads
/// what we say in another way, and saying it again would not change that.
fn is_answered_at(
    observed: &Observed<'_>,
    child: &Child<'_>,
    manifest: &Manifest,
    path: &str,
) -> bool {
    outcomes(observed, &manifest.object).any(|outcome| match &outcome.answer {
        Answer::Done { resource_version, generation, digest } => {
            let same_version = resource_version.as_ref() == Some(&child.meta.resource_version);
            let same_spec = path.starts_with("spec")
                && generation.is_some_and(|generation| generation == child.meta.generation);
            *digest == manifest.digest() && (same_version || same_spec)
        }
        Answer::Exists { .. } | Answer::Refused { .. } => false,
    })
}

/// Whether the spec of a StatefulSet is as the server answered our last apply of it.
pub(crate) fn is_answered(observed: &Observed<'_>, set: &Child<'_>) -> bool {
    let object = observed.object(ObjectKind::StatefulSet, &set.meta.name);
    let applied = ["Apply", "Roll"].map(|verb| Action::id_of(verb, &object));
    let outcomes = applied.iter().filter_map(|id| observed.outcomes.get(id));
    let newest = outcomes.max_by_key(|outcome| outcome.at);
    newest.is_some_and(|outcome| match &outcome.answer {
        Answer::Done { generation, .. } => *generation == Some(set.meta.generation),
        Answer::Exists { .. } | Answer::Refused { .. } => false,
    })
}

fn outcomes<'a>(
    observed: &'a Observed<'_>,
    object: &'a ObjectRef,
) -> impl Iterator<Item = &'a Outcome> {
    ["Apply", "Roll", "Create"]
        .into_iter()
        .filter_map(|verb| observed.outcomes.get(&Action::id_of(verb, object)))
}

pub(super) fn act(verdict: &mut Verdict, stage: Stage, action: Action, because: Reason) {
    verdict.steps.push(Step { stage, action, because });
}

pub(super) fn wait(
    verdict: &mut Verdict,
    object: ObjectRef,
    because: Reason,
    until: Option<Uptime>,
) {
    verdict.waits.push(Wait { object, because, until });
}
