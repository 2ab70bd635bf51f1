//! The closed list of reasons: why something is done, deferred or refused.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::outcome::Refusal;
use crate::seen::Unseen;

/// Why something is done, deferred or refused. `code()` is the stable word in Events, logs and
/// metrics; `Display` is the sentence for people, with no relative time, equal for equal problems.
/// Each code has a heading in `docs/runbook.md`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Reason {
    // Why something is done.
    /// The object is not there.
    Missing,
    /// A field that we set differs from what we want.
    Drift(String),
    /// It differs from what was applied last: the desired object changed.
    DesiredChanged,
    /// The object belongs to the app but was not written by us.
    Adopted,
    /// The inputs of the template changed, and the intent to roll out stands in the status.
    TemplateChanged,
    /// Somebody else changed the template.
    TemplateDrift,
    /// The wanted number of members left 0.
    LeftZero,
    /// Nothing wants the object any more.
    NoLongerWanted,
    /// The status does not say what is the case.
    StatusOutdated,
    /// An irreversible action follows, and its status came from a cache.
    ConfirmFirst,

    // Why something is not done.
    /// The app's spec is invalid: nothing that runs is touched.
    InvalidSpec,
    /// The app is being deleted: its owner references clean up.
    AppDeleting,
    /// There is no app of that name.
    AppNotFound,
    /// A component carries no app label.
    AppLabelMissing,
    /// The app is paused by annotation.
    Paused,
    /// A needed fact is unknown.
    Unknown(Unseen),
    /// The inputs of the template have not been quiet long enough.
    Settling,
    /// The intent must be read back from the status before the template changes.
    IntentFirst,
    /// The StatefulSet controller has not seen the last change yet.
    NotObserved,
    /// An object of another owner has the name.
    NameConflict(String),
    /// An earlier app of this name has not left yet.
    PredecessorLeaving,
    /// Something that the pods need cannot be made.
    FoundationMissing,
    /// A pod may still mount it.
    StillMounted,
    /// The fields of the original are made ours before its template changes.
    OwnershipFirst,
    /// The action was refused lately.
    BackingOff(Refusal),
    /// Counters change too fast to be worth a write each.
    CountersSoon,
}

impl Reason {
    /// The stable word.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Missing => "Missing",
            Self::Drift(_) => "Drift",
            Self::DesiredChanged => "DesiredChanged",
            Self::Adopted => "Adopted",
            Self::TemplateChanged => "TemplateChanged",
            Self::TemplateDrift => "TemplateDrift",
            Self::LeftZero => "LeftZero",
            Self::NoLongerWanted => "NoLongerWanted",
            Self::StatusOutdated => "StatusOutdated",
            Self::ConfirmFirst => "ConfirmFirst",
            Self::InvalidSpec => "InvalidSpec",
            Self::AppDeleting => "AppDeleting",
            Self::AppNotFound => "AppNotFound",
            Self::AppLabelMissing => "AppLabelMissing",
            Self::Paused => "Paused",
            Self::Unknown(_) => "Unknown",
            Self::Settling => "Settling",
            Self::IntentFirst => "IntentFirst",
            Self::NotObserved => "NotObserved",
            Self::NameConflict(_) => "NameConflict",
            Self::PredecessorLeaving => "PredecessorLeaving",
            Self::FoundationMissing => "FoundationMissing",
            Self::StillMounted => "StillMounted",
            Self::OwnershipFirst => "OwnershipFirst",
            Self::BackingOff(_) => "BackingOff",
            Self::CountersSoon => "CountersSoon",
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing => f.write_str("it is not there"),
            Self::Drift(what) => write!(f, "it was changed by hand: {what}"),
            Self::DesiredChanged => f.write_str("the desired object changed"),
            Self::Adopted => f.write_str("it belongs to this app and was not written by us"),
            Self::TemplateChanged => f.write_str("what the template is made of changed"),
            Self::TemplateDrift => f.write_str("somebody else changed the template"),
            Self::LeftZero => f.write_str("members are wanted again"),
            Self::NoLongerWanted => f.write_str("nothing wants it any more"),
            Self::StatusOutdated => f.write_str("the status does not say what is the case"),
            Self::ConfirmFirst => {
                f.write_str("what follows cannot be undone, and the status came from a cache")
            }
            Self::InvalidSpec => f.write_str("the spec is invalid"),
            Self::AppDeleting => f.write_str("the app is being deleted"),
            Self::AppNotFound => f.write_str("there is no app of that name"),
            Self::AppLabelMissing => f.write_str("the label kaspr.io/app is missing"),
            Self::Paused => f.write_str("the app is paused by annotation"),
            Self::Unknown(why) => write!(f, "a needed fact is unknown: {why}"),
            Self::Settling => f.write_str("edits are still coming in"),
            Self::IntentFirst => f.write_str("the intent is written to the status first"),
            Self::NotObserved => f.write_str("the controller has not seen the last change yet"),
            Self::NameConflict(owner) => write!(f, "the name belongs to {owner}"),
            Self::PredecessorLeaving => f.write_str("an earlier app of this name is leaving"),
            Self::FoundationMissing => f.write_str("something that the pods need cannot be made"),
            Self::StillMounted => f.write_str("a pod may still mount it"),
            Self::OwnershipFirst => f.write_str("its fields are made ours first"),
            Self::BackingOff(refusal) => write!(f, "it was refused: {refusal}"),
            Self::CountersSoon => f.write_str("counters are written every few seconds"),
        }
    }
}
