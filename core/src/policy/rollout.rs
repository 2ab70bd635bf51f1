//! When the pod template may change: once per change, and only after the intent is in the status.
//!
//! A template stands until its inputs change, so that neither an operator upgrade nor a takeover
//! restarts a pod. A change of definitions, settings and image together is one change: the edits
//! settle first. The intent is written, read back, and only then the template is applied.

use std::time::Duration;

use kaspr_crds::Kind;
use serde_json::{Value, json};

use crate::app::App;
use crate::digest;
use crate::drift;
use crate::key::ObjectKind;
use crate::limits;
use crate::marks;
use crate::observed::{Child, LiveApp, Observed, SetFacts};
use crate::plan::Wait;
use crate::policy::children::is_answered;
use crate::policy::definitions::Tracked;
use crate::reason::Reason;
use crate::render;
use crate::seen::Seen;
use crate::status::{Rollout, Template};
use crate::time::Uptime;

/// What to do with the template in this pass.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Choice {
    /// There is no StatefulSet: it is made with the template of now.
    Create,
    /// The template of now is applied.
    Change(Reason),
    /// The live template is what is wanted; it is repeated as it stands.
    Stand,
    /// The live template stays although it is not, or nobody knows whether it is.
    Keep(Reason, Option<Uptime>),
}

/// What this policy remembers: the template that stands, and the one that is meant to come.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Memory {
    pub(crate) template: Option<Template>,
    pub(crate) rollout: Option<Rollout>,
}

/// What this policy concludes.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Verdict {
    pub(crate) choice: Choice,
    pub(crate) memory: Memory,
    /// The digest of the inputs of now.
    pub(crate) inputs: String,
}

impl Verdict {
    /// Whether definitions may be written as they are wanted: with the template that mounts them,
    /// or while it stands.
    pub(crate) fn writes_definitions(&self) -> bool {
        match self.choice {
            Choice::Create | Choice::Change(_) | Choice::Stand => true,
            Choice::Keep(..) => false,
        }
    }

    /// Until when the template is kept, if time alone can change that.
    pub(crate) fn until(&self) -> Option<Uptime> {
        match &self.choice {
            Choice::Keep(_, until) => *until,
            Choice::Create | Choice::Change(_) | Choice::Stand => None,
        }
    }

    /// Whether the live template is the original's work: it was found there, and nothing of ours
    /// has replaced it.
    pub(crate) fn is_adopted(&self, facts: &SetFacts) -> bool {
        facts.inputs.is_none()
            && self.memory.template.as_ref().is_some_and(|template| template.is_adopted)
    }

    /// The inputs that the live template of ours was rendered from, also where somebody took away
    /// the annotation that says so.
    pub(crate) fn live_inputs(&self, facts: &SetFacts) -> Option<String> {
        let recorded = self.memory.template.as_ref().map(|template| &template.inputs);
        let meant = self.memory.rollout.as_ref().map(|rollout| &rollout.inputs);
        facts.inputs.as_ref().or(recorded).or(meant).cloned()
    }

    /// Whether the live template is the wanted one and nothing is on its way.
    pub(crate) fn is_settled(&self) -> bool {
        let is_meant = self.memory.rollout.as_ref().is_some_and(|meant| meant.withdrawn.is_none());
        self.choice == Choice::Stand && !is_meant
    }
}

/// What one decision rests on.
struct Case<'a> {
    observed: &'a Observed<'a>,
    live: &'a LiveApp<'a>,
    app: &'a App,
    tracked: &'a Tracked<'a>,
    /// The digest of the inputs of now.
    inputs: String,
}

/// Decides about the template of a valid app.
pub(crate) fn decide(
    observed: &Observed<'_>,
    live: &LiveApp<'_>,
    app: &App,
    tracked: &Tracked<'_>,
) -> Verdict {
    let inputs = digest::of_json(&json!({
        "app": app.template_inputs(), "definitions": tracked.inputs(),
    }));
    let case = Case { observed, live, app, tracked, inputs };
    let memory =
        Memory { template: live.status.template.clone(), rollout: live.status.rollout.clone() };
    let (choice, memory) = match why_kept(&case) {
        Some(because) => (Choice::Keep(because, None), memory),
        None => match observed.own_set() {
            None => create(&case, memory),
            Some(set) => change(&case, set, memory),
        },
    };
    Verdict { choice, memory, inputs: case.inputs }
}

/// Why the template is not decided about at all, if it is not.
fn why_kept(case: &Case<'_>) -> Option<Reason> {
    let Case { observed, app, .. } = case;
    if app.is_paused {
        return Some(Reason::Paused);
    }
    if let Err(why) = observed.components_known() {
        return Some(Reason::Unknown(why));
    }
    // A definition that is live is the last good one of a spec that turned bad.
    if let Some(why) = observed.children.config_maps.unknown() {
        return Some(Reason::Unknown(why));
    }
    match &observed.children.stateful_set {
        Seen::Unknown(why) => Some(Reason::Unknown(*why)),
        // Told apart, with its owner's name, where the children are decided.
        Seen::Present(_) if observed.own_set().is_none() => Some(Reason::PredecessorLeaving),
        Seen::Present(_) | Seen::Absent => None,
    }
}

/// A new StatefulSet comes with all that was applied with the app: it waits for the edits to
/// settle, and its template is meant before it is made.
fn create(case: &Case<'_>, memory: Memory) -> (Choice, Memory) {
    match settling_until(case.observed).or_else(|| arriving_until(case)) {
        Some(until) => (Choice::Keep(Reason::Settling, Some(until)), memory),
        None => (Choice::Create, memory.meaning(case)),
    }
}

/// A live StatefulSet: does its template stand?
fn change(case: &Case<'_>, set: &Child<'_>, memory: Memory) -> (Choice, Memory) {
    let facts = SetFacts::of(set);
    let is_meant = memory.rollout.as_ref().is_some_and(|rollout| rollout.inputs == case.inputs);
    if is_meant {
        if memory.rollout.as_ref().is_some_and(|rollout| rollout.withdrawn.is_some()) {
            return (Choice::Keep(Reason::IntentFirst, None), memory.meaning(case));
        }
        return carry_out(case, set, &facts, memory);
    }
    let carries = facts.inputs.as_ref() == Some(&case.inputs);
    let recorded = memory.template.as_ref().filter(|template| template.inputs == case.inputs);
    // Without the annotation the revision alone says that the template is the recorded one.
    if let Some(template) = recorded.filter(|_| carries || facts.inputs.is_none()) {
        if facts.is_observed && facts.update_revision != template.revision {
            return (Choice::Keep(Reason::TemplateDrift, None), memory.meaning(case));
        }
        return (Choice::Stand, withdraw(case, memory));
    }
    if memory.template.is_none() && memory.rollout.is_none() {
        let fits = mounts_all(set, case.tracked) && facts.image == case.app.image;
        if facts.inputs.is_none() && fits {
            return adopt(case, &facts, memory);
        }
        if facts.inputs.is_none() {
            // The original's, and not as it is wanted: it is told apart from one of ours.
            let found = Template { inputs: String::new(), ..case.template(&facts, &memory) };
            let memory = Memory { template: Some(found), ..memory };
            return (Choice::Keep(Reason::IntentFirst, None), memory.meaning(case));
        }
        if carries {
            // The status was lost: the live template still says what it is made of.
            return (Choice::Stand, memory.meaning(case));
        }
    }
    match settling_until(case.observed) {
        Some(until) => (Choice::Keep(Reason::Settling, Some(until)), memory),
        None => (Choice::Keep(Reason::IntentFirst, None), memory.meaning(case)),
    }
}

/// An edit that was taken back before its template was applied: somebody may still be about to apply
/// it, so the intent stands a while longer, marked as withdrawn (V1 of the model).
fn withdraw(case: &Case<'_>, memory: Memory) -> Memory {
    let Some(mut rollout) = memory.rollout else { return memory };
    let Some(at) = &rollout.withdrawn else {
        rollout.withdrawn = Some(case.observed.now.stamp());
        return Memory { rollout: Some(rollout), ..memory };
    };
    let is_over = withdrawn_until(case.observed, &rollout.inputs, at) <= case.observed.now.uptime;
    let rollout = (!is_over).then_some(rollout);
    Memory { rollout, ..memory }
}

/// Until when an intent that was taken back may still be carried out by somebody.
fn withdrawn_until(observed: &Observed<'_>, inputs: &str, at: &str) -> Uptime {
    let mark = marks::withdrawn(inputs, at);
    marks::seen_at(observed.marks, &mark, observed.now.uptime).after(limits::TWO_DEADLINES)
}

/// The wait for an intent that was taken back, if there is one.
pub(crate) fn withdrawn(observed: &Observed<'_>, verdict: &Verdict) -> Option<Wait> {
    let rollout = verdict.memory.rollout.as_ref()?;
    let until = withdrawn_until(observed, &rollout.inputs, rollout.withdrawn.as_ref()?);
    let object = observed.object(ObjectKind::StatefulSet, &observed.names.base);
    // Once that is over, it may still stand for as long as nobody decides about the template.
    let until = (until > observed.now.uptime).then_some(until);
    Some(Wait { object, because: Reason::IntentWithdrawn, until })
}

/// Whether the pod of an entry in the ledger may still be deleted: the template waits for that, never
/// for its replacement.
fn can_entry_fire(case: &Case<'_>) -> bool {
    let entries = &case.live.status.memory.terminations;
    match &case.observed.members {
        Seen::Present(members) => {
            entries.iter().any(|entry| members.iter().any(|member| member.uid == entry.pod_uid))
        }
        Seen::Absent => false,
        Seen::Unknown(_) => !entries.is_empty(),
    }
}

/// Whether a live template mounts every tracked definition.
fn mounts_all(set: &Child<'_>, tracked: &Tracked<'_>) -> bool {
    let mounted = set.config_maps();
    tracked
        .items
        .iter()
        .filter(|item| item.mounted().is_some())
        .all(|item| mounted.contains(item.object_name().as_str()))
}

/// A StatefulSet of the original, with the image and the definitions that are wanted: its template
/// stands for the inputs of now.
fn adopt(case: &Case<'_>, facts: &SetFacts, memory: Memory) -> (Choice, Memory) {
    if !facts.is_observed {
        return (Choice::Keep(Reason::NotObserved, None), memory);
    }
    let template = case.template(facts, &memory);
    (Choice::Stand, Memory { template: Some(template), rollout: None })
}

/// The intent stands in the status: apply the template, or see it through.
fn carry_out(
    case: &Case<'_>,
    set: &Child<'_>,
    facts: &SetFacts,
    memory: Memory,
) -> (Choice, Memory) {
    let changed = if facts.inputs.as_ref() == Some(&case.inputs) {
        template_difference(case, set).map(Reason::Drift)
    } else {
        Some(Reason::TemplateChanged)
    };
    if let Some(because) = changed {
        let waits = can_entry_fire(case);
        return if waits {
            (Choice::Keep(Reason::TerminationPending, None), memory)
        } else {
            (Choice::Change(because), memory)
        };
    }
    if !facts.is_rolled_out() {
        return (Choice::Stand, memory);
    }
    let template = case.template(facts, &memory);
    (Choice::Stand, Memory { template: Some(template), rollout: None })
}

/// The first field of the live template that differs from the template of now, unless the server
/// itself answered this very template with this difference.
fn template_difference(case: &Case<'_>, set: &Child<'_>) -> Option<String> {
    let Case { observed, live, app, tracked, .. } = case;
    let owner = render::owner_of(Kind::App, &observed.key.namespace, &live.meta);
    let has_claim = set
        .object
        .pointer("/spec/volumeClaimTemplates")
        .and_then(Value::as_array)
        .is_some_and(|claims| !claims.is_empty());
    let wanted = render::template(app, &owner, &observed.names, &tracked.mounted(), has_claim);
    let live = set.object.pointer("/spec/template")?;
    let path = drift::differences(&wanted, live).into_iter().next()?.path;
    (!is_answered(observed, set)).then(|| format!("spec.template.{path}"))
}

/// Until when more may come of what was applied just before this process first looked: it saw no
/// edits then, only objects that are a moment old by the API server's clock.
fn arriving_until(case: &Case<'_>) -> Option<Uptime> {
    let observed = case.observed;
    let components = observed.all_components().map(|(_, live)| &live.meta);
    let newest = components.chain([&case.live.meta]).filter_map(|meta| meta.created).max()?;
    let age = Duration::try_from(observed.now.wall.duration_since(newest)).ok()?;
    // That clock tells whole seconds.
    let settle = Duration::from_millis(observed.settings.settle_millis) + Duration::from_secs(1);
    let left = settle.checked_sub(age).filter(|_| observed.edits.is_none())?;
    // Less than a millisecond is no time left to wait for.
    let until = observed.now.uptime.after(left);
    (until > observed.now.uptime).then_some(until)
}

/// Until when edits are still coming in; `None` once they have settled.
pub(crate) fn settling_until(observed: &Observed<'_>) -> Option<Uptime> {
    let edits = observed.edits?;
    let settle = Duration::from_millis(observed.settings.settle_millis);
    let until = edits
        .last
        .after(settle)
        .min(edits.first.after(settle.saturating_mul(limits::SETTLE_ROUNDS_MAX)));
    (until > observed.now.uptime).then_some(until)
}

impl Case<'_> {
    /// The template of now as the one that stands, made of what was meant.
    fn template(&self, facts: &SetFacts, memory: &Memory) -> Template {
        let meant = memory.rollout.as_ref().map(|rollout| &rollout.lists);
        Template {
            inputs: self.inputs.clone(),
            revision: facts.update_revision.clone(),
            is_adopted: facts.inputs.is_none(),
            lists: meant.unwrap_or(&self.observed.lists).clone(),
        }
    }
}

impl Memory {
    /// The same memory, meaning to roll out the inputs of now.
    fn meaning(mut self, case: &Case<'_>) -> Self {
        let is_meant =
            |rollout: &Rollout| rollout.inputs == case.inputs && rollout.withdrawn.is_none();
        if !self.rollout.as_ref().is_some_and(is_meant) {
            self.rollout = Some(Rollout {
                inputs: case.inputs.clone(),
                generation: Some(case.live.meta.generation),
                since: case.observed.now.stamp(),
                withdrawn: None,
                lists: case.observed.lists.clone(),
            });
        }
        self
    }
}
