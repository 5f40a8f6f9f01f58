//! Who comes to the doors in tests.
//!
//! - [`Authority`] signs certificates of every kind; each is an [`Identity`], two files in PEM.
//! - [`own_authority`] makes a certificate that nobody signed but itself.
//! - [`allows_files`] lets whoever comes in a crowd open as many connections.
//!
//! Made for tests: whatever goes wrong is a panic. Never in this crate: anything that a member runs
//! with.

mod der;
mod identity;
mod authority;
mod crowd;

pub use authority::{Authority, Side, own_authority};
pub use crowd::{BEGUN_HANDSHAKE, allows_files};
pub use identity::{Identity, rename_over};

/// The README's example, kept true.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
