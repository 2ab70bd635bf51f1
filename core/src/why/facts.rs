//! The ten facts of a look, and what each of them says.

use std::collections::BTreeSet;

use serde::Serialize;
use serde_json::Value;

use crate::component;
use crate::invalid;
use crate::observed::{Observed, SetFacts};
use crate::outcome::{Answer, Outcomes};
use crate::poll::State;
use crate::render::SECRET_VERSIONS;
use crate::seen::{Seen, Unseen};
use crate::settings::Settings;
use crate::snapshot::{ChildFacts, ComponentFacts, Snapshot};

/// One of the facts that a look is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Fact {
    /// The app: its spec and metadata, or that there is none.
    App,
    /// What its status says.
    Status,
    /// Which components there are, and their specs.
    Components,
    /// The StatefulSet.
    StatefulSet,
    /// The ConfigMaps.
    ConfigMaps,
    /// The ServiceAccount, the Services, the autoscaler, the claims and the Secrets.
    Others,
    /// The members: their pods, what they answered, and how many of other apps are in replacement.
    Members,
    /// What came of earlier actions.
    Outcomes,
    /// When edits came, and how far and since when the rest is known.
    Timing,
    /// The operator's settings, where they are not the default.
    Settings,
}

/// Several of them, in their order.
pub type Facts = BTreeSet<Fact>;

impl Fact {
    /// All of them.
    pub const ALL: [Self; 10] = [
        Self::App,
        Self::Status,
        Self::Components,
        Self::StatefulSet,
        Self::ConfigMaps,
        Self::Others,
        Self::Members,
        Self::Outcomes,
        Self::Timing,
        Self::Settings,
    ];
}

/// A look that knows these facts and nothing else.
pub(super) fn only(snapshot: &Snapshot, facts: &Facts) -> Snapshot {
    let mut alone = snapshot.clone();
    for fact in Fact::ALL.into_iter().filter(|fact| !facts.contains(fact)) {
        forget(fact, &mut alone);
    }
    alone
}

fn forget(fact: Fact, snapshot: &mut Snapshot) {
    let children = &mut snapshot.children;
    match fact {
        Fact::App => snapshot.app = unknown(),
        Fact::Status => {
            if let Seen::Present(Value::Object(app)) = &mut snapshot.app {
                app.remove("status");
            }
        }
        Fact::Components => snapshot.components = ComponentFacts::default(),
        Fact::StatefulSet => children.stateful_set = unknown(),
        Fact::ConfigMaps => children.config_maps = unknown(),
        Fact::Others => {
            children.service_account = unknown();
            children.api_service = unknown();
            children.headless_service = unknown();
            children.autoscaler = unknown();
            children.claims = unknown();
            snapshot.secrets = unknown();
        }
        Fact::Members => {
            children.pods = unknown();
            snapshot.polls.clear();
            snapshot.terminations_elsewhere = 0;
        }
        Fact::Outcomes => snapshot.outcomes = Outcomes::new(),
        Fact::Timing => {
            snapshot.lists.clear();
            snapshot.edits = None;
            snapshot.app_read_at = None;
            snapshot.app_seen_at = None;
            snapshot.marks.clear();
        }
        Fact::Settings => {
            snapshot.settings = Settings::default();
            snapshot.process.clear();
        }
    }
}

fn unknown<T>() -> Seen<T> {
    Seen::Unknown(Unseen::NotRecorded)
}

/// What a fact says, in one line.
pub(super) fn says(fact: Fact, snapshot: &Snapshot) -> String {
    let observed = Observed::of(snapshot);
    let ChildFacts { service_account, api_service, headless_service, autoscaler, claims, .. } =
        &snapshot.children;
    match fact {
        Fact::App => app(&observed),
        Fact::Status => status(&observed),
        Fact::Components => components(&observed),
        Fact::StatefulSet => set(&observed),
        Fact::ConfigMaps => match &snapshot.children.config_maps {
            Seen::Present(maps) if maps.is_empty() => "there is no ConfigMap".to_owned(),
            Seen::Present(maps) => {
                let names: Vec<&str> = maps.iter().map(name_of).collect();
                format!("ConfigMaps {}", names.join(", "))
            }
            Seen::Absent => "there is no ConfigMap".to_owned(),
            Seen::Unknown(why) => format!("ConfigMaps are unknown: {why}"),
        },
        Fact::Others => {
            let claims = match claims {
                Seen::Present(claims) => format!("{} claims", claims.len()),
                Seen::Absent => "0 claims".to_owned(),
                Seen::Unknown(why) => format!("claims are unknown: {why}"),
            };
            [
                ("ServiceAccount", service_account),
                ("Service for clients", api_service),
                ("Service of members", headless_service),
                ("HorizontalPodAutoscaler", autoscaler),
            ]
            .map(|(what, seen)| one(what, seen))
            .into_iter()
            .chain([claims])
            .chain(secrets(&observed))
            .collect::<Vec<_>>()
            .join(", ")
        }
        Fact::Members => members(&observed),
        Fact::Outcomes => {
            let told = snapshot.outcomes.iter().map(|(id, outcome)| match &outcome.answer {
                Answer::Done { .. } => format!("{id} was accepted"),
                Answer::Exists { .. } => format!("{id} met an object of that name"),
                Answer::Refused { refusal, .. } => {
                    format!("{id} was refused {} times: {refusal}", outcome.attempts)
                }
            });
            format!("earlier {}", told.collect::<Vec<_>>().join(", "))
        }
        Fact::Timing => timing(snapshot),
        Fact::Settings => {
            let settings = serde_json::to_string(&snapshot.settings).unwrap_or_default();
            format!("this is process {}, and its settings are {settings}", snapshot.process)
        }
    }
}

fn app(observed: &Observed<'_>) -> String {
    let key = observed.key;
    match &observed.app {
        Seen::Present(live) => {
            let generation = live.meta.generation;
            let leaving = if live.meta.is_deleting { ", which is being deleted" } else { "" };
            match &live.parsed.result {
                Ok(app) => format!(
                    "KasprApp {key}{leaving}: generation {generation}, replicas {}, image {}",
                    app.replicas, app.image
                ),
                Err(problems) => format!(
                    "KasprApp {key}{leaving}: generation {generation}, invalid: {}",
                    invalid::summary(problems)
                ),
            }
        }
        Seen::Absent if key.is_nameless() => "no app is named".to_owned(),
        Seen::Absent => format!("there is no KasprApp {key}"),
        Seen::Unknown(why) => format!("KasprApp {key} is unknown: {why}"),
    }
}

fn status(observed: &Observed<'_>) -> String {
    let Some(live) = observed.app.present() else { return "there is no status".to_owned() };
    let status = &live.status;
    let mut said = vec![match status.observed_generation {
        Some(generation) => format!("of generation {generation}"),
        None => "not written yet".to_owned(),
    }];
    if let Some(template) = &status.template {
        let (inputs, revision) = (&template.inputs, &template.revision);
        said.push(format!("the template of {inputs} stands in revision {revision}"));
    }
    if let Some(rollout) = &status.rollout {
        said.push(format!("the template of {} is meant to come", rollout.inputs));
    }
    said.extend(status.conditions.iter().map(|condition| {
        format!("{} {:?} {}", condition.kind, condition.status, condition.reason)
    }));
    format!("its status: {}", said.join(", "))
}

fn components(observed: &Observed<'_>) -> String {
    let mut said = Vec::new();
    for (kind, seen) in &observed.components {
        match seen {
            Seen::Present(items) => said.extend(items.iter().map(|item| {
                let verdict = match component::parse(*kind, item.object).result {
                    Ok(valid) => format!("made of {}", valid.inputs),
                    Err(problems) => format!("invalid: {}", invalid::summary(&problems)),
                };
                format!("{} {} ({verdict})", kind.name(), item.meta.name)
            })),
            Seen::Absent => {}
            Seen::Unknown(why) => said.push(format!("{} unknown: {why}", kind.name())),
        }
    }
    if said.is_empty() { "there is no component".to_owned() } else { said.join(", ") }
}

fn set(observed: &Observed<'_>) -> String {
    match &observed.children.stateful_set {
        Seen::Present(set) => {
            let facts = SetFacts::of(set);
            let inputs = facts.inputs.as_deref().unwrap_or("what nobody recorded");
            let rollout = if facts.is_rolled_out() { "complete" } else { "on its way" };
            format!(
                "StatefulSet {}: template of {inputs}, {} of {} members available, revision {}, \
                 rollout {rollout}",
                set.meta.name, facts.available, facts.wanted, facts.update_revision
            )
        }
        Seen::Absent => "there is no StatefulSet".to_owned(),
        Seen::Unknown(why) => format!("the StatefulSet is unknown: {why}"),
    }
}

fn members(observed: &Observed<'_>) -> String {
    let elsewhere = observed.terminations_elsewhere;
    match &observed.members {
        Seen::Present(members) if members.is_empty() => "there is no member".to_owned(),
        Seen::Present(members) => {
            let said = members.iter().map(|member| {
                let ready = if member.is_ready { "ready" } else { "not ready" };
                let state = member.state().map_or("not asked yet", State::code);
                let stuck = member.run.as_ref().and_then(|run| run.stuck);
                let stuck = stuck.map(|stuck| format!(" for {} s", stuck.held().as_secs()));
                format!("{} ({ready}, {state}{})", member.pod, stuck.unwrap_or_default())
            });
            let said: Vec<String> = said.collect();
            format!("members {}; {elsewhere} of other apps in replacement", said.join(", "))
        }
        Seen::Absent => "there is no member".to_owned(),
        Seen::Unknown(why) => format!("the members are unknown: {why}"),
    }
}

fn timing(snapshot: &Snapshot) -> String {
    let now = snapshot.now.uptime;
    let ago = |at| format!("{:.1} s ago", now.since(at).as_secs_f64());
    let mut said = Vec::new();
    if let Some(edits) = snapshot.edits {
        said.push(format!("the last edit came {}", ago(edits.last)));
    }
    if let Some(at) = snapshot.app_read_at {
        said.push(format!("the app was read {}", ago(at)));
    }
    if let Some(at) = snapshot.app_seen_at {
        said.push(format!("the app has been so since {}", ago(at)));
    }
    said.extend(
        snapshot.lists.iter().map(|(kind, list)| format!("{} as of {}", kind.kind(), list.version)),
    );
    said.join(", ")
}

/// The Secrets, where they are looked at, and which versions the pods were made with.
fn secrets(observed: &Observed<'_>) -> Option<String> {
    let found = observed.secrets.present()?;
    let named = found.iter().map(|(name, secret)| format!("{name}={}", secret.version));
    let named: Vec<String> = named.collect();
    let made = observed.own_set().and_then(|set| set.meta.annotations.get(SECRET_VERSIONS));
    let made = made.map(|made| format!(", and pods were made with {made}")).unwrap_or_default();
    Some(format!("Secrets {}{made}", named.join(",")))
}

fn one(what: &str, seen: &Seen<Value>) -> String {
    match seen {
        Seen::Present(object) => format!("{what} {}", name_of(object)),
        Seen::Absent => format!("there is no {what}"),
        Seen::Unknown(why) => format!("the {what} is unknown: {why}"),
    }
}

pub(super) fn name_of(object: &Value) -> &str {
    object.pointer("/metadata/name").and_then(Value::as_str).unwrap_or_default()
}
