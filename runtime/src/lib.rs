//! The operator process: it looks, asks the core what to do, does it, and tells. It decides nothing.

pub mod admin;
pub mod api;
pub mod args;
pub mod cache;
pub mod client;
pub mod clock;
pub mod commands;
pub mod dispatch;
pub mod glance;
pub mod lease;
pub mod limits;
pub mod manifest;
pub mod members;
pub mod pass;
pub mod process;
pub mod queue;
pub mod rights;
pub mod sensors;
pub mod settings;
pub mod watch;
pub mod wiring;
