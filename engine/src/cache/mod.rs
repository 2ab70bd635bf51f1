//! What this process knows of the cluster: what its watches said, and over it what the API server
//! answered to its own requests.
//!
//! Guarantees: no object goes back to an older version; what a write of ours did is seen by the
//! next look; what is gone stays gone; a kind that cannot be listed reads as unknown, never as
//! absent.

mod edits;
mod entry;
mod mentions;
mod scope;
mod store;
mod tombstones;

pub use entry::{Kept, Source, parse};
pub use scope::{Coverage, Listing, Scope};
pub use store::{Due, Store, reference};

#[cfg(test)]
mod tests;
