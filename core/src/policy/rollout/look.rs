//! What the template's policy rests on, read from a look.

use std::time::Duration;

use kaspr_crds::Kind;
use serde_json::{Value, json};

use super::{Case, Memory, Verdict, withdrawn_until};
use crate::app::App;
use crate::digest;
use crate::drift;
use crate::key::ObjectKind;
use crate::limits;
use crate::observed::{Child, LiveApp, Observed, SetFacts};
use crate::plan::Wait;
use crate::policy::children::is_answered;
use crate::policy::definitions::Tracked;
use crate::reason::Reason;
use crate::render;
use crate::seen::Seen;
use crate::time::Uptime;

/// Decides about the template of the app in this look.
pub(crate) fn decide(
    observed: &Observed<'_>,
    live: &LiveApp<'_>,
    app: &App,
    tracked: &Tracked<'_>,
) -> Verdict {
    let inputs = digest::of_json(&json!({
        "app": app.template_inputs(), "definitions": tracked.inputs(),
    }));
    let set = observed.own_set();
    let facts = set.map(SetFacts::of);
    let fits = |set: &Child<'_>, facts: &SetFacts| {
        facts.inputs.is_none() && facts.image == app.image && mounts_all(set, tracked)
    };
    let settling = settling_until(observed);
    super::decide(&Case {
        now: observed.now,
        kept: why_kept(observed, app).as_ref(),
        settling: settling.or_else(|| set.is_none().then(|| arriving_until(observed, live))?),
        set: facts.as_ref(),
        fits: set.zip(facts.as_ref()).is_some_and(|(set, facts)| fits(set, facts)),
        drift: &|| template_difference(observed, live, app, tracked),
        inputs: &inputs,
        generation: live.meta.generation,
        lists: &observed.lists,
        terminations: &live.status.memory.terminations,
        members: observed.members.as_ref().map(Vec::as_slice),
        memory: &Memory {
            template: live.status.template.clone(),
            rollout: live.status.rollout.clone(),
        },
        marks: observed.marks,
    })
}

/// Why the template is not decided about at all, if it is not.
fn why_kept(observed: &Observed<'_>, app: &App) -> Option<Reason> {
    if app.is_paused {
        return Some(Reason::Paused);
    }
    if let Err(why) = observed.components_known() {
        return Some(Reason::Unknown(why));
    }
    // A definition that is live is the last good one of a spec that turned bad.
    if let Some(why) = observed.children.config_maps.unknown() {
        return Some(Reason::Unknown(why));
    }
    match &observed.children.stateful_set {
        Seen::Unknown(why) => Some(Reason::Unknown(*why)),
        // Told apart, with its owner's name, where the children are decided.
        Seen::Present(_) if observed.own_set().is_none() => Some(Reason::PredecessorLeaving),
        Seen::Present(_) | Seen::Absent => None,
    }
}

/// Whether a live template mounts every tracked definition.
fn mounts_all(set: &Child<'_>, tracked: &Tracked<'_>) -> bool {
    let mounted = set.config_maps();
    tracked
        .items
        .iter()
        .filter(|item| item.mounted().is_some())
        .all(|item| mounted.contains(item.object_name().as_str()))
}

/// The first field of the live template that differs from the template of now, unless the server
/// itself answered this very template with this difference.
fn template_difference(
    observed: &Observed<'_>,
    live: &LiveApp<'_>,
    app: &App,
    tracked: &Tracked<'_>,
) -> Option<String> {
    let set = observed.own_set()?;
    let owner = render::owner_of(Kind::App, &observed.key.namespace, &live.meta);
    let has_claim = set
        .object
        .pointer("/spec/volumeClaimTemplates")
        .and_then(Value::as_array)
        .is_some_and(|claims| !claims.is_empty());
    let wanted = render::template(app, &owner, &observed.names, &tracked.mounted(), has_claim);
    let live = set.object.pointer("/spec/template")?;
    let path = drift::differences(&wanted, live).into_iter().next()?.path;
    (!is_answered(observed, set)).then(|| format!("spec.template.{path}"))
}

/// Until when more may come of what was applied just before this process first looked: it saw no
/// edits then, only objects that are a moment old by the API server's clock.
fn arriving_until(observed: &Observed<'_>, live: &LiveApp<'_>) -> Option<Uptime> {
    let components = observed.all_components().map(|(_, live)| &live.meta);
    let newest = components.chain([&live.meta]).filter_map(|meta| meta.created).max()?;
    let age = Duration::try_from(observed.now.wall.duration_since(newest)).ok()?;
    // That clock tells whole seconds.
    let settle = Duration::from_millis(observed.settings.settle_millis) + Duration::from_secs(1);
    let left = settle.checked_sub(age).filter(|_| observed.edits.is_none())?;
    // Less than a millisecond is no time left to wait for.
    let until = observed.now.uptime.after(left);
    (until > observed.now.uptime).then_some(until)
}

/// Until when edits are still coming in; `None` once they have settled.
pub(crate) fn settling_until(observed: &Observed<'_>) -> Option<Uptime> {
    let edits = observed.edits?;
    let settle = Duration::from_millis(observed.settings.settle_millis);
    let until = edits
        .last
        .after(settle)
        .min(edits.first.after(settle.saturating_mul(limits::SETTLE_ROUNDS_MAX)));
    (until > observed.now.uptime).then_some(until)
}

/// The wait for an intent that was taken back, if there is one.
pub(crate) fn withdrawn(observed: &Observed<'_>, verdict: &Verdict) -> Option<Wait> {
    let rollout = verdict.memory.rollout.as_ref()?;
    let until = withdrawn_until(
        observed.marks,
        observed.now.uptime,
        &rollout.inputs,
        rollout.withdrawn.as_ref()?,
    );
    let object = observed.object(ObjectKind::StatefulSet, &observed.names.base);
    // Once that is over, it may still stand for as long as nobody decides about the template.
    let until = (until > observed.now.uptime).then_some(until);
    Some(Wait { object, because: Reason::IntentWithdrawn, until })
}
