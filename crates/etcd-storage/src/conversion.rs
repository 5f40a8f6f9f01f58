//! Taking over the revisions of an earlier version, which kept them in RocksDB.

use std::path::Path;

use rocksdb::properties::TOTAL_SST_FILES_SIZE;
use rocksdb::{DB, WriteBatch, WriteOptions};

use crate::family::Family;
use crate::revisions::{Revisions, RowKey, push_row};
use crate::{Error, Table};

/// Bytes of rows that are taken over together.
const TOGETHER: usize = 1 << 20;

/// Brings the rows to where they belong. If there were any, the caller must flush: until then nothing
/// has happened that a start after a crash would notice.
pub(crate) fn convert(db: &DB, revisions: &Revisions, path: &Path) -> Result<bool, Error> {
    let error_here = |error: rocksdb::Error| Error::from_rocksdb(path, &error);
    let (old, others) = (Family::Revisions.handle(db), Family::Others.handle(db));
    let mut source = db.raw_iterator_cf(old);
    source.seek(Table::Key.row(&[]));
    let mut appender = revisions.appender();
    let mut rows = Vec::with_capacity(TOGETHER);
    let mut is_any = false;
    while let Some((row, value)) = source.item() {
        if !is_any {
            tracing::info!(path = %path.display(), "taking over the revisions of an earlier version");
        }
        is_any = true;
        if RowKey::new(&row[1..]).is_none() {
            return Err(Error::damaged(path, "it has a revision with too long a key"));
        }
        push_row(&mut rows, &row[1..], value);
        if rows.len() >= TOGETHER {
            appender.append(&rows)?;
            rows.clear();
        }
        source.next();
    }
    source.status().map_err(error_here)?;
    if !is_any {
        return Ok(false);
    }
    appender.append(&rows)?;
    let mut write = WriteBatch::default();
    appender.count_changes(&mut write, others);
    write.delete_range_cf(old, Table::Key.row(&[]), Table::Key.end());
    let mut options = WriteOptions::default();
    options.disable_wal(true);
    db.write_opt(write, &options).map_err(error_here)?;
    Ok(true)
}

/// Gives back the room of what was taken over, once that is flushed and before anything is committed:
/// RocksDB would flush that first.
pub(crate) fn clear(db: &DB) {
    let old = Family::Revisions.handle(db);
    let bytes = db.property_int_value_cf(old, TOTAL_SST_FILES_SIZE);
    if bytes.is_ok_and(|bytes| bytes.is_some_and(|bytes| bytes > 0)) {
        db.compact_range_cf(old, None::<&[u8]>, None::<&[u8]>);
    }
}

#[cfg(test)]
mod tests {
    use std::ops::ControlFlow;
    use std::path::Path;

    use rocksdb::Options;

    use crate::{Storage, StorageOptions, Table};

    /// Bytes of RocksDB's files of rows.
    fn table_bytes(state: &Path) -> u64 {
        let files = std::fs::read_dir(state.join("00000001")).expect("a directory").flatten();
        let tables = files.filter(|file| file.path().extension().is_some_and(|kind| kind == "sst"));
        tables.map(|file| file.metadata().map_or(0, |metadata| metadata.len())).sum()
    }

    #[test]
    fn revisions_of_an_earlier_version_are_taken_over_once() {
        let directory = tempfile::tempdir().expect("a directory");
        let row = |number: u32| Table::Key.row(&number.to_be_bytes());
        let mut options = Options::default();
        options.create_if_missing(true);
        options.create_missing_column_families(true);
        {
            let path = directory.path().join("00000001");
            let db = rocksdb::DB::open_cf(&options, path, ["default", "others"]).expect("a state");
            (0..50_000).for_each(|number| {
                db.put(row(number), number.to_le_bytes()).expect("written");
            });
            db.flush().expect("flushed");
            assert!(table_bytes(directory.path()) > 100_000);
            let meta = db.cf_handle("others").expect("it was made");
            db.put_cf(meta, Table::Meta.row(b"k"), b"v").expect("written");
        }
        std::fs::write(directory.path().join("generation"), "1\n").expect("written");
        for _ in 0..2 {
            let options = StorageOptions::default();
            let storage = Storage::open(directory.path(), options).expect("it was whole");
            let mut next = 0_u32;
            let scanned = storage.scan(Table::Key, &[]..&[], |key, value| {
                assert_eq!((key, value), (&next.to_be_bytes()[..], &next.to_le_bytes()[..]));
                next += 1;
                ControlFlow::Continue(())
            });
            scanned.expect("readable");
            assert_eq!(next, 50_000);
            assert!(table_bytes(directory.path()) < 10_000, "the old rows are gone");
            let meta = storage.get(Table::Meta, b"k").expect("readable");
            assert_eq!(meta.as_deref(), Some(&b"v"[..]));
        }
    }

    #[test]
    fn an_earlier_version_opens_no_state_of_this_one() {
        let directory = tempfile::tempdir().expect("a directory");
        drop(Storage::open(directory.path(), StorageOptions::default()).expect("a state"));
        let path = directory.path().join("00000001");
        let opened = rocksdb::DB::open_cf(&Options::default(), path, ["default", "others"]);
        let told = opened.err().map(|error| error.to_string()).unwrap_or_default();
        assert!(told.contains("revisions-in-files"), "{told}");
    }
}
