//! The named invariants over generated worlds.
