//! The port of one process to the world around it.

use std::future::Future;
use std::sync::MutexGuard;

use kaspr_core::Settings;
use kaspr_core::key::ObjectKind;
use kaspr_core::time::Uptime;
use kaspr_effects::Clock;
use serde_json::Value;

use crate::cache::{Due, Store};
use crate::gate::Gate;
use crate::memory::Memory;
use crate::outdated::Outdated;
use crate::polls::{Polls, Target};
use crate::request::{Call, Failure};
use crate::schedule::Lane;

/// What a pass needs of its process. No guard that it gives is held across a wait.
pub trait Site: Clock + Sync {
    /// Sends one request to the API server, once, within a deadline of its own.
    fn send(&self, call: Call) -> impl Future<Output = Result<Value, Failure>> + Send;

    /// Asks a member for a rebalance, once, within a deadline of its own. It fails in the words of
    /// the API server: what was surely not sent is `Unreachable`, what may have been is `AnswerLost`.
    fn signal(&self, member: &Target) -> impl Future<Output = Result<(), Failure>> + Send;

    /// True while nobody else can believe to lead.
    fn may_act(&self) -> bool;

    /// What is known of the cluster.
    fn store(&self) -> MutexGuard<'_, Store>;

    /// What came of earlier actions.
    fn memory(&self) -> MutexGuard<'_, Memory>;

    /// What the members answered.
    fn polls(&self) -> MutexGuard<'_, Polls>;

    /// The name of this process: no other has it, also not the one before or after.
    fn process(&self) -> &str;

    /// Whether the API server works.
    fn gate(&self) -> MutexGuard<'_, Gate>;

    /// Which definitions are old.
    fn outdated(&self) -> MutexGuard<'_, Outdated>;

    /// These keys have something to look at.
    fn due(&self, keys: Due, lane: Lane);

    /// The watches of these kinds are to list anew where they see `namespace`.
    fn refresh(&self, kinds: &[ObjectKind], namespace: &str);

    /// The definition of a kind was found older than this operator; called once, not once for an
    /// object.
    fn found_outdated(&self, kind: ObjectKind, what: &str);

    /// The operator's settings.
    fn settings(&self) -> &Settings;

    /// The monotonic time.
    fn uptime(&self) -> Uptime {
        self.now().uptime
    }
}
