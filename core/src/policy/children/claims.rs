//! Claims: those of members grow in place when the spec wants more; the one of packages comes and goes.
//!
//! A claim grows while its pod runs, where its class lets it; nothing is deleted for it, and no member
//! stops. The template of claims in the StatefulSet cannot change: a member that comes later gets a claim
//! of the old size first, which then grows like the others (decision 14).

use serde_json::{Value, json};

use super::child::{Wanted, act, settle};
use super::{Context, Verdict};
use crate::action::{Action, Manifest, Precondition};
use crate::key::{ObjectKind, ObjectRef};
use crate::observed::{Child, Observed};
use crate::packages::Place;
use crate::plan::Stage;
use crate::quantity::Quantity;
use crate::reason::Reason;
use crate::render;
use crate::seen::Seen;

/// Asks for more where a member's claim asks for less than the spec wants.
pub(super) fn grow(context: &Context<'_>, verdict: &mut Verdict) {
    let Some((text, wanted)) = context.app.claim_size() else { return };
    for claim in of_members(context.observed) {
        let is_small = requested(claim).is_some_and(|amount| amount < wanted);
        if claim.meta.is_deleting || !is_small {
            continue;
        }
        let manifest = asking(context.observed, &claim.meta.name, text);
        let over = Precondition::Version {
            uid: claim.meta.uid.clone(),
            resource_version: claim.meta.resource_version.clone(),
        };
        act(verdict, Stage::Aside, Action::Apply { manifest, over }, Reason::StorageGrows);
    }
}

/// The claim of packages that members share, there while the spec wants it.
///
/// Class and access mode of a claim cannot change, and it cannot shrink: the live ones are repeated.
pub(super) fn packages(context: &Context<'_>, verdict: &mut Verdict) {
    let Context { observed, app, owner, .. } = context;
    let names = &observed.names;
    let live = observed
        .children
        .claims
        .as_ref()
        .map(|claims| claims.iter().find(|claim| claim.meta.name == names.packages_claim));
    let seen = match live {
        Seen::Present(Some(claim)) => Seen::Present(claim),
        Seen::Present(None) | Seen::Absent => Seen::Absent,
        Seen::Unknown(why) => Seen::Unknown(why),
    };
    let Some(Place::Shared(wanted)) = app.packages.as_ref().map(|packages| &packages.place) else {
        return;
    };
    let live_text = |path: &str| {
        let claim = seen.present().copied()?;
        claim.object.pointer(path).and_then(Value::as_str).map(str::to_owned)
    };
    let asked = live_text("/spec/resources/requests/storage");
    let is_larger = |asked: &String| Quantity::parse(asked) > Quantity::parse(&wanted.size);
    let size = asked.filter(is_larger).unwrap_or_else(|| wanted.size.clone());
    let class = live_text("/spec/storageClassName").or_else(|| wanted.class.clone());
    let manifest = render::packages_claim(owner, names, wanted, &size, class.as_deref());
    let wanted = Wanted { owner, manifest, stage: Stage::Foundation };
    settle(context, wanted, seen, verdict);
}

/// The claims of the app's members that have not got yet what they ask for.
pub(crate) fn growing(observed: &Observed<'_>) -> Vec<String> {
    let is_growing = |claim: &&Child<'_>| {
        let has = amount(claim, "/status/capacity/storage");
        has.is_some_and(|has| requested(claim).is_some_and(|asked| has < asked))
    };
    of_members(observed).filter(is_growing).map(|claim| claim.meta.name.clone()).collect()
}

/// The claims that the StatefulSet made for its ordinals.
fn of_members<'a>(observed: &'a Observed<'_>) -> impl Iterator<Item = &'a Child<'a>> {
    let prefix = format!("{}-{}-", observed.names.volume, observed.names.base);
    let claims = observed.children.claims.present().into_iter().flatten();
    claims.filter(move |claim| {
        let ordinal = claim.meta.name.strip_prefix(&prefix);
        ordinal.is_some_and(|ordinal| ordinal.parse::<u32>().is_ok())
    })
}

fn requested(claim: &Child<'_>) -> Option<Quantity> {
    amount(claim, "/spec/resources/requests/storage")
}

fn amount(claim: &Child<'_>, path: &str) -> Option<Quantity> {
    Quantity::parse(claim.object.pointer(path).and_then(Value::as_str)?)
}

/// The one field of a claim that is ours.
fn asking(observed: &Observed<'_>, name: &str, size: &str) -> Manifest {
    let object = ObjectRef::new(ObjectKind::Claim, &observed.key.namespace, name);
    let body = json!({
        "apiVersion": "v1", "kind": "PersistentVolumeClaim",
        "metadata": { "name": name, "namespace": observed.key.namespace },
        "spec": { "resources": { "requests": { "storage": size } } },
    });
    Manifest { object, body }
}
