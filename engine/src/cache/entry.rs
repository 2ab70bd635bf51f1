//! One cached object: its text, and what is asked of it often.

use std::sync::Arc;

use kaspr_core::time::Uptime;
use serde_json::Value;

use crate::object;

/// Where a version of an object came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// A list of our watch.
    List,
    /// An event of our watch.
    Event,
    /// The whole object, in answer to a request of ours that was sent at this instant.
    Answer(Uptime),
    /// Put together by us from the answer to a request that names only a part of the object.
    Composed(Uptime),
}

impl Source {
    pub(super) fn is_watch(self) -> bool {
        matches!(self, Self::List | Self::Event)
    }

    fn asked_at(self) -> Option<Uptime> {
        match self {
            Self::Answer(at) | Self::Composed(at) => Some(at),
            Self::List | Self::Event => None,
        }
    }
}

/// An object is kept as JSON text, a quarter of the size of its tree, and parsed at each look.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub(super) text: Arc<str>,
    pub(super) uid: Box<str>,
    pub(super) version: Option<u64>,
    pub(super) content: u64,
    pub(super) edit: u64,
    /// The watch has delivered this uid, in whatever version.
    pub(super) is_delivered: bool,
    /// Just as the server has it in that version.
    is_exact: bool,
    /// When this process first learned of this uid.
    pub(super) since: Uptime,
    /// When this process first learned of this version.
    pub(super) seen_at: Uptime,
    /// When a request of ours that brought this very version was sent.
    pub(super) read_at: Option<Uptime>,
    /// The list in which it was seen last.
    pub(super) list: u32,
}

/// A kept object as a look takes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kept {
    /// Its JSON text.
    pub text: Arc<str>,
    /// When this process first learned of this version.
    pub seen_at: Uptime,
    /// When a request of ours that brought this very version was sent.
    pub read_at: Option<Uptime>,
}

impl Kept {
    pub(super) fn of(entry: &Entry) -> Self {
        Self { text: Arc::clone(&entry.text), seen_at: entry.seen_at, read_at: entry.read_at }
    }
}

/// What a version means to the one that is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Age {
    Older,
    Same,
    Newer,
}

impl Entry {
    pub(super) fn new(body: &Value, source: Source, now: Uptime) -> Self {
        Self {
            text: body.to_string().into(),
            uid: object::meta(body, "uid").unwrap_or_default().into(),
            version: version_of(body),
            content: object::content_mark(body),
            edit: object::edit_mark(body),
            is_delivered: source.is_watch(),
            is_exact: !matches!(source, Source::Composed(_)),
            since: now,
            seen_at: now,
            read_at: source.asked_at(),
            list: 0,
        }
    }

    /// Source: kubernetes.io/docs/reference/using-api/api-concepts "resource versions": those of
    /// one resource type compare as integers. Versions that are none can only be taken as newer.
    pub(super) fn age_of(&self, newcomer: &Self) -> Age {
        match (self.version, newcomer.version) {
            (Some(kept), Some(new)) if new < kept => Age::Older,
            (Some(kept), Some(new)) if new == kept && self.is_exact => Age::Same,
            _ => Age::Newer,
        }
    }

    /// Takes over what this process knows of the uid from the version before.
    pub(super) fn succeed(&mut self, before: &Self) {
        if self.uid == before.uid {
            self.is_delivered |= before.is_delivered;
            self.since = before.since;
        }
        self.list = before.list;
    }

    /// The same version was brought again.
    pub(super) fn confirm(&mut self, source: Source) {
        self.is_delivered |= source.is_watch();
        self.read_at = self.read_at.max(source.asked_at());
    }

    pub(super) fn parsed(&self) -> Value {
        parse(&self.text)
    }
}

/// The tree of a kept text. It was written by us, so it can be read.
pub fn parse(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or(Value::Null)
}

fn version_of(body: &Value) -> Option<u64> {
    object::meta(body, "resourceVersion")?.parse().ok()
}
