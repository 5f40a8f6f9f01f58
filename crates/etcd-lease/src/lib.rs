//! Which keys live until when.
//!
//! - [`Writer`] is the applier's handle: it grants and revokes leases and ties keys to them. All of
//!   that is replicated, and stored as etcd stores it.
//! - [`Lessor`] is everybody else's: it renews, tells how long a lease lives, and says which ones
//!   have expired. That is for the member that leads to know; on all others the clocks stand still.
//! - [`Clock`] tells it the time.
//!
//! A lease is renewed without touching any queue, and is looked at once in its time to live: a
//! million leases cost what expires, not what there is. No call holds the lock for longer than a
//! thousand leases take.
//!
//! Never in this crate: deleting a key, proposing a command, a task or thread of its own.

mod error;
mod figures;
mod clock;
mod keys;
mod state;
mod row;
mod spread;
mod writer;
mod lessor;
#[cfg(test)]
mod lessor_tests;

pub use clock::Clock;
pub use error::Error;
pub use figures::Figures;
pub use lessor::{Due, Ending, Leadership, Lessor, Renewal, TimeToLive};
pub use writer::Writer;

/// The longest time to live: what etcd allows, 285 years.
pub const MAX_TTL_SECONDS: i64 = 9_000_000_000;

/// The README's example, kept true.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
