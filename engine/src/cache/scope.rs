//! What is watched, and how far each watch has come.

use std::collections::BTreeMap;
use std::fmt;

use kaspr_core::key::ObjectKind;
use kaspr_core::seen::Unseen;
use kaspr_core::snapshot::ListFacts;
use kaspr_core::time::Uptime;

/// Where a watch looks.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Scope {
    /// In all namespaces.
    All,
    /// In one.
    Namespace(String),
}

impl Scope {
    /// Whether it looks into `namespace`.
    pub fn holds(&self, namespace: &str) -> bool {
        match self {
            Self::All => true,
            Self::Namespace(own) => own == namespace,
        }
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::All => f.write_str("all namespaces"),
            Self::Namespace(own) => write!(f, "namespace {own}"),
        }
    }
}

/// How far the list of a watch has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Listing {
    /// Never complete.
    NotYet,
    /// Complete, and followed since.
    Complete,
    /// The server refuses it.
    Forbidden,
    /// The server does not know the kind.
    Missing,
}

impl Listing {
    /// Whether the server refuses it until a person acts.
    pub fn is_refused(self) -> bool {
        match self {
            Self::Forbidden | Self::Missing => true,
            Self::NotYet | Self::Complete => false,
        }
    }
}

#[derive(Clone, Debug)]
struct Progress {
    listing: Listing,
    was_complete: bool,
    is_live: bool,
    /// Counts the lists, so that objects of the one before are told apart.
    number: u32,
    /// Up to here every change is known.
    version: Option<String>,
    /// When the list that is under way was asked for, and when the last complete one was.
    asked_at: Uptime,
    read_at: Uptime,
}

/// The progress of all watches.
#[derive(Clone, Debug)]
pub struct Coverage {
    watches: BTreeMap<(ObjectKind, Scope), Progress>,
}

impl Coverage {
    pub(super) fn new(scopes: impl IntoIterator<Item = (ObjectKind, Scope)>) -> Self {
        let fresh = Progress {
            listing: Listing::NotYet,
            was_complete: false,
            is_live: false,
            number: 0,
            version: None,
            asked_at: Uptime::default(),
            read_at: Uptime::default(),
        };
        Self { watches: scopes.into_iter().map(|scope| (scope, fresh.clone())).collect() }
    }

    /// Whether every watch has listed or has been refused for a lasting reason.
    pub fn is_settled(&self) -> bool {
        self.watches.values().all(|watch| watch.listing != Listing::NotYet)
    }

    /// The watches whose first list is still open, for people.
    pub fn open(&self) -> Vec<String> {
        self.named(|listing| listing == Listing::NotYet)
    }

    /// The watches that the server refuses for a reason that time alone does not change, for people.
    pub fn refused(&self) -> Vec<String> {
        self.named(Listing::is_refused)
    }

    fn named(&self, is_meant: impl Fn(Listing) -> bool) -> Vec<String> {
        let meant = self.watches.iter().filter(|(_, watch)| is_meant(watch.listing));
        meant.map(|((kind, scope), _)| format!("{} in {scope}", kind.kind())).collect()
    }

    /// Each watch, and whether it is connected.
    pub fn live(&self) -> impl Iterator<Item = (ObjectKind, &Scope, bool)> {
        self.watches.iter().map(|((kind, scope), watch)| (*kind, scope, watch.is_live))
    }

    /// How far a watch has come.
    pub fn listing(&self, kind: ObjectKind, scope: &Scope) -> Listing {
        let watch = self.watches.get(&(kind, scope.clone()));
        watch.map_or(Listing::NotYet, |watch| watch.listing)
    }

    pub(super) fn unseen(&self, kind: ObjectKind, namespace: &str) -> Option<Unseen> {
        match self.at(kind, namespace).map(|watch| watch.listing) {
            Some(Listing::Complete) => None,
            Some(Listing::Forbidden) => Some(Unseen::Forbidden),
            Some(Listing::NotYet | Listing::Missing) | None => Some(Unseen::NotListed),
        }
    }

    pub(super) fn was_listed(&self, kind: ObjectKind, namespace: &str) -> bool {
        self.at(kind, namespace).is_some_and(|watch| watch.was_complete)
    }

    pub(super) fn is_live(&self, kind: ObjectKind, namespace: &str) -> bool {
        self.at(kind, namespace).is_some_and(|watch| watch.is_live)
    }

    pub(super) fn number_at(&self, kind: ObjectKind, namespace: &str) -> u32 {
        self.at(kind, namespace).map_or(0, |watch| watch.number)
    }

    pub(super) fn number(&self, kind: ObjectKind, scope: &Scope) -> u32 {
        self.watches.get(&(kind, scope.clone())).map_or(0, |watch| watch.number)
    }

    /// How far the list of a kind is known where `namespace` is.
    pub(super) fn list_facts(&self, kind: ObjectKind, namespace: &str) -> Option<ListFacts> {
        let watch = self.at(kind, namespace)?;
        Some(ListFacts { version: watch.version.clone()?, read_at: watch.read_at })
    }

    pub(super) fn begin(&mut self, kind: ObjectKind, scope: &Scope, asked_at: Uptime) {
        if let Some(watch) = self.watch(kind, scope) {
            watch.number = watch.number.wrapping_add(1).max(1);
            watch.asked_at = asked_at;
        }
    }

    /// Every change up to `version` is known.
    pub(super) fn advance(&mut self, kind: ObjectKind, scope: &Scope, version: &str) {
        if let Some(watch) = self.watch(kind, scope) {
            watch.version = Some(version.to_owned());
        }
    }

    pub(super) fn complete(&mut self, kind: ObjectKind, scope: &Scope, version: &str) {
        if let Some(watch) = self.watch(kind, scope) {
            watch.version = Some(version.to_owned());
            watch.read_at = watch.asked_at;
            watch.was_complete = true;
            watch.is_live = true;
            watch.listing = Listing::Complete;
        }
    }

    /// Says whether this is news to those who look.
    pub(super) fn refuse(&mut self, kind: ObjectKind, scope: &Scope, why: Listing) -> bool {
        self.watch(kind, scope).is_some_and(|watch| {
            watch.is_live = false;
            std::mem::replace(&mut watch.listing, why) != why
        })
    }

    pub(super) fn set_live(&mut self, kind: ObjectKind, scope: &Scope, is_live: bool) {
        if let Some(watch) = self.watch(kind, scope) {
            watch.is_live = is_live;
        }
    }

    fn watch(&mut self, kind: ObjectKind, scope: &Scope) -> Option<&mut Progress> {
        self.watches.get_mut(&(kind, scope.clone()))
    }

    fn at(&self, kind: ObjectKind, namespace: &str) -> Option<&Progress> {
        let own = || self.watches.get(&(kind, Scope::Namespace(namespace.to_owned())));
        self.watches.get(&(kind, Scope::All)).or_else(own)
    }
}
