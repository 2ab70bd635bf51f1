//! Automation that tests use, too.

pub mod cluster;
