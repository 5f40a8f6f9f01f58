//! Changes to the state that happen together or not at all.

use std::ops::Range;

use rocksdb::{ColumnFamily, WriteBatch};

use crate::Table;
use crate::revisions::{Removals, RowKey, Rows, push_row};
use crate::sizes::Tally;

/// One write to [`Storage`](crate::Storage), built up change by change. A crash leaves all of it or
/// nothing.
///
/// Later changes win over earlier ones of the same key. But revisions are only ever added: in
/// [`Table::Key`] each row must come after all that were ever put, and what a batch deletes there is
/// what was committed before it.
#[derive(Default)]
pub struct Batch {
    /// New rows of revisions, as they lie in a block.
    pub(crate) rows: Vec<u8>,
    pub(crate) removals: Removals,
    /// Changes of the other tables, few if any. Only a storage knows where they go.
    pub(crate) others: Vec<Change>,
    pub(crate) tally: Tally,
}

/// A change of a row, or of all rows up to another one.
pub(crate) enum Change {
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

    pub(crate) fn write(self, write: &mut WriteBatch, family: &ColumnFamily) {
        match self {
            Change::Put(row, value) => write.put_cf(family, row, value),
            Change::Delete(row) => write.delete_cf(family, row),
            Change::DeleteRange(start, end) => write.delete_range_cf(family, start, end),
        }
    }
}

impl std::fmt::Debug for Batch {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Batch")
            .field("rows", &Rows::of(&self.rows).count())
            .field("removals", &self.removals)
            .field("others", &self.others.len())
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
        Batch { rows: Vec::with_capacity(bytes), ..Batch::default() }
    }

    /// Sets `key` of `table` to `value`.
    ///
    /// # Panics
    /// For a key of [`Table::Key`] of more than 23 bytes.
    pub fn put(&mut self, table: Table, key: &[u8], value: &[u8]) {
        if table == Table::Key {
            assert!(key.len() <= RowKey::BYTES_MAX, "a revision's key is short");
            push_row(&mut self.rows, key, value);
        } else {
            self.others.push(Change::Put(table.row(key), value.to_vec()));
            self.tally.put(table, key, value);
        }
    }

    /// Removes `key` from `table`, if it is there.
    pub fn delete(&mut self, table: Table, key: &[u8]) {
        if table == Table::Key {
            // A longer one is none that was ever put.
            self.removals.keys.extend(RowKey::new(key));
        } else {
            self.others.push(Change::Delete(table.row(key)));
            self.tally.delete(table);
        }
    }

    /// Removes every key of `range`; an empty end reaches to the end of the table.
    pub fn delete_range(&mut self, table: Table, range: Range<&[u8]>) {
        if table == Table::Key {
            self.removals.ranges.push(range.start.to_vec()..range.end.to_vec());
        } else {
            let (start, end) = (table.row(range.start), table.range_end(range.end));
            self.others.push(Change::DeleteRange(start, end));
        }
    }

    /// Whether the batch changes nothing.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty() && self.removals.is_empty() && self.others.is_empty()
    }

    /// The size of all changes in bytes.
    pub fn byte_size(&self) -> usize {
        let removals = self.removals.keys.len() * size_of::<RowKey>();
        let others = self.others.iter().map(Change::byte_size).sum::<usize>();
        self.rows.len() + removals + others
    }
}
