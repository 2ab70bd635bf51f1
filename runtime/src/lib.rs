//! The operator process: it looks, asks the core what to do, does it, and tells. It decides nothing.

pub mod admin;
pub mod api;
pub mod args;
pub mod cache;
pub mod client;
pub mod clock;
pub mod cluster;
pub mod commands;
pub mod dispatch;
pub mod gate;
pub mod keys;
pub mod lease;
pub mod limits;
pub mod look;
pub mod manifest;
pub mod memory;
pub mod object;
pub mod outdated;
pub mod pass;
pub mod queue;
pub mod rights;
pub mod sensors;
pub mod settings;
pub mod watch;
pub mod wiring;
