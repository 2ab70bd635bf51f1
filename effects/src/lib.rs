//! Carries out what the core decided: order, dependencies, deadlines. Decides nothing.
//!
//! [`perform`] is the port to the world, [`interpret()`] the only thing that walks a plan.
#![deny(missing_docs)]

pub mod interpret;
pub mod perform;

pub use interpret::{Dropped, Report, Sent, Skipped, interpret};
pub use perform::{Clock, Fence, Perform};
