//! The key spaces of RocksDB: all tables but the revisions, and what earlier versions had there.

use std::path::Path;

use rocksdb::checkpoint::Checkpoint;
use rocksdb::{
    ColumnFamily, DB, DEFAULT_COLUMN_FAMILY_NAME, FlushOptions, Options, WaitForCompactOptions,
    WriteBatch, WriteOptions,
};

use crate::{Error, Table};

/// It must not flush but when it is told to: not when it is closed, nor when it recovers from an error.
const BY_ITSELF: &str = "avoid_flush_during_shutdown=true;max_bgerror_resume_count=0";
/// How many files are merged as soon as they are there.
const MERGED_AT: &str = "level0_file_num_compaction_trigger";

/// A key space. RocksDB always has the first one, where earlier versions kept revisions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Family {
    /// [`Table::Key`], as earlier versions kept it.
    Revisions,
    /// All other tables.
    Others,
    /// Nothing is in it: an earlier version, which would find no revisions in the first, opens no state
    /// with a key space that it does not know.
    Barrier,
}

impl Family {
    pub(crate) const ALL: [Family; 3] = [Family::Revisions, Family::Others, Family::Barrier];

    pub(crate) fn of(table: Table) -> Family {
        if table == Table::Key { Family::Revisions } else { Family::Others }
    }

    fn name(self) -> &'static str {
        match self {
            Family::Revisions => DEFAULT_COLUMN_FAMILY_NAME,
            Family::Others => "others",
            Family::Barrier => "revisions-in-files",
        }
    }

    /// Its handle in a database that [`open`] opened.
    pub(crate) fn handle(self, db: &DB) -> &ColumnFamily {
        self.handle_if_there(db).expect("all were opened")
    }

    /// The same in one that [`open_to_read`] opened.
    pub(crate) fn handle_if_there(self, db: &DB) -> Option<&ColumnFamily> {
        db.cf_handle(self.name())
    }
}

/// Opens a state, or makes an empty one, each family with its options.
pub(crate) fn open(options: impl Fn(Family) -> Options, path: &Path) -> Result<DB, Error> {
    let error_here = |error: rocksdb::Error| Error::from_rocksdb(path, &error);
    let mut whole =
        options(Family::Revisions).get_options_from_string(BY_ITSELF).map_err(error_here)?;
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

/// Begins to write all that is in memory to files, all families together: the applied position must
/// reach the disk with what it speaks of, neither before nor after. What is written from now on is
/// not part of it.
pub(crate) fn begin_flush(db: &DB) -> Result<(), rocksdb::Error> {
    let families = Family::ALL.map(|family| family.handle(db));
    let mut options = FlushOptions::default();
    options.set_wait(false);
    db.flush_cfs_opt(&families, &options)
}

/// Waits until everything is in files that was when a flush began.
pub(crate) fn end_flush(db: &DB) -> Result<(), rocksdb::Error> {
    db.wait_for_compact(&WaitForCompactOptions::default())
}

/// Merges the files until each row is there once.
///
/// RocksDB's own way to ask for it would flush first. So it is told that a single file is already too
/// many where it usually takes four.
pub(crate) fn compact(db: &DB) -> Result<(), rocksdb::Error> {
    let family = Family::Others.handle(db);
    db.set_options_cf(family, &[(MERGED_AT, "1")])?;
    let merged = db.wait_for_compact(&WaitForCompactOptions::default());
    db.set_options_cf(family, &[(MERGED_AT, "4")])?;
    merged
}

/// A copy of what the last flush wrote.
pub(crate) fn checkpoint(db: &DB, directory: &Path) -> Result<(), rocksdb::Error> {
    // By the size of its own log it would be told when to flush; there is none.
    Checkpoint::new(db)?.create_checkpoint_with_log_size(directory, u64::MAX)
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
    begin_flush(db)?;
    end_flush(db)
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
