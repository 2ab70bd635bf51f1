//! "Not there" and "could not look" are different answers.

use std::fmt;

use serde::{Deserialize, Serialize};

/// What a look found: the thing, its absence, or nothing at all.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Seen<T> {
    /// It was there.
    Present(T),
    /// A complete look did not find it.
    Absent,
    /// Nobody could look, or not completely.
    Unknown(Unseen),
}

/// Why something could not be looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Unseen {
    /// The first list of its kind has not arrived.
    NotListed,
    /// The API server refuses to list its kind.
    Forbidden,
    /// The recording is older than this fact.
    NotRecorded,
    /// It is there, but cannot be read as what it should be.
    Unreadable,
    /// Its list is older than one that the status rests on.
    Behind,
}

impl fmt::Display for Unseen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotListed => "not listed yet",
            Self::Forbidden => "listing is forbidden",
            Self::NotRecorded => "not part of this recording",
            Self::Unreadable => "unreadable",
            Self::Behind => "the list is older than one that was decided on",
        })
    }
}

impl<T> Default for Seen<T> {
    /// A fact that a recording lacks is unknown, never absent.
    fn default() -> Self {
        Self::Unknown(Unseen::NotRecorded)
    }
}

impl<T> Seen<T> {
    /// The thing, if it was there.
    pub fn present(&self) -> Option<&T> {
        match self {
            Self::Present(thing) => Some(thing),
            Self::Absent | Self::Unknown(_) => None,
        }
    }

    /// Whether a complete look did not find it.
    pub fn is_absent(&self) -> bool {
        matches!(self, Self::Absent)
    }

    /// Why it is unknown, if it is.
    pub fn unknown(&self) -> Option<Unseen> {
        match self {
            Self::Unknown(why) => Some(*why),
            Self::Present(_) | Self::Absent => None,
        }
    }

    /// The same answer about a borrowed thing.
    pub fn as_ref(&self) -> Seen<&T> {
        match self {
            Self::Present(thing) => Seen::Present(thing),
            Self::Absent => Seen::Absent,
            Self::Unknown(why) => Seen::Unknown(*why),
        }
    }

    /// The same answer about what `read` makes of the thing.
    pub fn map<U>(self, read: impl FnOnce(T) -> U) -> Seen<U> {
        match self {
            Self::Present(thing) => Seen::Present(read(thing)),
            Self::Absent => Seen::Absent,
            Self::Unknown(why) => Seen::Unknown(why),
        }
    }
}

impl<T> From<Option<T>> for Seen<T> {
    /// The answer of a complete look.
    fn from(found: Option<T>) -> Self {
        found.map_or(Self::Absent, Self::Present)
    }
}
