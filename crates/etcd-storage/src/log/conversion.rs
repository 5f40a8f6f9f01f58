//! The log as earlier versions kept it: in a RocksDB, which is taken over once.

use std::io;
use std::path::Path;

use bytes::Bytes;
use rocksdb::{DB, DBRecoveryMode, IteratorMode, Options};

use crate::Error;

/// The file that makes a directory a RocksDB.
pub(super) const CURRENT: &str = "CURRENT";
/// Prefix of the entries' rows; the index follows as eight bytes, big-endian.
const ENTRY: u8 = b'e';
/// Prefix of the named marks' rows.
const MARK: u8 = b'm';

/// What such a log consists of.
pub(super) enum Row {
    Entry { index: u64, record: Bytes },
    Mark { name: String, value: Bytes },
}

/// Whether an earlier version's log is in `directory`, as a whole.
pub(super) fn is_due(directory: &Path) -> bool {
    directory.join(CURRENT).exists()
}

/// Whether a file is one of those that make such a log.
fn is_part(name: &str) -> bool {
    let (stem, extension) = name.rsplit_once('.').unwrap_or((name, ""));
    match extension {
        "sst" | "log" => stem.bytes().all(|byte| byte.is_ascii_digit()),
        _ => {
            [CURRENT, "IDENTITY", "LOG"].contains(&name)
                || ["MANIFEST-", "OPTIONS-", "LOG.old."].iter().any(|begin| name.starts_with(begin))
        }
    }
}

/// Shows all that it holds to `take`.
///
/// # Errors
/// `InUse`, `Damaged`, `Io`, or what `take` says.
pub(super) fn read(
    directory: &Path,
    mut take: impl FnMut(Row) -> Result<(), Error>,
) -> Result<(), Error> {
    let error_here = |error: &rocksdb::Error| Error::from_rocksdb(directory, error);
    let mut options = Options::default();
    options.set_wal_recovery_mode(DBRecoveryMode::TolerateCorruptedTailRecords);
    options.set_track_and_verify_wals_in_manifest(true);
    let db = DB::open(&options, directory).map_err(|error| error_here(&error))?;
    for row in db.iterator(IteratorMode::Start) {
        let (row, value) = row.map_err(|error| error_here(&error))?;
        let value = Bytes::from(value);
        let unknown = || Error::damaged(directory, format!("row {row:02x?} is none of a raft log"));
        take(match row.split_first() {
            Some((&ENTRY, index)) => {
                let index = u64::from_be_bytes(index.try_into().map_err(|_| unknown())?);
                Row::Entry { index, record: value }
            }
            Some((&MARK, name)) => {
                let name = String::from_utf8(name.to_vec()).map_err(|_| unknown())?;
                Row::Mark { name, value }
            }
            _ => return Err(unknown()),
        })?;
    }
    Ok(())
}

/// Removes it, first of all what makes it one: from then on the segments count.
pub(super) fn remove(directory: &Path) -> io::Result<()> {
    std::fs::remove_file(directory.join(CURRENT))?;
    std::fs::File::open(directory)?.sync_all()?;
    for file in std::fs::read_dir(directory)? {
        let file = file?;
        if is_part(&file.file_name().to_string_lossy()) {
            std::fs::remove_file(file.path())?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use crate::{Error, Log, LogOptions};

    use super::*;

    fn fill(directory: &Path, row: impl Fn(u64) -> Vec<u8>) {
        let mut options = Options::default();
        options.create_if_missing(true);
        let db = DB::open(&options, directory).expect("a database");
        for index in 5..300 {
            db.put(row(index), vec![7; 40_000]).expect("written");
        }
        db.put(b"mvote", b"me").expect("written");
        db.delete(row(5)).expect("written");
    }

    fn entry(index: u64) -> Vec<u8> {
        [&[ENTRY][..], &index.to_be_bytes()].concat()
    }

    #[test]
    fn a_log_in_a_rocksdb_is_taken_over_once() {
        let directory = tempfile::tempdir().expect("a directory");
        fill(directory.path(), entry);
        for _ in 0..2 {
            let log = Log::open(directory.path(), &LogOptions::default()).expect("a log");
            assert_eq!(log.indexes(), 6..300);
            assert_eq!(log.read(6..300).expect("readable"), vec![vec![7; 40_000]; 294]);
            assert_eq!(log.mark("vote").as_deref(), Some(&b"me"[..]));
        }
        let names = std::fs::read_dir(directory.path()).expect("readable").flatten();
        let names: Vec<_> =
            names.map(|file| file.file_name().to_string_lossy().into_owned()).collect();
        assert!(!names.iter().any(|name| is_part(name)), "{names:?}");
    }

    #[test]
    fn what_a_conversion_that_was_interrupted_wrote_counts_for_nothing() {
        let directory = tempfile::tempdir().expect("a directory");
        let half = tempfile::tempdir().expect("a directory");
        fill(half.path(), entry);
        drop(Log::open(half.path(), &LogOptions::default()).expect("a log"));
        fill(directory.path(), |index| entry(index + 1000));
        for file in std::fs::read_dir(half.path()).expect("readable").flatten() {
            std::fs::copy(file.path(), directory.path().join(file.file_name())).expect("copied");
        }
        let log = Log::open(directory.path(), &LogOptions::default()).expect("a log");
        assert_eq!(log.indexes(), 1006..1300);
    }

    #[test]
    fn another_rocksdb_is_left_alone() {
        let directory = tempfile::tempdir().expect("a directory");
        fill(directory.path(), |index| index.to_be_bytes().to_vec());
        for _ in 0..2 {
            let log = Log::open(directory.path(), &LogOptions::default());
            assert!(matches!(log, Err(Error::Damaged { .. })), "{log:?}");
        }
    }
}
