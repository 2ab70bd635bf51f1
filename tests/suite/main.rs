//! The suites that need no cluster, in one binary.

mod check;
mod properties;
mod scenarios;
