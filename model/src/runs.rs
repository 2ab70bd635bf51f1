//! What is checked: how many pods and operators, what may happen how often, and which rule is left out.

use crate::world::Budget;

/// One run.
#[derive(Clone, Copy, Debug, Default)]
pub struct Config {
    /// Pods of the app.
    pub pods: usize,
    /// Operators, without a lease.
    pub operators: usize,
    /// How often each thing may happen.
    pub budget: Budget,
    /// Whether people may take their last change back.
    pub takes_back: bool,
    /// Whether a member that hangs has hung for the threshold at once.
    pub hangs_at_once: bool,
    /// Whether a pod that stops is followed by the next one at once.
    pub stops_at_once: bool,
    /// Whether no pod gets Ready while another one hangs.
    pub starts_with_group: bool,
    /// Whether any outdated pod may be replaced at any time, not only the highest one.
    pub rolls_in_any_order: bool,
    /// Whether an older look is younger than the deadline of a plan.
    pub is_bounded: bool,
    /// Whether the components of a process may lag behind for several looks.
    pub lags: bool,
    /// The rule that is left out.
    pub without: Option<Without>,
}

/// A rule that can be left out: each has a story that breaks what remains.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Without {
    /// V1: an intent that was taken back closes the gate for two deadlines.
    Withdrawal,
    /// V2: a lapsed entry whose pod is gone ends like any other.
    LapsedStays,
    /// V3: no process reads backwards.
    ForwardReading,
    /// V4: a list that is older than the one that was tracked decides nothing.
    NewerLists,
    /// V5: what is irreversible rests on a status that was read lately.
    Confirmation,
    /// V6: one is allowed whatever else is not Ready.
    OneWhateverElse,
    /// V7: only a younger pod is a replacement.
    YoungerReplacement,
    /// V8: only what is seen afterwards confirms.
    FreshEvidence,
    /// A deletion is of one uid.
    UidPrecondition,
    /// A status is written over the version that was read.
    StatusVersion,
    /// A deletion is bound to the write of its entry.
    EntryWritten,
    /// A deletion waits until its entry was read back. Bound to the write of the entry it need not.
    EntryReadBack,
    /// An entry is not simply taken back.
    OnlyLapse,
    /// A lapsed entry never fires.
    LapsedIsDead,
    /// A lapsed entry counts.
    LapsedCounts,
    /// No entry is made while a rollout is meant.
    GateOfIntent,
    /// A template waits for entries that can fire.
    TemplateWaits,
    /// And for nothing else of the ledger.
    QuickTemplate,
    /// Members that are not Ready do not close the gate.
    OpenGate,
    /// Strikes are of one uid.
    StrikesOfUid,
    /// A debt stays until it is confirmed.
    DebtStays,
    /// Only the process that booked sends.
    OneBooker,
    /// A template is applied over the version that was read.
    SetVersion,
    /// Outcomes outlive a conflict.
    Outcomes,
    /// There is a budget.
    Budget,
    /// What a dead process booked is taken over.
    Overtaking,
    /// An entry lasts until the replacement is Ready.
    LastingEntry,
    /// Another set is owed a rebalance.
    Debt,
    /// A pause stops deletions.
    Obedience,
    /// Pods of another revision close the gate, also where the set has one again.
    WholeRevision,
}

impl Config {
    /// How many may be down for us: half, at least one.
    pub fn most_down(&self) -> usize {
        (self.pods / 2).max(1)
    }
}

#[cfg(test)]
mod tests;
