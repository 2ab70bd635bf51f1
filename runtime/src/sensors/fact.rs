//! The facts that sensors hear.

use std::collections::BTreeSet;
use std::time::Duration;

use jiff::Timestamp;
use kaspr_core::action::Action;
use kaspr_core::key::{AppKey, ObjectKind, ObjectRef};
use kaspr_core::outcome::{Answer, Refusal};
use kaspr_core::plan::{Notice, Plan, Step, Wait};
use kaspr_core::poll::State;
use kaspr_core::reason::Reason;
use kaspr_core::seen::Seen;
use kaspr_core::snapshot::Snapshot;
use kaspr_effects::{Dropped, Report, Sent};

use kaspr_engine::cache::Scope;
use kaspr_engine::keys::definition_name;
use kaspr_engine::object;
use kaspr_engine::polls::Turned;
use kaspr_engine::schedule::Taken;

use super::members::MembersFact;
use super::packages::InstallationFact;

/// Something that happened.
#[derive(Debug)]
pub enum Fact {
    /// One pass over one key.
    Pass(Box<PassFact>),
    /// All that one pass saw and decided; told only where somebody records it.
    Look(Box<LookFact>),
    /// One request to the API server.
    Request(RequestFact),
    /// One round of polls of an app's members.
    Poll(PollFact),
    /// A watch changed its state.
    Watch(WatchFact),
    /// The lease was gained, lost or given back.
    Lease(LeaseFact),
    /// What became of a notice.
    Event(EventFact),
    /// The installed definition of a kind is older than this operator.
    OldDefinition(OldDefinitionFact),
    /// A pass panicked: a defect of this program.
    Panic,
}

/// One round of polls.
#[derive(Debug)]
pub struct PollFact {
    /// Whose members were asked.
    pub key: AppKey,
    /// What state each of them told.
    pub states: Vec<State>,
    /// Who is in another state than before.
    pub turned: Vec<Turned>,
    /// How long the round took; none if others of it are still to answer.
    pub took: Option<Duration>,
}

/// What a decision was made of, whole.
#[derive(Debug)]
pub struct LookFact {
    /// What was seen.
    pub snapshot: Snapshot,
    /// What was decided.
    pub plan: Plan,
    /// The name of the decision.
    pub decision: String,
    /// What came of each step, in a stable word; empty if the plan was not carried out.
    pub came: Vec<String>,
}

/// One pass: what was decided, and what came of it.
#[derive(Debug)]
pub struct PassFact {
    /// Whose pass it was, since when it was due, and why.
    pub taken: Taken,
    /// Names this decision of this process in every line and Event about it.
    pub decision: String,
    /// `metadata.generation` of the app, if there is one.
    pub generation: Option<i64>,
    /// The parts of the app that the look saw; none if there is no app.
    pub parts: Option<Parts>,
    /// What there is to tell of its members.
    pub members: MembersFact,
    /// The installation of Python packages that ended.
    pub installation: Option<InstallationFact>,
    /// When it began.
    pub at: Timestamp,
    /// How long it took.
    pub took: Duration,
    /// From the instant at which the key was due to its first request, if there was one.
    pub due_to_request: Option<Duration>,
    /// What was to be done.
    pub steps: Vec<StepFact>,
    /// What was not to be done, and why.
    pub waits: Vec<Wait>,
    /// What people are to be told.
    pub notices: Vec<Notice>,
    /// What came of the whole.
    pub result: PassResult,
}

impl PassFact {
    /// A pass of which nothing came yet.
    pub fn of(taken: &Taken, decision: String, snapshot: &Snapshot, plan: &Plan) -> Self {
        let app = snapshot.app.present();
        Self {
            taken: taken.clone(),
            decision,
            generation: app.and_then(|app| app.pointer("/metadata/generation")?.as_i64()),
            parts: (!snapshot.app.is_absent()).then(|| Parts::of(snapshot)),
            members: MembersFact::default(),
            installation: None,
            at: snapshot.now.wall,
            took: Duration::ZERO,
            due_to_request: None,
            steps: Vec::new(),
            waits: plan.waits.clone(),
            notices: plan.notices.clone(),
            result: PassResult::Silent,
        }
    }

    /// Whose pass it was.
    pub fn key(&self) -> &AppKey {
        &self.taken.key
    }
}

/// What an app has a changing number of.
#[derive(Debug, Default)]
pub struct Parts {
    components: BTreeSet<String>,
    config_maps: BTreeSet<String>,
    pods: BTreeSet<String>,
    /// A kind could not be looked at: nobody can say that a part is not there.
    is_blind: bool,
}

impl Parts {
    fn of(snapshot: &Snapshot) -> Self {
        let mut parts = Self::default();
        let components = &snapshot.components;
        for (kind, seen) in [
            (ObjectKind::Agent, &components.agents),
            (ObjectKind::Table, &components.tables),
            (ObjectKind::WebView, &components.web_views),
            (ObjectKind::Task, &components.tasks),
            (ObjectKind::Join, &components.joins),
        ] {
            for name in parts.names(seen) {
                parts.config_maps.extend(definition_name(kind, &name));
                parts.components.insert(name);
            }
        }
        let config_maps = parts.names(&snapshot.children.config_maps);
        parts.config_maps.extend(config_maps);
        parts.pods = parts.names(&snapshot.children.pods).into_iter().collect();
        parts
    }

    fn names(&mut self, seen: &Seen<Vec<serde_json::Value>>) -> Vec<String> {
        self.is_blind |= matches!(seen, Seen::Unknown(_));
        let bodies = seen.present().into_iter().flatten();
        bodies.filter_map(|body| object::meta(body, "name").map(str::to_owned)).collect()
    }

    /// Whether a component of that name may be there.
    pub fn may_have_component(&self, name: &str) -> bool {
        self.is_blind || self.components.contains(name)
    }

    /// Whether a pod of that name may be there.
    pub fn may_have_pod(&self, name: &str) -> bool {
        self.is_blind || self.pods.contains(name)
    }

    /// Whether a ConfigMap of that name may be there, or comes with a component that is.
    pub fn may_have_config_map(&self, name: &str) -> bool {
        self.is_blind || self.config_maps.contains(name)
    }
}

/// One action of a pass.
#[derive(Debug)]
pub struct StepFact {
    /// The action's verb.
    pub verb: &'static str,
    /// Its object.
    pub object: ObjectRef,
    /// The status fields that it writes; empty for other actions.
    pub fields: Vec<String>,
    /// Why it was planned.
    pub because: Reason,
    /// What came of it.
    pub came: Came,
    /// How long that took; zero if it was not sent.
    pub took: Duration,
}

/// What came of an action.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Came {
    /// Accepted.
    Done,
    /// The name was taken.
    Exists,
    /// Refused, with the server's words.
    Refused(Refusal, String),
    /// Not sent.
    Skipped(Dropped),
}

/// What came of a pass.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PassResult {
    /// Nothing was to be done.
    Silent,
    /// All that was to be done was done.
    Acted,
    /// Something was refused or not sent.
    Refused,
    /// The plan broke an invariant and was not carried out: a defect of this program.
    Defect(String),
}

impl PassResult {
    /// The result of a plan that was carried out.
    pub fn of(steps: &[StepFact]) -> Self {
        if steps.is_empty() {
            Self::Silent
        } else if steps.iter().all(|step| step.came == Came::Done) {
            Self::Acted
        } else {
            Self::Refused
        }
    }

    /// A stable word.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Silent => "silent",
            Self::Acted => "acted",
            Self::Refused => "refused",
            Self::Defect(_) => "defect",
        }
    }
}

impl StepFact {
    /// Whether a request was made of it. Of a member that was gone before it could be asked, none was.
    pub fn is_sent(&self) -> bool {
        match self.came {
            Came::Skipped(_) => false,
            Came::Refused(Refusal::Gone, _) => self.verb != "Signal",
            Came::Done | Came::Exists | Came::Refused(..) => true,
        }
    }

    /// Joins a plan with what came of it.
    pub fn all(plan: &Plan, report: &Report) -> Vec<Self> {
        let join = |(step, came): (&Step, Result<&Sent, Dropped>)| {
            let (came, took) = match came {
                Ok(sent) => (Came::of(&sent.answer), sent.took),
                Err(why) => (Came::Skipped(why), Duration::ZERO),
            };
            Self {
                verb: step.action.verb(),
                object: step.action.object().clone(),
                fields: fields(&step.action),
                because: step.because.clone(),
                came,
                took,
            }
        };
        report.steps(plan).map(join).collect()
    }
}

impl Came {
    /// A stable word, for recordings.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Exists => "exists",
            Self::Refused(refusal, _) => refusal.code(),
            Self::Skipped(_) => "skipped",
        }
    }

    fn of(answer: &Answer) -> Self {
        match answer {
            Answer::Done { .. } => Self::Done,
            Answer::Exists { .. } => Self::Exists,
            Answer::Refused { refusal, message } => Self::Refused(*refusal, message.clone()),
        }
    }
}

fn fields(action: &Action) -> Vec<String> {
    let Action::PatchStatus { status, .. } = action else { return Vec::new() };
    status.as_object().into_iter().flatten().map(|(name, _)| name.clone()).collect()
}

/// One request to the API server.
#[derive(Clone, Copy, Debug)]
pub struct RequestFact {
    /// The HTTP side of it: `get`, `apply`, `patch`, `create`, `delete`.
    pub verb: &'static str,
    /// The kind of its object.
    pub kind: &'static str,
    /// `done`, or the refusal's code.
    pub outcome: &'static str,
    /// Until the whole answer was there.
    pub took: Duration,
}

/// A watch changed its state.
#[derive(Debug)]
pub struct WatchFact {
    /// The kind that it watches.
    pub kind: ObjectKind,
    /// Where it looks.
    pub scope: Scope,
    /// Its state.
    pub state: WatchState,
}

/// The state of a watch.
#[derive(Debug, PartialEq, Eq)]
pub enum WatchState {
    /// The list is complete.
    Listed {
        /// So many objects of the kind are kept.
        objects: usize,
    },
    /// It cannot go on for now.
    Failed {
        /// The server's words.
        why: String,
        /// Until the next try.
        pause: Duration,
        /// The same as the time before: no news for people.
        is_repeated: bool,
    },
}

/// The installed definition of a kind is older than this operator.
#[derive(Debug)]
pub struct OldDefinitionFact {
    /// The kind.
    pub kind: &'static str,
    /// What is missing.
    pub what: String,
}

/// What happened to the lease.
#[derive(Debug, PartialEq, Eq)]
pub enum LeaseFact {
    /// This process leads.
    Gained,
    /// It leads no more.
    Lost {
        /// The new holder, if there is one.
        to: Option<String>,
    },
    /// Another process leads; this one waits.
    Waiting {
        /// The holder.
        holder: String,
    },
    /// A request about it was refused.
    Refused {
        /// The server's words.
        why: String,
    },
}

/// What became of a notice.
#[derive(Debug, PartialEq, Eq)]
pub enum EventFact {
    /// It can be read in the cluster.
    Published,
    /// There were too many about its object.
    Limited,
    /// The server would not have it: a namespace that goes, a right that is missing, an outage.
    Refused {
        /// The refusal's code.
        refusal: &'static str,
        /// What it was about, and the server's words.
        why: String,
    },
}

impl EventFact {
    /// A stable word.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Published => "published",
            Self::Limited => "limited",
            Self::Refused { .. } => "refused",
        }
    }
}

/// Facts for the tests of sensors.
#[cfg(test)]
pub(super) mod sample {
    use super::*;
    use kaspr_engine::schedule::Cause;

    /// A pass over an app that is there, of which nothing came.
    pub(crate) fn pass(name: &str) -> PassFact {
        let (key, waited) = (AppKey::new("n", name), Duration::from_millis(20));
        PassFact {
            taken: Taken { key, due: kaspr_core::Uptime(0), waited, cause: Cause::Event },
            decision: "1f-7".to_owned(),
            generation: Some(3),
            parts: Some(Parts::default()),
            members: MembersFact::default(),
            installation: None,
            at: Timestamp::UNIX_EPOCH,
            took: Duration::from_millis(700),
            due_to_request: None,
            steps: Vec::new(),
            waits: Vec::new(),
            notices: Vec::new(),
            result: PassResult::Silent,
        }
    }

    /// A step that took some time.
    pub(crate) fn step(
        verb: &'static str,
        object: ObjectRef,
        because: Reason,
        came: Came,
    ) -> StepFact {
        StepFact {
            verb,
            object,
            fields: Vec::new(),
            because,
            came,
            took: Duration::from_millis(70),
        }
    }
}
