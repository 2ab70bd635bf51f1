//! What is concluded about the members of an app: the policies about them, and what each needs to know of
//! the others.

pub(crate) mod look;

use crate::action::Uid;
use crate::marks::Marks;
use crate::members::Member;
use crate::observed::SetFacts;
use crate::outcome::Outcome;
use crate::policy::hung;
use crate::policy::knobs::Knobs;
use crate::policy::rebalance::{self, Advance, News, Signal};
use crate::policy::rollout::{self, Choice};
use crate::reason::Reason;
use crate::seen::{Seen, Unseen};
use crate::status::memory::{Debt, Memory};
use crate::time::{Now, Uptime};

/// All that is concluded about the members rests on this.
pub struct Case<'a> {
    /// The instant.
    pub now: Now,
    /// The process that decides.
    pub process: &'a str,
    /// How the policies are set.
    pub knobs: &'a Knobs,
    /// Whether a person has paused the app.
    pub is_paused: bool,
    /// What the app's StatefulSet says; none while there is none.
    pub set: Option<&'a SetFacts>,
    /// The members.
    pub members: Seen<&'a [Member]>,
    /// What is concluded about the template; none if the spec is invalid and nobody can say.
    pub template: Option<Template<'a>>,
    /// Whether the observed status means to roll out.
    pub is_meant: bool,
    /// What the observed status remembers of members.
    pub memory: &'a Memory,
    /// When this process first saw what is dated there.
    pub marks: &'a Marks,
    /// How many members of other apps are in replacement.
    pub elsewhere: u32,
    /// What came of the last signal of this process.
    pub outcome: Option<&'a Outcome>,
}

/// The template that is wanted, and what its workers subscribe to.
pub struct Template<'a> {
    /// What is concluded about it.
    pub rollout: &'a rollout::Verdict,
    /// The digest of the set of subscriptions.
    pub subscriptions: &'a str,
    /// That set, if it is to be tracked from now on.
    pub advance: Option<Advance>,
}

/// What is concluded about the members.
#[derive(Debug)]
pub struct Verdict {
    /// How the policies are set.
    pub knobs: Knobs,
    /// What the status remembers next.
    pub memory: Memory,
    /// Why nobody knows the members, if nobody does.
    pub unknown: Option<Unseen>,
    /// Whether all members are stuck together.
    pub is_group_stalled: bool,
    /// Whether the tracked set is the one of now, after this look.
    pub is_tracking: bool,
    /// Pods to delete, by name and uid.
    pub deletions: Vec<(String, Uid)>,
    /// What is not done about a pod, why, and until when; about all, if it names none.
    pub waits: Vec<(Option<String>, Reason, Option<Uptime>)>,
    /// The signal to send now.
    pub signal: Option<Signal>,
    /// Why a rebalance that is owed is not asked for now, and until when.
    pub rebalance_waits: Option<(Reason, Option<Uptime>)>,
    /// Whether the annotation that asks for one is to be taken away.
    pub clears_annotation: bool,
    /// What happened to a debt.
    pub news: Option<News>,
}

/// Decides about the members; also those of an app whose spec turned bad, since what runs goes on. Pure
/// and total.
pub fn decide(case: &Case<'_>) -> Verdict {
    let mut verdict = Verdict {
        knobs: case.knobs.clone(),
        memory: case.memory.clone(),
        unknown: case.members.unknown(),
        is_group_stalled: false,
        is_tracking: false,
        deletions: Vec::new(),
        waits: Vec::new(),
        signal: None,
        rebalance_waits: None,
        clears_annotation: false,
        news: None,
    };
    hung_members(case, &mut verdict);
    owed_rebalance(case, &mut verdict);
    verdict
}

impl Case<'_> {
    /// How many members the cluster is to run now. An autoscaler may still be on its way to the spec, or
    /// a person scales by hand.
    fn wanted(&self) -> i32 {
        self.set.map_or(0, |set| i32::try_from(set.wanted).unwrap_or(i32::MAX))
    }

    /// Whether a rollout is meant, by the status or by this very look.
    fn is_meant(&self) -> bool {
        let of_look = |template: &Template<'_>| template.rollout.memory.rollout.is_some();
        self.is_meant || self.template.as_ref().is_some_and(of_look)
    }
}

/// Replaces members that hang. Where the pods are unknown, or the set that they belong to is away, all
/// stays as it is remembered.
fn hung_members(case: &Case<'_>, verdict: &mut Verdict) {
    if case.set.is_none() {
        return;
    }
    let known = match case.members {
        Seen::Present(members) => members,
        Seen::Absent => &[],
        Seen::Unknown(why) => {
            verdict.waits.push((None, Reason::Unknown(why), None));
            return;
        }
    };
    let memory = hung::Memory {
        strikes: case.memory.strikes.clone(),
        terminations: case.memory.terminations.clone(),
        replacements: case.memory.replacements.clone(),
    };
    let concluded = hung::decide(&hung::Case {
        now: case.now,
        process: case.process,
        knobs: &case.knobs.hung,
        gate: gate(case, known).as_ref(),
        is_paused: case.is_paused,
        desired: case.wanted(),
        members: known,
        memory: &memory,
        marks: case.marks,
        elsewhere: case.elsewhere,
    });
    verdict.deletions = concluded.deletions;
    let waits = concluded.waits.into_iter();
    verdict.waits.extend(waits.map(|(pod, because, until)| (Some(pod), because, until)));
    verdict.is_group_stalled = concluded.is_group_stalled;
    let hung::Memory { strikes, terminations, replacements } = concluded.memory;
    let memory = &mut verdict.memory;
    (memory.strikes, memory.terminations, memory.replacements) =
        (strikes, terminations, replacements);
}

/// Why no strikes are counted, if they are not. Members that are not Ready do not close this gate: they
/// count in the budget.
///
/// A rollout that is undone halfway has one revision again while pods of the other still go: they are
/// looked at one by one.
fn gate(case: &Case<'_>, members: &[Member]) -> Option<Reason> {
    let is_rolling = case.set.is_none_or(|set| {
        let is_outdated = |member: &Member| member.revision != set.update_revision;
        !set.is_on_one_revision() || members.iter().any(is_outdated)
    });
    if case.is_paused {
        Some(Reason::Paused)
    } else if !case.knobs.hung.is_on {
        Some(Reason::DetectionOff)
    } else if case.is_meant() || is_rolling {
        Some(Reason::RolloutUnderWay)
    } else {
        // Its replacement could not start.
        case.template.as_ref().and_then(|template| template.rollout.secrets.held.clone())
    }
}

/// Asks for the rebalance that is owed.
fn owed_rebalance(case: &Case<'_>, verdict: &mut Verdict) {
    let knobs = &case.knobs.rebalance;
    let advance = case.template.as_ref().and_then(|template| template.advance.as_ref());
    let concluded = rebalance::decide(&rebalance::Case {
        now: case.now,
        process: case.process,
        knobs,
        is_asked_for: case.knobs.is_asked_for,
        advance: advance.filter(|_| knobs.is_static),
        obstacle: obstacle(case).as_ref(),
        desired: case.wanted(),
        revision: case.set.map_or("", |set| &set.update_revision),
        members: case.members.present().copied().unwrap_or_default(),
        memory: &case.memory.rebalance,
        marks: case.marks,
        outcome: case.outcome,
    });
    verdict.is_tracking = case.template.as_ref().is_some_and(|template| {
        concluded.memory.subscriptions.as_deref() == Some(template.subscriptions)
    });
    verdict.signal = concluded.signal;
    verdict.rebalance_waits = concluded.wait;
    verdict.clears_annotation = concluded.clears_annotation;
    verdict.news = concluded.news;
    verdict.memory.rebalance = concluded.memory;
}

/// Why no signal can be sent now, whatever the members say.
fn obstacle(case: &Case<'_>) -> Option<Reason> {
    let debt = case.memory.rebalance.debt.as_ref();
    // A person who asks by name means it, also while the app is paused.
    if case.is_paused && !debt.is_some_and(Debt::is_manual) {
        return Some(Reason::Paused);
    }
    if let Some(why) = case.members.unknown() {
        return Some(Reason::Unknown(why));
    }
    let Some(template) = &case.template else { return Some(Reason::InvalidSpec) };
    let stands = match &template.rollout.choice {
        Choice::Stand | Choice::Keep(Reason::Paused | Reason::SecretMissing, _) => true,
        Choice::Keep(Reason::Unknown(why), _) => return Some(Reason::Unknown(*why)),
        Choice::Create | Choice::Change(_) | Choice::Keep(..) => false,
    };
    let is_rolling = case.set.is_none_or(|set| !set.is_rolled_out());
    if case.is_meant() || is_rolling || !stands {
        return Some(Reason::RolloutUnderWay);
    }
    let has_entries = !case.memory.terminations.is_empty();
    has_entries.then_some(Reason::ReplacementComing)
}
