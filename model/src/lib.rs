//! The policies about template, hung members and owed rebalances, as they run in production, in every
//! order of events that fits a budget: operators that crash, look at what is old and lose answers, members
//! that hang, pods that never start, people who change their minds.
//!
//! Read in this order: [`world`] (what there is), [`rules`] (a look: from the world to the policies and
//! back), [`acts`] (what a request does, and what it is accused of), [`time`] (what may have run out),
//! [`events`] (what else happens), [`suffix`] (that all ends well), [`runs`] (what is checked).
//!
//! Source: the rules and their stories V1 to V8 were model-checked before there was code
//! (`docs/decisions/0013-model.md`); here the code itself is.
#![deny(missing_docs)]
#![allow(
    clippy::indexing_slicing,
    clippy::struct_excessive_bools,
    reason = "nothing of it ships: an ordinal out of range is to end the run, and a world is many bits"
)]

pub mod acts;
pub mod events;
pub mod rules;
pub mod runs;
pub mod suffix;
pub mod time;
pub mod world;
