//! What the original's framework left on resources: kept until the app runs under this operator, then
//! taken away, once.
//!
//! Its finalizer would make every deletion wait for a process that is gone. If it comes back after that,
//! the original still runs, and writes the same objects: then one of the two has to stop, and it is this
//! one, until a person has decided.

use kaspr_crds::keys;

use crate::action::Action;
use crate::key::{ObjectKind, ObjectRef};
use crate::meta::Meta;
use crate::observed::{LiveApp, Observed};
use crate::outcome::Answer;
use crate::plan::{Plan, Stage, Step, Wait};
use crate::policy::rollout;
use crate::reason::Reason;
use crate::status::Takeover;

/// What is left on a resource.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Leftovers {
    /// The finalizers that stay.
    finalizers: Vec<String>,
    /// The annotations that go.
    annotations: Vec<String>,
}

impl Leftovers {
    /// What is left on a resource with this metadata, if anything is.
    fn of(meta: &Meta) -> Option<Self> {
        let is_theirs = |key: &&String| key.starts_with(keys::ORIGINAL_ANNOTATION_PREFIX);
        let annotations: Vec<String> = meta.annotations.keys().filter(is_theirs).cloned().collect();
        let stays = |finalizer: &&String| *finalizer != keys::ORIGINAL_FINALIZER;
        let finalizers: Vec<String> = meta.finalizers.iter().filter(stays).cloned().collect();
        let is_held = finalizers.len() < meta.finalizers.len();
        (is_held || !annotations.is_empty()).then_some(Self { finalizers, annotations })
    }
}

/// Whether anything is left on a resource with this metadata.
pub(crate) fn is_left(meta: &Meta) -> bool {
    Leftovers::of(meta).is_some()
}

fn holds_finalizer(meta: &Meta) -> bool {
    meta.finalizers.iter().any(|finalizer| finalizer == keys::ORIGINAL_FINALIZER)
}

fn is_paused(live: &LiveApp<'_>) -> bool {
    live.meta.says_true(keys::ANNOTATION_PAUSE)
}

/// Whether the original put its finalizer back after it was taken away.
pub(crate) fn is_back(live: &LiveApp<'_>) -> bool {
    let is_over = live.status.takeover.as_ref().is_some_and(|takeover| takeover.finished.is_some());
    is_over && holds_finalizer(&live.meta)
}

/// Whether what the original holds is being made ours.
pub(crate) fn is_under_way(live: &LiveApp<'_>) -> bool {
    let is_over = live.status.takeover.as_ref().is_some_and(|takeover| takeover.finished.is_some());
    !is_over && Leftovers::of(&live.meta).is_some()
}

/// What is remembered of the takeover next: that it begins to let go once every object is ours and its
/// template decided about, and that it is over when nothing is left.
pub(crate) fn next(
    observed: &Observed<'_>,
    live: &LiveApp<'_>,
    memory: &rollout::Memory,
    steps: &[Step],
) -> Option<Takeover> {
    if is_paused(live) {
        return live.status.takeover.clone();
    }
    let is_left = Leftovers::of(&live.meta).is_some();
    let Some(begun) = &live.status.takeover else {
        let is_write = |step: &Step| {
            matches!(
                step.action,
                Action::Apply { .. } | Action::Roll { .. } | Action::TakeOwnership { .. }
            )
        };
        let is_decided = memory.template.is_some() || memory.rollout.is_some();
        let is_ready = is_left && is_decided && !steps.iter().any(is_write);
        return is_ready.then(|| Takeover { since: observed.now.stamp(), finished: None });
    };
    let of = observed.object(ObjectKind::App, &live.meta.name);
    let is_over = begun.finished.is_none() && (!is_left || was_removed(observed, &of));
    let finished = begun.finished.clone().or_else(|| is_over.then(|| observed.now.stamp()));
    Some(Takeover { finished, ..begun.clone() })
}

/// Whether this process has taken away what was left on a resource.
fn was_removed(observed: &Observed<'_>, of: &ObjectRef) -> bool {
    let removed = observed.outcomes.get(&Action::id_of("RemoveLeftovers", of));
    removed.is_some_and(|removed| matches!(removed.answer, Answer::Done { .. }))
}

/// Takes away what is left on an app and its components, once the status says that it is time. An app
/// that the original never had waits for nothing: a component may have come from another.
pub(crate) fn let_go(observed: &Observed<'_>, live: &LiveApp<'_>, plan: &mut Plan) {
    let is_early = live.status.takeover.is_none() && is_left(&live.meta);
    if is_early || is_paused(live) {
        return;
    }
    let of = observed.object(ObjectKind::App, &live.meta.name);
    remove(observed, of, &live.meta, plan);
    components(observed, plan);
}

/// The same of an app that is being deleted: nothing else waits for its finalizer any more.
pub(crate) fn let_leave(observed: &Observed<'_>, live: &LiveApp<'_>, plan: &mut Plan) {
    let of = observed.object(ObjectKind::App, &live.meta.name);
    remove(observed, of, &live.meta, plan);
    components(observed, plan);
}

/// The same of components, whatever their app.
pub(crate) fn components(observed: &Observed<'_>, plan: &mut Plan) {
    for (kind, one) in observed.all_components() {
        let of = observed.object(ObjectKind::from(kind), &one.meta.name);
        remove(observed, of, &one.meta, plan);
    }
}

fn remove(observed: &Observed<'_>, of: ObjectRef, meta: &Meta, plan: &mut Plan) {
    let Some(Leftovers { finalizers, annotations }) = Leftovers::of(meta) else { return };
    if was_removed(observed, &of) {
        let because = Reason::OriginalStillRunning;
        plan.waits.push(Wait { object: of, because, until: None });
        return;
    }
    // A write of its status moves the version that this one rests on.
    if plan.steps.iter().any(|step| *step.action.object() == of) {
        return;
    }
    let seen = meta.resource_version.clone();
    let action = Action::RemoveLeftovers { of, seen, finalizers, annotations };
    plan.steps.push(Step { stage: Stage::Aside, action, because: Reason::TakenOver });
}
