//! Decides what should happen to a Kaspr app, and why. Touches nothing.
//!
//! Read in this order: [`snapshot`] (what is looked at), [`observed`] (what it means),
//! [`decide()`] (the policies in their order), one policy, [`plan`] (what comes out).
//!
//! No async, no I/O, no clock, no randomness, no logging: a decision is a function of its
//! snapshot, and everything that it does has a [`Reason`].
#![deny(missing_docs)]

pub mod action;
pub mod app;
pub mod backoff;
pub mod check;
pub mod component;
pub(crate) mod conditions;
pub mod decide;
pub mod definition;
pub mod digest;
pub mod drift;
pub mod explain;
pub mod invalid;
pub mod key;
pub mod limits;
pub mod lists;
pub mod marks;
pub mod mask;
pub mod members;
pub mod memo;
pub mod meta;
pub mod observed;
pub mod original;
pub mod outcome;
pub mod ownership;
pub mod packages;
pub mod plan;
pub mod policy;
pub mod poll;
pub mod quantity;
pub mod reason;
pub mod references;
pub mod render;
pub mod schema;
pub mod secrets;
pub mod seen;
pub mod settings;
pub mod snapshot;
pub mod status;
pub mod takeover;
pub mod time;
pub mod why;

pub use action::{Action, ActionId, Manifest, Precondition};
pub use decide::decide;
pub use explain::explain;
pub use key::{AppKey, ObjectKind, ObjectRef};
pub use memo::{Memo, decide_again};
pub use outcome::{Answer, Outcome, Outcomes, Refusal};
pub use plan::{Plan, Stage, Step, Wait};
pub use reason::Reason;
pub use seen::{Seen, Unseen};
pub use settings::Settings;
pub use snapshot::Snapshot;
pub use time::{Now, Uptime};
