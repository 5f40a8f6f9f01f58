//! The tables of the replicated state, and the raft log's synced append.
//!
//! Two stores, because they want opposite things:
//!
//! * [`Storage`] holds the replicated state: revisions in files of their own, all else in RocksDB. Its
//!   writes ([`Batch`]) are atomic but not synced: after a crash the state is what was last flushed,
//!   and the raft log brings it forward again.
//! * [`Log`] holds raft's log, vote and marks in files of its own. One writer thread groups what waits
//!   and syncs once.
//!
//! Never in this crate: what a key means, protobuf, raft's own types. No other crate names RocksDB.

mod error;
mod figures;
mod engine;
mod table;
mod family;
mod revisions;
mod conversion;
mod rows;
mod sizes;
mod batch;
mod generation;
mod generations;
mod view;
mod state;
mod log;

pub use batch::Batch;
pub use engine::Engine;
pub use error::Error;
pub use figures::{LogFigures, StateFigures};
pub use log::{Done, Log, LogOperation, LogOptions};
pub use rows::Leap;
pub use sizes::Sizes;
pub use state::{Storage, StorageOptions};
pub use table::Table;
pub use view::View;

/// The README's example, kept true.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
