//! Automation that tests use, too.

pub mod bench;
pub mod check;
pub mod cluster;
pub mod demo;
pub mod deny;
pub mod generate;
pub mod mutants;
pub mod test;
pub mod tidy;
pub(crate) mod workspace;
