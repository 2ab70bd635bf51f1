//! Which definitions an app runs: the valid ones, and the last good one of each that turned bad.

use std::collections::{BTreeMap, BTreeSet};

use kaspr_crds::Kind;
use serde_json::{Value, json};

use crate::action::Action;
use crate::app::App;
use crate::check::place_taken;
use crate::component::{self, Definition};
use crate::definition;
use crate::digest;
use crate::invalid::Invalid;
use crate::key::ObjectKind;
use crate::mask;
use crate::observed::{Child, Holder, LiveComponent, Observed};
use crate::outcome::Answer;
use crate::references::{self, Known, Unresolved};
use crate::render::{DEFINITION_INPUTS, Mounted};
use crate::seen::Seen;

/// The components of an app, as they are tracked.
#[derive(Clone, Debug)]
pub(crate) struct Tracked<'a> {
    /// In the order of kinds, then names.
    pub(crate) items: Vec<Item<'a>>,
    /// In a look without code: the mask of the file with all joins and tables.
    masked: Option<&'a str>,
}

/// The file with all joins and tables.
pub(crate) struct Joined {
    /// Its text.
    pub(crate) text: String,
    /// The digest of what it is made of.
    pub(crate) inputs: String,
}

/// One component.
#[derive(Clone, Debug)]
pub(crate) struct Item<'a> {
    pub(crate) kind: Kind,
    pub(crate) live: &'a LiveComponent<'a>,
    pub(crate) state: State,
    /// What is wrong with its spec.
    pub(crate) problems: Vec<Invalid>,
    /// What is odd about it, and accepted.
    pub(crate) odd: Vec<Invalid>,
}

/// What an app runs of a component.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum State {
    /// Its definition.
    Valid { text: String, inputs: String },
    /// Its spec is bad: the definition that is live goes on.
    LastGood { text: String, inputs: String },
    /// Its spec is bad, and nothing of it was ever live.
    Refused,
    /// A join whose tables are not there: with it no worker would start. What is missing.
    Unresolved { missing: Vec<Invalid> },
    /// Its ConfigMap cannot be made: the name belongs to somebody else.
    Conflicted { text: String, inputs: String, with: String },
}

impl Item<'_> {
    /// The digest of what it is made of, and the text of its file, if it is mounted at all.
    pub(crate) fn mounted(&self) -> Option<(&str, &str)> {
        match &self.state {
            State::Valid { text, inputs } | State::LastGood { text, inputs } => {
                Some((inputs, text))
            }
            State::Refused | State::Unresolved { .. } | State::Conflicted { .. } => None,
        }
    }

    /// The name of its ConfigMap.
    pub(crate) fn object_name(&self) -> String {
        definition::object_name(self.kind, &self.live.meta.name)
    }
}

impl Tracked<'_> {
    /// The definitions to mount, sorted by kind and name.
    pub(crate) fn mounted(&self) -> Vec<Mounted> {
        let mut mounted: Vec<Mounted> = self
            .items
            .iter()
            .filter_map(|item| {
                let (_, text) = item.mounted()?;
                let (name, is_joined) = (item.live.meta.name.clone(), self.is_joined(item));
                Some(Mounted { kind: item.kind, name, text: text.to_owned(), is_joined })
            })
            .collect();
        mounted.sort();
        mounted
    }

    /// Whether a component comes in the file with all joins and tables. A definition that somebody
    /// gave another shape by hand stays in its own.
    pub(crate) fn is_joined(&self, item: &Item<'_>) -> bool {
        let is_join = |item: &Item<'_>| item.kind == Kind::Join && item.mounted().is_some();
        let has_shape =
            |text| mask::is_mask(text) || definition::items_of(item.kind, text).is_some();
        matches!(item.kind, Kind::Table | Kind::Join)
            && item.mounted().is_some_and(|(_, text)| has_shape(text))
            && self.items.iter().any(is_join)
    }

    /// The file with all joins and tables; none in an app without joins.
    pub(crate) fn joined(&self) -> Option<Joined> {
        let items: Vec<(&Item<'_>, &str, &str)> = self
            .items
            .iter()
            .filter(|item| self.is_joined(item))
            .filter_map(|item| item.mounted().map(|(inputs, text)| (item, inputs, text)))
            .collect();
        if items.is_empty() {
            return None;
        }
        let inputs: BTreeMap<String, &str> =
            items.iter().map(|(item, inputs, _)| (item.object_name(), *inputs)).collect();
        let text = self.masked.map_or_else(
            || definition::joined(items.iter().map(|(item, _, text)| (item.kind, *text))),
            str::to_owned,
        );
        Some(Joined { text, inputs: digest::of_json(&inputs) })
    }

    /// How many members have nothing to read, and the most partitions that there are.
    pub(crate) fn idle_members(&self, app: &App) -> Option<(i64, i64)> {
        let agents = self.items.iter().filter(|item| item.kind == Kind::Agent);
        let agents = agents.filter(|item| item.mounted().is_some());
        let specs = agents.filter_map(|item| item.live.object.get("spec"));
        references::idle_members(app.replicas, app.config.topic_partitions(), specs)
    }

    /// The part of a template's inputs that the definitions are.
    pub(crate) fn inputs(&self) -> Value {
        let inputs: BTreeMap<String, &str> = self
            .items
            .iter()
            .filter_map(|item| Some((item.object_name(), item.mounted()?.0)))
            .collect();
        json!(inputs)
    }
}

/// Reads the components of an app. A component that is being deleted is gone for the app.
pub(crate) fn track<'a>(observed: &'a Observed<'a>, app: Option<&App>) -> Tracked<'a> {
    let mut read: Vec<Read<'a>> = observed
        .all_components()
        .filter(|(_, live)| !live.meta.is_deleting)
        .map(|(kind, live)| (kind, live, component::parse(kind, live.object)))
        .map(|(kind, live, parsed)| (kind, live, parsed.result, parsed.odd))
        .collect();
    let lost = collisions(observed, &read);
    for (kind, live, result, _) in &mut read {
        let taken = app.and_then(|app| place_taken(app, *kind, &live.meta.name));
        if let Some(invalid) = taken {
            *result = Err(vec![invalid]);
        }
        if let Some(invalid) = lost.get(&(*kind, live.meta.name.clone())) {
            *result = Err(vec![invalid.clone()]);
        }
    }
    let valid = read.iter().filter_map(|(_, _, result, _)| result.as_ref().ok());
    let too_large = component::joined_too_large(valid);
    let mut items: Vec<Item<'_>> = read
        .into_iter()
        .map(|(kind, live, result, odd)| match result {
            _ if kind == Kind::Join && too_large.is_some() => {
                let problems = too_large.iter().cloned().collect();
                Item { kind, live, state: State::Refused, problems, odd }
            }
            Ok(valid) => {
                let (text, inputs) = (valid.text, valid.inputs);
                let state = match conflict(observed, kind, live) {
                    Some(with) => State::Conflicted { text, inputs, with },
                    None => State::Valid { text, inputs },
                };
                Item { kind, live, state, problems: Vec::new(), odd }
            }
            Err(problems) => {
                let state = last_good(observed, kind, live).unwrap_or(State::Refused);
                Item { kind, live, state, problems, odd }
            }
        })
        .collect();
    leave_out_joins(&mut items);
    let masked = observed.app.present().and_then(|live| live.meta.annotations.get(mask::REDACTED));
    let masked = masked.map(String::as_str).filter(|mask| mask::is_mask(mask));
    Tracked { items, masked }
}

/// Leaves out the joins whose tables are not mounted: a worker would end at its start for each of them.
fn leave_out_joins(items: &mut [Item<'_>]) {
    let known = known(items);
    for item in items.iter_mut().filter(|item| item.kind == Kind::Join && item.mounted().is_some())
    {
        let missing: Vec<Invalid> = unresolved(item, &known)
            .into_iter()
            .flatten()
            .filter(|found| found.code == "TableNotFound")
            .map(|found| found.problem)
            .collect();
        if !missing.is_empty() {
            item.state = State::Unresolved { missing };
        }
    }
}

/// What the components that are mounted offer to others.
pub(crate) fn known(items: &[Item<'_>]) -> Known {
    let mut known = Known::default();
    for item in items.iter().filter(|item| item.mounted().is_some()) {
        let spec = item.live.object.get("spec").unwrap_or(&Value::Null);
        known.add(item.kind, &item.live.meta.name, spec);
    }
    known
}

/// The references of a component that lead nowhere; none where it has none.
pub(crate) fn unresolved(item: &Item<'_>, known: &Known) -> Option<Vec<Unresolved>> {
    known.unresolved(item.kind, item.live.object.get("spec")?)
}

/// The text of the file with all joins and tables in this look.
pub(crate) fn joined_text(observed: &Observed<'_>) -> Option<String> {
    let app = observed.app.present()?.parsed.result.as_ref().ok();
    track(observed, app).joined().map(|joined| joined.text)
}

/// The volumes and mounts of the app's own at the place of a definition which is mounted: the app's
/// spec is at fault, since what runs stays. (A newcomer is at fault itself, see `track`.)
pub(crate) fn places_taken(observed: &Observed<'_>, app: &App) -> Vec<Invalid> {
    let Some(set) = observed.own_set() else { return Vec::new() };
    let mounted = set.config_maps();
    observed
        .all_components()
        .filter(|(kind, live)| {
            mounted.contains(definition::object_name(*kind, &live.meta.name).as_str())
        })
        .filter_map(|(kind, live)| place_taken(app, kind, &live.meta.name))
        .collect()
}

/// A component and what its spec says.
type Read<'a> = (Kind, &'a LiveComponent<'a>, Result<Definition, Vec<Invalid>>, Vec<Invalid>);

/// The components that claim what another one has. Those that are live come first, so that they
/// keep what they have; among equals the name decides.
fn collisions(observed: &Observed<'_>, read: &[Read<'_>]) -> BTreeMap<(Kind, String), Invalid> {
    // What is live with these very contents holds its claims; an edit that takes another's does not.
    let live: BTreeSet<(Kind, &str)> = read
        .iter()
        .filter_map(|(kind, live, result, _)| {
            let map = live_map(observed, *kind, live)?;
            let recorded = map.meta.annotations.get(DEFINITION_INPUTS)?;
            let is_same = result.as_ref().is_ok_and(|valid| valid.inputs == *recorded);
            is_same.then_some((*kind, live.meta.name.as_str()))
        })
        .collect();
    let mut order: Vec<&Definition> =
        read.iter().filter_map(|(_, _, result, _)| result.as_ref().ok()).collect();
    order.sort_by_key(|valid| {
        let key = (valid.kind, valid.name.as_str());
        (!live.contains(&key), key)
    });
    component::collisions(&order)
        .into_iter()
        .map(|((kind, name), invalid)| ((kind, name.to_owned()), invalid))
        .collect()
}

/// The definition of a component that is live: the data of its ConfigMap.
fn last_good(observed: &Observed<'_>, kind: Kind, live: &LiveComponent<'_>) -> Option<State> {
    let map = live_map(observed, kind, live)?;
    let file = definition::file_name(kind, &live.meta.name);
    let text = map.object.get("data")?.get(&file)?.as_str()?.to_owned();
    let recorded = map.meta.annotations.get(DEFINITION_INPUTS).cloned();
    // A map of the original says nothing about its inputs: its text stands for them.
    let inputs = recorded.unwrap_or_else(|| digest::of_text(&mask::text(&text)));
    Some(State::LastGood { text, inputs })
}

/// Who has the name of a component's ConfigMap, if it is somebody else: a live object with our
/// labels, or one that a create-only apply met.
fn conflict(observed: &Observed<'_>, kind: Kind, live: &LiveComponent<'_>) -> Option<String> {
    let name = definition::object_name(kind, &live.meta.name);
    let holder =
        |map: &Child<'_>| map.holder(kind, &live.meta.name, &live.meta.uid, &observed.key.name);
    let holder = match observed.children.config_map(&name) {
        Seen::Present(map) => holder(map),
        Seen::Unknown(_) => return None,
        Seen::Absent => holder(&Child::of(met(observed, &name)?)),
    };
    match holder {
        Holder::Foreign(with) => Some(with),
        Holder::Ours | Holder::Adoptable | Holder::Predecessor => None,
    }
}

/// The object that the last create-only apply of this ConfigMap met.
fn met<'a>(observed: &Observed<'a>, name: &str) -> Option<&'a Value> {
    let object = observed.object(ObjectKind::ConfigMap, name);
    match &observed.outcomes.get(&Action::id_of("Create", &object))?.answer {
        Answer::Exists { found } => found.as_ref(),
        Answer::Done { .. } | Answer::Refused { .. } => None,
    }
}

fn live_map<'a>(
    observed: &'a Observed<'_>,
    kind: Kind,
    live: &LiveComponent<'_>,
) -> Option<&'a Child<'a>> {
    let name = definition::object_name(kind, &live.meta.name);
    let map = observed.children.config_map(&name).present().copied()?;
    let holder = map.holder(kind, &live.meta.name, &live.meta.uid, &observed.key.name);
    (holder == Holder::Ours).then_some(map)
}
