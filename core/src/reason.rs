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
    /// Every object of the app is ours: what the original's framework left goes.
    TakenOver,
    /// The inputs of the template changed, and the intent to roll out stands in the status.
    TemplateChanged,
    /// A Secret that the pods read has another version than the one that they were made with.
    SecretChanged(String),
    /// Somebody else changed the template.
    TemplateDrift,
    /// The wanted number of members left 0.
    LeftZero,
    /// Pods of an earlier StatefulSet run on: the count that they were found with gets an owner.
    PodsFound,
    /// A claim asks for less than the spec wants.
    StorageGrows,
    /// Nothing wants the object any more.
    NoLongerWanted,
    /// The status does not say what is the case.
    StatusOutdated,
    /// An irreversible action follows, and its status came from a cache.
    ConfirmFirst,
    /// A member is stuck in a rebalance, and its entry in the ledger was read back.
    MemberHung,
    /// A rebalance is owed and due, and the attempt was booked.
    RebalanceOwed,
    /// What the annotation asks for is owed in the status.
    RebalanceAskedFor,

    // Why something is not done.
    /// The app's spec is invalid: nothing that runs is touched.
    InvalidSpec,
    /// The app is being deleted: its owner references clean up.
    AppDeleting,
    /// There is no app of that name.
    AppNotFound,
    /// A component carries no app label.
    AppLabelMissing,
    /// The original put its finalizer back: it still runs.
    OriginalStillRunning,
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
    /// A Secret that the pods need is not there, or lacks a key.
    SecretMissing,
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
    /// Hung members are not replaced, by setting or annotation.
    DetectionOff,
    /// A rollout is meant or under way.
    RolloutUnderWay,
    /// The member is stuck for less than the threshold.
    BelowThreshold,
    /// The member was replaced before and hung again: its threshold is longer.
    OffenderBacksOff,
    /// All members are stuck since about one instant: more time is given.
    GroupStalled,
    /// The member is stuck, and has fewer than three strikes.
    StrikesCounting,
    /// Too many members of the app are in replacement or not Ready.
    BudgetSpent,
    /// Too many members of all apps are in replacement.
    BreakerOpen,
    /// The entry in the ledger must be read back before the pod is deleted.
    EntryFirst,
    /// The member was not asked yet by this process.
    AnswerAwaited,
    /// The pod was deleted, and its replacement is not Ready yet.
    ReplacementComing,
    /// The entry was not carried out in time, or is not wanted any more.
    TerminationLapsed,
    /// The template waits while the pod of an entry is there.
    TerminationPending,
    /// The intent to roll out was taken back; somebody may still act on it.
    IntentWithdrawn,
    /// The debt must be read back before anything comes of it.
    DebtFirst,
    /// The attempt must be read back before it is sent.
    BookingFirst,
    /// What came of the attempt is written down first.
    OutcomeFirst,
    /// Another process has booked the attempt.
    BookedElsewhere,
    /// The signal was accepted, and the members are watched.
    Confirming,
    /// The last attempt or rebalance is too recent.
    CoolingDown,
    /// Three attempts were accepted without a trace of a rebalance.
    RebalanceStalled,
    /// Rebalancing by itself is switched off.
    AutoRebalanceOff,
    /// Members join without a fixed identity: a restart is a rebalance.
    DynamicMembership,
    /// Members are not polled, so nobody knows who leads.
    StatusCheckDisabled,
    /// The annotation is taken away first.
    AnnotationFirst,
    /// No member is wanted.
    NoMembers,
    /// Not every wanted member is Ready on the revision that carries the set.
    MembersNotReady,
    /// No member says that it leads.
    LeaderMissing,
    /// More than one member says that it leads.
    LeaderAmbiguous,
    /// The member that says it leads holds no partitions.
    LeaderUnassigned,
}

impl Reason {
    /// The stable word.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Missing => "Missing",
            Self::Drift(_) => "Drift",
            Self::DesiredChanged => "DesiredChanged",
            Self::Adopted => "Adopted",
            Self::TakenOver => "TakenOver",
            Self::TemplateChanged => "TemplateChanged",
            Self::SecretChanged(_) => "SecretChanged",
            Self::TemplateDrift => "TemplateDrift",
            Self::LeftZero => "LeftZero",
            Self::PodsFound => "PodsFound",
            Self::StorageGrows => "StorageGrows",
            Self::NoLongerWanted => "NoLongerWanted",
            Self::StatusOutdated => "StatusOutdated",
            Self::ConfirmFirst => "ConfirmFirst",
            Self::InvalidSpec => "InvalidSpec",
            Self::AppDeleting => "AppDeleting",
            Self::AppNotFound => "AppNotFound",
            Self::AppLabelMissing => "AppLabelMissing",
            Self::OriginalStillRunning => "OriginalStillRunning",
            Self::Paused => "Paused",
            Self::Unknown(_) => "Unknown",
            Self::Settling => "Settling",
            Self::IntentFirst => "IntentFirst",
            Self::NotObserved => "NotObserved",
            Self::NameConflict(_) => "NameConflict",
            Self::PredecessorLeaving => "PredecessorLeaving",
            Self::SecretMissing => "SecretMissing",
            Self::FoundationMissing => "FoundationMissing",
            Self::StillMounted => "StillMounted",
            Self::OwnershipFirst => "OwnershipFirst",
            Self::BackingOff(_) => "BackingOff",
            Self::CountersSoon => "CountersSoon",
            Self::MemberHung => "MemberHung",
            Self::RebalanceOwed => "RebalanceOwed",
            Self::RebalanceAskedFor => "RebalanceAskedFor",
            Self::DetectionOff => "DetectionOff",
            Self::RolloutUnderWay => "RolloutUnderWay",
            Self::BelowThreshold => "BelowThreshold",
            Self::OffenderBacksOff => "OffenderBacksOff",
            Self::GroupStalled => "GroupStalled",
            Self::StrikesCounting => "StrikesCounting",
            Self::BudgetSpent => "BudgetSpent",
            Self::BreakerOpen => "BreakerOpen",
            Self::EntryFirst => "EntryFirst",
            Self::AnswerAwaited => "AnswerAwaited",
            Self::ReplacementComing => "ReplacementComing",
            Self::TerminationLapsed => "TerminationLapsed",
            Self::TerminationPending => "TerminationPending",
            Self::IntentWithdrawn => "IntentWithdrawn",
            Self::DebtFirst => "DebtFirst",
            Self::BookingFirst => "BookingFirst",
            Self::OutcomeFirst => "OutcomeFirst",
            Self::BookedElsewhere => "BookedElsewhere",
            Self::Confirming => "Confirming",
            Self::CoolingDown => "CoolingDown",
            Self::RebalanceStalled => "RebalanceStalled",
            Self::AutoRebalanceOff => "AutoRebalanceOff",
            Self::DynamicMembership => "DynamicMembership",
            Self::StatusCheckDisabled => "StatusCheckDisabled",
            Self::AnnotationFirst => "AnnotationFirst",
            Self::NoMembers => "NoMembers",
            Self::MembersNotReady => "MembersNotReady",
            Self::LeaderMissing => "LeaderMissing",
            Self::LeaderAmbiguous => "LeaderAmbiguous",
            Self::LeaderUnassigned => "LeaderUnassigned",
        }
    }
}

const CONFIRM_FIRST: &str = "what follows cannot be undone, and the status came from a cache";

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing => f.write_str("it is not there"),
            Self::Drift(what) => write!(f, "it was changed by hand: {what}"),
            Self::DesiredChanged => f.write_str("the desired object changed"),
            Self::Adopted => f.write_str("it belongs to this app and was not written by us"),
            Self::TakenOver => f.write_str("every object is ours, so what the original left goes"),
            Self::TemplateChanged => f.write_str("what the template is made of changed"),
            Self::SecretChanged(names) => write!(f, "Secret {names} changed"),
            Self::TemplateDrift => f.write_str("somebody else changed the template"),
            Self::PodsFound => f.write_str("pods of an earlier StatefulSet run on, and stay as many"),
            Self::StorageGrows => f.write_str("it asks for less storage than the spec wants"),
            Self::LeftZero => f.write_str("members are wanted again"),
            Self::NoLongerWanted => f.write_str("nothing wants it any more"),
            Self::StatusOutdated => f.write_str("the status does not say what is the case"),
            Self::ConfirmFirst => f.write_str(CONFIRM_FIRST),
            Self::InvalidSpec => f.write_str("the spec is invalid"),
            Self::AppDeleting => f.write_str("the app is being deleted"),
            Self::AppNotFound => f.write_str("there is no app of that name"),
            Self::AppLabelMissing => f.write_str("the label kaspr.io/app is missing"),
            Self::OriginalStillRunning => {
                f.write_str("the operator in Python put its finalizer back: it still runs")
            }
            Self::Paused => f.write_str("the app is paused by annotation"),
            Self::Unknown(why) => write!(f, "a needed fact is unknown: {why}"),
            Self::Settling => f.write_str("edits are still coming in"),
            Self::IntentFirst => f.write_str("the intent is written to the status first"),
            Self::NotObserved => f.write_str("the controller has not seen the last change yet"),
            Self::NameConflict(owner) => write!(f, "the name belongs to {owner}"),
            Self::PredecessorLeaving => f.write_str("an earlier app of this name is leaving"),
            Self::SecretMissing => f.write_str("a Secret that the pods need is not there, or lacks a key"),
            Self::FoundationMissing => f.write_str("something that the pods need cannot be made"),
            Self::StillMounted => f.write_str("a pod may still mount it"),
            Self::OwnershipFirst => f.write_str("its fields are made ours first"),
            Self::BackingOff(refusal) => write!(f, "it was refused: {refusal}"),
            Self::CountersSoon => f.write_str("counters are written every few seconds"),
            Self::MemberHung => f.write_str("it is stuck in a rebalance, and was seen so three times"),
            Self::RebalanceOwed => f.write_str("its group owes a rebalance"),
            Self::RebalanceAskedFor => f.write_str("what it asks for is remembered in the status"),
            Self::DetectionOff => f.write_str("replacing hung members is switched off"),
            Self::RolloutUnderWay => f.write_str("a rollout is meant or under way"),
            Self::BelowThreshold => f.write_str("it is stuck for less than the threshold"),
            Self::OffenderBacksOff => f.write_str("it was replaced before and hung again, so more time is given"),
            Self::GroupStalled => f.write_str("all members are stuck since about one instant, so the reason is not one of them"),
            Self::StrikesCounting => f.write_str("it has fewer than three strikes"),
            Self::BudgetSpent => f.write_str("too many members of the app are being replaced or not ready"),
            Self::BreakerOpen => f.write_str("too many members of all apps are being replaced"),
            Self::EntryFirst => f.write_str("the entry is written to the status first"),
            Self::AnswerAwaited => f.write_str("it is asked once more first"),
            Self::ReplacementComing => f.write_str("its replacement is not ready yet"),
            Self::TerminationLapsed => f.write_str("the entry was not carried out, and no longer is"),
            Self::TerminationPending => f.write_str("a member's pod is about to be deleted"),
            Self::IntentWithdrawn => f.write_str("the intent to roll out was taken back a moment ago"),
            Self::DebtFirst => f.write_str("the debt is written to the status first"),
            Self::BookingFirst => f.write_str("the attempt is written to the status first"),
            Self::OutcomeFirst => f.write_str("what came of the attempt is written to the status first"),
            Self::BookedElsewhere => f.write_str("another process has booked the attempt"),
            Self::Confirming => f.write_str("the signal was accepted, and the members are watched"),
            Self::CoolingDown => f.write_str("the last attempt is too recent"),
            Self::RebalanceStalled => f.write_str("three attempts were accepted and nothing was seen of a rebalance: look at the members, then set kaspr.io/rebalance"),
            Self::AutoRebalanceOff => f.write_str("rebalancing by itself is switched off: set kaspr.io/rebalance"),
            Self::DynamicMembership => f.write_str("members have no fixed identity, so a restart rebalances them"),
            Self::StatusCheckDisabled => f.write_str("asking members how they are is switched off"),
            Self::AnnotationFirst => f.write_str("the annotation is taken away first"),
            Self::NoMembers => f.write_str("no member is wanted"),
            Self::MembersNotReady => f.write_str("not every member is ready on the newest revision"),
            Self::LeaderMissing => f.write_str("no member says that it leads"),
            Self::LeaderAmbiguous => f.write_str("more than one member says that it leads"),
            Self::LeaderUnassigned => f.write_str("the member that says it leads holds no partitions"),
        }
    }
}
