//! The raft log: one writer thread, one sync for all that waits.

use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::JoinHandle;

use bytes::Bytes;
use etcd_figures::Lap;
use rocksdb::properties::CUR_SIZE_ACTIVE_MEM_TABLE;
use rocksdb::{BlockBasedOptions, DB, DBRecoveryMode, FlushOptions, WriteBatch, WriteOptions};

use crate::error::open_rocksdb;
use crate::log_queue::{Done, LogOperation, LogQueue, Submission};
use crate::{Engine, Error, LogFigures};

/// Bytes that one group commit may hold: more waiting operations go into the next one, so that the
/// first of them need not wait for a write of any length.
const GROUP_BYTES: usize = 4 << 20;
/// Bytes of log in memory from which on a purge is followed by a flush: what was purged is dropped
/// instead of written. A flush waits for a sync or two, too much for a few bytes.
const PURGED_BYTES: u64 = 8 << 20;

/// Prefix of the entries' rows; the index follows as eight bytes, big-endian.
const ENTRY: u8 = b'e';
/// Prefix of the named marks' rows.
const MARK: u8 = b'm';

/// How the log is written.
#[derive(Debug, Clone)]
pub struct LogOptions {
    /// Whether a write reaches the disk before it is reported done. Only ever `false` by the user's
    /// explicit wish (`--unsafe-no-fsync`): a power failure may then lose acknowledged writes.
    pub sync: bool,
    /// Bytes of log kept in memory before they are flushed to a table file, if no purge comes first.
    /// Larger than what is kept between two purges, so that entries are purged before they ever
    /// reach such a file.
    pub write_buffer_bytes: usize,
}

impl Default for LogOptions {
    fn default() -> LogOptions {
        LogOptions { sync: true, write_buffer_bytes: 64 << 20 }
    }
}

/// The raft log of one member on a RocksDB of its own.
///
/// Operations take effect in the order of their submission. Those with a [`Done`] are synced before
/// it is called; those without ride along with the next sync, or are written unsynced soon after.
pub struct Log {
    db: Arc<DB>,
    path: PathBuf,
    queue: Arc<LogQueue>,
    figures: Arc<LogFigures>,
    /// `None` only while dropping.
    writer: Option<JoinHandle<()>>,
}

impl Log {
    /// Opens the log in `directory`, or makes an empty one.
    ///
    /// A record that was being written when the process died is dropped: it was never reported done.
    ///
    /// # Errors
    /// `InUse`, `Damaged` (any record before the last is unreadable) or `Io`.
    pub fn open(directory: &Path, options: &LogOptions) -> Result<Log, Error> {
        std::fs::create_dir_all(directory).map_err(|error| Error::from_io(directory, &error))?;
        refuse_foreign(directory)?;
        let db = Arc::new(open_rocksdb(&rocksdb_options(options), directory)?);
        let queue = Arc::new(LogQueue::default());
        let submissions = queue.clone();
        let figures = Arc::new(LogFigures::default());
        let writer = Writer {
            db: db.clone(),
            path: directory.to_owned(),
            sync: options.sync,
            failed: None,
            figures: figures.clone(),
        };
        let writer = std::thread::Builder::new()
            .name("raft-log".to_owned())
            .spawn(move || writer.run(&submissions))
            .map_err(|error| Error::from_io(directory, &error))?;
        Ok(Log { db, path: directory.to_owned(), queue, figures, writer: Some(writer) })
    }

    /// Hands operations to the writer thread and returns at once.
    pub fn submit(&self, operations: Vec<LogOperation>, done: Option<Done>) {
        self.queue.push(Submission { operations, done });
    }

    /// The indexes of the entries on disk; empty when there is none.
    pub fn indexes(&self) -> Result<Range<u64>, Error> {
        let first = self.edge(|rows| rows.seek([ENTRY]))?;
        let last = self.edge(|rows| rows.seek_for_prev([ENTRY + 1]))?;
        match (first, last) {
            (Some(first), Some(last)) => Ok(first..last + 1),
            _ => Ok(0..0),
        }
    }

    /// The records of `range` that have been written.
    ///
    /// # Errors
    /// `Damaged` when one of them is missing.
    pub fn read(&self, range: Range<u64>) -> Result<Vec<Bytes>, Error> {
        let mut options = rocksdb::ReadOptions::default();
        options.set_iterate_upper_bound(entry_row(range.end).to_vec());
        let mut rows = self.db.raw_iterator_opt(options);
        rows.seek(entry_row(range.start));
        let mut records = Vec::new();
        for index in range {
            match rows.item() {
                Some((row, value)) if row == entry_row(index) => {
                    records.push(Bytes::copy_from_slice(value));
                }
                _ => {
                    rows.status().map_err(|error| Error::from_rocksdb(&self.path, &error))?;
                    return Err(Error::damaged(&self.path, format!("entry {index} is missing")));
                }
            }
            rows.next();
        }
        Ok(records)
    }

    /// The value of a named mark.
    pub fn mark(&self, name: &str) -> Result<Option<Bytes>, Error> {
        let value = self.db.get(mark_row(name));
        Ok(value.map_err(|error| Error::from_rocksdb(&self.path, &error))?.map(Bytes::from))
    }

    /// What it has counted and timed of its work since it was opened.
    pub fn figures(&self) -> &LogFigures {
        &self.figures
    }

    /// What RocksDB says of it now.
    pub fn engine(&self) -> Engine {
        Engine::whole(&self.db)
    }

    /// How many groups of operations wait to be written.
    pub fn queue_len(&self) -> usize {
        self.queue.len()
    }

    /// The directory, for messages about it.
    pub fn path(&self) -> &Path {
        &self.path
    }

    fn edge(
        &self,
        seek: impl FnOnce(&mut rocksdb::DBRawIterator<'_>),
    ) -> Result<Option<u64>, Error> {
        let mut rows = self.db.raw_iterator();
        seek(&mut rows);
        let row = rows.key().filter(|row| row.first() == Some(&ENTRY));
        let index = match row {
            None => None,
            Some(row) => {
                let bytes = <[u8; 8]>::try_from(&row[1..]);
                let bytes = bytes.map_err(|_| Error::damaged(&self.path, "a row has no index"))?;
                Some(u64::from_be_bytes(bytes))
            }
        };
        rows.status().map_err(|error| Error::from_rocksdb(&self.path, &error))?;
        Ok(index)
    }
}

impl std::fmt::Debug for Log {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Log").field("path", &self.path).finish_non_exhaustive()
    }
}

impl Drop for Log {
    fn drop(&mut self) {
        self.queue.close();
        if let Some(writer) = self.writer.take() {
            writer.join().expect("the writer thread does not panic");
        }
    }
}

/// The thread that owns all writes.
struct Writer {
    db: Arc<DB>,
    path: PathBuf,
    sync: bool,
    /// Invariant: once a write failed, no later one is tried, or the log could have a gap.
    failed: Option<Error>,
    figures: Arc<LogFigures>,
}

impl Writer {
    fn run(mut self, submissions: &LogQueue) {
        let mut waiting = Vec::new();
        while let Some(first) = submissions.wait() {
            let mut lap = Lap::begin();
            let mut batch = WriteBatch::default();
            let mut next = Some(first);
            let mut purges = false;
            while let Some(submission) = next {
                for operation in submission.operations {
                    purges |= matches!(operation, LogOperation::PurgeThrough(_));
                    add(&mut batch, operation);
                }
                waiting.extend(submission.done);
                next = (batch.size_in_bytes() < GROUP_BYTES).then(|| submissions.next()).flatten();
            }
            self.figures.bytes.add(batch.size_in_bytes() as u64);
            self.figures.groups.note_time(lap.end());
            let awaited = !waiting.is_empty();
            let result = self.write(batch, awaited);
            if self.sync && awaited {
                self.figures.syncs.note_time(lap.end());
            }
            for done in waiting.drain(..) {
                done(result.clone());
            }
            if purges {
                self.flush_what_is_left();
            }
        }
    }

    /// Has the entries in memory flushed while most of them are purged, for a flush drops those. If
    /// they were left until memory is full, later ones would stand behind them and be written again.
    fn flush_what_is_left(&self) {
        let held = self.db.property_int_value(CUR_SIZE_ACTIVE_MEM_TABLE);
        if self.failed.is_some() || !matches!(held, Ok(Some(bytes)) if bytes >= PURGED_BYTES) {
            return;
        }
        let mut options = FlushOptions::default();
        options.set_wait(false);
        if let Err(error) = self.db.flush_opt(&options) {
            // Nothing is lost: the next write meets the same trouble and answers for it.
            tracing::warn!(%error, "the raft log was not flushed after a purge");
        }
    }

    fn write(&mut self, batch: WriteBatch, awaited: bool) -> Result<(), Error> {
        if let Some(error) = &self.failed {
            return Err(error.clone());
        }
        let mut options = WriteOptions::default();
        options.set_sync(self.sync && awaited);
        let result = self.db.write_opt(batch, &options);
        let result = result.map_err(|error| Error::from_rocksdb(&self.path, &error));
        if let Err(error) = &result {
            tracing::error!(%error, "the raft log cannot be written");
            self.failed = Some(error.clone());
        }
        result
    }
}

fn add(batch: &mut WriteBatch, operation: LogOperation) {
    match operation {
        LogOperation::Append { first_index, records } => {
            for (index, record) in (first_index..).zip(records) {
                batch.put(entry_row(index), record);
            }
        }
        LogOperation::TruncateFrom(index) => {
            batch.delete_range(&entry_row(index)[..], &[ENTRY + 1]);
        }
        LogOperation::PurgeThrough(index) => {
            batch.delete_range(&entry_row(0), &entry_row(index + 1));
        }
        LogOperation::Mark { name, value } => batch.put(mark_row(name), value),
    }
}

fn entry_row(index: u64) -> [u8; 9] {
    let mut row = [ENTRY; 9];
    row[1..].copy_from_slice(&index.to_be_bytes());
    row
}

fn mark_row(name: &str) -> Vec<u8> {
    let mut row = vec![MARK];
    row.extend_from_slice(name.as_bytes());
    row
}

/// A directory with files but no RocksDB in it belongs to somebody else.
fn refuse_foreign(directory: &Path) -> Result<(), Error> {
    let entries =
        std::fs::read_dir(directory).map_err(|error| Error::from_io(directory, &error))?;
    let names: Vec<_> = entries.flatten().map(|entry| entry.file_name()).collect();
    let known = |name: &std::ffi::OsString| {
        name.to_str().is_some_and(|name| ["CURRENT", "LOCK", "LOG"].contains(&name))
    };
    if names.is_empty() || names.iter().any(known) {
        return Ok(());
    }
    Err(Error::foreign(directory, format!("found {:?}", names[0])))
}

fn rocksdb_options(options: &LogOptions) -> rocksdb::Options {
    // Entries are read again from memory, or once after a restart: nothing is worth caching.
    let mut blocks = BlockBasedOptions::default();
    blocks.disable_cache();
    let mut rocksdb = rocksdb::Options::default();
    rocksdb.create_if_missing(true);
    rocksdb.set_block_based_table_factory(&blocks);
    rocksdb.set_max_file_opening_threads(1);
    rocksdb.set_write_buffer_size(options.write_buffer_bytes);
    rocksdb.set_max_write_buffer_number(2);
    rocksdb.set_max_open_files(64);
    rocksdb.set_max_background_jobs(2);
    // Damage anywhere but in the last, unfinished record is an error, never a silent cut.
    rocksdb.set_wal_recovery_mode(DBRecoveryMode::TolerateCorruptedTailRecords);
    rocksdb.set_track_and_verify_wals_in_manifest(true);
    rocksdb.set_allow_concurrent_memtable_write(false);
    rocksdb.set_keep_log_file_num(2);
    rocksdb.set_max_log_file_size(1 << 20);
    rocksdb.set_stats_dump_period_sec(0);
    rocksdb.set_stats_persist_period_sec(0);
    rocksdb
}
