//! Changes to the state that happen together or not at all.

use std::ops::Range;

use crate::Table;
use crate::sizes::Tally;

/// One atomic write to [`Storage`](crate::Storage), built up change by change.
///
/// Later changes win over earlier ones of the same key.
#[derive(Default)]
pub struct Batch {
    pub(crate) inner: rocksdb::WriteBatch,
    /// Scratch space for the prefixed key, so that a change allocates nothing of its own.
    row: Vec<u8>,
    pub(crate) tally: Tally,
}

impl std::fmt::Debug for Batch {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Batch")
            .field("changes", &self.inner.len())
            .field("bytes", &self.byte_size())
            .finish()
    }
}

impl Batch {
    /// An empty batch.
    pub fn new() -> Batch {
        Batch::default()
    }

    /// Sets `key` of `table` to `value`.
    pub fn put(&mut self, table: Table, key: &[u8], value: &[u8]) {
        self.prefix(table, key);
        self.inner.put(&self.row, value);
        self.tally.put(table, key, value);
    }

    /// Removes `key` from `table`, if it is there.
    pub fn delete(&mut self, table: Table, key: &[u8]) {
        self.prefix(table, key);
        self.inner.delete(&self.row);
        self.tally.delete(table);
    }

    /// Removes every key of `range`; an empty end reaches to the end of the table.
    pub fn delete_range(&mut self, table: Table, range: Range<&[u8]>) {
        self.inner.delete_range(table.row(range.start), table.range_end(range.end));
    }

    /// Whether the batch changes nothing.
    pub fn is_empty(&self) -> bool {
        self.inner.is_empty()
    }

    /// The size in bytes of all changes as RocksDB encodes them.
    pub fn byte_size(&self) -> usize {
        self.inner.size_in_bytes()
    }

    fn prefix(&mut self, table: Table, key: &[u8]) {
        self.row.clear();
        self.row.push(table as u8);
        self.row.extend_from_slice(key);
    }
}
