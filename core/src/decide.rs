//! The whole operator: what to do about one app, and why. Read this first.

use kaspr_crds::Condition;
use serde_json::{Value, json};

use crate::action::Action;
use crate::app::App;
use crate::app::image::{DEFAULT_VERSION, version_of};
use crate::backoff;
use crate::conditions;
use crate::invalid::Invalid;
use crate::key::ObjectKind;
use crate::limits;
use crate::observed::{LiveApp, Observed, SetFacts};
use crate::outcome::{Answer, Refusal};
use crate::plan::{Plan, Stage, Step, Wait};
use crate::policy::{children, components, definitions, orphans, rollout};
use crate::reason::Reason;
use crate::render;
use crate::seen::{Seen, Unseen};
use crate::snapshot::Snapshot;
use crate::status::{Stated, field, lay_over, patch};
use crate::time::Uptime;

/// Decides about one app key. Pure and total: equal snapshots, equal plans.
pub fn decide(snapshot: &Snapshot) -> Plan {
    let observed = Observed::of(snapshot);
    let mut plan = match &observed.app {
        Seen::Unknown(why) => without_knowing(&observed, *why),
        Seen::Absent => without_app(&observed),
        Seen::Present(live) if live.meta.is_deleting => leaving(&observed),
        Seen::Present(live) => match &live.parsed.result {
            Ok(app) => match definitions::volumes_taken(&observed, app) {
                taken if taken.is_empty() => with_app(&observed, live, app),
                taken => with_invalid_app(&observed, live, &taken),
            },
            Err(problems) => with_invalid_app(&observed, live, problems),
        },
    };
    plan.stale.clone_from(&observed.behind);
    hold_back(&mut plan, &observed);
    confirm_first(&mut plan, &observed);
    wake_up(&mut plan, &observed);
    plan
}

/// Nobody can say whether the app is there: nothing is done about it or its components.
fn without_knowing(observed: &Observed<'_>, why: Unseen) -> Plan {
    waiting(observed, Reason::Unknown(why))
}

/// The app is being deleted: its owner references clean up, and nothing is made again.
fn leaving(observed: &Observed<'_>) -> Plan {
    waiting(observed, Reason::AppDeleting)
}

fn waiting(observed: &Observed<'_>, because: Reason) -> Plan {
    let object = observed.object(ObjectKind::App, &observed.key.name);
    Plan { waits: vec![Wait { object, because, until: None }], ..Plan::default() }
}

/// There is no such app: its components are told, and its definitions go.
fn without_app(observed: &Observed<'_>) -> Plan {
    // An app that is applied together with its components comes a moment later.
    if let Some(until) = rollout::settling_until(observed)
        && !observed.key.is_nameless()
    {
        let object = observed.object(ObjectKind::App, &observed.key.name);
        let because = Reason::Settling;
        let waits = vec![Wait { object, because, until: Some(until) }];
        return Plan { waits, wake_up: Some(until), ..Plan::default() };
    }
    let told = components::without_app(observed);
    let mut steps = orphans::decide(observed);
    steps.extend(told.steps);
    let because =
        if observed.key.is_nameless() { Reason::AppLabelMissing } else { Reason::AppNotFound };
    let waits = observed
        .all_components()
        .map(|(kind, live)| Wait {
            object: observed.object(ObjectKind::from(kind), &live.meta.name),
            because: because.clone(),
            until: None,
        })
        .collect();
    Plan { steps, waits, notices: told.notices, ..Plan::default() }
}

/// The app's spec is bad: what runs is left as it is, and the status says so.
fn with_invalid_app(observed: &Observed<'_>, live: &LiveApp<'_>, problems: &[Invalid]) -> Plan {
    let mut plan = waiting(observed, Reason::InvalidSpec);
    let tracked = definitions::track(observed, None);
    let told = components::of_app(observed, &tracked, None);
    let memory = rollout::Memory {
        template: live.status.template.clone(),
        rollout: live.status.rollout.clone(),
    };
    let stated = conditions::of_invalid(observed, problems);
    write_status(observed, live, &Next { app: None, memory: &memory, stated: &stated }, &mut plan);
    plan.steps.extend(told.steps);
    plan.notices.extend(told.notices);
    plan
}

/// The policies in their order: which definitions, which template, then the objects. The next
/// status is the sum of what they remember, and comes first.
fn with_app(observed: &Observed<'_>, live: &LiveApp<'_>, app: &App) -> Plan {
    let tracked = definitions::track(observed, Some(app));
    let rollout = rollout::decide(observed, live, app, &tracked);
    let is_settling = matches!(rollout.choice, rollout::Choice::Keep(Reason::Settling, _));
    let is_new = observed.children.stateful_set.is_absent();
    // A list of now is on its way.
    let is_behind = !observed.behind.is_empty();
    let mut plan = Plan::default();
    // A new app waits for what is applied with it, and then comes up in one go.
    if is_settling && is_new {
        let until = rollout.until();
        let because = Reason::Settling;
        let object = observed.object(ObjectKind::App, &observed.key.name);
        plan.waits.push(Wait { object, because, until });
        return plan;
    }
    let children = if app.is_paused {
        let object = observed.object(ObjectKind::App, &observed.key.name);
        plan.waits.push(Wait { object, because: Reason::Paused, until: None });
        children::Verdict::default()
    } else {
        children::decide(observed, live, app, &tracked, &rollout)
    };
    let told = components::of_app(observed, &tracked, Some(&rollout));
    // While edits settle the status waits with the template: one change, one write.
    if !is_settling && !is_behind {
        let stated = conditions::of_valid(observed, live, app, &rollout, &children);
        let next = Next { app: Some(app), memory: &rollout.memory, stated: &stated };
        write_status(observed, live, &next, &mut plan);
    }
    plan.waits.extend(children.waits);
    plan.steps.extend(children.steps);
    plan.steps.extend(told.steps);
    plan.steps.sort_by_key(|step| step.stage);
    plan.notices.extend(told.notices);
    plan
}

/// What the next status is made of.
struct Next<'a> {
    /// The app, if its spec is valid.
    app: Option<&'a App>,
    memory: &'a rollout::Memory,
    stated: &'a [Stated],
}

/// Adds the write of the app's next status, where it differs from the observed one.
fn write_status(observed: &Observed<'_>, live: &LiveApp<'_>, next: &Next<'_>, plan: &mut Plan) {
    let Next { app, memory, stated } = *next;
    let old = &live.status;
    let conditions = lay_over(&old.conditions, stated, live.meta.generation, &observed.now);
    let only_words = are_alike(&old.conditions, &conditions);
    let conditions = ("conditions", json!(conditions));
    let mut fields = vec![
        ("observedGeneration", json!(live.meta.generation)),
        ("selector", json!(render::selector_text(&observed.key.name))),
    ];
    if let Some(app) = app {
        let pinned = live.pinned.clone().unwrap_or_else(|| DEFAULT_VERSION.to_owned());
        let pinned = app.follows_default().then_some(pinned).or(old.default_version.clone());
        fields.push(("defaultVersion", field(&pinned)));
    }
    let mut lazy = vec![("template", field(&memory.template))];
    if only_words {
        lazy.push(conditions);
    } else {
        fields.push(conditions);
    }
    if let Some(set) = observed.own_set() {
        let facts = SetFacts::of(set);
        let version = version_of(&facts.image);
        if !version.is_empty() {
            lazy.push(("kasprVersion", json!(version)));
        }
        lazy.extend(counters(&facts, live, app));
    }
    // Meaning to roll out is urgent; that a rollout is through can wait for the next write.
    let rollout = ("rollout", field(&memory.rollout));
    if memory.rollout.is_some() {
        fields.push(rollout);
    } else {
        lazy.push(rollout);
    }
    let urgent = patch(&old.raw, fields);
    let mut status = patch(&old.raw, lazy);
    if urgent.is_empty() && status.is_empty() {
        return;
    }
    let of = observed.object(ObjectKind::App, &live.meta.name);
    if urgent.is_empty()
        && let Some(until) = counters_blocked_until(observed, &of)
    {
        let because = Reason::CountersSoon;
        plan.waits.push(Wait { object: of, because, until: Some(until) });
        return;
    }
    plan.notices.extend(components::turned(&of, &live.meta.uid, &old.conditions, stated));
    status.extend(urgent);
    let seen = live.meta.resource_version.clone();
    let action = Action::PatchStatus { of, seen, status: Value::Object(status) };
    let because = Reason::StatusOutdated;
    plan.steps.push(Step { stage: Stage::Status, action, because });
}

/// Whether conditions differ in nothing but their sentences: no news for anybody who waits.
fn are_alike(old: &[Condition], next: &[Condition]) -> bool {
    let word = |condition: &Condition| {
        (condition.kind.clone(), condition.status, condition.reason.clone())
    };
    old.iter().map(word).eq(next.iter().map(word))
}

/// What changes often and is read by people and the scale subresource.
fn counters(facts: &SetFacts, live: &LiveApp<'_>, app: Option<&App>) -> Vec<(&'static str, Value)> {
    let declared = live.object.pointer("/spec/replicas").and_then(Value::as_i64);
    let wanted = app.map_or(declared.unwrap_or(facts.wanted), |app| i64::from(app.replicas));
    vec![
        ("replicas", json!(facts.replicas)),
        ("availableMembers", json!(format!("{}/{wanted}", facts.available))),
        ("rolloutInProgress", json!(!facts.is_rolled_out())),
    ]
}

/// Until when counters alone are not written again.
fn counters_blocked_until(observed: &Observed<'_>, of: &crate::key::ObjectRef) -> Option<Uptime> {
    let written = observed.outcomes.get(&Action::id_of("PatchStatus", of))?;
    let until = written.at.after(limits::COUNTERS_EVERY);
    (until > observed.now.uptime).then_some(until)
}

/// Takes out the steps whose action was refused lately, and what needs them.
///
/// A status that cannot be written holds back only what is irreversible: its intent cannot be
/// read back.
fn hold_back(plan: &mut Plan, observed: &Observed<'_>) {
    let now = observed.now.uptime;
    let mut foundation_held = false;
    let mut kept = Vec::new();
    for step in std::mem::take(&mut plan.steps) {
        let id = step.action.id();
        let object = step.action.object().clone();
        let blocked = backoff::blocked_until(&id, observed.outcomes, observed.edits, now);
        let held = match blocked {
            Some((until, outcome)) => {
                let refusal = match &outcome.answer {
                    Answer::Refused { refusal, .. } => *refusal,
                    Answer::Exists { .. } | Answer::Done { .. } => Refusal::Conflict,
                };
                Some((Reason::BackingOff(refusal), Some(until)))
            }
            None if foundation_held && step.stage == Stage::Workload => {
                Some((Reason::FoundationMissing, None))
            }
            None => None,
        };
        match held {
            Some((because, until)) => {
                foundation_held |= step.stage == Stage::Foundation;
                // What is not written yet is not told yet.
                if matches!(step.action, Action::PatchStatus { .. }) {
                    plan.notices.retain(|notice| notice.about != object);
                }
                plan.waits.push(Wait { object, because, until });
            }
            None => kept.push(step),
        }
    }
    plan.steps = kept;
}

/// Before an irreversible action the status must be fresh: the plan starts with its own write, or
/// this process has just read it, or one read confirms it.
fn confirm_first(plan: &mut Plan, observed: &Observed<'_>) {
    let Seen::Present(live) = &observed.app else { return };
    let has_irreversible = plan.steps.iter().any(|step| step.action.is_irreversible());
    let writes = plan.steps.iter().any(|step| step.stage == Stage::Status);
    let is_fresh = observed
        .app_read_at
        .is_some_and(|read_at| observed.now.uptime.since(read_at) < limits::PLAN_DEADLINE / 2);
    if !has_irreversible || writes || is_fresh {
        return;
    }
    let of = observed.object(ObjectKind::App, &live.meta.name);
    let id = Action::id_of("ConfirmStatus", &of);
    let now = observed.now.uptime;
    if let Some((until, _)) = backoff::blocked_until(&id, observed.outcomes, observed.edits, now) {
        plan.steps.retain(|step| !step.action.is_irreversible());
        plan.waits.push(Wait { object: of, because: Reason::ConfirmFirst, until: Some(until) });
        return;
    }
    let action = Action::ConfirmStatus { of, seen: live.meta.resource_version.clone() };
    let step = Step { stage: Stage::Status, action, because: Reason::ConfirmFirst };
    plan.steps.insert(0, step);
}

/// The earliest instant at which time alone may change something; one that has just come is a
/// millisecond away, so that no wait with an instant is ever forgotten.
fn wake_up(plan: &mut Plan, observed: &Observed<'_>) {
    let soonest = Uptime(observed.now.uptime.0.saturating_add(1));
    let earliest = plan.waits.iter().filter_map(|wait| wait.until).min();
    plan.wake_up = earliest.map(|until| until.max(soonest));
}
