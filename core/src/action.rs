//! Everything that the operator can do: one request each, with its precondition.

use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::digest;
use crate::key::ObjectRef;
use crate::mask;

/// `metadata.uid` of an object.
pub type Uid = String;
/// `metadata.resourceVersion` of an object.
pub type ResourceVersion = String;

/// One request each. One variant, one contract: Needs, Done when, Twice.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Action {
    /// What must outlive a crash, and what people read: a merge patch on the status subresource.
    /// The app's own comes first in every plan that has it, and a conflict voids that plan.
    ///
    /// Needs: the resourceVersion that the decision read. Done when: the answer holds what was
    /// sent. Twice: conflict, harmless.
    #[serde(rename_all = "camelCase")]
    PatchStatus {
        /// The app or component.
        of: ObjectRef,
        /// The version that the decision read.
        seen: ResourceVersion,
        /// The merge patch of `.status`.
        status: Value,
    },
    /// One read that shows whether the app still is as decided on. It stands before irreversible
    /// actions whose status came from a cache.
    ///
    /// Needs: nothing. Done when: the version is the one seen; else conflict, which voids the
    /// plan. Twice: harmless.
    ConfirmStatus {
        /// The app.
        of: ObjectRef,
        /// The version that the decision read.
        seen: ResourceVersion,
    },
    /// Server-side apply, forced, of the whole desired object under our field manager. On a
    /// StatefulSet it repeats the live pod template.
    ///
    /// Needs: `over`. Done when: accepted. Twice: no change.
    Apply {
        /// The whole desired object.
        manifest: Manifest,
        /// What must be there, or not.
        over: Precondition,
    },
    /// The same apply of a StatefulSet with another pod template: its pods are replaced.
    /// Irreversible.
    ///
    /// Needs: the observed status holds the intent to roll out this template, and the StatefulSet
    /// is exactly as it was read. Done when: accepted. Twice: conflict, harmless.
    Roll {
        /// The whole desired StatefulSet.
        manifest: Manifest,
        /// The uid and version that the decision read.
        over: Precondition,
    },
    /// Moves fields that other managers hold, never the count of replicas, to our own manager, so that
    /// the next apply can take away or replace what they added. It changes no field itself.
    ///
    /// Needs: the object is exactly as it was read. Done when: accepted. Twice: no change.
    TakeOwnership {
        /// The object.
        of: ObjectRef,
        /// The version that the decision read.
        seen: ResourceVersion,
        /// Whose fields.
        held: Held,
    },
    /// Apply on the scale subresource by our second manager, so that a count stays when our apply lets
    /// go of it.
    ///
    /// Needs: the StatefulSet is there. Done when: accepted. Twice: no change.
    Scale {
        /// The StatefulSet.
        of: ObjectRef,
        /// Which one of this name.
        #[serde(default)]
        uid: Uid,
        /// The version that the decision read.
        seen: ResourceVersion,
        /// The wanted number of replicas.
        to: i32,
    },
    /// Deletion in the background, of this very object.
    ///
    /// Needs: the uid. Done when: accepted or gone. Twice: refused by the uid, harmless.
    Delete {
        /// The object.
        object: ObjectRef,
        /// The uid that the decision read.
        uid: Uid,
    },
    /// Deletion of the pod of a member that hangs; its StatefulSet makes another one. The claim stays.
    /// Irreversible.
    ///
    /// Needs: the uid, and an entry in the ledger of the observed status. Done when: accepted or gone.
    /// Twice: refused by the uid, harmless.
    DeletePod {
        /// The pod.
        pod: ObjectRef,
        /// The uid that the entry names.
        uid: Uid,
    },
    /// `POST /signal/rebalance` to the member that leads. Irreversible.
    ///
    /// Needs: the observed status holds the attempt, booked by this process, and the pod still has
    /// the uid. Done when: answered with 2xx. Twice: another rebalance, so it is never sent twice.
    Signal {
        /// The app.
        of: ObjectRef,
        /// The pod of the leader.
        pod: ObjectRef,
        /// Its uid.
        uid: Uid,
        /// The name of the attempt: generation and number.
        attempt: String,
    },
    /// Takes away an annotation of the app, once what it asks for stands in the status.
    ///
    /// Needs: the version that the decision read. Done when: accepted. Twice: conflict, harmless.
    RemoveAnnotation {
        /// The app.
        of: ObjectRef,
        /// The version that the decision read.
        seen: ResourceVersion,
        /// The annotation.
        key: String,
    },
    /// Takes away what the original's framework left on the app or a component: its finalizer, without
    /// which nothing waits for it, and its annotations.
    ///
    /// Needs: the version that the decision read. Done when: accepted. Twice: conflict, harmless.
    #[serde(rename_all = "camelCase")]
    RemoveLeftovers {
        /// The app or component.
        of: ObjectRef,
        /// The version that the decision read.
        seen: ResourceVersion,
        /// The finalizers that stay.
        finalizers: Vec<String>,
        /// The annotations that go.
        annotations: Vec<String>,
    },
}

/// Whose fields are made ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Held {
    /// What anybody holds by a plain request.
    ByAnybody,
    /// What the original holds, but a pod template: that one comes with our first rollout.
    ByOriginal,
}

/// What an apply relies on. The API server checks it (`server-side apply`, measured).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Precondition {
    /// Nothing of that name is there: the create-only apply, 201 or 409.
    Absent,
    /// The object is exactly as it was read.
    #[serde(rename_all = "camelCase")]
    Version {
        /// Its uid.
        uid: Uid,
        /// Its version.
        resource_version: ResourceVersion,
    },
}

/// A whole desired object: what an apply sends, without preconditions.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Manifest {
    /// Which object it is.
    pub object: ObjectRef,
    /// Its body with apiVersion, kind and metadata.
    pub body: Value,
}

impl Manifest {
    /// The digest of the body, over masks: equal bodies, equal digests.
    pub fn digest(&self) -> String {
        mask::digest_of(&self.body)
    }
}

/// Names an action over time: its verb and its object.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ActionId(pub String);

impl fmt::Display for ActionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl ActionId {
    /// Whether the action is about this object.
    pub fn is_about(&self, object: &ObjectRef) -> bool {
        self.0.ends_with(&about(object))
    }
}

/// The part of an identity that names the object.
fn about(object: &ObjectRef) -> String {
    format!(" {} {}/{}", object.kind.kind(), object.namespace, object.name)
}

impl Held {
    /// The word under which its outcome is kept.
    pub fn word(self) -> &'static str {
        match self {
            Self::ByAnybody => "by anybody",
            Self::ByOriginal => "by the original",
        }
    }
}

impl Action {
    /// The object that the request names.
    pub fn object(&self) -> &ObjectRef {
        match self {
            Self::PatchStatus { of, .. }
            | Self::ConfirmStatus { of, .. }
            | Self::TakeOwnership { of, .. }
            | Self::Signal { of, .. }
            | Self::RemoveAnnotation { of, .. }
            | Self::RemoveLeftovers { of, .. }
            | Self::Scale { of, .. } => of,
            Self::Apply { manifest, .. } | Self::Roll { manifest, .. } => &manifest.object,
            Self::Delete { object, .. } | Self::DeletePod { pod: object, .. } => object,
        }
    }

    /// The word for what is done: stable, for logs, labels and identities.
    pub fn verb(&self) -> &'static str {
        match self {
            Self::PatchStatus { .. } => "PatchStatus",
            Self::ConfirmStatus { .. } => "ConfirmStatus",
            Self::Apply { over: Precondition::Absent, .. } => "Create",
            Self::Apply { .. } => "Apply",
            Self::Roll { .. } => "Roll",
            Self::TakeOwnership { .. } => "TakeOwnership",
            Self::Scale { .. } => "Scale",
            Self::Delete { .. } => "Delete",
            Self::DeletePod { .. } => "DeletePod",
            Self::Signal { .. } => "Signal",
            Self::RemoveAnnotation { .. } => "RemoveAnnotation",
            Self::RemoveLeftovers { .. } => "RemoveLeftovers",
        }
    }

    /// Whether the next pass cannot undo it. The list is closed; deletions of claims and StatefulSets
    /// join it when their policies do.
    pub fn is_irreversible(&self) -> bool {
        match self {
            Self::Roll { .. } | Self::DeletePod { .. } | Self::Signal { .. } => true,
            Self::Apply { .. }
            | Self::TakeOwnership { .. }
            | Self::PatchStatus { .. }
            | Self::ConfirmStatus { .. }
            | Self::Scale { .. }
            | Self::RemoveAnnotation { .. }
            | Self::RemoveLeftovers { .. }
            | Self::Delete { .. } => false,
        }
    }

    /// The name under which outcomes of this action are kept.
    pub fn id(&self) -> ActionId {
        Self::id_of(self.verb(), self.object())
    }

    /// The name under which outcomes of `verb` on `object` are kept.
    pub fn id_of(verb: &str, object: &ObjectRef) -> ActionId {
        ActionId(format!("{verb}{}", about(object)))
    }

    /// The digest of what is sent, so that an outcome can be matched with its content.
    pub fn digest(&self) -> String {
        match self {
            Self::PatchStatus { status, .. } => digest::of_json(status),
            Self::Apply { manifest, .. } | Self::Roll { manifest, .. } => manifest.digest(),
            Self::ConfirmStatus { .. }
            | Self::TakeOwnership { .. }
            | Self::Scale { .. }
            | Self::Delete { .. }
            | Self::DeletePod { .. }
            | Self::Signal { .. }
            | Self::RemoveAnnotation { .. }
            | Self::RemoveLeftovers { .. } => String::new(),
        }
    }

    /// What exactly is done, where the identity does not say it; empty where it does.
    pub fn detail(&self) -> &str {
        match self {
            Self::DeletePod { uid, .. } | Self::Scale { uid, .. } => uid,
            Self::Signal { attempt, .. } => attempt,
            Self::TakeOwnership { held, .. } => held.word(),
            Self::PatchStatus { .. }
            | Self::ConfirmStatus { .. }
            | Self::Apply { .. }
            | Self::Roll { .. }
            | Self::Delete { .. }
            | Self::RemoveAnnotation { .. }
            | Self::RemoveLeftovers { .. } => "",
        }
    }
}
