//! Members that hang in a rebalance: three strikes, then a place in the ledger, then a new pod.
//!
//! A strike is a round of polls in which a member said that it is still stuck, counted durably and
//! honestly. The third one enters the member into the ledger of terminations by the same write of the
//! status; its pod is deleted only for an entry that was read back. The rules were model-checked with
//! two operators and no lease; `docs/members.md` tells them to users.

mod ledger;
mod strikes;

use std::collections::BTreeSet;
use std::time::Duration;

use crate::limits;
use crate::marks::Marks;
use crate::members::{self, Member};
use crate::poll::State;
use crate::reason::Reason;
use crate::status::memory::{Entry, Replacements, Strikes};
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
    /// Why no strikes are counted, if they are not.
    pub gate: Option<&'a Reason>,
    /// Whether a person has paused the app.
    pub is_paused: bool,
    /// The wanted number of members.
    pub desired: i32,
    /// The members, by ordinal.
    pub members: &'a [Member],
    /// What the observed status remembers.
    pub memory: &'a Memory,
    /// When this process first saw what is dated there.
    pub marks: &'a Marks,
    /// How many members of other apps are in replacement.
    pub elsewhere: u32,
}

/// How this policy is set for one app.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Knobs {
    /// Whether hung members are replaced.
    pub is_on: bool,
    /// After how long a stuck member gets strikes.
    pub threshold: Duration,
    /// The pause between two rounds of polls.
    pub interval: Duration,
    /// How many thresholds a whole group must have been stuck.
    pub group_factor: u32,
    /// Whether more than half may be down at once.
    pub takes_majority: bool,
    /// How many members of all apps may be in replacement at once; 0 for any number.
    pub fleet_max: u32,
}

/// What this policy remembers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Memory {
    /// Members that were seen stuck.
    pub strikes: Vec<Strikes>,
    /// The ledger.
    pub terminations: Vec<Entry>,
    /// How often ordinals were replaced.
    pub replacements: Vec<Replacements>,
}

/// What this policy concludes.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Verdict {
    /// What is remembered next.
    pub memory: Memory,
    /// Pods to delete, by name and uid.
    pub deletions: Vec<(String, String)>,
    /// What is not done about a pod, why, and until when.
    pub waits: Vec<(String, Reason, Option<Uptime>)>,
    /// Whether all members are stuck together.
    pub is_group_stalled: bool,
}

/// Decides about the members of one app. Pure and total.
pub fn decide(case: &Case<'_>) -> Verdict {
    let stall = strikes::group_stall(case);
    let mut verdict = ledger::carry_on(case);
    verdict.is_group_stalled = stall;
    let counted = strikes::count(case, stall);
    ledger::enter(case, &counted, &mut verdict);
    verdict.waits.extend(counted.waits);
    verdict.memory.strikes = counted.strikes;
    verdict
}

impl Case<'_> {
    fn uptime(&self) -> Uptime {
        self.now.uptime
    }

    /// The member whose pod has this uid.
    fn by_uid(&self, uid: &str) -> Option<&Member> {
        self.members.iter().find(|member| member.uid == uid)
    }

    /// How many members may be in replacement or unready before one more is taken.
    fn budget(&self) -> usize {
        let half = usize::try_from(self.desired / 2).unwrap_or(0).max(1);
        let most = limits::TERMINATIONS_MAX;
        if self.knobs.takes_majority { most } else { most.min(half) }
    }

    /// Whether one more may be taken beside those in `ledger`; if not, why.
    ///
    /// When nothing is in replacement one is allowed whatever else is unready: a member that hangs
    /// does no work that could be lost, and may be what the others wait for.
    fn room(&self, ledger: &[Entry], member: &Member) -> Result<(), Reason> {
        let in_flight = u32::try_from(ledger.len()).unwrap_or(u32::MAX);
        let everywhere = self.elsewhere.saturating_add(in_flight);
        if self.knobs.fleet_max > 0 && everywhere >= self.knobs.fleet_max {
            return Err(Reason::BreakerOpen);
        }
        let mut counted: BTreeSet<i32> = ledger.iter().map(|entry| entry.ordinal).collect();
        counted.insert(member.ordinal);
        let unready = members::unready(self.members, self.desired, &counted);
        let is_free = ledger.is_empty() || ledger.len() + unready < self.budget();
        if is_free { Ok(()) } else { Err(Reason::BudgetSpent) }
    }
}

impl Knobs {
    /// The threshold for a member of an ordinal that was replaced so often before.
    fn threshold_after(&self, replaced: u32, is_group: bool) -> Duration {
        let factor = if is_group { self.group_factor.max(1) } else { 1 };
        let doublings = 1u32 << replaced.min(limits::OFFENCES_MAX);
        self.threshold.saturating_mul(factor).saturating_mul(doublings)
    }
}

/// Whether a member said that it is not stuck.
fn is_well(member: &Member) -> bool {
    matches!(member.state(), Some(State::Healthy | State::Recovering))
}
