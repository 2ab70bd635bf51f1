//! A rebalance that is owed is never lost.
//!
//! The debt stands in the status until a rebalance was seen to have come true. Each attempt is booked
//! there first, and only the process that booked it sends it, once. What came of it is learnt from
//! the answer, from members that are polled afterwards, or from the clock, and written down before the
//! next attempt.

mod due;

use std::time::Duration;

use crate::limits;
use crate::marks::{self, Marks};
use crate::members::Member;
use crate::outcome::{Answer, Outcome, Refusal};
use crate::reason::Reason;
use crate::status::memory::{Attempt, Came, Cause, Debt, Rebalance, Settled};
use crate::time::{Now, Uptime};

/// All that this policy rests on.
#[derive(Clone, Copy, Debug)]
pub struct Case<'a> {
    /// The instant.
    pub now: Now,
    /// The process that decides.
    pub process: &'a str,
    /// The knobs, as they hold for this app.
    pub knobs: &'a Knobs,
    /// Whether a person asks for one: the annotation is there.
    pub is_asked_for: bool,
    /// The set of subscriptions that is to be tracked from now on, if it is to be.
    pub advance: Option<&'a Advance>,
    /// Why no signal can be sent, whatever the members say: a rollout, a termination, a pause.
    pub obstacle: Option<&'a Reason>,
    /// The wanted number of members.
    pub desired: i32,
    /// The revision that carries the set.
    pub revision: &'a str,
    /// The members, by ordinal.
    pub members: &'a [Member],
    /// What the observed status remembers.
    pub memory: &'a Rebalance,
    /// When this process first saw what is dated there.
    pub marks: &'a Marks,
    /// What came of the last signal of this process.
    pub outcome: Option<&'a Outcome>,
}

/// How this policy is set for one app.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Knobs {
    /// Whether a change of subscriptions rebalances by itself.
    pub is_automatic: bool,
    /// Whether members keep their place in the group over restarts. If not, a restart is a rebalance.
    pub is_static: bool,
    /// Whether members are polled.
    pub is_polling: bool,
    /// How long after one attempt the next may come.
    pub cooldown: Duration,
}

/// Another set of subscriptions.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Advance {
    /// Its digest.
    pub subscriptions: String,
    /// Whether a rebalance is owed for it.
    pub owes: bool,
    /// Topics that it has and the tracked one has not.
    pub topics: Vec<String>,
}

/// A signal to send.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signal {
    /// The pod of the leader.
    pub pod: String,
    /// Its uid.
    pub uid: String,
    /// The name of the attempt: generation and number.
    pub attempt: String,
}

/// What this policy concludes.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Verdict {
    /// What is remembered next.
    pub memory: Rebalance,
    /// The signal to send now.
    pub signal: Option<Signal>,
    /// Why nothing is sent although something is owed, and until when.
    pub wait: Option<(Reason, Option<Uptime>)>,
    /// Whether the annotation is to be taken away: what it asks for is owed, durably.
    pub clears_annotation: bool,
    /// What people are told.
    pub news: Option<News>,
}

/// Something that happened to a debt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum News {
    /// The rebalance came true.
    Confirmed,
    /// The member said no, or could not be asked.
    Refused,
    /// Nobody knows whether the signal arrived.
    Lost,
    /// It was accepted, and nothing was seen of it.
    Unconfirmed,
    /// The same, for the last time: a person is asked.
    Stalled,
}

/// Decides about the rebalance that one app owes. Pure and total.
pub fn decide(case: &Case<'_>) -> Verdict {
    let mut verdict = Verdict { memory: case.memory.clone(), ..Verdict::default() };
    if advance(case, &mut verdict.memory) {
        let owes = verdict.memory.debt.is_some();
        verdict.wait = owes.then_some((Reason::DebtFirst, None));
        return verdict;
    }
    let owes_manual = case.memory.debt.as_ref().is_some_and(Debt::is_manual);
    verdict.clears_annotation = case.is_asked_for && owes_manual;
    if let Some(debt) = &case.memory.debt {
        due::pursue(case, debt, &mut verdict);
    }
    verdict
}

/// Until when a rebalance that was asked for, or may have been, is watched for, whichever process asked:
/// members are polled often until then.
pub fn watched_until(memory: &Rebalance, marks: &Marks, now: Uptime) -> Option<Uptime> {
    let debt = memory.debt.as_ref().filter(|debt| due::is_out(debt))?;
    let mark = marks::attempt(memory.generation, debt.attempt.as_ref()?);
    let until = marks::seen_at(marks, &mark, now).after(limits::CONFIRM_WITHIN);
    (now < until).then_some(until)
}

/// Takes note of another set, or of what a person asks for. What it says must be read back before
/// anything comes of it.
fn advance(case: &Case<'_>, memory: &mut Rebalance) -> bool {
    let since = case.now.stamp();
    let was_manual = memory.debt.as_ref().is_some_and(Debt::is_manual);
    // Who asks again for what was tried in vain begins anew; so does who asks while an attempt is out:
    // what comes of that began before.
    let is_under_way = |debt: &Debt| due::is_stalled(debt) || due::is_out(debt);
    let begins_anew = memory.debt.as_ref().is_some_and(is_under_way);
    let asks = case.is_asked_for && (!was_manual || begins_anew);
    if let Some(advance) = case.advance {
        memory.subscriptions = Some(advance.subscriptions.clone());
        if advance.owes {
            // What a person asked for is not forgotten for a set that may be switched off.
            memory.generation = memory.generation.saturating_add(1);
            let reason = if was_manual { Cause::Manual } else { Cause::SubscriptionChange };
            memory.debt = Some(Debt::new(reason, since.clone(), advance.topics.clone()));
        } else if memory.generation == 0 {
            memory.generation = 1;
        }
    }
    if asks {
        let topics = memory.debt.take().map(|debt| debt.topics).unwrap_or_default();
        memory.generation = memory.generation.saturating_add(1);
        memory.debt = Some(Debt::new(Cause::Manual, since, topics));
    }
    case.advance.is_some() || asks
}

impl Case<'_> {
    fn uptime(&self) -> Uptime {
        self.now.uptime
    }

    /// When this process first saw an attempt in its state.
    fn seen_at(&self, attempt: &Attempt) -> Uptime {
        let mark = marks::attempt(self.memory.generation, attempt);
        marks::seen_at(self.marks, &mark, self.uptime())
    }

    /// The outcome of this very attempt, if this process sent it.
    fn outcome_of(&self, attempt: &Attempt) -> Option<&Outcome> {
        let name = name(self.memory.generation, attempt.n);
        self.outcome.filter(|outcome| outcome.of == name)
    }
}

/// The name of an attempt: never used again.
pub(crate) fn name(generation: i64, n: i64) -> String {
    format!("{generation}.{n}")
}
