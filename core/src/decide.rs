//! The whole operator: what to do about one app, and why. Read this first.

pub mod members;
mod next_status;

use self::members::Template;
use self::next_status::Next;
use crate::action::Action;
use crate::app::App;
use crate::backoff;
use crate::conditions;
use crate::invalid::Invalid;
use crate::key::ObjectKind;
use crate::limits;
use crate::observed::{LiveApp, Observed};
use crate::outcome::{Answer, Refusal};
use crate::plan::{Plan, Stage, Step, Wait};
use crate::policy::{
    children, components, definitions, orphans, packages, rollout, storage, subscriptions, takeover,
};
use crate::reason::Reason;
use crate::seen::{Seen, Unseen};
use crate::snapshot::Snapshot;
use crate::time::Uptime;

/// Decides about one app key. Pure and total: equal snapshots, equal plans.
pub fn decide(snapshot: &Snapshot) -> Plan {
    let observed = Observed::of(snapshot);
    let mut plan = match &observed.app {
        Seen::Unknown(why) => without_knowing(&observed, *why),
        Seen::Absent => without_app(&observed),
        Seen::Present(live) if takeover::is_back(live) => beside_the_original(&observed, live),
        Seen::Present(live) if live.meta.is_deleting => leaving(&observed, live),
        Seen::Present(live) => match &live.parsed.result {
            Ok(app) => {
                let mut problems = definitions::places_taken(&observed, app);
                problems.extend(storage::shrunk(&observed, live, app));
                if problems.is_empty() {
                    with_app(&observed, live, app)
                } else {
                    with_invalid_app(&observed, live, &problems)
                }
            }
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
fn leaving(observed: &Observed<'_>, live: &LiveApp<'_>) -> Plan {
    let mut plan = waiting(observed, Reason::AppDeleting);
    takeover::let_leave(observed, live, &mut plan);
    plan
}

/// The original still runs: nothing is written of its app but that.
fn beside_the_original(observed: &Observed<'_>, live: &LiveApp<'_>) -> Plan {
    let mut plan = waiting(observed, Reason::OriginalStillRunning);
    let stated = conditions::of_two_operators(observed, live);
    next_status::write_conditions(observed, live, &stated, &mut plan);
    plan
}

fn waiting(observed: &Observed<'_>, because: Reason) -> Plan {
    let object = observed.object(ObjectKind::App, &observed.key.name);
    Plan { waits: vec![Wait { object, because, until: None }], ..Plan::default() }
}

/// There is no such app: its components are told, and its definitions go.
fn without_app(observed: &Observed<'_>) -> Plan {
    // An app that is applied together with its components comes a moment later.
    if let Some(until) = rollout::look::settling_until(observed)
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
    let mut plan = Plan { steps, waits, notices: told.notices, ..Plan::default() };
    takeover::components(observed, &mut plan);
    plan.steps.sort_by_key(|step| step.stage);
    plan
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
    let members = members::look::decide(observed, live, None);
    let stated = conditions::of_invalid(observed, problems, &members);
    let next = Next {
        app: None,
        rollout: &memory,
        takeover: takeover::next(observed, live, &memory, &[]),
        packages: None,
        members: &members,
        subscriptions: None,
        stated: &stated,
    };
    next_status::write(observed, live, &next, &mut plan);
    plan.notices.extend(told.notices);
    members::look::act(observed, live, &members, &mut plan);
    plan.steps.extend(told.steps);
    takeover::let_go(observed, live, &mut plan);
    plan.steps.sort_by_key(|step| step.stage);
    plan
}

/// The policies in their order: which definitions, which template, then the objects. The next
/// status is the sum of what they remember, and comes first.
fn with_app(observed: &Observed<'_>, live: &LiveApp<'_>, app: &App) -> Plan {
    let tracked = definitions::track(observed, Some(app));
    let rollout = rollout::look::decide(observed, live, app, &tracked);
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
    let subscriptions = subscriptions::of(live, &tracked);
    let template = Template {
        rollout: &rollout,
        subscriptions: &subscriptions.digest,
        advance: subscriptions.advance(live, &rollout, !is_new),
    };
    let members = members::look::decide(observed, live, Some(template));
    // While edits settle the status waits with the template: one change, one write.
    if !is_settling && !is_behind {
        let pending = rollout::look::pending(observed, live, app, &tracked, &rollout);
        let packages = packages::said(observed, app);
        let verdicts = conditions::Verdicts {
            app,
            rollout: &rollout,
            children: &children,
            members: &members,
            pending: &pending,
            packages: packages.as_ref(),
            idle: tracked.idle_members(app),
        };
        let stated = conditions::of_valid(observed, live, &verdicts);
        let next = Next {
            app: Some(app),
            rollout: &rollout.memory,
            takeover: takeover::next(observed, live, &rollout.memory, &children.steps),
            packages: packages.as_ref().map(|said| &said.status),
            members: &members,
            subscriptions: Some(&subscriptions),
            stated: &stated,
        };
        next_status::write(observed, live, &next, &mut plan);
    }
    plan.waits.extend(rollout::look::withdrawn(observed, &rollout));
    plan.waits.extend(children.waits);
    plan.steps.extend(children.steps);
    members::look::act(observed, live, &members, &mut plan);
    plan.steps.extend(told.steps);
    takeover::let_go(observed, live, &mut plan);
    plan.steps.sort_by_key(|step| step.stage);
    plan.notices.extend(told.notices);
    plan
}

/// Takes out the steps whose action was refused lately, and what needs them.
///
/// A status that cannot be written holds back only what is irreversible: that waits as long.
fn hold_back(plan: &mut Plan, observed: &Observed<'_>) {
    let now = observed.now.uptime;
    let mut foundation_held = false;
    let mut status_held = None;
    let mut kept = Vec::new();
    for step in std::mem::take(&mut plan.steps) {
        let id = step.action.id();
        let object = step.action.object().clone();
        let blocked = backoff::blocked_until(&id, observed.outcomes, observed.edits, now)
            // What was refused about another attempt, or another pod of this name, says nothing of this.
            .filter(|(_, outcome)| outcome.of == step.action.detail());
        let held = match blocked {
            Some((until, outcome)) => {
                let refusal = match &outcome.answer {
                    Answer::Refused { refusal, .. } => *refusal,
                    Answer::Exists { .. } | Answer::Done { .. } => Refusal::Conflict,
                };
                Some((Reason::BackingOff(refusal), Some(until)))
            }
            None if step.action.is_irreversible() && status_held.is_some() => status_held.clone(),
            None if foundation_held && step.stage == Stage::Workload => {
                Some((Reason::FoundationMissing, None))
            }
            None => None,
        };
        match held {
            Some((because, until)) => {
                foundation_held |= step.stage == Stage::Foundation;
                if step.stage == Stage::Status {
                    status_held = Some((because.clone(), until));
                }
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
    let writes = plan.steps.iter().any(|step| step.stage == Stage::Status);
    let is_fresh = observed
        .app_read_at
        .is_some_and(|read_at| observed.now.uptime.since(read_at) < limits::PLAN_DEADLINE / 2);
    if !plan.has_irreversible() || writes || is_fresh {
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
