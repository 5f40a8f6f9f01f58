//! Reads and writes the bbolt file format of etcd's snapshots.
//!
//! - [`Layout`] measures a file before a byte of it exists, and then writes it front to back: the
//!   sink need not seek, and its receiver can be told the size first.
//! - [`BoltWriter`] takes buckets in name order and their pairs in key order.
//! - [`BoltReader`] opens a file and walks its buckets; [`Entries`] is such a walk. A damaged file
//!   is an error wherever it is damaged, never a panic and never an endless walk.
//!
//! The format is bbolt's version 2 with little-endian numbers: a copy-on-write B+tree of pages, in
//! which the values of the root's keys are buckets with trees of their own.
//!
//! Never in this crate: what etcd keeps in its buckets, other storages, changes to a file that is
//! there already.

mod error;
mod page;
mod meta;
mod node;
mod tree;
mod writer;
mod layout;
mod reader;
mod entries;

pub use entries::{Content, Entries, Entry};
pub use error::Error;
pub use layout::Layout;
pub use page::PAGE_SIZE;
pub use reader::{BoltReader, Bucket};
pub use writer::BoltWriter;

/// The README's example, kept true.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
