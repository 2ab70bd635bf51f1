//! The ConfigMaps of definitions: written with the template that mounts them, pruned after the
//! last pod that mounts them.

use std::collections::{BTreeMap, BTreeSet};

use kaspr_crds::{Kind, keys};
use serde_json::Value;

use super::child::{Wanted, act, settle, wait};
use super::{Context, Verdict};
use crate::action::Action;
use crate::definition::file_name;
use crate::key::ObjectKind;
use crate::observed::{Child, SetFacts};
use crate::plan::Stage;
use crate::policy::definitions::{Item, State};
use crate::policy::rollout::Choice;
use crate::reason::Reason;
use crate::render::{self, DEFINITION_INPUTS};
use crate::seen::Seen;

/// Brings the definitions to what the template mounts.
pub(super) fn definitions(context: &Context<'_>, verdict: &mut Verdict) {
    for item in &context.tracked.items {
        definition(context, item, verdict);
    }
}

fn definition(context: &Context<'_>, item: &Item<'_>, verdict: &mut Verdict) {
    let observed = context.observed;
    let name = item.object_name();
    let seen = observed.children.config_map(&name);
    let owner = render::owner_of(item.kind, &observed.key.namespace, &item.live.meta);
    let render =
        |data, inputs: Option<&str>| render::definition(&owner, &context.owner, data, inputs);
    let file = |text: &str| {
        BTreeMap::from([(file_name(item.kind, &item.live.meta.name), text.to_owned())])
    };
    match &item.state {
        State::Refused => {}
        // Nothing mounts it: whether the name is free again is tried apart from all else.
        State::Conflicted { text, inputs, .. } => {
            let manifest = render(file(text), Some(inputs));
            let mut aside = Verdict::default();
            let wanted = Wanted { owner: &owner, manifest, stage: Stage::Aside };
            settle(context, wanted, seen, &mut aside);
            verdict.steps.extend(aside.steps);
            // As a wait of the component, it does not hold the app's template back.
            let kind = ObjectKind::from(item.kind);
            verdict.waits.extend(aside.waits.into_iter().map(|mut wait| {
                wait.object = observed.object(kind, &item.live.meta.name);
                wait
            }));
        }
        State::Valid { text, inputs } | State::LastGood { text, inputs } => {
            let manifest = match (live_data(seen), context.rollout.writes_definitions()) {
                (Some((data, recorded)), writes) if keeps(context, writes, recorded) => {
                    render(data, recorded)
                }
                (_, true) => render(file(text), Some(inputs)),
                // Made in the pass that mounts it.
                (_, false) => return,
            };
            let wanted = Wanted { owner: &owner, manifest, stage: Stage::Foundation };
            settle(context, wanted, seen, verdict);
        }
    }
}

/// The data that is live, and the inputs that it was rendered from, if we rendered it.
fn live_data<'a>(seen: Seen<&Child<'a>>) -> Option<(BTreeMap<String, String>, Option<&'a str>)> {
    let object = seen.present()?.object;
    let data = object.get("data").and_then(Value::as_object).into_iter().flatten();
    let data =
        data.filter_map(|(key, value)| Some((key.clone(), value.as_str()?.to_owned()))).collect();
    let inputs = object
        .pointer("/metadata/annotations")
        .and_then(|annotations| annotations.get(DEFINITION_INPUTS))
        .and_then(Value::as_str);
    Some((data, inputs))
}

/// Whether live data stays: as long as the template that mounts it does, and the original's until
/// there is a new template.
fn keeps(context: &Context<'_>, writes: bool, recorded: Option<&str>) -> bool {
    !writes || (recorded.is_none() && context.rollout.choice == Choice::Stand)
}

/// Deletes the definitions of components that are gone, once no pod can mount them.
pub(super) fn prune(context: &Context<'_>, verdict: &mut Verdict) {
    let observed = context.observed;
    let Seen::Present(maps) = &observed.children.config_maps else { return };
    if observed.components_known().is_err() {
        return;
    }
    let wanted: BTreeSet<String> = context.tracked.items.iter().map(Item::object_name).collect();
    for map in maps {
        if !is_definition(map) || wanted.contains(&map.meta.name) || map.meta.is_deleting {
            continue;
        }
        let object = observed.object(ObjectKind::ConfigMap, &map.meta.name);
        if let Some(because) = mounting(context, &map.meta.name) {
            wait(verdict, object, because, None);
        } else {
            let action = Action::Delete { object, uid: map.meta.uid.clone() };
            act(verdict, Stage::Aside, action, Reason::NoLongerWanted);
        }
    }
}

/// Whether a ConfigMap is a definition that this operator, or the original, made.
pub(crate) fn is_definition(map: &Child<'_>) -> bool {
    let kind = map.meta.labels.get(keys::LABEL_KIND).map(String::as_str);
    let kind = Kind::COMPONENTS.into_iter().find(|known| Some(known.name()) == kind);
    kind.is_some_and(|kind| {
        let is_owned = |owner: &crate::meta::Owner| {
            owner.kind == kind.name() || owner.kind == Kind::App.name()
        };
        map.meta.name.ends_with(&format!("-{}", kind.suffix()))
            && map.meta.owners.iter().all(is_owned)
    })
}

/// Why a ConfigMap may still be mounted, if it may.
fn mounting(context: &Context<'_>, name: &str) -> Option<Reason> {
    let set = match &context.observed.children.stateful_set {
        Seen::Absent => return None,
        Seen::Unknown(why) => return Some(Reason::Unknown(*why)),
        Seen::Present(set) => set,
    };
    let is_mounted = set.mounts_config_map(name);
    (is_mounted || !SetFacts::of(set).is_rolled_out()).then_some(Reason::StillMounted)
}
