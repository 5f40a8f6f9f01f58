//! The state as it was at one moment.

use std::ops::{ControlFlow, Range};
use std::path::Path;

use bytes::Bytes;
use rocksdb::{ColumnFamily, DB, ReadOptions, Snapshot};

use crate::family::Family;
use crate::revisions::Contents;
use crate::{Error, Table, rows};

/// All tables at one moment, whatever is committed meanwhile. See
/// [`Storage::at_one_moment`](crate::Storage::at_one_moment).
pub struct View<'s> {
    db: &'s DB,
    snapshot: Snapshot<'s>,
    revisions: Contents,
    path: &'s Path,
}

impl std::fmt::Debug for View<'_> {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("View").field("path", &self.path).finish_non_exhaustive()
    }
}

impl<'s> View<'s> {
    /// While nothing is committed.
    pub(crate) fn new(db: &'s DB, revisions: Contents, path: &'s Path) -> View<'s> {
        View { db, snapshot: db.snapshot(), revisions, path }
    }

    /// The value that `key` had in `table`.
    pub fn get(&self, table: Table, key: &[u8]) -> Result<Option<Bytes>, Error> {
        if table == Table::Key {
            return self.revisions.get(key);
        }
        let value = self.snapshot.get_cf(self.family(table), table.row(key));
        Ok(value.map_err(|error| Error::from_rocksdb(self.path, &error))?.map(Bytes::from))
    }

    /// Shows every row of `range` to `visit`, ascending, until it breaks.
    ///
    /// An empty end reaches to the end of the table. The rows are read once, so they take no place
    /// among the blocks cached for other reads.
    pub fn scan(
        &self,
        table: Table,
        range: Range<&[u8]>,
        mut visit: impl FnMut(&[u8], &[u8]) -> ControlFlow<()>,
    ) -> Result<(), Error> {
        if table == Table::Key {
            return self.revisions.walk(range, |key, value| visit(key, value).into());
        }
        let mut options = ReadOptions::default();
        options.set_iterate_upper_bound(table.range_end(range.end));
        options.fill_cache(false);
        let rows = self.snapshot.raw_iterator_cf_opt(self.family(table), options);
        rows::walk(rows, table, range.start, |key, value| visit(key, value).into())
            .map_err(|error| Error::from_rocksdb(self.path, &error))
    }

    fn family(&self, table: Table) -> &ColumnFamily {
        Family::of(table).handle(self.db)
    }
}
