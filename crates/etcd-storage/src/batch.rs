//! Changes to the state that happen together or not at all.

use std::ops::Range;

use rocksdb::DB;

use crate::Table;
use crate::family::Family;
use crate::sizes::Tally;

/// One atomic write to [`Storage`](crate::Storage), built up change by change.
///
/// Later changes win over earlier ones of the same key.
#[derive(Default)]
pub struct Batch {
    /// Changes of revisions.
    inner: rocksdb::WriteBatch,
    /// Changes of the other tables, few if any. Only a storage knows where they go.
    others: Vec<Change>,
    /// Scratch space for the prefixed key, so that a change allocates nothing of its own.
    row: Vec<u8>,
    pub(crate) tally: Tally,
}

/// A change of a row, or of all rows up to another one.
enum Change {
    Put(Vec<u8>, Vec<u8>),
    Delete(Vec<u8>),
    DeleteRange(Vec<u8>, Vec<u8>),
}

impl Change {
    fn byte_size(&self) -> usize {
        match self {
            Change::Put(row, value) => row.len() + value.len(),
            Change::Delete(row) => row.len(),
            Change::DeleteRange(start, end) => start.len() + end.len(),
        }
    }
}

impl std::fmt::Debug for Batch {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Batch")
            .field("changes", &(self.inner.len() + self.others.len()))
            .field("bytes", &self.byte_size())
            .finish()
    }
}

impl Batch {
    /// An empty batch.
    pub fn new() -> Batch {
        Batch::default()
    }

    /// An empty batch with room for so many bytes: it need not grow step by step.
    pub fn with_room(bytes: usize) -> Batch {
        Batch { inner: rocksdb::WriteBatch::with_capacity_bytes(bytes), ..Batch::default() }
    }

    /// Sets `key` of `table` to `value`.
    pub fn put(&mut self, table: Table, key: &[u8], value: &[u8]) {
        match Family::of(table) {
            Family::Revisions => {
                self.prefix(table, key);
                self.inner.put(&self.row, value);
            }
            Family::Others => self.others.push(Change::Put(table.row(key), value.to_vec())),
        }
        self.tally.put(table, key, value);
    }

    /// Removes `key` from `table`, if it is there.
    pub fn delete(&mut self, table: Table, key: &[u8]) {
        match Family::of(table) {
            Family::Revisions => {
                self.prefix(table, key);
                self.inner.delete(&self.row);
            }
            Family::Others => self.others.push(Change::Delete(table.row(key))),
        }
        self.tally.delete(table);
    }

    /// Removes every key of `range`; an empty end reaches to the end of the table.
    pub fn delete_range(&mut self, table: Table, range: Range<&[u8]>) {
        let (start, end) = (table.row(range.start), table.range_end(range.end));
        match Family::of(table) {
            Family::Revisions => self.inner.delete_range(start, end),
            Family::Others => self.others.push(Change::DeleteRange(start, end)),
        }
    }

    /// Whether the batch changes nothing.
    pub fn is_empty(&self) -> bool {
        self.inner.is_empty() && self.others.is_empty()
    }

    /// The size of all changes in bytes, much as RocksDB encodes them.
    pub fn byte_size(&self) -> usize {
        self.inner.size_in_bytes() + self.others.iter().map(Change::byte_size).sum::<usize>()
    }

    /// All changes as RocksDB takes them, for a database with the two families.
    pub(crate) fn into_write(self, db: &DB) -> rocksdb::WriteBatch {
        let Batch { inner: mut write, others, .. } = self;
        let family = Family::Others.handle(db);
        for change in others {
            match change {
                Change::Put(row, value) => write.put_cf(family, row, value),
                Change::Delete(row) => write.delete_cf(family, row),
                Change::DeleteRange(start, end) => write.delete_range_cf(family, start, end),
            }
        }
        write
    }

    fn prefix(&mut self, table: Table, key: &[u8]) {
        self.row.clear();
        self.row.push(table as u8);
        self.row.extend_from_slice(key);
    }
}
