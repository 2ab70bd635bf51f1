//! What was decided and observed -> the conditions of an app.
//!
//! The words of the original (`ReconcileComplete`, `Healthy`, `NotReady`, `NewSpec`,
//! `Reconciling`, `Error`) keep their places. Only an observation says Ready.

mod own;

use kaspr_crds::ConditionStatus;
use kaspr_crds::keys::{self, CONDITION_ACCEPTED, CONDITION_PROGRESSING, CONDITION_READY};

use crate::action::ActionId;
use crate::app::App;
use crate::decide::members;
use crate::invalid::{self, Invalid};
use crate::limits::MESSAGE_MAX;
use crate::observed::{LiveApp, Observed, SetFacts};
use crate::outcome::Answer;
use crate::plan::Wait;
use crate::policy::{children, packages, rollout};
use crate::reason::Reason;
use crate::status::Stated;

/// The conditions of an app whose spec is invalid: nothing that runs is touched, and what runs is
/// still told.
pub(crate) fn of_invalid(
    observed: &Observed<'_>,
    problems: &[Invalid],
    members: &members::Verdict,
) -> Vec<Stated> {
    let why = invalid::summary(problems);
    let mut stated = vec![
        Stated::new(CONDITION_ACCEPTED, false, "InvalidSpec", why),
        Stated::new(
            CONDITION_PROGRESSING,
            false,
            "InvalidSpec",
            "The spec is invalid; what runs is left as it is",
        ),
        of_members(observed, None).unwrap_or_else(|| {
            Stated::new(CONDITION_READY, false, "NotReady", "Kaspr app not ready")
        }),
    ];
    of_members_too(observed, members, &mut stated);
    stated
}

/// The conditions of an app that the original still writes: what runs is told, and that nothing is done.
pub(crate) fn of_two_operators(observed: &Observed<'_>, live: &LiveApp<'_>) -> Vec<Stated> {
    let because = Reason::OriginalStillRunning;
    let told = format!(
        "The operator in Python put its finalizer back, so it still runs, and nothing is written: stop \
         it, then remove the finalizer {} from this app",
        keys::ORIGINAL_FINALIZER
    );
    let app = live.parsed.result.as_ref().ok();
    let mut stated = vec![
        Stated::new(CONDITION_PROGRESSING, false, because.code(), told),
        of_members(observed, app).unwrap_or_else(not_ready),
    ];
    own::generic(&mut stated);
    stated
}

/// What the policies concluded about a valid app.
#[derive(Clone, Copy)]
pub(crate) struct Verdicts<'a> {
    pub(crate) app: &'a App,
    pub(crate) rollout: &'a rollout::Verdict,
    pub(crate) children: &'a children::Verdict,
    pub(crate) members: &'a members::Verdict,
    /// What the next rollout brings beside the change that it is for.
    pub(crate) pending: &'a [String],
    /// How many members have nothing to read, and how many partitions there are at most.
    pub(crate) idle: Option<(i64, i64)>,
    /// What is said of packages.
    pub(crate) packages: Option<&'a packages::Said>,
}

/// Adds what is the case with the members, and the words that generic tools look for.
fn of_members_too(observed: &Observed<'_>, verdict: &members::Verdict, stated: &mut Vec<Stated>) {
    own::hung(verdict, stated);
    stated.extend(own::healthy(observed, verdict));
    stated.extend(own::rebalanced(verdict));
    own::generic(stated);
}

/// The conditions of a valid app.
pub(crate) fn of_valid(
    observed: &Observed<'_>,
    live: &LiveApp<'_>,
    verdicts: &Verdicts<'_>,
) -> Vec<Stated> {
    let mut stated = of_objects(observed, live, verdicts);
    stated.extend(own::pending(verdicts.pending));
    stated.extend(verdicts.rollout.secrets.said.clone());
    stated.extend(own::idle(verdicts.idle));
    stated.extend(own::resizing(observed));
    stated.extend(verdicts.packages.map(|said| said.condition.clone()));
    of_members_too(observed, verdicts.members, &mut stated);
    stated
}

/// What is the case with the spec and the objects made of it.
fn of_objects(observed: &Observed<'_>, live: &LiveApp<'_>, verdicts: &Verdicts<'_>) -> Vec<Stated> {
    let Verdicts { app, rollout, children, members, .. } = *verdicts;
    let accepted = match members.knobs.ignored.as_slice() {
        [] => {
            let message = invalid::valid_but(&live.parsed.odd);
            Stated::new(CONDITION_ACCEPTED, true, "Valid", message)
        }
        ignored => {
            let message = invalid::cut(&ignored.join("; "), MESSAGE_MAX);
            Stated::new(CONDITION_ACCEPTED, true, "AnnotationIgnored", message)
        }
    };
    let held = secret_missing(rollout, children);
    let is_held = held.is_some();
    let obstacle = conflict(&children.waits).or_else(|| refusal(observed, children)).or(held);
    if let rollout::Choice::Keep(because @ Reason::Unknown(_), _) = &rollout.choice {
        // Nobody can say what is wanted; what runs is told as it is.
        let mut progressing =
            Stated::new(CONDITION_PROGRESSING, false, because.code(), unknown_kinds(observed));
        progressing.status = ConditionStatus::Unknown;
        let ready = of_members(observed, Some(app)).unwrap_or_else(not_ready);
        return vec![accepted, progressing, ready];
    }
    let tells = rollout.is_settled() || is_held;
    let ready = if tells { of_members(observed, Some(app)) } else { None };
    let (progressing, ready) = match (obstacle, ready) {
        (Some((reason, message)), ready) => (
            Stated::new(CONDITION_PROGRESSING, false, reason, message.clone()),
            ready
                .filter(|ready| ready.reason == "Healthy" && reason != "NameConflict")
                .unwrap_or_else(|| Stated::new(CONDITION_READY, false, reason, message)),
        ),
        (None, _) if app.is_paused => (
            Stated::new(CONDITION_PROGRESSING, false, "Paused", "Reconciliation is paused"),
            of_members(observed, Some(app)).unwrap_or_else(not_ready),
        ),
        (None, Some(ready)) if ready.reason == "Healthy" => (
            Stated::new(
                CONDITION_PROGRESSING,
                false,
                "ReconcileComplete",
                "All resources are in desired state",
            ),
            ready,
        ),
        (None, ready) => (progressing(live), ready.unwrap_or_else(rolling_out)),
    };
    vec![accepted, progressing, ready]
}

/// Which kinds nobody can list, and why.
fn unknown_kinds(observed: &Observed<'_>) -> String {
    let children = &observed.children;
    let mut unknown: Vec<String> = observed
        .components
        .iter()
        .filter_map(|(kind, seen)| Some(format!("{} ({})", kind.name(), seen.unknown()?)))
        .collect();
    let kinds = [
        ("ConfigMap", children.config_maps.unknown()),
        ("StatefulSet", children.stateful_set.unknown()),
        ("Secret", observed.secrets.unknown().filter(|_| observed.settings.checks_secrets)),
    ];
    unknown.extend(kinds.into_iter().filter_map(|(kind, why)| Some(format!("{kind} ({})", why?))));
    format!("The template stays as it is, since these are unknown: {}", unknown.join(", "))
}

/// Work is on its way. `NewSpec` stays until it is done, so that one change is told once.
fn progressing(live: &LiveApp<'_>) -> Stated {
    let is_new = live.status.observed_generation != Some(live.meta.generation);
    let was_new = live
        .status
        .condition(CONDITION_PROGRESSING)
        .is_some_and(|old| old.status == ConditionStatus::True && old.reason == "NewSpec");
    if is_new || was_new {
        Stated::new(CONDITION_PROGRESSING, true, "NewSpec", "Reconciling desired state")
    } else {
        let message = "Waiting for resources to become ready";
        Stated::new(CONDITION_PROGRESSING, true, "Reconciling", message)
    }
}

fn rolling_out() -> Stated {
    Stated::new(CONDITION_READY, false, "NotReady", "Rollout in progress")
}

fn not_ready() -> Stated {
    Stated::new(CONDITION_READY, false, "NotReady", "Kaspr app not ready")
}

/// Whether the members are there, as observed; `None` where nobody can say.
fn of_members(observed: &Observed<'_>, app: Option<&App>) -> Option<Stated> {
    let set = observed.own_set()?;
    let facts = SetFacts::of(set);
    let wanted = app.map_or(facts.wanted, |app| i64::from(app.replicas));
    if !facts.is_rolled_out() {
        return Some(rolling_out());
    }
    let is_ready = facts.available == wanted && facts.wanted == wanted;
    Some(if is_ready {
        Stated::new(CONDITION_READY, true, "Healthy", "App is ready")
    } else {
        not_ready()
    })
}

/// An object of somebody else with one of our names.
fn conflict(waits: &[Wait]) -> Option<(&'static str, String)> {
    let conflicts: Vec<String> = waits
        .iter()
        .filter(|wait| !wait.object.kind.is_component())
        .filter_map(|wait| match &wait.because {
            Reason::NameConflict(who) => Some(format!("{} belongs to {who}", wait.object)),
            _ => None,
        })
        .collect();
    let message = || {
        let names = conflicts.join("; ");
        invalid::cut(&format!("{names}: remove it, or rename the app"), MESSAGE_MAX)
    };
    (!conflicts.is_empty()).then(|| ("NameConflict", message()))
}

/// Pods that cannot start for want of a Secret are not made; what is missing is told in full elsewhere.
fn secret_missing(
    rollout: &rollout::Verdict,
    children: &children::Verdict,
) -> Option<(&'static str, String)> {
    let is_held = matches!(rollout.choice, rollout::Choice::Keep(Reason::SecretMissing, _))
        || children.waits.iter().any(|wait| wait.because == Reason::SecretMissing);
    let said = rollout.secrets.said.as_ref().filter(|_| is_held)?;
    Some((Reason::SecretMissing.code(), said.message.clone()))
}

/// An action that is wanted and that the API server refuses, told in its own words once it was
/// refused twice in a row: a single refusal is mostly a race that the next look wins.
fn refusal(
    observed: &Observed<'_>,
    children: &children::Verdict,
) -> Option<(&'static str, String)> {
    let backs_off = |wait: &Wait| matches!(wait.because, Reason::BackingOff(_));
    let is_wanted = |id: &ActionId| {
        children.steps.iter().any(|step| step.action.id() == *id)
            || children.waits.iter().any(|wait| backs_off(wait) && id.is_about(&wait.object))
    };
    let told: Vec<String> = observed
        .outcomes
        .iter()
        .filter(|(_, outcome)| outcome.attempts >= 2)
        .filter_map(|(id, outcome)| match &outcome.answer {
            Answer::Refused { refusal, message } => Some((id, refusal, message)),
            Answer::Done { .. } | Answer::Exists { .. } => None,
        })
        .filter(|(id, ..)| is_wanted(id))
        .map(|(id, refusal, message)| format!("{id}: {refusal}: {message}"))
        .collect();
    (!told.is_empty()).then(|| ("Error", invalid::cut(&told.join("; "), MESSAGE_MAX)))
}
