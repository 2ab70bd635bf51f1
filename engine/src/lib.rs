//! One process of the operator without its I/O: what it knows of the cluster, what it remembers,
//! whom it looks at next, and one pass over an app.
//!
//! No task, no lock of its own, no clock and no connection: [`Site`] brings these. So the operator
//! in a cluster and the one in a simulation are the same.
#![deny(missing_docs)]

pub mod cache;
pub mod chance;
pub mod feed;
pub mod gate;
pub mod hand;
pub mod keys;
pub mod limits;
pub mod look;
pub mod memory;
pub mod object;
pub mod outdated;
pub mod pass;
pub mod polls;
pub mod request;
pub mod schedule;
pub mod site;
pub mod worker;

pub use pass::{Passed, pass};
pub use site::Site;
