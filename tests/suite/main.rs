//! The suites that need no cluster, in one binary.
#![cfg(test)]

mod campaign;
mod check;
mod defects;
mod deploy;
mod installer;
mod leaves;
mod members;
mod metrics;
mod packages;
mod properties;
mod recording;
mod references;
mod rights;
mod scenarios;
mod secrets;
mod storage;
mod stories;
mod takeover;
mod why;
mod worker;
