//! A cluster in memory, as far as the operator can tell: API server, controllers, kubelet and time,
//! deterministic by seed, and the operator itself in it.
//!
//! The operator is the real one: the production core, cache, schedule and interpreter
//! ([`kaspr_engine`]), brought to a simulated API server instead of a real one.
#![deny(missing_docs)]
#![expect(
    clippy::indexing_slicing,
    reason = "JSON is indexed by names: what is not there reads as null, and the server checks shapes at its door"
)]

pub mod campaign;
pub mod clock;
pub mod cluster;
mod controllers;
pub mod fault;
pub mod invariants;
pub mod journal;
mod kubelet;
pub mod members;
pub mod outcome;
mod process;
pub mod run;
pub mod server;
pub mod simulation;
pub mod story;

pub use simulation::{Happened, Simulation};
