//! Txns inside txns, however deep: read, walked, written and dropped on any stack.
//!
//! - [`decode_txn`] and [`decode_command`] read what a client or the log holds, in a loop;
//!   [`decode_parts`] reads a command without making room for every kind of them.
//! - [`Deep`] owns a message that may be deep: it drops it in a loop, and [`Deep::visit`] lets
//!   code that recurses walk it on a stack with room for all its levels; [`with_room`] is for code
//!   that consumes it.
//! - [`encode`] writes one, in time that grows with its size alone.
//!
//! Never in this crate: what a txn means.

mod nested;
mod stack;
mod deep;
mod decode;
mod encode;
mod command;

pub use command::{CommandParts, decode_command, decode_parts};
pub use decode::{LIMIT, Malformed, decode_txn};
pub use deep::Deep;
pub use encode::{Backwards, Encode, encode};
pub use nested::Nested;
pub use stack::with_room;

/// The README's example, kept true.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
