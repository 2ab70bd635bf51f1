//! Carries out what the core decided: order, dependencies, deadlines. Decides nothing.
//!
//! [`perform`] is the port to the world, [`interpret()`] the only thing that walks a plan, and
//! [`report`] what came of it.
#![deny(missing_docs)]

pub mod interpret;
pub mod perform;
pub mod report;

pub use interpret::interpret;
pub use perform::{Clock, Fence, Perform};
pub use report::{Dropped, Report, Sent, Skipped};
