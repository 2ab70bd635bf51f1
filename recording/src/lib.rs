//! What the operator saw and decided, in files: written as it happens, read back, decided again.
//!
//! Read in this order: `docs/recording.md` (the format), [`look`] (what a look is, and how its
//! objects become references), [`recorder`] (how files come about), [`reader`] (how they are read,
//! damage included), [`mod@replay`] (how they are decided again), [`mod@redact`] (how they are made fit for
//! others).
//!
//! No clock, no chance, no logging: the instant is an argument, and an error is the caller's to tell.
#![deny(missing_docs)]

pub mod difference;
pub mod digest;
pub(crate) mod file;
pub(crate) mod files;
pub(crate) mod frames;
pub mod limits;
pub(crate) mod line;
pub mod look;
pub mod reader;
pub mod recorder;
pub mod redact;
pub mod replay;
#[cfg(test)]
pub(crate) mod sample;
pub(crate) mod store;

pub use digest::Digest;
pub use look::Look;
pub use reader::{Damage, Filter, Found, ReadError, Reader};
pub use recorder::{Recorder, Rotation, WriteError};
pub use redact::redact;
pub use replay::{Replay, Report, replay};
