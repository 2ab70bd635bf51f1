//! What the status remembers of members: strikes, terminations, replacements, the rebalance owed.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::{field, read};
use crate::action::Uid;
use crate::poll::Round;

/// All of it. What cannot be read is not there.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Memory {
    /// Members that were seen stuck.
    pub strikes: Vec<Strikes>,
    /// The ledger: members whose pods are to be replaced, or are being replaced.
    pub terminations: Vec<Entry>,
    /// How often the member of an ordinal was replaced without getting well.
    pub replacements: Vec<Replacements>,
    /// The tracked subscriptions, and the rebalance that is owed for them.
    pub rebalance: Rebalance,
}

/// A member that was seen stuck.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Strikes {
    /// The ordinal of the pod.
    pub ordinal: i32,
    /// The uid of the pod: another one begins without strikes.
    #[serde(rename = "podUID")]
    pub pod_uid: Uid,
    /// Seconds for which it has been seen stuck.
    #[serde(default)]
    pub stuck_for: u64,
    /// The instants of the answers that were strikes, oldest first; at most three.
    #[serde(default, rename = "strikes", skip_serializing_if = "Vec::is_empty")]
    pub at: Vec<String>,
    /// The process that counted the last strike.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub by: String,
    /// The round of polls of that process in which it was counted.
    #[serde(default)]
    pub round: Round,
}

/// An entry of the ledger.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Entry {
    /// The ordinal of the pod.
    pub ordinal: i32,
    /// The uid of the pod: no other is ever deleted for this entry.
    #[serde(rename = "podUID")]
    pub pod_uid: Uid,
    /// When that pod was made, by the API server's clock; its replacement was made later.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub created: String,
    /// When it was entered.
    #[serde(default)]
    pub since: String,
    /// When it lapsed: it never fires, and still counts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lapsed: Option<String>,
}

/// How often the member of one ordinal was replaced without getting well for long.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Replacements {
    /// The ordinal.
    pub ordinal: i32,
    /// How often.
    pub count: u32,
}

/// The tracked subscriptions and what is owed for them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Rebalance {
    /// Counts the sets of subscriptions and the requests of people; never used again.
    pub generation: i64,
    /// The digest of the tracked set; none before the first tracking.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub subscriptions: Option<String>,
    /// What is owed, if anything is.
    #[serde(flatten)]
    pub debt: Option<Debt>,
    /// The last debt that was settled.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last: Option<Settled>,
}

/// A rebalance that is owed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Debt {
    /// Since when.
    pub owed_since: String,
    /// For what.
    pub cause: Cause,
    /// Topics that the set has and the one before had not: once they are assigned, it came true.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub topics: Vec<String>,
    /// How many attempts were accepted without a trace of a rebalance.
    pub unconfirmed: u32,
    /// The last attempt.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub attempt: Option<Attempt>,
}

/// For what a rebalance is owed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Cause {
    /// A person asked for it.
    Manual,
    /// The set of subscriptions changed. What a later version may have written is read so, too.
    #[default]
    #[serde(other)]
    SubscriptionChange,
}

/// One attempt at a rebalance: named by the generation and `n`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Attempt {
    /// Which one for this generation, from 1.
    pub n: i64,
    /// The process that may send it.
    #[serde(default)]
    pub by: String,
    /// The uid of the leader's pod.
    #[serde(default, rename = "podUID")]
    pub pod_uid: Uid,
    /// When it was booked.
    #[serde(default)]
    pub at: String,
    /// What came of it.
    #[serde(default)]
    pub came: Came,
}

/// What came of an attempt.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Came {
    /// Nothing yet: it may be sent, once.
    #[default]
    Booked,
    /// The member said yes.
    Accepted,
    /// It said yes, and nothing was seen of a rebalance.
    Unconfirmed,
    /// It was not sent, or the member said no.
    Refused,
    /// It may have been sent. What a later version may have written is read so, too.
    #[serde(other)]
    Lost,
}

/// A debt that was settled.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Settled {
    /// Its generation.
    pub generation: i64,
    /// For what it was owed.
    #[serde(default)]
    pub cause: Cause,
    /// When it was seen to be settled.
    #[serde(default)]
    pub at: String,
    /// How many attempts it took.
    #[serde(default)]
    pub attempts: i64,
}

impl Memory {
    /// Reads it from a status.
    pub(crate) fn of(status: &Map<String, Value>) -> Self {
        Self {
            strikes: items(status.get("strikes")),
            terminations: items(status.get("terminations")),
            replacements: items(status.get("replacements")),
            rebalance: Rebalance::of(status.get("rebalance")),
        }
    }
}

impl Rebalance {
    /// Each field on its own: what cannot be read must not take a debt with it.
    fn of(place: Option<&Value>) -> Self {
        let Some(place) = place.and_then(Value::as_object) else { return Self::default() };
        let subscriptions = place.get("subscriptions").and_then(Value::as_str);
        Self {
            generation: place.get("generation").and_then(Value::as_i64).unwrap_or_default(),
            subscriptions: subscriptions.map(str::to_owned),
            debt: Debt::of(place),
            last: read(place.get("last")),
        }
    }

    /// As a status has it: nothing, while nothing was tracked.
    pub(crate) fn to_field(&self) -> Value {
        if *self == Self::default() { Value::Null } else { json!(self) }
    }
}

impl Debt {
    /// It stands as soon as something says since when.
    fn of(place: &Map<String, Value>) -> Option<Self> {
        let owed_since = place.get("owedSince").filter(|since| !since.is_null())?;
        let attempt = place.get("attempt").filter(|attempt| !attempt.is_null());
        Some(Self {
            owed_since: owed_since.as_str().unwrap_or_default().to_owned(),
            cause: read(place.get("cause")).unwrap_or_default(),
            topics: read(place.get("topics")).unwrap_or_default(),
            unconfirmed: read(place.get("unconfirmed")).unwrap_or_default(),
            attempt: attempt.map(Attempt::of),
        })
    }

    /// A debt without an attempt.
    pub(crate) fn new(cause: Cause, since: String, topics: Vec<String>) -> Self {
        Self { owed_since: since, cause, topics, unconfirmed: 0, attempt: None }
    }

    /// Whether a person asked for it.
    pub(crate) fn is_manual(&self) -> bool {
        self.cause == Cause::Manual
    }
}

impl Attempt {
    /// One that cannot be read may have been sent.
    fn of(place: &Value) -> Self {
        let n = || place.get("n").and_then(Value::as_i64).unwrap_or(1);
        read(Some(place)).unwrap_or_else(|| Self { n: n(), came: Came::Lost, ..Self::default() })
    }
}

impl Cause {
    /// The word for it in metrics; that of a change of subscriptions is the original's.
    pub fn code(self) -> &'static str {
        match self {
            Self::SubscriptionChange => "subscription_change",
            Self::Manual => "manual",
        }
    }
}

impl Came {
    /// The stable word.
    pub fn code(self) -> &'static str {
        match self {
            Self::Booked => "Booked",
            Self::Accepted => "Accepted",
            Self::Unconfirmed => "Unconfirmed",
            Self::Refused => "Refused",
            Self::Lost => "Lost",
        }
    }
}

/// A list as a status has it: nothing, rather than an empty one.
pub(crate) fn list<T: Serialize>(items: &[T]) -> Value {
    field(&(!items.is_empty()).then_some(items))
}

/// The items that can be read.
pub(super) fn items<T: for<'de> Deserialize<'de>>(list: Option<&Value>) -> Vec<T> {
    let items = list.and_then(Value::as_array).into_iter().flatten();
    items.filter_map(|item| read(Some(item))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Written by another version, or spoiled by hand: the debt stays.
    #[test]
    fn what_cannot_be_read_takes_no_debt_with_it() {
        let read = |rebalance: Value| {
            let status = json!({ "rebalance": rebalance });
            Memory::of(status.as_object().unwrap()).rebalance
        };
        let found = read(json!({
            "generation": 7, "owedSince": "2030-01-01T00:00:00Z", "cause": 1, "topics": "x",
            "unconfirmed": -1, "attempt": { "n": "two" }, "last": { "generation": "six" },
        }));
        assert_eq!((found.generation, found.last), (7, None));
        let debt = found.debt.unwrap();
        assert_eq!((debt.cause, debt.unconfirmed), (Cause::SubscriptionChange, 0));
        assert_eq!(debt.attempt.map(|attempt| attempt.came), Some(Came::Lost));
        assert_eq!(read(json!({ "generation": 7, "owedSince": null })).debt, None);
        assert_eq!(read(json!([])), Rebalance::default());
    }

    #[test]
    fn what_is_written_is_read() {
        let attempt = Attempt { n: 2, by: "me".to_owned(), ..Attempt::default() };
        let debt =
            Debt { attempt: Some(attempt), ..Debt::new(Cause::Manual, "s".to_owned(), vec![]) };
        let settled =
            Settled { generation: 6, cause: Cause::Manual, at: "a".to_owned(), attempts: 1 };
        let rebalance = Rebalance {
            generation: 7,
            subscriptions: Some("x".to_owned()),
            debt: Some(debt),
            last: Some(settled),
        };
        assert_eq!(Rebalance::of(Some(&rebalance.to_field())), rebalance);
    }
}
