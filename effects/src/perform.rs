//! The port to the world: what is left out of `Action` cannot be done at all.

use std::future::Future;

use kaspr_core::action::Action;
use kaspr_core::outcome::Answer;
use kaspr_core::time::Now;

/// Sends one request and says what the world answered.
///
/// An implementation keeps each action's contract (see [`Action`]), ends within its own request
/// timeout, and never retries: the next look decides about that.
pub trait Perform {
    /// Performs one action.
    fn perform(&self, action: &Action) -> impl Future<Output = Answer> + Send;
}

/// The one source of time.
pub trait Clock {
    /// The instant.
    fn now(&self) -> Now;
}

/// Whether the next request may be sent, asked before each.
pub trait Fence {
    /// True while nobody else can believe to lead: the lease.
    fn may_act(&self) -> bool;

    /// False while the world as a whole fails, or asked to be left alone.
    fn is_open(&self) -> bool;
}
