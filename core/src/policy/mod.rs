//! The policies, one file each: what to do, what to remember, why, and when to look again.
//!
//! A policy reads what was observed and what the policies before it concluded; it never calls
//! another one. `decide` ranks them.

pub(crate) mod children;
pub(crate) mod components;
pub(crate) mod definitions;
pub mod hung;
pub mod knobs;
pub(crate) mod orphans;
pub(crate) mod packages;
pub mod rebalance;
pub mod rollout;
pub(crate) mod roster;
pub mod secrets;
pub(crate) mod storage;
pub(crate) mod subscriptions;
pub(crate) mod takeover;
