//! Keys by revision: every put and delete makes a new revision, and old ones stay readable until
//! they are compacted.
//!
//! * [`Mvcc`] is the readers' handle: ranges at a revision, lists, the past, hashes.
//! * [`Writer`] is the applier's: it opens a [`WriteTxn`], whose changes share one revision, and
//!   publishes them once their batch is committed.
//! * [`Compactor`] removes in the background what compactions made useless.
//!
//! Records are stored as etcd stores them, so a store's hash equals etcd's on the same history, and
//! an answer copies stored bytes instead of encoding them again. An index in memory knows every key
//! with its revisions; its nodes count, so that a count costs O(log n). Reads hold it only for
//! short steps, and still see one revision from first to last.
//!
//! Never in this crate: lease clocks, users, watchers, gRPC, a thread that outlives a call.

mod error;
mod figures;
mod revision;
mod key_range;
mod fields;
mod query;
mod event;
mod record;
mod pending;
mod index;
mod schedule;
mod load;
mod store;
mod cursor;
mod parallel;
mod fetch;
mod reader;
mod range;
mod hash;
mod history;
mod writer;
mod write_txn;
mod compactor;
mod listing;
mod mvcc;

pub use compactor::{Compactor, CompactorOptions, Hashing};
pub use error::Error;
pub use event::Event;
pub use fields::{Fields, field_bytes, put_field_head};
pub use figures::{Figures, Operations};
pub use hash::KeyValueHash;
pub use history::{History, HistoryLimits};
pub use index::KeyState;
pub use key_range::KeyRange;
pub use listing::Listing;
pub use mvcc::Mvcc;
pub use query::{Content, KeyValues, RangeQuery, RangeResult, SortOrder, SortTarget};
pub use reader::{Reader, States};
pub use revision::{Kind, Revision};
pub use write_txn::{
    DeleteOutcome, LeaseChange, Previous, PutArgs, PutOutcome, TxnOutcome, WriteTxn,
};
pub use writer::Writer;
