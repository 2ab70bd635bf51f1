//! The operator as it ships, on a real control plane: etcd, kube-apiserver and
//! kube-controller-manager, with a make-believe node for the pods.
//!
//! Each test has a namespace and an operator of its own and looks at the world only: objects,
//! conditions, the audit log. `cargo xtask test` sets what the suite needs; without that it says
//! that it did not run, and in CI it fails.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that meets what it does not expect fails there and then"
)]

mod kit;

mod admission;
mod bad_input;
mod canaries;
mod conflicts;
mod conformance;
mod converge;
mod cost;
mod crashes;
mod drift;
mod edits;
mod events;
mod failover;
mod faults;
mod install;
mod isolation;
mod lease;
mod members;
mod metrics;
mod old_definitions;
mod recording;
mod rights;
mod secrets;
mod storage;
mod takeover;
mod token;
