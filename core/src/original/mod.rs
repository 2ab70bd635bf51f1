//! What the original operator writes, byte for byte, where a comparison needs it.
//!
//! Source: Kaspr operator 0.18.51, in Python. Nothing here is rendered for a cluster: whether a live
//! object is what the original made of a resource tells whether its pods run what is wanted.

pub mod hash;
pub mod model;
pub mod yaml;
