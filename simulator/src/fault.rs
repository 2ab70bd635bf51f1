//! What can go wrong, as data.

use std::collections::BTreeMap;
use std::fmt;

/// What happens at one request of an operator.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fault {
    /// The process ends before it.
    CrashBefore,
    /// The process ends when it is carried out, before the answer is read.
    CrashAfter,
    /// It never arrives, and no answer comes.
    Lost,
    /// It is carried out, and no answer comes.
    AnswerLost,
    /// It is refused with this HTTP status.
    Refused(u16),
    /// The server knows the status only in part: what it does not know is dropped without a word.
    Pruned,
    /// The process stands still for so many milliseconds just before it, and then goes on.
    Stands(u64),
    /// The clock on the wall is set so many seconds forth or back just before it.
    ClockJumps(i64),
}

/// What happens to the watches of an operator.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Gap {
    /// From this change on nothing is heard for so many milliseconds.
    Late(u64),
    /// This change is never heard; the next list brings it, so many milliseconds later.
    Missed(u64),
    /// From this change on nothing is heard until this request is sent, or [`DEAF_MAX`] is over: what is
    /// decided then is decided on the cluster as it was before the change.
    Until(u64),
}

/// No watch is silent for longer than so many milliseconds: then it lists anew.
pub const DEAF_MAX: u64 = 120_000;

/// The faults of one run: by number of the request, and of the change that a watch would bring, both
/// counted from 1 over all processes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Faults {
    /// At requests.
    pub requests: BTreeMap<u64, Fault>,
    /// At changes, by version.
    pub changes: BTreeMap<u64, Gap>,
    /// The next process that starts sees the cluster as it was at this version, and hears two seconds
    /// later what happened since.
    pub starts_from: Option<u64>,
}

impl Faults {
    /// None at all.
    pub fn none() -> Self {
        Self::default()
    }

    /// One at a request.
    pub fn at_request(number: u64, fault: Fault) -> Self {
        Self { requests: [(number, fault)].into(), ..Self::default() }
    }

    /// One at a change.
    pub fn at_change(version: u64, gap: Gap) -> Self {
        Self { changes: [(version, gap)].into(), ..Self::default() }
    }

    /// A crash before a request, after which the next process begins with an old view.
    pub fn stale_start(number: u64, version: u64) -> Self {
        let starts_from = Some(version);
        Self { starts_from, ..Self::at_request(number, Fault::CrashBefore) }
    }

    /// Another one at a request.
    #[must_use]
    pub fn and_at_request(mut self, number: u64, fault: Fault) -> Self {
        self.requests.insert(number, fault);
        self
    }
}

impl Fault {
    /// Those that each request is tried with.
    pub const ALL: [Self; 13] = [
        Self::CrashBefore,
        Self::CrashAfter,
        Self::Lost,
        Self::AnswerLost,
        Self::Refused(403),
        Self::Refused(409),
        Self::Refused(422),
        Self::Refused(429),
        Self::Refused(500),
        Self::Pruned,
        Self::Stands(20_000),
        Self::ClockJumps(86_400),
        Self::ClockJumps(-86_400),
    ];
}

impl fmt::Display for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if *self == Self::default() {
            return f.write_str("no fault");
        }
        let requests = self.requests.iter().map(|(at, fault)| format!("{fault:?} at request {at}"));
        let changes = self.changes.iter().map(|(at, gap)| format!("{gap:?} at version {at}"));
        let start = self.starts_from.iter().map(|at| format!("the next start sees version {at}"));
        f.write_str(&requests.chain(changes).chain(start).collect::<Vec<_>>().join(", "))
    }
}
