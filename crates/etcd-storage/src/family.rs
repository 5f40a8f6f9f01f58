//! The two key spaces of the state: revisions, and all else.

use std::path::Path;

use rocksdb::{
    ColumnFamily, DB, DEFAULT_COLUMN_FAMILY_NAME, FlushOptions, Options, WriteBatch, WriteOptions,
};

use crate::{Error, Table};

/// Where the rows of a table are.
///
/// Revisions only ever grow, so the files of a key space with nothing else in it do not overlap:
/// what was flushed is moved down the levels as it is, and written no second time. One row that is
/// put with every batch, the applied position, would let every file reach up to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Family {
    /// [`Table::Key`].
    Revisions,
    /// All other tables: their rows are few, and replaced often.
    Others,
}

impl Family {
    pub(crate) const ALL: [Family; 2] = [Family::Revisions, Family::Others];

    pub(crate) fn of(table: Table) -> Family {
        if table == Table::Key { Family::Revisions } else { Family::Others }
    }

    fn name(self) -> &'static str {
        match self {
            Family::Revisions => DEFAULT_COLUMN_FAMILY_NAME,
            Family::Others => "others",
        }
    }

    /// What it is called where people read of it.
    pub(crate) fn title(self) -> &'static str {
        match self {
            Family::Revisions => "revisions",
            Family::Others => "others",
        }
    }

    /// Its handle in a database that [`open`] opened.
    pub(crate) fn handle(self, db: &DB) -> &ColumnFamily {
        db.cf_handle(self.name()).expect("both were opened")
    }
}

/// Opens a state, or makes an empty one, each family with its options.
pub(crate) fn open(options: impl Fn(Family) -> Options, path: &Path) -> Result<DB, Error> {
    let error_here = |error: rocksdb::Error| Error::from_rocksdb(path, &error);
    let mut whole = options(Family::Revisions);
    whole.create_missing_column_families(true);
    // There is no write-ahead log: what was committed together must reach the files together.
    whole.set_atomic_flush(true);
    let families = Family::ALL.map(|family| (family.name(), options(family)));
    let db = DB::open_cf_with_opts(&whole, path, families).map_err(error_here)?;
    part(&db).map_err(error_here)?;
    Ok(db)
}

/// Opens a state for nothing but reading, one of before there were two key spaces too.
pub(crate) fn open_to_read(path: &Path) -> Result<DB, rocksdb::Error> {
    let options = Options::default();
    let families = DB::list_cf(&options, path)?;
    DB::open_cf_for_read_only(&options, path, families, false)
}

/// The value of a row in a state that [`open_to_read`] opened.
pub(crate) fn read(db: &DB, table: Table, key: &[u8]) -> Result<Option<Vec<u8>>, rocksdb::Error> {
    match db.cf_handle(Family::of(table).name()) {
        Some(family) => db.get_cf(family, table.row(key)),
        None => db.get(table.row(key)),
    }
}

/// Writes all that is in memory to files, both families together: the applied position must reach
/// the disk with what it speaks of, neither before nor after.
pub(crate) fn flush(db: &DB) -> Result<(), rocksdb::Error> {
    let families = Family::ALL.map(|family| family.handle(db));
    db.flush_cfs_opt(&families, &FlushOptions::default())
}

/// Once all tables were in one key space: brings the rows of the others to where they belong.
fn part(db: &DB) -> Result<(), rocksdb::Error> {
    let first = Table::Key.end();
    let others = Family::Others.handle(db);
    let mut batch = WriteBatch::default();
    let mut rows = db.raw_iterator();
    rows.seek(&first);
    while let Some((row, value)) = rows.item() {
        batch.put_cf(others, row, value);
        rows.next();
    }
    rows.status()?;
    if batch.is_empty() {
        return Ok(());
    }
    batch.delete_range(first, vec![u8::MAX]);
    let mut options = WriteOptions::default();
    options.disable_wal(true);
    db.write_opt(batch, &options)?;
    flush(db)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_state_of_one_key_space_is_parted_when_it_is_opened() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("state");
        let mut options = Options::default();
        options.create_if_missing(true);
        {
            let db = DB::open(&options, &path).expect("one key space");
            for table in Table::ALL {
                db.put(table.row(b"k"), table.name()).expect("written");
            }
            db.flush().expect("flushed");
        }
        let check = |db: &DB| {
            for table in Table::ALL {
                let value = read(db, table, b"k").expect("readable").expect("a row");
                assert_eq!(value, table.name().as_bytes());
            }
        };
        check(&open_to_read(&path).expect("readable"));
        for _ in 0..2 {
            let db = open(|_| options.clone(), &path).expect("two key spaces");
            check(&db);
            let mut rows = db.raw_iterator();
            rows.seek(Table::Key.end());
            assert_eq!(rows.item(), None, "the others have left");
        }
        check(&open_to_read(&path).expect("readable"));
    }
}
