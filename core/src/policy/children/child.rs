//! One child: created, adopted, repaired, or left alone.

use kaspr_crds::keys;
use serde_json::{Value, json};

use super::{Context, Verdict};
use crate::action::{Action, Manifest, Precondition};
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
                if let Some(because) = difference(observed, child, &manifest) {
                    if must_overwrite(observed, &manifest.object, &because)
                        && let Some(action) = overwrite_ports(&manifest, child)
                    {
                        return act(verdict, stage, action, because);
                    }
                    let over = precondition(&manifest, child);
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
    let Some((found, until)) = met(context.observed, &manifest.object) else {
        let action = Action::Apply { manifest, over: Precondition::Absent };
        return act(verdict, stage, action, Reason::Missing);
    };
    let child = Child::of(found);
    match holder(context, owner, &child) {
        Holder::Ours | Holder::Adoptable if !child.meta.is_deleting => {
            let over = precondition(&manifest, &child);
            act(verdict, stage, Action::Apply { manifest, over }, Reason::Adopted);
        }
        Holder::Ours | Holder::Adoptable | Holder::Predecessor => {
            wait(verdict, manifest.object, Reason::PredecessorLeaving, Some(until));
        }
        Holder::Foreign(who) => {
            wait(verdict, manifest.object, Reason::NameConflict(who), Some(until));
        }
    }
}

/// Whether an apply is known not to do: somebody else changed the object, or the server found the
/// last apply invalid, since another manager owns what is in the way.
pub(super) fn must_overwrite(
    observed: &Observed<'_>,
    object: &ObjectRef,
    because: &Reason,
) -> bool {
    let is_refused = |outcome: &Outcome| {
        matches!(&outcome.answer, Answer::Refused { refusal: Refusal::Invalid, .. })
    };
    matches!(because, Reason::Drift(_)) || outcomes(observed, object).any(is_refused)
}

/// A Service whose live ports hold one that is not wanted gets them set whole; the apply follows
/// when that is seen.
fn overwrite_ports(manifest: &Manifest, child: &Child<'_>) -> Option<Action> {
    let ports = |object: &'_ Value| object.pointer("/spec/ports").cloned();
    let wanted = ports(&manifest.body)?;
    if manifest.object.kind != ObjectKind::Service
        || !drift::has_foreign_port(&wanted, &ports(child.object)?)
    {
        return None;
    }
    Some(Action::Overwrite {
        of: manifest.object.clone(),
        seen: child.meta.resource_version.clone(),
        patch: json!({ "spec": { "ports": wanted } }),
    })
}

/// A StatefulSet is applied over the very version that was read, since the apply repeats its pod
/// template; anything else over whatever version this object has by then.
fn precondition(manifest: &Manifest, child: &Child<'_>) -> Precondition {
    let uid = child.meta.uid.clone();
    if manifest.object.kind == ObjectKind::StatefulSet {
        Precondition::Version { uid, resource_version: child.meta.resource_version.clone() }
    } else {
        Precondition::Uid(uid)
    }
}

/// The object that the last create-only apply met, until it is time to try again.
fn met<'a>(observed: &Observed<'a>, object: &ObjectRef) -> Option<(&'a Value, Uptime)> {
    let id = Action::id_of("Create", object);
    let (until, outcome) =
        backoff::blocked_until(&id, observed.outcomes, None, observed.now.uptime)?;
    match &outcome.answer {
        Answer::Exists { found: Some(found) } => Some((found, until)),
        Answer::Exists { found: None } | Answer::Done { .. } | Answer::Refused { .. } => None,
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
    let found = drift::differences(&manifest.body, child.object);
    let hash = format!("metadata.annotations.{}", keys::ANNOTATION_RESOURCE_HASH);
    if wanted != applied {
        let is_new = child.meta.controller().is_none();
        return Some(if is_new { Reason::Adopted } else { Reason::DesiredChanged });
    }
    let is_settled = |path: &str| is_answered_at(observed, child, manifest, path);
    let first = found
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
    outcomes(observed, &object).any(|outcome| match &outcome.answer {
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
