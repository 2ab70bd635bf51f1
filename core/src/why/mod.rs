//! Why, and why not: the few facts that one conclusion of a decision rests on.
//!
//! A look is taken apart into ten facts. What a conclusion rests on are as few of them as give the
//! same conclusion when they are decided alone; leaving out any one of these gives another. Objects
//! that are left out are unknown, never absent; what only this process or the status remembers is as if
//! it had never been, since that is how a decision meets it after a start.

mod facts;
mod parts;

use std::fmt;

use kaspr_crds::{Condition, ConditionStatus};
use serde::Serialize;
use serde_json::Value;

pub use self::facts::{Fact, Facts};
use crate::action::Action;
use crate::decide::decide;
use crate::key::{ObjectKind, ObjectRef};
use crate::plan::{Plan, Step, Wait};
use crate::snapshot::{ComponentFacts, Snapshot};
use crate::status::conditions_of;

/// Something that a decision says: done, not done, or told in a status.
#[derive(Clone, Debug, PartialEq)]
pub enum Conclusion {
    /// This is done.
    Act(Box<Step>),
    /// This is not done.
    Wait(Wait),
    /// This is the case, as the status says after the decision.
    State(State),
}

/// A condition of an object, without its times.
#[derive(Clone, Debug, PartialEq)]
pub struct State {
    /// The app or component.
    pub of: ObjectRef,
    /// The type of the condition.
    pub kind: String,
    /// Whether it is the case.
    pub status: ConditionStatus,
    /// Why, in one word.
    pub reason: String,
    /// Why, for people.
    pub message: String,
}

/// One fact, in words.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Because {
    /// Which it is.
    pub fact: Fact,
    /// What it says.
    pub says: String,
    /// What of it decides, where that is not all of it: without one of these parts something else
    /// would be concluded.
    pub parts: Vec<String>,
}

/// Everything that is concluded of a look, in the order of its plan; conditions come last.
pub fn conclusions(snapshot: &Snapshot) -> Vec<Conclusion> {
    let plan = decide(snapshot);
    let steps = plan.steps.iter().cloned().map(|step| Conclusion::Act(Box::new(step)));
    let waits = plan.waits.iter().cloned().map(Conclusion::Wait);
    steps.chain(waits).chain(states(snapshot, &plan).into_iter().map(Conclusion::State)).collect()
}

/// The facts that a conclusion rests on: at most ten. None if it is not one of this look.
pub fn facts(snapshot: &Snapshot, of: &Conclusion) -> Option<Facts> {
    if !of.is_of(snapshot) {
        return None;
    }
    let mut kept = Facts::from(Fact::ALL);
    // Leaving out one fact may make another one needless that was needed before.
    loop {
        let before = kept.len();
        for fact in Fact::ALL {
            let fewer: Facts = kept.iter().copied().filter(|other| *other != fact).collect();
            if fewer.len() < kept.len() && of.is_of(&facts::only(snapshot, &fewer)) {
                kept = fewer;
            }
        }
        if kept.len() == before {
            return Some(kept);
        }
    }
}

/// The same in words.
pub fn why(snapshot: &Snapshot, of: &Conclusion) -> Option<Vec<Because>> {
    let kept = facts(snapshot, of)?;
    let alone = facts::only(snapshot, &kept);
    let because = |fact: Fact| Because {
        fact,
        says: facts::says(fact, snapshot),
        parts: parts::that_decide(fact, &alone, of),
    };
    Some(kept.into_iter().map(because).collect())
}

/// A look that knows these facts and nothing else.
pub fn only(snapshot: &Snapshot, facts: &Facts) -> Snapshot {
    facts::only(snapshot, facts)
}

impl Conclusion {
    /// Whether this is concluded of a look.
    pub fn is_of(&self, snapshot: &Snapshot) -> bool {
        let plan = decide(snapshot);
        match self {
            Self::Act(step) => plan.steps.contains(step),
            Self::Wait(wait) => plan.waits.contains(wait),
            Self::State(state) => states(snapshot, &plan).contains(state),
        }
    }

    /// The same, whatever exactly is sent, and until when it waits.
    fn is_alike_of(&self, snapshot: &Snapshot) -> bool {
        let plan = decide(snapshot);
        match self {
            Self::Act(step) => plan.steps.iter().any(|other| {
                other.action.id() == step.action.id() && other.because == step.because
            }),
            Self::Wait(wait) => plan
                .waits
                .iter()
                .any(|other| other.object == wait.object && other.because == wait.because),
            Self::State(state) => states(snapshot, &plan).contains(state),
        }
    }

    /// The object that it is about.
    pub fn about(&self) -> &ObjectRef {
        match self {
            Self::Act(step) => step.action.object(),
            Self::Wait(wait) => &wait.object,
            Self::State(state) => &state.of,
        }
    }
}

impl fmt::Display for Conclusion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Act(step) => {
                let (verb, object) = (step.action.verb(), step.action.object());
                let because = &step.because;
                write!(f, "{verb} {object} because {}: {because}", because.code())
            }
            Self::Wait(Wait { object, because, .. }) => {
                write!(f, "nothing is done about {object} because {}: {because}", because.code())
            }
            Self::State(State { of, kind, status, reason, message }) => {
                write!(f, "{of} is {kind} {status:?} because {reason}: {message}")
            }
        }
    }
}

/// The conditions of the app and its components, as they are after a plan.
fn states(snapshot: &Snapshot, plan: &Plan) -> Vec<State> {
    let ComponentFacts { agents, tables, web_views, tasks, joins } = &snapshot.components;
    let app = snapshot.app.present().map(|app| (ObjectKind::App, app));
    let components =
        ObjectKind::COMPONENTS.into_iter().zip([agents, tables, web_views, tasks, joins]);
    let components = components.flat_map(|(kind, list)| {
        list.present().into_iter().flatten().map(move |object| (kind, object))
    });
    app.into_iter()
        .chain(components)
        .flat_map(|(kind, object)| {
            let name = object.pointer("/metadata/name").and_then(Value::as_str).unwrap_or_default();
            let of = ObjectRef::new(kind, &snapshot.key.namespace, name);
            conditions_after(&of, object, plan).into_iter().map(move |condition| State {
                of: of.clone(),
                kind: condition.kind,
                status: condition.status,
                reason: condition.reason,
                message: condition.message.unwrap_or_default(),
            })
        })
        .collect()
}

fn conditions_after(of: &ObjectRef, object: &Value, plan: &Plan) -> Vec<Condition> {
    let written = plan.steps.iter().find_map(|step| match &step.action {
        Action::PatchStatus { of: other, status, .. } if other == of => {
            status.as_object().filter(|status| status.contains_key("conditions"))
        }
        _ => None,
    });
    let live = || object.get("status").and_then(Value::as_object);
    written.or_else(live).map(conditions_of).unwrap_or_default()
}
