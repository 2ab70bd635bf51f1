//! The next status of an app, and the write of it where it differs from the observed one.

use kaspr_crds::{Condition, MemberStatus};
use serde_json::{Value, json};

use super::members;
use crate::action::Action;
use crate::app::App;
use crate::app::image::{DEFAULT_VERSION, version_of};
use crate::key::{ObjectKind, ObjectRef};
use crate::limits;
use crate::observed::{LiveApp, Observed, SetFacts};
use crate::plan::{Plan, Stage, Step, Wait};
use crate::policy::subscriptions::Subscriptions;
use crate::policy::{components, rollout, roster, storage};
use crate::reason::Reason;
use crate::render;
use crate::seen::Seen;
use crate::status::memory::{self, Strikes};
use crate::status::{Stated, Takeover, field, lay_over, patch};
use crate::time::Uptime;

/// What the next status is made of.
#[derive(Clone)]
pub(super) struct Next<'a> {
    /// The app, if its spec is valid.
    pub(super) app: Option<&'a App>,
    pub(super) rollout: &'a rollout::Memory,
    /// What is remembered of the takeover.
    pub(super) takeover: Option<Takeover>,
    /// What is said of packages, if that is known.
    pub(super) packages: Option<&'a Value>,
    pub(super) members: &'a members::Verdict,
    /// What its workers subscribe to, if that is to be told.
    pub(super) subscriptions: Option<&'a Subscriptions>,
    pub(super) stated: &'a [Stated],
}

/// What differs, by how soon it must be written.
#[derive(Default)]
struct Fields {
    /// What decisions and people wait for.
    urgent: Vec<(&'static str, Value)>,
    /// What is written along, or every few seconds.
    lazy: Vec<(&'static str, Value)>,
    /// What is written along only.
    along: Vec<(&'static str, Value)>,
}

/// Adds the write of the app's next status, where it differs from the observed one.
pub(super) fn write(observed: &Observed<'_>, live: &LiveApp<'_>, next: &Next<'_>, plan: &mut Plan) {
    let old = &live.status;
    let mut fields = Fields::default();
    of_spec(observed, live, next, &mut fields);
    of_set(observed, live, next, &mut fields);
    of_members(observed, live, next, &mut fields);
    of_memory(observed, live, next, &mut fields);
    let urgent = patch(&old.raw, fields.urgent);
    let mut status = patch(&old.raw, fields.lazy);
    if urgent.is_empty() && status.is_empty() {
        return;
    }
    let of = observed.object(ObjectKind::App, &live.meta.name);
    if urgent.is_empty()
        && let Some(until) = blocked_until(observed, &of)
    {
        let because = Reason::CountersSoon;
        plan.waits.push(Wait { object: of, because, until: Some(until) });
        return;
    }
    plan.notices.extend(components::turned(&of, &live.meta.uid, &old.conditions, next.stated));
    let news = next.members.news;
    plan.notices.extend(news.and_then(|news| members::look::told(observed, live, news)));
    status.extend(urgent);
    status.extend(patch(&old.raw, fields.along));
    let seen = live.meta.resource_version.clone();
    let action = Action::PatchStatus { of, seen, status: Value::Object(status) };
    let because = Reason::StatusOutdated;
    plan.steps.push(Step { stage: Stage::Status, action, because });
}

/// Adds the write of conditions alone: of an app that nothing else is written of.
pub(super) fn write_conditions(
    observed: &Observed<'_>,
    live: &LiveApp<'_>,
    stated: &[Stated],
    plan: &mut Plan,
) {
    let old = &live.status;
    let conditions = lay_over(&old.conditions, stated, live.meta.generation, &observed.now);
    let status = patch(&old.raw, vec![("conditions", json!(conditions))]);
    if status.is_empty() {
        return;
    }
    let of = observed.object(ObjectKind::App, &live.meta.name);
    plan.notices.extend(components::turned(&of, &live.meta.uid, &old.conditions, stated));
    let seen = live.meta.resource_version.clone();
    let action = Action::PatchStatus { of, seen, status: Value::Object(status) };
    plan.steps.push(Step { stage: Stage::Status, action, because: Reason::StatusOutdated });
}

/// What the spec and its verdict say.
fn of_spec(observed: &Observed<'_>, live: &LiveApp<'_>, next: &Next<'_>, fields: &mut Fields) {
    let old = &live.status;
    fields.urgent.push(("observedGeneration", json!(live.meta.generation)));
    fields.urgent.push(("selector", json!(render::selector_text(&observed.key.name))));
    if let Some(app) = next.app {
        let pinned = live.pinned.clone().unwrap_or_else(|| DEFAULT_VERSION.to_owned());
        let pinned = app.follows_default().then_some(pinned).or(old.default_version.clone());
        fields.urgent.push(("defaultVersion", field(&pinned)));
        // Known before any claim grows: it is what a later spec is held against.
        fields.urgent.push(("storageSize", field(&storage::asked(observed, live, app))));
    }
    let conditions = lay_over(&old.conditions, next.stated, live.meta.generation, &observed.now);
    let only_words = are_alike(&old.conditions, &conditions);
    fields.of(!only_words).push(("conditions", json!(conditions)));
    fields.lazy.push(("template", field(&next.rollout.template)));
    // Meaning to roll out is urgent; that a rollout is through can wait for the next write.
    match (next.app, next.packages) {
        // Whole: what an earlier state said goes with it (D22).
        (Some(_), Some(said)) => fields.lazy.push(("pythonPackages", said.clone())),
        (Some(app), None) if app.packages.is_none() => {
            fields.lazy.push(("pythonPackages", Value::Null));
        }
        _ => {}
    }
    fields.urgent.push(("takeover", field(&next.takeover)));
    if next.takeover.is_some() {
        // Progress of the original's framework.
        fields.along.push(("kopf", Value::Null));
    }
    let is_meant = next.rollout.rollout.is_some();
    fields.of(is_meant).push(("rollout", field(&next.rollout.rollout)));
}

/// What changes often and is read by people and the scale subresource.
fn of_set(observed: &Observed<'_>, live: &LiveApp<'_>, next: &Next<'_>, fields: &mut Fields) {
    let Some(set) = observed.own_set() else { return };
    let facts = SetFacts::of(set);
    let version = version_of(&facts.image);
    if !version.is_empty() {
        fields.lazy.push(("kasprVersion", json!(version)));
    }
    let wanted = wanted(observed, live, next.app);
    fields.lazy.extend([
        ("replicas", json!(facts.replicas)),
        ("availableMembers", json!(format!("{}/{wanted}", facts.available))),
        ("rolloutInProgress", json!(!facts.is_rolled_out())),
    ]);
}

/// The members that the spec asks for; those of the set, if a bad spec does not say.
fn wanted(observed: &Observed<'_>, live: &LiveApp<'_>, app: Option<&App>) -> i64 {
    let declared = || live.object.pointer("/spec/replicas").and_then(Value::as_i64);
    let of_set = || observed.own_set().map(|set| SetFacts::of(set).wanted);
    app.map(|app| i64::from(app.replicas)).or_else(declared).or_else(of_set).unwrap_or_default()
}

/// What the members answered.
fn of_members(observed: &Observed<'_>, live: &LiveApp<'_>, next: &Next<'_>, fields: &mut Fields) {
    let old = &live.status.members;
    let told: Vec<MemberStatus> = match &observed.members {
        Seen::Unknown(_) => return,
        _ if !observed.settings.polls_members => Vec::new(),
        Seen::Absent => Vec::new(),
        Seen::Present(members) => roster::next(old, members, &observed.now),
    };
    if told.is_empty() && old.is_empty() {
        return;
    }
    let rebalancing = told.iter().filter(|member| member.rebalancing == Some(true)).count();
    let wanted = wanted(observed, live, next.app);
    fields.lazy.push(("members", memory::list(&roster::cut(told))));
    fields.lazy.push(("rebalancingMembers", json!(format!("{rebalancing}/{wanted}"))));
}

/// What the members' policies remember.
fn of_memory(observed: &Observed<'_>, live: &LiveApp<'_>, next: &Next<'_>, fields: &mut Fields) {
    let (old, memory) = (&live.status.memory, &next.members.memory);
    let quarter = next.members.knobs.hung.threshold.as_secs().div_ceil(4).max(1);
    let mark = |strikes: &Strikes| {
        (strikes.pod_uid.clone(), strikes.at.clone(), strikes.stuck_for / quarter)
    };
    // The time alone is written along, and at each quarter of the threshold.
    let is_news = !old.strikes.iter().map(mark).eq(memory.strikes.iter().map(mark));
    let strikes = ("strikes", memory::list(&memory.strikes));
    if is_news {
        fields.urgent.push(strikes);
    } else {
        fields.along.push(strikes);
    }
    fields.urgent.push(("terminations", memory::list(&memory.terminations)));
    fields.urgent.push(("replacements", memory::list(&memory.replacements)));
    fields.urgent.push(("rebalance", memory.rebalance.to_field()));
    let is_tracked = memory.rebalance.generation > 0;
    let owes = memory.rebalance.debt.is_some();
    if is_tracked || live.status.raw.contains_key("rebalanceRequired") {
        fields.urgent.push(("rebalanceRequired", json!(owes)));
    }
    // What is not tracked in this look stays as it was tracked.
    let is_current = next.members.is_tracking && observed.components_known().is_ok();
    if let Some(subscriptions) = next.subscriptions.filter(|_| is_current) {
        fields.lazy.push(("linkedResources", subscriptions.field()));
    }
}

impl Fields {
    fn of(&mut self, is_urgent: bool) -> &mut Vec<(&'static str, Value)> {
        if is_urgent { &mut self.urgent } else { &mut self.lazy }
    }
}

/// Whether conditions differ in nothing but their sentences: no news for anybody who waits.
fn are_alike(old: &[Condition], next: &[Condition]) -> bool {
    let word = |condition: &Condition| {
        (condition.kind.clone(), condition.status, condition.reason.clone())
    };
    old.iter().map(word).eq(next.iter().map(word))
}

/// Until when what can wait is not written again.
fn blocked_until(observed: &Observed<'_>, of: &ObjectRef) -> Option<Uptime> {
    let written = observed.outcomes.get(&Action::id_of("PatchStatus", of))?;
    let until = written.at.after(limits::COUNTERS_EVERY);
    (until > observed.now.uptime).then_some(until)
}
