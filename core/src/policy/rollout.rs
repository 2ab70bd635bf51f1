//! When the pod template may change: once per change, and only after the intent is in the status.
//!
//! A template stands until its inputs change, so that neither an operator upgrade nor a takeover
//! restarts a pod. A change of definitions, settings and image together is one change: the edits
//! settle first. The intent is written, read back, and only then the template is applied.

pub(crate) mod adoption;
pub(crate) mod look;

use crate::limits;
use crate::lists::Versions;
use crate::marks::{self, Marks};
use crate::members::Member;
use crate::observed::SetFacts;
use crate::policy::secrets;
use crate::reason::Reason;
use crate::seen::Seen;
use crate::status::memory::Entry;
use crate::status::{Rollout, Template};
use crate::time::{Now, Uptime};

/// All that this policy rests on.
pub struct Case<'a> {
    /// The instant.
    pub now: Now,
    /// Why the template is not decided about at all, if it is not.
    pub kept: Option<&'a Reason>,
    /// Until when edits are still coming in, if they are.
    pub settling: Option<Uptime>,
    /// What the app's StatefulSet says; none while there is none.
    pub set: Option<&'a SetFacts>,
    /// Whether the live template of the original has all that is wanted. It costs hashes, and is asked
    /// for only where that decides.
    pub fits: &'a dyn Fn() -> bool,
    /// The first field of the live template that is not as rendered now. It costs a rendering, and is
    /// asked for only where that decides.
    pub drift: &'a dyn Fn() -> Option<String>,
    /// The digest of the inputs of now.
    pub inputs: &'a str,
    /// Why the template changes, if it does.
    pub changed: &'a Reason,
    /// What the Secrets mean for the pods.
    pub secrets: &'a secrets::Verdict,
    /// `metadata.generation` of the app.
    pub generation: i64,
    /// The versions of the lists that the inputs were read from.
    pub lists: &'a Versions,
    /// The ledger of terminations.
    pub terminations: &'a [Entry],
    /// The members.
    pub members: Seen<&'a [Member]>,
    /// What the observed status remembers.
    pub memory: &'a Memory,
    /// When this process first saw what is dated there.
    pub marks: &'a Marks,
}

/// What to do with the template in this pass.
#[derive(Clone, Debug, PartialEq)]
pub enum Choice {
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
pub struct Memory {
    /// The template that stands.
    pub template: Option<Template>,
    /// The one that is meant to come.
    pub rollout: Option<Rollout>,
}

/// What this policy concludes.
#[derive(Clone, Debug, PartialEq)]
pub struct Verdict {
    /// What is done with the template.
    pub choice: Choice,
    /// What is remembered next.
    pub memory: Memory,
    /// The digest of the inputs of now.
    pub inputs: String,
    /// What the Secrets mean for the pods.
    pub secrets: secrets::Verdict,
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

    /// Whether the template of now is decided about, so that what it carries is known.
    pub fn is_decided(&self) -> bool {
        match &self.choice {
            Choice::Create | Choice::Change(_) | Choice::Stand => true,
            Choice::Keep(why, _) => matches!(
                why,
                Reason::IntentFirst | Reason::TemplateDrift | Reason::TerminationPending
            ),
        }
    }

    /// Whether the live template is the wanted one and nothing is on its way.
    pub(crate) fn is_settled(&self) -> bool {
        let is_meant = self.memory.rollout.as_ref().is_some_and(|meant| meant.withdrawn.is_none());
        self.choice == Choice::Stand && !is_meant
    }
}

/// Decides about the template of a valid app. Pure and total.
pub fn decide(case: &Case<'_>) -> Verdict {
    let memory = case.memory.clone();
    let (choice, memory) = match (case.kept, case.set) {
        (Some(because), _) => (Choice::Keep(because.clone(), None), memory),
        (None, None) => create(case, memory),
        (None, Some(set)) => change(case, set, memory),
    };
    Verdict { choice, memory, inputs: case.inputs.to_owned(), secrets: case.secrets.clone() }
}

/// A new StatefulSet comes with all that was applied with the app: it waits for the edits to
/// settle, and its template is meant before it is made.
fn create(case: &Case<'_>, memory: Memory) -> (Choice, Memory) {
    match (case.settling, &case.secrets.held) {
        (Some(until), _) => (Choice::Keep(Reason::Settling, Some(until)), memory),
        (None, Some(held)) => (Choice::Keep(held.clone(), None), memory),
        (None, None) => (Choice::Create, memory.meaning(case)),
    }
}

/// A live StatefulSet: does its template stand?
fn change(case: &Case<'_>, facts: &SetFacts, memory: Memory) -> (Choice, Memory) {
    let is_meant = memory.rollout.as_ref().is_some_and(|rollout| rollout.inputs == case.inputs);
    if is_meant {
        if memory.rollout.as_ref().is_some_and(|rollout| rollout.withdrawn.is_some()) {
            return mean(case, Reason::IntentFirst, memory);
        }
        return carry_out(case, facts, memory);
    }
    let carries = facts.inputs.as_deref() == Some(case.inputs);
    let recorded = memory.template.as_ref().filter(|template| template.inputs == case.inputs);
    // Without the annotation the revision alone says that the template is the recorded one.
    if let Some(template) = recorded.filter(|_| carries || facts.inputs.is_none()) {
        if facts.is_observed && facts.update_revision != template.revision {
            return mean(case, Reason::TemplateDrift, memory);
        }
        return (Choice::Stand, withdraw(case, memory));
    }
    if memory.template.is_none() && memory.rollout.is_none() {
        if facts.inputs.is_none() && case.secrets.changed.is_empty() && (case.fits)() {
            return adopt(case, facts, memory);
        }
        if facts.inputs.is_none() {
            // The original's, and not as it is wanted: it is told apart from one of ours.
            let found = Template { inputs: String::new(), ..case.template(facts, &memory) };
            let memory = Memory { template: Some(found), ..memory };
            return mean(case, Reason::IntentFirst, memory);
        }
        if carries {
            // The status was lost: the live template still says what it is made of.
            return (Choice::Stand, memory.meaning(case));
        }
    }
    match case.settling {
        Some(until) => (Choice::Keep(Reason::Settling, Some(until)), memory),
        None => mean(case, Reason::IntentFirst, memory),
    }
}

/// The inputs of now are meant from now on; but while their pods could not start, nothing is meant
/// that nobody carries out.
fn mean(case: &Case<'_>, because: Reason, memory: Memory) -> (Choice, Memory) {
    match &case.secrets.held {
        Some(held) => (Choice::Keep(held.clone(), None), withdraw(case, memory)),
        None => (Choice::Keep(because, None), memory.meaning(case)),
    }
}

/// An edit that was taken back before its template was applied: somebody may still be about to apply
/// it, so the intent stands a while longer, marked as withdrawn (V1 of the model).
fn withdraw(case: &Case<'_>, memory: Memory) -> Memory {
    let Some(mut rollout) = memory.rollout else { return memory };
    let Some(at) = &rollout.withdrawn else {
        rollout.withdrawn = Some(case.now.stamp());
        return Memory { rollout: Some(rollout), ..memory };
    };
    let until = withdrawn_until(case.marks, case.now.uptime, &rollout.inputs, at);
    let is_over = until <= case.now.uptime;
    let rollout = (!is_over).then_some(rollout);
    Memory { rollout, ..memory }
}

/// Until when an intent that was taken back may still be carried out by somebody.
fn withdrawn_until(marks: &Marks, now: Uptime, inputs: &str, at: &str) -> Uptime {
    marks::seen_at(marks, &marks::withdrawn(inputs, at), now).after(limits::TWO_DEADLINES)
}

/// Whether the pod of an entry in the ledger may still be deleted: the template waits for that, never
/// for its replacement.
fn can_entry_fire(case: &Case<'_>) -> bool {
    let is_there = |members: &[Member], entry: &Entry| {
        members.iter().any(|member| member.uid == entry.pod_uid)
    };
    match case.members {
        Seen::Present(members) => case.terminations.iter().any(|entry| is_there(members, entry)),
        Seen::Absent => false,
        Seen::Unknown(_) => !case.terminations.is_empty(),
    }
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
fn carry_out(case: &Case<'_>, facts: &SetFacts, memory: Memory) -> (Choice, Memory) {
    let changed = if facts.inputs.as_deref() == Some(case.inputs) {
        (case.drift)().map(Reason::Drift)
    } else {
        Some(case.changed.clone())
    };
    if let Some(because) = changed {
        if let Some(held) = &case.secrets.held {
            // Of a template that is applied already the intent stays: it is seen through.
            let is_applied = matches!(because, Reason::Drift(_));
            let memory = if is_applied { memory } else { withdraw(case, memory) };
            return (Choice::Keep(held.clone(), None), memory);
        }
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

impl Case<'_> {
    /// The template of now as the one that stands, made of what was meant.
    fn template(&self, facts: &SetFacts, memory: &Memory) -> Template {
        let meant = memory.rollout.as_ref().map(|rollout| &rollout.lists);
        Template {
            inputs: self.inputs.to_owned(),
            revision: facts.update_revision.clone(),
            is_adopted: facts.inputs.is_none(),
            lists: meant.unwrap_or(self.lists).clone(),
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
                inputs: case.inputs.to_owned(),
                generation: Some(case.generation),
                since: case.now.stamp(),
                withdrawn: None,
                lists: case.lists.clone(),
            });
        }
        self
    }
}
