//! What members answered when they were asked how they are.
//!
//! A snapshot holds for each pod the unbroken run of equal answers, so that neither a second look at
//! one answer counts twice nor a look that came late loses what was in between.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::action::Uid;
use crate::limits;
use crate::time::{Now, Uptime};

/// The runs of one app, by the name of the pod. Who is not in it has not been asked yet.
pub type Polls = BTreeMap<String, Run>;

/// The number of a round of polls, counted by the process from 1.
pub type Round = u64;

/// Topics of one member that are kept: they say that it holds something, and whether a new one came.
pub const TOPICS_MAX: usize = 256;

/// An unbroken run of equal answers of one pod.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Run {
    /// The pod that answered: its uid was the same before and after the request.
    #[serde(rename = "podUID")]
    pub pod_uid: Uid,
    /// What it said last. A run is of one [`State`]; leadership and topics may change within it.
    pub said: Said,
    /// When the first answer of the run came.
    pub first: Uptime,
    /// When the last answer of the run came.
    pub last: Uptime,
    /// The same on the wall.
    pub at: Timestamp,
    /// How many answers it has.
    pub count: u32,
    /// The round of the last answer.
    pub round: Round,
    /// For how long the pod has been seen stuck, if its last known answer says that it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stuck: Option<Stuck>,
    /// When this process heard that the last rebalance of this pod had begun; it may be over.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rebalanced: Option<Uptime>,
    /// The last answer of this pod that was not "stuck", silence included.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub broken: Option<Broken>,
}

/// For how long this process has seen a pod stuck.
///
/// Silence does not end it, but a time without answers counts at most two intervals of polling.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Stuck {
    /// Milliseconds, up to the last answer that said so.
    pub held: u64,
    /// When that answer came.
    pub last: Uptime,
    /// Since when no time was left out for a lack of answers.
    pub whole_since: Uptime,
}

/// An answer that broke a row of strikes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Broken {
    /// Its round.
    pub round: Round,
    /// When it came.
    pub at: Uptime,
}

/// One answer of a pod.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Heard {
    /// What it said.
    pub said: Said,
    /// In which round.
    pub round: Round,
    /// When it was asked.
    pub now: Now,
}

/// What came of asking a member.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Said {
    /// It answered as workers do.
    Known(Word),
    /// It did not, for this reason.
    Silent(Silence),
}

/// What of a worker's status is read. A key that it lacks is not known.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Word {
    /// It holds the partition of the leader's topic.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub leader: Option<bool>,
    /// Its partitions were revoked, and its streams have not resumed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rebalancing: Option<bool>,
    /// It reads its tables.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recovering: Option<bool>,
    /// The first topics of its active partitions; none if it holds none, or does not say.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub topics: BTreeSet<String>,
}

/// Why nobody knows how a member is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Silence {
    /// Nothing listens, or the connection broke.
    NoConnection,
    /// It did not answer in time.
    Timeout,
    /// It has no such route: its version is older than 0.6.12.
    NotOffered,
    /// It answered with another code than 200; a worker that is starting says 500.
    Refused,
    /// It answered, and what it says is no status of a worker.
    Unreadable,
    /// It answered with more than a status has.
    TooLarge,
    /// The pod was replaced while it was asked.
    Replaced,
}

/// What of an answer makes a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum State {
    /// Revoked and not recovering: the one combination that can be "hung".
    Stuck,
    /// It reads its tables.
    Recovering,
    /// Neither.
    Healthy,
    /// It answered without saying what would be needed to tell.
    Vague,
    /// Nobody knows.
    Silent(Silence),
}

impl Said {
    /// The state that the answer tells.
    /// Source: the worker's flags; what is missing is never taken for stuck.
    pub fn state(&self) -> State {
        match self {
            Self::Silent(why) => State::Silent(*why),
            Self::Known(Word { rebalancing, recovering, .. }) => match (rebalancing, recovering) {
                (Some(true), Some(false)) => State::Stuck,
                (_, Some(true)) => State::Recovering,
                (Some(false), _) => State::Healthy,
                (None | Some(true), _) => State::Vague,
            },
        }
    }

    /// Whether it shows partitions.
    fn holds_any(&self) -> bool {
        matches!(self, Self::Known(word) if !word.topics.is_empty())
    }
}

impl Run {
    /// Takes the next answer of a pod after `before`, the run until now.
    ///
    /// `interval` is the pause between two rounds.
    pub fn next(before: Option<Self>, pod_uid: Uid, heard: Heard, interval: Duration) -> Self {
        let Heard { said, round, now } = heard;
        let before = before.filter(|before| before.pod_uid == pod_uid);
        let (at, last) = (now.wall, now.uptime);
        let state = said.state();
        let stuck = before.as_ref().and_then(|before| before.stuck);
        let stuck = match state {
            State::Stuck => Some(Stuck::next(stuck, last, interval)),
            State::Silent(_) => stuck,
            State::Recovering | State::Healthy | State::Vague => None,
        };
        let broken = if state == State::Stuck {
            before.as_ref().and_then(|before| before.broken)
        } else {
            Some(Broken { round, at: last })
        };
        // Who was not heard just before may have begun at any time, and who holds nothing is a process
        // that starts: neither says that the group rebalances.
        let was_well = before.as_ref().is_some_and(|run| run.said.state() == State::Healthy);
        let is_rebalancing = matches!(state, State::Stuck | State::Recovering);
        let begins = was_well && is_rebalancing && said.holds_any();
        let rebalanced = before.as_ref().and_then(|before| before.rebalanced);
        let rebalanced = if begins { Some(last) } else { rebalanced };
        let same = before.filter(|before| before.said.state().is_alike(state));
        let first = same.as_ref().map_or(last, |same| same.first);
        let count = same.map_or(1, |same| same.count.saturating_add(1));
        Self { pod_uid, said, first, last, at, count, round, stuck, rebalanced, broken }
    }

    /// Why nobody knows how it is, if that has been so for some rounds.
    pub fn lasting_silence(&self) -> Option<Silence> {
        match self.said {
            Said::Silent(why) if self.count >= limits::SILENT_ROUNDS => Some(why),
            Said::Silent(_) | Said::Known(_) => None,
        }
    }

    /// What the pod said, if it is known.
    pub fn word(&self) -> Option<&Word> {
        match &self.said {
            Said::Known(word) => Some(word),
            Said::Silent(_) => None,
        }
    }
}

impl Stuck {
    fn next(before: Option<Self>, now: Uptime, interval: Duration) -> Self {
        let Some(before) = before else { return Self { held: 0, last: now, whole_since: now } };
        let gap = now.since(before.last);
        let counted = gap.min(interval.saturating_mul(2));
        let counted_millis = u64::try_from(counted.as_millis()).unwrap_or(u64::MAX);
        Self {
            held: before.held.saturating_add(counted_millis),
            last: now,
            whole_since: if counted < gap { now } else { before.whole_since },
        }
    }

    /// For how long it was seen so.
    pub fn held(&self) -> Duration {
        Duration::from_millis(self.held)
    }

    /// For how long it was seen so after `instant`; what was left out there is not counted.
    pub fn held_since(&self, instant: Uptime) -> Duration {
        self.last.since(instant.max(self.whole_since)).min(self.held())
    }
}

impl Silence {
    /// A stable word for labels, status and logs.
    pub fn code(self) -> &'static str {
        match self {
            Self::NoConnection => "NoConnection",
            Self::Timeout => "Timeout",
            Self::NotOffered => "NotOffered",
            Self::Refused => "Refused",
            Self::Unreadable => "Unreadable",
            Self::TooLarge => "TooLarge",
            Self::Replaced => "Replaced",
        }
    }
}

impl fmt::Display for Silence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NoConnection => "it cannot be reached",
            Self::Timeout => "it does not answer in time",
            Self::NotOffered => "its version has no status to ask for",
            Self::Refused => "it answers with an error",
            Self::Unreadable => "what it answers is no status of a worker",
            Self::TooLarge => "its answer is too large",
            Self::Replaced => "its pod was replaced meanwhile",
        })
    }
}

impl State {
    /// Whether an answer goes on with a run: however a member is silent, it is silent.
    pub fn is_alike(self, other: Self) -> bool {
        matches!((self, other), (Self::Silent(_), Self::Silent(_))) || self == other
    }

    /// A stable word for labels and logs.
    pub fn code(self) -> &'static str {
        match self {
            Self::Stuck => "rebalancing",
            Self::Recovering => "recovering",
            Self::Healthy => "healthy",
            Self::Vague => "unknown",
            Self::Silent(_) => "silent",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const INTERVAL: Duration = Duration::from_secs(30);

    fn known(rebalancing: bool, recovering: bool) -> Said {
        Said::Known(Word {
            rebalancing: Some(rebalancing),
            recovering: Some(recovering),
            ..Word::default()
        })
    }

    /// The run after these answers: the second of each, and what was said.
    fn run(answers: &[(u64, Said)]) -> Run {
        let mut run = None;
        for (round, (second, said)) in (1..).zip(answers) {
            let wall = Timestamp::from_second(i64::try_from(*second).unwrap()).unwrap();
            let now = Now { wall, uptime: Uptime(second * 1_000) };
            let heard = Heard { said: said.clone(), round, now };
            run = Some(Run::next(run, "u".to_owned(), heard, INTERVAL));
        }
        run.unwrap()
    }

    #[test]
    fn a_run_is_of_equal_answers() {
        let run =
            run(&[(0, known(false, false)), (30, known(true, false)), (60, known(true, false))]);
        assert_eq!(
            (run.first, run.last, run.count, run.round),
            (Uptime(30_000), Uptime(60_000), 2, 3)
        );
        assert_eq!(run.stuck.unwrap().held(), INTERVAL);
        assert_eq!(run.broken, Some(Broken { round: 1, at: Uptime(0) }));
    }

    #[test]
    fn silence_breaks_a_run_and_goes_on_with_the_time_stuck() {
        let silent = Said::Silent(Silence::Timeout);
        let run = run(&[(0, known(true, false)), (30, silent.clone()), (60, known(true, false))]);
        assert_eq!((run.count, run.broken.unwrap().round), (1, 2));
        assert_eq!(run.stuck.unwrap().held(), Duration::from_mins(1));
        let mut answers = vec![(0, known(true, false))];
        answers.extend((1..20).map(|at| (at * 30, silent.clone())));
        answers.push((600, known(true, false)));
        let stuck = self::run(&answers).stuck.unwrap();
        assert_eq!((stuck.held, stuck.whole_since), (60_000, Uptime(600_000)));
    }

    #[test]
    fn what_is_not_stuck_ends_the_time_stuck() {
        for said in [known(false, false), known(true, true), Said::Known(Word::default())] {
            let run = run(&[(0, known(true, false)), (30, said), (60, known(true, false))]);
            assert_eq!(run.stuck.unwrap().held, 0);
        }
    }

    #[test]
    fn another_pod_begins_anew() {
        let before = run(&[(0, known(true, false)), (30, known(true, false))]);
        let now = Now { wall: Timestamp::UNIX_EPOCH, uptime: Uptime(60_000) };
        let heard = Heard { said: known(true, false), round: 3, now };
        let run = Run::next(Some(before), "v".to_owned(), heard, INTERVAL);
        assert_eq!((run.count, run.stuck.unwrap().held, run.broken), (1, 0, None));
    }

    /// A process that starts says that it rebalances, too.
    #[test]
    fn only_who_was_well_and_holds_something_begins_to_rebalance() {
        let holding = |rebalancing| match known(rebalancing, false) {
            Said::Known(word) => Said::Known(Word { topics: ["in".to_owned()].into(), ..word }),
            silent @ Said::Silent(_) => silent,
        };
        let begun = |first: Said, second: Said| run(&[(0, first), (30, second)]).rebalanced;
        assert_eq!(begun(holding(false), holding(true)), Some(Uptime(30_000)));
        assert_eq!(begun(holding(true), holding(true)), None, "it may have begun long ago");
        assert_eq!(begun(Said::Silent(Silence::NoConnection), holding(true)), None);
        assert_eq!(begun(holding(false), known(true, false)), None, "it starts");
        let over = run(&[(0, holding(false)), (30, holding(true)), (60, holding(false))]);
        assert_eq!(over.rebalanced, Some(Uptime(30_000)));
    }

    #[test]
    fn what_is_missing_is_never_stuck() {
        let state = |rebalancing, recovering| {
            Said::Known(Word { rebalancing, recovering, ..Word::default() }).state()
        };
        assert_eq!(state(Some(true), Some(false)), State::Stuck);
        assert_eq!(state(Some(true), None), State::Vague);
        assert_eq!(state(None, Some(false)), State::Vague);
        assert_eq!(state(Some(false), None), State::Healthy);
        assert_eq!(state(Some(true), Some(true)), State::Recovering);
    }
}
