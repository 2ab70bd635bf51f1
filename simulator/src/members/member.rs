//! One member: a worker's process in a pod, what it is doing, and what it answers.
//!
//! Source: `GET /status/` and `POST /signal/rebalance` of Kaspr 0.11.18, observed.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;
use serde_json::{Value, json};

use crate::clock::Instant;

/// Partitions by topic.
pub(super) type Assignment = BTreeMap<String, BTreeSet<u32>>;

/// What a member is doing in its group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    /// Its process begins: nobody listens, and then it is not yet joining.
    Starting {
        /// When the process began.
        since: Instant,
    },
    /// It means to join, and has not asked yet.
    Waiting {
        /// When it asks.
        until: Instant,
    },
    /// It has asked to join, or to join again, and waits for the group.
    Joined,
    /// Its partitions are taken from it, and it ends what it is in the middle of.
    Revoked,
    /// It has an assignment, and waits before it reads its tables.
    Delayed {
        /// Until when.
        until: Instant,
    },
    /// It reads its tables.
    Recovering {
        /// Until when.
        until: Instant,
    },
    /// It works.
    Steady,
    /// It goes on after it stood still, and does not know yet what happened meanwhile.
    Thawed {
        /// Until when.
        until: Instant,
    },
}

/// What is wrong with a member.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Ailment {
    /// Its process stands still: it takes connections and answers nothing.
    Frozen,
    /// It is in the middle of an event that never ends: it answers, and holds up each rebalance.
    Busy,
    /// Its join failed: it answers, has nothing assigned, and never gets out of it.
    StuckInJoin,
    /// The recovery of its tables never ends.
    StuckInRecovery,
    /// It works, and its HTTP answers nothing.
    Silent,
    /// It works, and answers after so many milliseconds.
    Slow(u64),
    /// It works, and what it says of itself is not so: that it leads and is steady.
    Lying,
    /// It works, and answers with something that is no status.
    Babbling,
    /// It works, says yes to a request to rebalance, and does nothing about it.
    Deaf,
    /// It works, and refuses each request to rebalance.
    Refusing,
}

/// What somebody asks a member.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MemberAsk {
    /// `GET /status/`.
    Status,
    /// `POST /signal/rebalance`.
    Rebalance,
}

/// What comes back.
#[derive(Clone, Debug, PartialEq)]
pub enum MemberAnswer {
    /// Nobody listens.
    Refused,
    /// No answer comes.
    Silence,
    /// An answer, after so many milliseconds.
    Said {
        /// How long it takes.
        after: u64,
        /// The HTTP status.
        code: u16,
        /// The text of the body.
        body: String,
    },
}

impl MemberAnswer {
    /// The answer to a question for the status, in words.
    pub fn words(&self) -> String {
        let (after, body) = match self {
            Self::Refused => return "does not listen".to_owned(),
            Self::Silence => return "does not answer".to_owned(),
            Self::Said { after, body, .. } => (*after, body),
        };
        let late = if after > QUICK { format!(", after {after} ms") } else { String::new() };
        let Ok(body @ Value::Object(_)) = serde_json::from_str::<Value>(body) else {
            return format!("answers no status{late}");
        };
        let is = |field: &str| body[field] == true;
        let does = match (is("rebalancing"), is("recovering")) {
            (false, false) => "works",
            (true, false) => "rebalances",
            (_, true) => "recovers",
        };
        let leads = if is("leader") { "leads and " } else { "" };
        let actives = body["assignment"]["actives"].as_object().into_iter().flatten();
        let topics = actives.filter(|(topic, _)| !topic.ends_with(super::LEADER_TOPIC));
        let topics = topics.map(|(topic, partitions)| format!("{topic} {partitions}"));
        let topics = topics.collect::<Vec<_>>().join(" ");
        let reads = if topics.is_empty() { "nothing".to_owned() } else { topics };
        format!("{leads}{does}, reads {reads}{late}")
    }
}

/// One member.
#[derive(Clone, Debug)]
pub(super) struct Member {
    /// Its name, which is its pod's.
    pub(super) name: String,
    /// Whether it keeps its place in the group over a restart.
    pub(super) is_static: bool,
    /// The topics that its definitions read, and the changelogs of its tables.
    pub(super) subscription: BTreeSet<String>,
    pub(super) phase: Phase,
    pub(super) ailment: Option<Ailment>,
    /// When it was last known to be alive, while it stands still.
    pub(super) silent_since: Option<Instant>,
    /// What it was last given.
    pub(super) assignment: Assignment,
    /// What it was last told of everybody's tables: by URL, partitions by changelog.
    pub(super) tables: BTreeMap<String, Assignment>,
}

/// From the start of the process to its HTTP.
const LISTENS_AFTER: u64 = 1_000;

impl Member {
    pub(super) fn is_frozen(&self) -> bool {
        self.ailment == Some(Ailment::Frozen)
    }

    /// Whether it shows that it works: also for a moment before it first joins.
    fn is_rebalancing(&self) -> bool {
        match self.phase {
            Phase::Starting { .. } | Phase::Steady | Phase::Thawed { .. } => false,
            Phase::Waiting { .. }
            | Phase::Joined
            | Phase::Revoked
            | Phase::Delayed { .. }
            | Phase::Recovering { .. } => true,
        }
    }

    /// Whether it has a table to read.
    pub(super) fn has_tables(&self) -> bool {
        self.assignment.keys().any(|topic| topic.ends_with("-changelog"))
    }

    fn leads(&self) -> bool {
        self.assignment.keys().any(|topic| topic.ends_with(super::LEADER_TOPIC))
    }

    /// What it answers now. A signal is noted by the caller.
    pub(super) fn answer(&self, ask: MemberAsk, now: Instant) -> MemberAnswer {
        if let Phase::Starting { since } = self.phase
            && now.since(since) < LISTENS_AFTER
        {
            return MemberAnswer::Refused;
        }
        let said =
            |after, body: Value| MemberAnswer::Said { after, code: 200, body: body.to_string() };
        match self.ailment {
            Some(Ailment::Frozen | Ailment::Silent) => MemberAnswer::Silence,
            Some(Ailment::Slow(millis)) => said(millis, self.body(ask)),
            Some(Ailment::Lying) if ask == MemberAsk::Status => {
                let mut body = self.body(ask);
                body["leader"] = true.into();
                body["rebalancing"] = false.into();
                said(QUICK, body)
            }
            Some(Ailment::Refusing) if ask == MemberAsk::Rebalance => {
                let body = "500 Internal Server Error".to_owned();
                MemberAnswer::Said { after: QUICK, code: 500, body }
            }
            Some(Ailment::Babbling) => {
                let body = "[{\"leader\": \"yes\", \"leader\": 1".to_owned();
                MemberAnswer::Said { after: QUICK, code: 200, body }
            }
            Some(
                Ailment::Busy
                | Ailment::StuckInJoin
                | Ailment::StuckInRecovery
                | Ailment::Lying
                | Ailment::Deaf
                | Ailment::Refusing,
            )
            | None => said(QUICK, self.body(ask)),
        }
    }

    fn body(&self, ask: MemberAsk) -> Value {
        match ask {
            MemberAsk::Rebalance => json!({ "status": "ok", "message": "Rebalance requested" }),
            MemberAsk::Status => json!({
                "leader": self.leads(),
                "rebalancing": self.is_rebalancing(),
                "recovering": matches!(self.phase, Phase::Recovering { .. }),
                "assignment": { "actives": self.assignment, "standbys": {} },
                "table_metadata": self.tables,
            }),
        }
    }
}

/// How long an answer takes that nothing holds up.
const QUICK: u64 = 5;
