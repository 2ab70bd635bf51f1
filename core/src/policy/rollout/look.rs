//! What the template's policy rests on, read from a look.

use std::time::Duration;

use kaspr_crds::Kind;
use serde_json::{Value, json};

use super::{Case, Memory, Verdict, adoption, withdrawn_until};
use crate::app::App;
use crate::digest;
use crate::drift;
use crate::key::ObjectKind;
use crate::limits;
use crate::observed::{Child, LiveApp, Observed, SetFacts};
use crate::plan::Wait;
use crate::policy::children::is_answered;
use crate::policy::definitions::{Item, Tracked};
use crate::policy::secrets;
use crate::reason::Reason;
use crate::render::{self, TemplateParts};
use crate::seen::Seen;
use crate::time::Uptime;

/// Decides about the template of the app in this look.
pub(crate) fn decide(
    observed: &Observed<'_>,
    live: &LiveApp<'_>,
    app: &App,
    tracked: &Tracked<'_>,
) -> Verdict {
    let secrets = secrets::decide(observed, live, app);
    let (of_app, definitions) = (app.template_inputs(), tracked.inputs());
    let inputs = |of_secrets: &Option<String>| {
        let mut inputs = json!({ "app": of_app, "definitions": definitions });
        if let (Some(versions), Some(inputs)) = (of_secrets, inputs.as_object_mut()) {
            inputs.insert("secrets".to_owned(), json!(versions));
        }
        digest::of_json(&inputs)
    };
    let set = observed.own_set();
    let facts = set.map(SetFacts::of);
    let carried = facts.as_ref().and_then(|facts| facts.inputs.as_ref());
    let is_secrets_alone = !secrets.changed.is_empty() && carried == Some(&inputs(&secrets.live));
    let changed = if is_secrets_alone {
        Reason::SecretChanged(secrets.changed.join(", "))
    } else {
        Reason::TemplateChanged
    };
    let fits = || set.is_some_and(|set| lacks(observed, live, app, set, tracked).is_empty());
    let settling = settling_until(observed);
    super::decide(&Case {
        now: observed.now,
        kept: why_kept(observed, app).as_ref(),
        settling: settling.or_else(|| set.is_none().then(|| arriving_until(observed, live))?),
        set: facts.as_ref(),
        fits: &fits,
        drift: &|| template_difference(observed, live, app, tracked, &secrets),
        inputs: &inputs(&secrets.of_template),
        changed: &changed,
        secrets: &secrets,
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

/// What the pods of a StatefulSet that this operator never wrote lack of what is wanted, in words.
pub(crate) fn lacks(
    observed: &Observed<'_>,
    live: &LiveApp<'_>,
    app: &App,
    set: &Child<'_>,
    tracked: &Tracked<'_>,
) -> Vec<String> {
    let mut lacks = adoption::unhandled(observed, live, app, set);
    let image = SetFacts::of(set).image;
    if image != app.image {
        lacks.push(format!("the image is {image}, and {} is wanted", app.image));
    }
    lacks.extend(unmounted(set, tracked).map(|name| format!("{name} is not mounted")));
    lacks
}

/// Why the template is not decided about at all, if it is not.
pub(crate) fn why_kept(observed: &Observed<'_>, app: &App) -> Option<Reason> {
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

/// The tracked definitions that a live template does not mount. Joins wait for the next rollout: the
/// original never mounted one, and no pod is restarted for that alone.
fn unmounted<'a>(
    set: &'a Child<'_>,
    tracked: &'a Tracked<'_>,
) -> impl Iterator<Item = String> + 'a {
    let mounted = set.config_maps();
    let wanted =
        tracked.items.iter().filter(|item| item.kind != Kind::Join && item.mounted().is_some());
    wanted.map(Item::object_name).filter(move |name| !mounted.contains(name.as_str()))
}

/// The first field of the live template that differs from the template of now, unless the server
/// itself answered this very template with this difference.
fn template_difference(
    observed: &Observed<'_>,
    live: &LiveApp<'_>,
    app: &App,
    tracked: &Tracked<'_>,
    secrets: &secrets::Verdict,
) -> Option<String> {
    let set = observed.own_set()?;
    let path = template_differences(observed, live, app, tracked, secrets).into_iter().next()?;
    (!is_answered(observed, set)).then(|| format!("spec.template.{path}"))
}

/// What the next rollout brings beside the change that it is for: where a template that stands is not
/// as this build would render it.
pub(crate) fn pending(
    observed: &Observed<'_>,
    live: &LiveApp<'_>,
    app: &App,
    tracked: &Tracked<'_>,
    verdict: &Verdict,
) -> Vec<String> {
    if !verdict.is_settled() {
        return Vec::new();
    }
    let is_digest = |path: &str| {
        let name = path.rsplit_once("env[").and_then(|(_, name)| name.strip_suffix("].value"));
        name.is_some_and(render::is_digest_variable)
    };
    let mut paths = template_differences(observed, live, app, tracked, &verdict.secrets);
    paths.retain(|path| !is_digest(path));
    paths
}

/// Where the live template is not as it is rendered now.
fn template_differences(
    observed: &Observed<'_>,
    live: &LiveApp<'_>,
    app: &App,
    tracked: &Tracked<'_>,
    secrets: &secrets::Verdict,
) -> Vec<String> {
    let template = observed.own_set().and_then(|set| {
        let claims = set.object.pointer("/spec/volumeClaimTemplates").and_then(Value::as_array);
        Some((
            set.object.pointer("/spec/template")?,
            claims.is_some_and(|claims| !claims.is_empty()),
        ))
    });
    let Some((template, has_claim)) = template else { return Vec::new() };
    let owner = render::owner_of(Kind::App, &observed.key.namespace, &live.meta);
    let parts = TemplateParts {
        mounted: &tracked.mounted(),
        has_claim,
        cluster_domain: &observed.settings.cluster_domain,
        secret_versions: secrets.of_template.as_deref(),
    };
    let wanted = render::template(app, &owner, &observed.names, &parts);
    drift::differences(&wanted, template).into_iter().map(|found| found.path).collect()
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
