//! What both suites are written with.

pub mod exposition;
