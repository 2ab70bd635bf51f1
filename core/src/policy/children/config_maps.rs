//! The ConfigMaps of definitions: written with the template that mounts them, pruned after the
//! last pod that mounts them.

use std::collections::{BTreeMap, BTreeSet};

use kaspr_crds::{Kind, keys};
use serde_json::Value;

use super::child::{Wanted, act, settle, wait};
use super::{Context, Verdict};
use crate::action::Action;
use crate::definition::{file_name, joined_file_name};
use crate::key::ObjectKind;
use crate::observed::{Child, SetFacts};
use crate::plan::Stage;
use crate::policy::definitions::{Item, Joined, State};
use crate::policy::rollout::Choice;
use crate::reason::Reason;
use crate::render::{self, Contents, DEFINITION_DIGEST, DEFINITION_INPUTS, Names};
use crate::seen::Seen;

/// Brings the definitions to what the template mounts.
pub(super) fn definitions(context: &Context<'_>, verdict: &mut Verdict) {
    for item in &context.tracked.items {
        definition(context, item, verdict);
    }
    joins(context, verdict);
}

/// The file with all joins and tables, which comes and goes as they do.
fn joins(context: &Context<'_>, verdict: &mut Verdict) {
    let Some(Joined { text, inputs }) = context.tracked.joined() else { return };
    let names = &context.observed.names;
    let seen = context.observed.children.config_map(&names.joins);
    let data = BTreeMap::from([(joined_file_name(&names.joins), text)]);
    let live = seen.present().map(|map| LiveData::of(map));
    let Some(contents) = wanted(context, live, data, &inputs) else { return };
    let owner = &context.owner;
    let manifest = render::joins(owner, names, contents);
    let wanted = Wanted { owner, manifest, stage: Stage::Foundation };
    settle(context, wanted, seen, verdict);
}

/// What a definition's ConfigMap is to hold, `data` being what is rendered now; none where nothing is
/// to be done about it in this pass.
fn wanted(
    context: &Context<'_>,
    live: Option<LiveData<'_>>,
    data: BTreeMap<String, String>,
    inputs: &str,
) -> Option<Contents> {
    match (live, &context.rollout.choice) {
        // Made in the pass that mounts it.
        (None, Choice::Keep(..)) => None,
        // What it was rendered from is known when the template is decided about.
        (Some(live), Choice::Keep(..)) if live.inputs.is_none() => None,
        (Some(live), Choice::Keep(..)) => Some(live.kept(inputs)),
        (Some(live), Choice::Stand) if live.stands_for(inputs) => Some(live.kept(inputs)),
        (_, Choice::Stand | Choice::Create | Choice::Change(_)) => {
            Some(Contents::rendered(data, inputs))
        }
    }
}

fn definition(context: &Context<'_>, item: &Item<'_>, verdict: &mut Verdict) {
    let observed = context.observed;
    let name = item.object_name();
    let seen = observed.children.config_map(&name);
    let owner = render::owner_of(item.kind, &observed.key.namespace, &item.live.meta);
    let render = |contents| render::definition(&owner, &context.owner, contents);
    let data = |text: &str| {
        let name = file_name(item.kind, &item.live.meta.name);
        BTreeMap::from([(name, text.to_owned())])
    };
    match &item.state {
        State::Refused | State::Unresolved { .. } => {}
        // Nothing mounts it: whether the name is free again is tried apart from all else.
        State::Conflicted { text, inputs, .. } => {
            let manifest = render(Contents::rendered(data(text), inputs));
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
            let live = seen.present().map(|map| LiveData::of(map));
            let Some(contents) = wanted(context, live, data(text), inputs) else { return };
            let manifest = render(contents);
            let wanted = Wanted { owner: &owner, manifest, stage: Stage::Foundation };
            settle(context, wanted, seen, verdict);
        }
    }
}

/// What a live definition holds, and what is recorded of it.
struct LiveData<'a> {
    data: BTreeMap<String, String>,
    inputs: Option<&'a str>,
    digest: Option<&'a str>,
}

impl<'a> LiveData<'a> {
    fn of(map: &Child<'a>) -> Self {
        let data = map.object.get("data").and_then(Value::as_object).into_iter().flatten();
        let annotations = map.object.pointer("/metadata/annotations");
        let text = |key: &str| annotations.and_then(|all| all.get(key)?.as_str());
        Self {
            data: data
                .filter_map(|(key, value)| Some((key.clone(), value.as_str()?.to_owned())))
                .collect(),
            inputs: text(DEFINITION_INPUTS),
            digest: text(DEFINITION_DIGEST),
        }
    }

    /// The same contents again, with what is recorded of them: what somebody changed by hand does not
    /// become ours. What the original rendered, without a record, is taken for what `inputs` make.
    fn kept(self, inputs: &str) -> Contents {
        match self.inputs {
            Some(recorded) => Contents {
                data: self.data,
                inputs: recorded.to_owned(),
                digest: self.digest.map(str::to_owned),
            },
            None => Contents::rendered(self.data, inputs),
        }
    }

    /// Whether the data stays while its template does: it was rendered from these inputs, by
    /// whichever build, and nobody changed it since; or the original rendered it.
    fn stands_for(&self, inputs: &str) -> bool {
        let is_untouched = || self.digest == Some(render::digest_of(&self.data).as_str());
        match self.inputs {
            Some(recorded) => recorded == inputs && is_untouched(),
            None => true,
        }
    }
}

/// The settings that pods of an older template still name while a rollout is on its way: a
/// container that starts again without them would not start.
pub(super) fn kept_settings(context: &Context<'_>) -> BTreeMap<String, String> {
    let observed = context.observed;
    let is_through = observed.own_set().is_none_or(|set| SetFacts::of(set).is_rolled_out());
    if context.rollout.is_settled() && is_through {
        return BTreeMap::new();
    }
    let live = observed.children.config_map(&observed.names.settings);
    live.present().map(|map| LiveData::of(map).data).unwrap_or_default()
}

/// Deletes the definitions of components that are gone, once no pod can mount them.
pub(super) fn prune(context: &Context<'_>, verdict: &mut Verdict) {
    let observed = context.observed;
    let Seen::Present(maps) = &observed.children.config_maps else { return };
    if observed.components_known().is_err() {
        return;
    }
    let set = observed.children.stateful_set.as_ref();
    let mounted = set.map(|set| (set.config_maps(), SetFacts::of(set).is_rolled_out()));
    let mut wanted: BTreeSet<String> =
        context.tracked.items.iter().map(Item::object_name).collect();
    if context.tracked.joined().is_some() {
        wanted.insert(observed.names.joins.clone());
    }
    for map in maps {
        if !is_definition(map, &observed.key.name)
            || wanted.contains(&map.meta.name)
            || map.meta.is_deleting
        {
            continue;
        }
        let object = observed.object(ObjectKind::ConfigMap, &map.meta.name);
        if let Some(because) = mounting(&mounted, &map.meta.name) {
            wait(verdict, object, because, None);
        } else {
            let action = Action::Delete { object, uid: map.meta.uid.clone() };
            act(verdict, Stage::Aside, action, Reason::NoLongerWanted);
        }
    }
}

/// Whether a ConfigMap is a definition that this operator, or the original, made for `app`. One
/// that says it belongs to another app is that app's, whoever its component names by now.
pub(crate) fn is_definition(map: &Child<'_>, app: &str) -> bool {
    if map.meta.labels.get(keys::LABEL_APP).map(String::as_str) != Some(app) {
        return false;
    }
    let is_apps = |owner: &crate::meta::Owner| owner.kind == Kind::App.name();
    if map.meta.name == Names::of(app).joins {
        return map.meta.owners.iter().all(is_apps);
    }
    let kind = map.meta.labels.get(keys::LABEL_KIND).map(String::as_str);
    let kind = Kind::COMPONENTS.into_iter().find(|known| Some(known.name()) == kind);
    kind.is_some_and(|kind| {
        let is_owned = |owner: &crate::meta::Owner| owner.kind == kind.name() || is_apps(owner);
        map.meta.name.ends_with(&format!("-{}", kind.suffix()))
            && map.meta.owners.iter().all(is_owned)
    })
}

/// Why a ConfigMap may still be mounted, if it may: by what the template mounts, and whether all
/// members run that template.
fn mounting(mounted: &Seen<(BTreeSet<&str>, bool)>, name: &str) -> Option<Reason> {
    match mounted {
        Seen::Absent => None,
        Seen::Unknown(why) => Some(Reason::Unknown(*why)),
        Seen::Present((names, is_through)) => {
            (names.contains(name) || !is_through).then_some(Reason::StillMounted)
        }
    }
}
