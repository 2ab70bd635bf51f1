//! The status of each component: accepted or not, with its app or without, mounted or not yet.

use kaspr_crds::Kind;
use std::collections::BTreeSet;

use kaspr_crds::keys::{CONDITION_ACCEPTED, CONDITION_READY, CONDITION_RESOLVED_REFS};
use serde_json::{Map, Value, json};

use crate::action::Action;
use crate::component;
use crate::definition;
use crate::digest;
use crate::invalid::{self, Invalid};
use crate::key::{ObjectKind, ObjectRef};
use crate::mask;
use crate::observed::{LiveComponent, Observed, SetFacts};
use crate::plan::{Notice, NoticeKind, Stage, Step};
use crate::policy::definitions::{self, Item, State, Tracked};
use crate::policy::rollout;
use crate::reason::Reason;
use crate::references::Known;
use crate::seen::Seen;
use crate::status::{Stated, conditions_of, lay_over, patch};

/// What this policy concludes.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Verdict {
    pub(crate) steps: Vec<Step>,
    pub(crate) notices: Vec<Notice>,
}

/// What is said about one component.
struct Said {
    conditions: Vec<Stated>,
    /// `AppFound` or `AppNotFound`, in the words of the original; none without a label.
    app: Option<&'static str>,
    /// The digest of its definition.
    hash: Option<String>,
}

/// The components of an app that is there. Without a rollout (the app's own spec is bad) what is
/// mounted stays mounted.
pub(crate) fn of_app(
    observed: &Observed<'_>,
    tracked: &Tracked<'_>,
    rollout: Option<&rollout::Verdict>,
) -> Verdict {
    let mut verdict = Verdict::default();
    let members = Members::of(observed, tracked, rollout);
    let known = definitions::known(&tracked.items);
    for item in &tracked.items {
        let said = Said {
            conditions: [accepted(&item.problems, &item.odd), ready(item, &members)]
                .into_iter()
                .chain(resolved(item, &known))
                .collect(),
            app: Some("AppFound"),
            hash: hash_of(item),
        };
        tell(observed, item.kind, item.live, &said, &mut verdict);
    }
    verdict
}

/// The components of a key without an app: of one that is not there, or of none at all.
pub(crate) fn without_app(observed: &Observed<'_>) -> Verdict {
    let mut verdict = Verdict::default();
    let is_nameless = observed.key.is_nameless();
    for (kind, live) in observed.all_components().filter(|(_, live)| !live.meta.is_deleting) {
        let parsed = component::parse(kind, live.object);
        let mut problems = parsed.result.err().unwrap_or_default();
        let because = if is_nameless { Reason::AppLabelMissing } else { Reason::AppNotFound };
        let message = if is_nameless {
            problems.insert(0, label_missing());
            "The label kaspr.io/app is missing: set it to the name of a KasprApp".to_owned()
        } else {
            let name = &observed.key.name;
            format!("There is no KasprApp {name} in this namespace: create it, or change the label")
        };
        let conditions = vec![
            if is_nameless {
                let why = invalid::summary(&problems);
                Stated::new(CONDITION_ACCEPTED, false, because.code(), why)
            } else {
                accepted(&problems, &parsed.odd)
            },
            Stated::new(CONDITION_READY, false, because.code(), message),
        ];
        let app = (!is_nameless).then_some("AppNotFound");
        tell(observed, kind, live, &Said { conditions, app, hash: None }, &mut verdict);
    }
    verdict
}

/// What a component without the label is told, here and by `check`.
pub(crate) fn label_missing() -> Invalid {
    Invalid::new(
        "metadata.labels[\"kaspr.io/app\"]",
        "the label is missing",
        "set it to the name of the KasprApp that the component belongs to",
    )
}

fn accepted(problems: &[Invalid], odd: &[Invalid]) -> Stated {
    if problems.is_empty() {
        Stated::new(CONDITION_ACCEPTED, true, "Valid", invalid::valid_but(odd))
    } else {
        Stated::new(CONDITION_ACCEPTED, false, "InvalidSpec", invalid::summary(problems))
    }
}

/// Whether what a component refers to is there; nothing of one that refers to nothing.
fn resolved(item: &Item<'_>, known: &Known) -> Option<Stated> {
    let found = definitions::unresolved(item, known)?;
    let Some(first) = found.first() else {
        let message = "All that it refers to is there";
        return Some(Stated::new(CONDITION_RESOLVED_REFS, true, "ResolvedRefs", message));
    };
    let code = first.code;
    let problems: Vec<Invalid> = found.into_iter().map(|found| found.problem).collect();
    let message = invalid::summary(&problems);
    Some(Stated::new(CONDITION_RESOLVED_REFS, false, code, message))
}

/// What the members of the app run.
#[derive(Default)]
struct Members<'a> {
    /// The ConfigMaps that their template mounts.
    mounted: BTreeSet<&'a str>,
    /// Those whose file has all joins and tables.
    joined: Option<(&'a Tracked<'a>, &'a str)>,
    /// All of them run the template that is wanted.
    is_through: bool,
}

impl<'a> Members<'a> {
    fn of(
        observed: &'a Observed<'a>,
        tracked: &'a Tracked<'a>,
        rollout: Option<&rollout::Verdict>,
    ) -> Self {
        let Some(set) = observed.own_set() else { return Self::default() };
        let is_settled = rollout.is_some_and(rollout::Verdict::is_settled);
        Self {
            mounted: set.config_maps(),
            joined: Some((tracked, &observed.names.joins)),
            is_through: is_settled && SetFacts::of(set).is_rolled_out(),
        }
    }

    /// Whether their template mounts a file that a component comes in: its own, or that of all joins
    /// and tables.
    fn mount(&self, item: &Item<'_>) -> bool {
        let joined = self.joined.filter(|(tracked, _)| tracked.is_joined(item));
        self.mounted.contains(item.object_name().as_str())
            || joined.is_some_and(|(_, joins)| self.mounted.contains(joins))
    }
}

/// Whether the members run what the spec says.
fn ready(item: &Item<'_>, members: &Members<'_>) -> Stated {
    match &item.state {
        State::Conflicted { with, .. } => {
            let name = item.object_name();
            let message = format!("ConfigMap {name} belongs to {with}: remove it, or rename");
            Stated::new(CONDITION_READY, false, "NameConflict", message)
        }
        State::Refused => {
            let message = "The spec is invalid, and no earlier definition is mounted";
            Stated::new(CONDITION_READY, false, "InvalidSpec", message)
        }
        State::Unresolved { missing } => {
            let message = format!("It is not mounted: {}", invalid::summary(missing));
            Stated::new(CONDITION_READY, false, "TableNotFound", message)
        }
        State::LastGood { .. } => {
            let message = "The spec is invalid; the last good definition goes on";
            Stated::new(CONDITION_READY, false, "LastGoodDefinition", message)
        }
        State::Valid { .. } => {
            let is_mounted = members.mount(item);
            if is_mounted && (members.is_through || was_mounted(item)) {
                Stated::new(CONDITION_READY, true, "Mounted", "All members have the definition")
            } else {
                let message = "Waiting for the members to get the definition";
                Stated::new(CONDITION_READY, false, "Pending", message)
            }
        }
    }
}

/// Whether this very definition was mounted before: another change of the template on its way
/// does not take it away.
fn was_mounted(item: &Item<'_>) -> bool {
    let status = item.live.object.get("status").and_then(Value::as_object);
    status.is_some_and(|status| {
        let hash = status.get("hash").and_then(Value::as_str).map(str::to_owned);
        let was_ready = conditions_of(status).iter().any(|condition| {
            condition.kind == CONDITION_READY
                && condition.status == kaspr_crds::ConditionStatus::True
        });
        was_ready && hash == hash_of(item)
    })
}

/// The digest of the definition that is, or is to be, mounted.
pub(crate) fn hash_of(item: &Item<'_>) -> Option<String> {
    item.mounted().map(|(_, text)| digest::of_text(&mask::text(text)))
}

/// Writes what is said where the status does not say it yet, and tells people what turned.
fn tell(
    observed: &Observed<'_>,
    kind: Kind,
    live: &LiveComponent<'_>,
    said: &Said,
    verdict: &mut Verdict,
) {
    let none = Map::new();
    let old = live.object.get("status").and_then(Value::as_object).unwrap_or(&none);
    let before = conditions_of(old);
    let conditions = lay_over(&before, &said.conditions, live.meta.generation, &observed.now);
    let mut fields = vec![
        ("observedGeneration", json!(live.meta.generation)),
        ("conditions", json!(conditions)),
        ("configMap", json!(definition::object_name(kind, &live.meta.name))),
    ];
    if let Some(found) = said.app {
        fields.push(("app", json!({ "name": observed.key.name, "status": found })));
    }
    if let Some(hash) = &said.hash {
        fields.push(("hash", json!(hash)));
    }
    if kind == Kind::Join {
        fields.extend(tables_of(observed, live));
    }
    let of = observed.object(ObjectKind::from(kind), &live.meta.name);
    let status = patch(old, fields);
    if status.is_empty() {
        return;
    }
    verdict.notices.extend(turned(&of, &live.meta.uid, &before, &said.conditions));
    let seen = live.meta.resource_version.clone();
    let action = Action::PatchStatus { of, seen, status: Value::Object(status) };
    let because = Reason::StatusOutdated;
    verdict.steps.push(Step { stage: Stage::ComponentStatus, action, because });
}

/// Whether the tables of a join are there, in the words of the original.
fn tables_of(observed: &Observed<'_>, live: &LiveComponent<'_>) -> Vec<(&'static str, Value)> {
    let tables = observed.components.iter().find(|(kind, _)| *kind == Kind::Table);
    let Some((_, Seen::Present(tables))) = tables else { return Vec::new() };
    [("leftTable", "LeftTable"), ("rightTable", "RightTable")]
        .into_iter()
        .filter_map(|(field, word)| {
            let name = live.object.get("spec")?.get(field)?.as_str()?;
            let is_there = tables.iter().any(|table| table.meta.name == name);
            let status = if is_there { format!("{word}Found") } else { format!("{word}NotFound") };
            Some((field, json!({ "name": name, "status": status })))
        })
        .collect()
}

/// An Event for each condition that turned: its status changed, or its reason while it is bad.
pub(crate) fn turned(
    about: &ObjectRef,
    uid: &str,
    before: &[kaspr_crds::Condition],
    stated: &[Stated],
) -> Vec<Notice> {
    let mut reasons = BTreeSet::new();
    stated
        .iter()
        .filter(|stated| is_told(before, stated))
        // One story, one Event: the first condition that tells it has the most to say.
        .filter(|stated| reasons.insert(stated.reason.as_str()))
        .map(|stated| Notice {
            about: about.clone(),
            uid: uid.to_owned(),
            kind: if is_trouble(stated) { NoticeKind::Warning } else { NoticeKind::Normal },
            reason: stated.reason.clone(),
            note: stated.message.clone(),
        })
        .collect()
}

/// Passing states are not worth an Event: that work began or that members are awaited shows in
/// the conditions.
fn is_told(before: &[kaspr_crds::Condition], stated: &Stated) -> bool {
    const QUIET: [&str; 7] = [
        "NewSpec",
        "Reconciling",
        "NotReady",
        "Pending",
        "ReconcileComplete",
        "Valid",
        "MembersWell",
    ];
    let old = before.iter().find(|old| old.kind == stated.kind);
    let has_turned =
        old.is_none_or(|old| old.status != stated.status || old.reason != stated.reason);
    let is_quiet = QUIET.contains(&stated.reason.as_str());
    // A spec that was mended is news, one that was always valid is not; so it is with members.
    let is_mended = matches!(&*stated.reason, "Valid" | "MembersWell") && old.is_some();
    has_turned && (!is_quiet || is_mended)
}

fn is_trouble(stated: &Stated) -> bool {
    stated.status == kaspr_crds::ConditionStatus::False
        && !matches!(&*stated.reason, "Paused" | "RebalanceOwed")
}
