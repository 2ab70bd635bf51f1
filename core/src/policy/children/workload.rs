//! The StatefulSet and its autoscaler.

use serde_json::{Value, json};

use super::child::{Wanted, act, ownership_first, settle, wait};
use super::{Context, Verdict};
use crate::action::{Action, Held, Manifest, Precondition};
use crate::backoff;
use crate::key::{ObjectKind, ObjectRef};
use crate::meta::Meta;
use crate::observed::{Child, Holder, Observed, SetFacts};
use crate::outcome::{Answer, Outcome};
use crate::plan::Stage;
use crate::policy::rollout::Choice;
use crate::reason::Reason;
use crate::render::{self, StatefulSetParts, TemplateParts};
use crate::seen::{Seen, Unseen};
use crate::time::Uptime;

/// The autoscaler: there while members are wanted.
pub(super) fn autoscaler(context: &Context<'_>, verdict: &mut Verdict) {
    let Context { observed, app, owner, .. } = context;
    let seen = &observed.children.autoscaler;
    if app.replicas > 0 {
        // It comes with the StatefulSet that it scales, and never scales somebody else's.
        let is_made = context.rollout.choice == Choice::Create && !verdict.lacks_foundation;
        if observed.own_set().is_none() && !is_made {
            return;
        }
        if let (Some(held), true) = (&context.rollout.secrets.held, grows(seen, app.replicas)) {
            let object = observed.object(ObjectKind::Autoscaler, &observed.names.autoscaler);
            return wait(verdict, object, held.clone(), None);
        }
        let manifest = render::autoscaler(app, owner, &observed.names, observed.settings);
        let wanted = Wanted { owner, manifest, stage: Stage::Aside };
        return settle(context, wanted, seen.as_ref(), verdict);
    }
    let Seen::Present(child) = seen else { return };
    let holder = child.holder(owner.kind, &owner.name, &owner.uid, &observed.key.name);
    if !child.meta.is_deleting && matches!(holder, Holder::Ours | Holder::Adoptable) {
        let object = observed.object(ObjectKind::Autoscaler, &observed.names.autoscaler);
        let action = Action::Delete { object, uid: child.meta.uid.clone() };
        act(verdict, Stage::Aside, action, Reason::NoLongerWanted);
    }
}

/// Whether an autoscaler may make more pods by this count than by the one that it has.
fn grows(seen: &Seen<Child<'_>>, count: i32) -> bool {
    let most = |child: &Child<'_>| child.object.pointer("/spec/maxReplicas")?.as_i64();
    seen.present().and_then(most).is_none_or(|most| i64::from(count) > most)
}

/// The StatefulSet, with the template that the rollout chose.
pub(super) fn stateful_set(context: &Context<'_>, verdict: &mut Verdict) {
    let Context { observed, owner, .. } = context;
    let object = observed.object(ObjectKind::StatefulSet, &observed.names.base);
    match (&observed.children.stateful_set, &context.rollout.choice) {
        (Seen::Unknown(why), _) => wait(verdict, object, Reason::Unknown(*why), None),
        (Seen::Absent, Choice::Create) => {
            if verdict.lacks_foundation {
                return wait(verdict, object, Reason::FoundationMissing, None);
            }
            let left = match observed.pods {
                Seen::Present(pods) => left(context, pods),
                Seen::Absent => left(context, &[]),
                Seen::Unknown(why) => return wait(verdict, object, Reason::Unknown(*why), None),
            };
            if left.is_held {
                return wait(verdict, object, Reason::PredecessorLeaving, None);
            }
            let claims = render::claim_templates(context.app, &observed.names);
            let replicas = if context.app.replicas == 0 { Some(0) } else { left.count };
            let manifest = rendered(context, claims, replicas);
            let wanted = Wanted { owner, manifest, stage: Stage::Workload };
            settle(context, wanted, Seen::Absent, verdict);
        }
        (Seen::Absent, Choice::Keep(because, until)) => {
            wait(verdict, object, because.clone(), *until);
        }
        (Seen::Absent, Choice::Change(_) | Choice::Stand) => {
            wait(verdict, object, Reason::Unknown(Unseen::NotListed), None);
        }
        (Seen::Present(set), choice) => {
            if let (Choice::Keep(because, until), Some(_)) = (choice, observed.own_set()) {
                wait(verdict, object, because.clone(), *until);
            }
            live(context, set, verdict);
        }
    }
}

/// A StatefulSet that is there.
fn live(context: &Context<'_>, set: &Child<'_>, verdict: &mut Verdict) {
    let Context { observed, app, rollout, .. } = context;
    let facts = SetFacts::of(set);
    let is_ours = observed.own_set().is_some();
    let is_found = set.meta.annotations.contains_key(render::FOUND_REPLICAS);
    if is_ours && is_found && !is_count_owned(observed, set) {
        let of = observed.object(ObjectKind::StatefulSet, &observed.names.base);
        let to = i32::try_from(facts.wanted).unwrap_or(i32::MAX);
        let id = Action::id_of("Scale", &of);
        let now = observed.now.uptime;
        if backoff::blocked_until(&id, observed.outcomes, observed.edits, now).is_none() {
            let action = scale(of, set, to);
            return act(verdict, Stage::Workload, action, Reason::PodsFound);
        }
        // Until somebody else owns it, each apply names the count.
    }
    if is_ours && leaves_zero(context, &facts) && !matches!(rollout.choice, Choice::Change(_)) {
        let of = observed.object(ObjectKind::StatefulSet, &observed.names.base);
        let to = app.replicas.min(observed.settings.initial_max_replicas).max(1);
        let action = scale(of, set, to);
        // The apply that lets go of the count follows when the new one is seen.
        return act(verdict, Stage::Workload, action, Reason::LeftZero);
    }
    if let (Some(held), true) = (&rollout.secrets.held, is_ours && facts.wanted == 0)
        && rollout.choice == Choice::Stand
        && app.replicas > 0
    {
        let of = observed.object(ObjectKind::StatefulSet, &set.meta.name);
        wait(verdict, of, held.clone(), None);
    }
    let claims = set.object.pointer("/spec/volumeClaimTemplates").cloned().unwrap_or(json!([]));
    if let (Choice::Change(because), true) = (&rollout.choice, is_ours) {
        match roll(context, set, &facts, claims.clone(), verdict) {
            Ok(action) => return act(verdict, Stage::Workload, action, because.clone()),
            // The template waits; all else of the set does not.
            Err((because, until)) => {
                let of = observed.object(ObjectKind::StatefulSet, &set.meta.name);
                wait(verdict, of, because, until);
            }
        }
    }
    repeat(context, set, &facts, claims, verdict);
}

/// The request that gives a count an owner besides the operator's applies.
fn scale(of: ObjectRef, set: &Child<'_>, to: i32) -> Action {
    let (uid, seen) = (set.meta.uid.clone(), set.meta.resource_version.clone());
    Action::Scale { of, uid, seen, to }
}

/// Whether this process has given the count of this very set an owner who keeps it when the apply lets go
/// of it (measured: a count that nobody else owns is reset to 1).
fn is_count_owned(observed: &Observed<'_>, set: &Child<'_>) -> bool {
    let object = observed.object(ObjectKind::StatefulSet, &set.meta.name);
    let scaled = observed.outcomes.get(&Action::id_of("Scale", &object));
    scaled.is_some_and(|scaled| {
        scaled.of == set.meta.uid && matches!(scaled.answer, Answer::Done { .. })
    })
}

/// The members of a StatefulSet that is not there any more.
struct Left {
    /// Some are still somebody's: garbage collection takes them, or lets them go.
    is_held: bool,
    /// How many run on without one: as many as the highest of them counts, and no more than are wanted.
    /// None where that is no more than a StatefulSet starts with.
    count: Option<i32>,
}

fn left(context: &Context<'_>, pods: &[Value]) -> Left {
    let Context { observed, app, .. } = context;
    let ordinal = |meta: &Meta| -> Option<i32> {
        let ordinal = meta.name.strip_prefix(&observed.names.base)?.strip_prefix('-')?;
        ordinal.parse().ok().filter(|_| !meta.is_deleting)
    };
    let mut found = Left { is_held: false, count: None };
    for meta in pods.iter().map(Meta::of) {
        let Some(ordinal) = ordinal(&meta) else { continue };
        match meta.controller() {
            Some(owner) => found.is_held |= owner.name == observed.names.base,
            None => found.count = found.count.max(Some(ordinal.saturating_add(1))),
        }
    }
    found.count = found.count.map(|count| count.min(app.replicas)).filter(|count| *count > 1);
    found
}

/// The change of the template, or why it cannot be made in this pass.
fn roll(
    context: &Context<'_>,
    set: &Child<'_>,
    facts: &SetFacts,
    claims: Value,
    verdict: &mut Verdict,
) -> Result<Action, (Reason, Option<Uptime>)> {
    let Context { observed, rollout, .. } = context;
    if verdict.lacks_foundation {
        return Err((Reason::FoundationMissing, None));
    }
    let object = observed.object(ObjectKind::StatefulSet, &set.meta.name);
    let id = Action::id_of("Roll", &object);
    let now = observed.now.uptime;
    let blocked = backoff::blocked_until(&id, observed.outcomes, observed.edits, now);
    if let Some((until, Outcome { answer: Answer::Refused { refusal, .. }, .. })) = blocked {
        if let Some(action) = ownership_first(observed, &object, set) {
            act(verdict, Stage::Workload, action, Reason::BackingOff(*refusal));
        }
        return Err((Reason::BackingOff(*refusal), Some(until)));
    }
    // What the original put into the template stays in it unless it becomes ours first.
    if rollout.is_adopted(facts) && !is_owned(observed, &object, set) {
        let (of, seen) = (object, set.meta.resource_version.clone());
        let action = Action::TakeOwnership { of, seen, held: Held::ByAnybody };
        act(verdict, Stage::Workload, action, Reason::Adopted);
        return Err((Reason::OwnershipFirst, None));
    }
    let over = Precondition::Version {
        uid: set.meta.uid.clone(),
        resource_version: set.meta.resource_version.clone(),
    };
    debug_assert!(matches!(rollout.choice, Choice::Change(_)), "only a change rolls");
    Ok(Action::Roll { manifest: rendered(context, claims, replicas(context, set)), over })
}

/// Whether this process has made all fields of the set its own, and nobody changed it since.
fn is_owned(observed: &Observed<'_>, object: &ObjectRef, set: &Child<'_>) -> bool {
    let taken = observed.outcomes.get(&Action::id_of("TakeOwnership", object));
    taken.is_some_and(|taken| {
        taken.of == Held::ByAnybody.word()
            && matches!(&taken.answer, Answer::Done { generation, .. }
                if *generation == Some(set.meta.generation))
    })
}

/// The StatefulSet with its live template: all else is brought to what is wanted.
fn repeat(
    context: &Context<'_>,
    set: &Child<'_>,
    facts: &SetFacts,
    claims: Value,
    verdict: &mut Verdict,
) {
    let Context { observed, app, owner, .. } = context;
    // A template that we did not render may hold what an apply cannot say: it is left out.
    let is_ours = !context.rollout.is_adopted(facts);
    let inputs = is_ours.then(|| context.rollout.live_inputs(facts)).flatten();
    let template = is_ours.then(|| set.object.pointer("/spec/template").cloned()).flatten();
    let parts = StatefulSetParts {
        template,
        inputs,
        secret_versions: context.rollout.secrets.kept.clone(),
        claim_templates: claims,
        replicas: replicas(context, set),
    };
    let manifest = render::statefulset(app, owner, &observed.names, parts);
    let wanted = Wanted { owner, manifest, stage: Stage::Workload };
    settle(context, wanted, Seen::Present(set), verdict);
}

/// The StatefulSet with the template of now.
fn rendered(context: &Context<'_>, claims: Value, replicas: Option<i32>) -> Manifest {
    let Context { observed, app, tracked, owner, rollout, .. } = context;
    let names = &observed.names;
    let has_claim = claims.as_array().is_some_and(|claims| !claims.is_empty());
    let of_template = TemplateParts {
        mounted: &tracked.mounted(),
        has_claim,
        cluster_domain: &observed.settings.cluster_domain,
        secret_versions: rollout.secrets.of_template.as_deref(),
    };
    let parts = StatefulSetParts {
        template: Some(render::template(app, owner, names, &of_template)),
        inputs: Some(rollout.inputs.clone()),
        secret_versions: rollout.secrets.next.clone(),
        claim_templates: claims,
        replicas,
    };
    render::statefulset(app, owner, names, parts)
}

/// The count that an apply names: 0 while none is wanted, and whatever it is until another manager has
/// taken the field over (measured: letting go of one that nobody else owns resets it to 1).
fn replicas(context: &Context<'_>, set: &Child<'_>) -> Option<i32> {
    let facts = SetFacts::of(set);
    if context.app.replicas == 0 || facts.wanted == 0 {
        return Some(0);
    }
    let is_found = set.meta.annotations.contains_key(render::FOUND_REPLICAS);
    let is_unowned = is_found && !is_count_owned(context.observed, set);
    is_unowned.then(|| i32::try_from(facts.wanted).unwrap_or(i32::MAX))
}

/// Whether the members are wanted again, and the template is the one that they should start with.
fn leaves_zero(context: &Context<'_>, facts: &SetFacts) -> bool {
    let is_ready = match &context.rollout.choice {
        Choice::Stand | Choice::Keep(Reason::Unknown(_), _) => true,
        Choice::Create | Choice::Change(_) | Choice::Keep(..) => false,
    };
    let may_start = context.rollout.secrets.held.is_none();
    context.app.replicas > 0 && facts.wanted == 0 && is_ready && may_start
}
