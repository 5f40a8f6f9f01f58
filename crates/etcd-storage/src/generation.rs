//! One state's files while they are in use, and what changes them.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use etcd_figures::Lap;
use parking_lot::{Mutex, MutexGuard};
use rocksdb::{
    BlockBasedOptions, Cache, ColumnFamily, DB, DBCompressionType, ReadOptions, WriteBatch,
    WriteOptions,
};

use crate::batch::Change;
use crate::family::{self, Family};
use crate::revisions::{Appender, Contents, Effort, Ending, Found, Revisions};
use crate::sizes::InUse;
use crate::{Batch, Error, Sizes, StateFigures, StorageOptions, Table, View, conversion};

/// How many times the bytes at which it is time to flush nothing more is committed before there was
/// one, and how many of them RocksDB has room for.
const UNFLUSHED_MAX: u64 = 4;
const WRITE_BUFFERS: usize = 8;
/// About how much more memory a row takes than its bytes.
const ROW_OVERHEAD: usize = 64;

/// Bytes of revisions that are synced together: what takes much longer would hold up the raft log.
const UNSYNCED_BYTES: usize = 4 << 20;
/// A flush syncs what was written meanwhile, while commits go on, until it is little, or so often.
const SYNCS_MAX: usize = 4;

/// At how many files of revisions that nobody needs but the last flush there is another one.
const OBSOLETE_FILES: usize = 8;

/// All tables in one directory.
pub(crate) struct Generation {
    pub(crate) number: u64,
    pub(crate) path: PathBuf,
    /// Declared before `retired`: the files are closed before they are removed.
    pub(crate) db: DB,
    pub(crate) revisions: Revisions,
    retired: Retired,
    in_use: InUse,
    /// Held by whoever flushes.
    flushing: Mutex<()>,
    /// Why a commit or a flush failed: what was written is unknown then, so nothing more may be.
    failed: OnceLock<Error>,
    /// Bytes of other tables' changes since the last flush, about.
    unflushed: AtomicU64,
    /// At how many of them it is time to flush.
    unflushed_limit: u64,
    /// The usual ones: made once, as a lookup is quick enough to feel it.
    pub(crate) lookups: ReadOptions,
    figures: Arc<StateFigures>,
}

/// What is to be done before much more is committed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Due {
    Nothing,
    /// What was written of revisions should be synced.
    Sync,
    /// It is time for a flush.
    Flush,
    /// Nothing must be committed before there was one.
    FlushFirst,
}

/// Removes the files of a generation that was replaced, once its last user is done with it.
struct Retired {
    path: PathBuf,
    is_replaced: AtomicBool,
}

impl Drop for Retired {
    fn drop(&mut self) {
        if !self.is_replaced.load(Ordering::Acquire) {
            return;
        }
        if let Err(error) = std::fs::remove_dir_all(&self.path) {
            tracing::warn!(path = %self.path.display(), %error, "could not remove replaced state");
        }
    }
}

impl Generation {
    pub(crate) fn open(
        number: u64,
        path: &Path,
        options: &StorageOptions,
        figures: Arc<StateFigures>,
    ) -> Result<Generation, Error> {
        let cache = Cache::new_lru_cache(options.block_cache_bytes / 4);
        let db = family::open(|_| rocksdb_options(options, &cache), path)?;
        let revisions =
            Revisions::open(path, &db, Family::Others.handle(&db), options.block_cache_bytes)?;
        revisions.remove_others(path)?;
        let retired = Retired { path: path.to_owned(), is_replaced: AtomicBool::new(false) };
        let in_use = InUse::of(&db);
        let lookups = ReadOptions::default();
        let generation = Generation {
            number,
            path: path.to_owned(),
            db,
            revisions,
            retired,
            in_use,
            flushing: Mutex::default(),
            failed: OnceLock::new(),
            unflushed: AtomicU64::new(0),
            unflushed_limit: options.write_buffer_bytes,
            lookups,
            figures,
        };
        if conversion::convert(&generation.db, &generation.revisions, path)? {
            generation.flush()?;
        }
        conversion::clear(&generation.db);
        Ok(generation)
    }

    /// Answers with what is to be done next.
    pub(crate) fn commit(&self, batch: Batch) -> Result<Due, Error> {
        self.check()?;
        let begun = Lap::begin();
        let Batch { rows, others, mut removals, tally } = batch;
        let removing = (!removals.is_empty()).then(|| self.revisions.removing());
        let found = match removing {
            Some(_) => self.revisions.find(&mut removals)?,
            None => Vec::new(),
        };
        let mut appender = self.revisions.appender();
        let changed = self.change(&mut appender, &rows, &found, others);
        // Of half a batch nothing may ever be flushed.
        let bytes = changed.inspect_err(|error| self.fail(error))?;
        let unsynced = appender.unsynced_bytes();
        drop(appender);
        let unflushed = self.unflushed.fetch_add(bytes, Ordering::Relaxed);
        self.in_use.count(tally);
        self.figures.commits.note_time(begun.so_far());
        if removing.is_some() {
            match self.revisions.reclaim(Effort::Usual) {
                // They are as they were, and the next to remove anything tries again.
                Err(Error::NoSpace { path }) => {
                    tracing::warn!(
                        path,
                        "no space to write revisions anew without the removed ones"
                    );
                }
                reclaimed => reclaimed?,
            }
            drop(removing);
            if self.revisions.appender().obsolete() >= OBSOLETE_FILES {
                self.flush()?;
            }
        }
        Ok(match unflushed / self.unflushed_limit.max(1) {
            0 if unsynced < UNSYNCED_BYTES => Due::Nothing,
            0 => Due::Sync,
            1..UNFLUSHED_MAX => Due::Flush,
            UNFLUSHED_MAX.. => Due::FlushFirst,
        })
    }

    /// Writes a batch's changes, and answers with about how many bytes of RocksDB's memory they take.
    fn change(
        &self,
        appender: &mut Appender,
        rows: &[u8],
        removed: &[Found],
        others: Vec<Change>,
    ) -> Result<u64, Error> {
        let family = Family::Others.handle(&self.db);
        let mut write = WriteBatch::default();
        appender.append(rows)?;
        appender.remove(removed);
        if !rows.is_empty() || !removed.is_empty() {
            appender.count_changes(&mut write, family);
        }
        others.into_iter().for_each(|change| change.write(&mut write, family));
        let bytes = (write.size_in_bytes() + ROW_OVERHEAD * write.len()) as u64;
        self.write(write)?;
        Ok(bytes)
    }

    /// Has on the disk what was written of revisions: a flush then has little to sync, and is less in
    /// the way of other syncs.
    pub(crate) fn sync(&self) -> Result<(), Error> {
        let _flushing = self.flushing.lock();
        self.check()?;
        let unsynced = self.revisions.appender().take_unsynced();
        unsynced.sync().inspect_err(|error| self.fail(error))
    }

    pub(crate) fn flush(&self) -> Result<(), Error> {
        self.flush_to(&self.flushing.lock(), Ending::Block).map(drop)
    }

    /// See [`Storage::compact`](crate::Storage::compact).
    pub(crate) fn compact(&self) -> Result<(), Error> {
        let begun = Lap::begin();
        let _compacting = self.figures.compacting.hold();
        let removing = self.revisions.removing();
        self.revisions.reclaim(Effort::Full)?;
        drop(removing);
        let flushing = self.flushing.lock();
        self.flush_to(&flushing, Ending::Block)?;
        family::compact(&self.db).map_err(|error| self.error(&error))?;
        self.in_use.reset(&self.db);
        self.figures.compactions.note_time(begun.so_far());
        Ok(())
    }

    /// See [`Storage::checkpoint`](crate::Storage::checkpoint).
    pub(crate) fn checkpoint(&self, directory: &Path) -> Result<(), Error> {
        // Until the next flush, everything that this one speaks of stays where it is.
        let flushing = self.flushing.lock();
        let flushed = self.flush_to(&flushing, Ending::File)?;
        family::checkpoint(&self.db, directory)
            .map_err(|error| Error::from_rocksdb(directory, &error))?;
        flushed.link(directory)
    }

    /// Everything at this moment.
    pub(crate) fn view(&self) -> View<'_> {
        let _nobody_commits = self.revisions.appender();
        View::new(&self.db, self.revisions.contents(), &self.path)
    }

    pub(crate) fn sizes(&self) -> Sizes {
        let (total, removed) = self.revisions.sizes();
        let others = self.in_use.sizes(&self.db);
        Sizes { total: others.total + total, in_use: others.in_use + (total - removed) }
    }

    /// Has its files removed once nobody uses it.
    pub(crate) fn retire(&self) {
        self.retired.is_replaced.store(true, Ordering::Release);
    }

    /// Answers with the rows that are durable now.
    fn flush_to(&self, flushing: &MutexGuard<'_, ()>, ending: Ending) -> Result<Contents, Error> {
        self.check()?;
        let begun = Lap::begin();
        let flushed = self.try_flush(flushing, ending);
        match &flushed {
            Ok(_) => self.figures.flushes.note_time(begun.so_far()),
            Err(error) => self.fail(error),
        }
        flushed
    }

    /// First the rows of revisions reach the disk, then all that speaks of them.
    fn try_flush(&self, _: &MutexGuard<'_, ()>, ending: Ending) -> Result<Contents, Error> {
        for _ in 0..SYNCS_MAX {
            let unsynced = self.revisions.appender().take_unsynced();
            let is_little = unsynced.bytes < UNSYNCED_BYTES / 4;
            unsynced.sync()?;
            if is_little {
                break;
            }
        }
        let mut appender = self.revisions.appender();
        // Whoever held it may have failed half way.
        self.check()?;
        match ending {
            Ending::Block => appender.end_block()?,
            Ending::File => appender.end_file()?,
        }
        // Commits wait for this.
        appender.take_unsynced().sync()?;
        let mut write = WriteBatch::default();
        appender.put_records(&mut write, Family::Others.handle(&self.db));
        let (flushed, obsolete) = (appender.contents(), appender.take_obsolete());
        self.write(write)?;
        family::begin_flush(&self.db).map_err(|error| self.error(&error))?;
        self.unflushed.store(0, Ordering::Relaxed);
        drop(appender);
        family::end_flush(&self.db).map_err(|error| self.error(&error))?;
        obsolete.iter().for_each(|file| file.remove());
        Ok(flushed)
    }

    fn write(&self, write: WriteBatch) -> Result<(), Error> {
        let mut options = WriteOptions::default();
        options.disable_wal(true);
        self.db.write_opt(write, &options).map_err(|error| self.error(&error))
    }

    /// Nothing more is written from here on.
    fn fail(&self, error: &Error) {
        // The first error says why.
        let _ = self.failed.set(error.clone());
        // When there is room again after a full disk, RocksDB would go on by itself and flush.
        self.db.cancel_all_background_work(false);
    }

    fn check(&self) -> Result<(), Error> {
        self.failed.get().map_or(Ok(()), |error| Err(error.clone()))
    }

    pub(crate) fn family(&self, table: Table) -> &ColumnFamily {
        Family::of(table).handle(&self.db)
    }

    pub(crate) fn error(&self, error: &rocksdb::Error) -> Error {
        Error::from_rocksdb(&self.path, error)
    }
}

fn rocksdb_options(options: &StorageOptions, cache: &Cache) -> rocksdb::Options {
    let mut blocks = BlockBasedOptions::default();
    blocks.set_block_cache(cache);
    // A lookup reads a whole block, checks it and unpacks it.
    blocks.set_block_size(4 << 10);
    blocks.set_format_version(5);
    // A bloom filter keeps a lookup out of the files that do not have its row.
    blocks.set_bloom_filter(10.0, false);
    // Indexes of blocks and filters stay in memory beside the cache, less than a hundredth of what is
    // stored: in the cache those of a large store would drive out each other and all blocks.
    blocks.set_cache_index_and_filter_blocks(false);

    let mut rocksdb = rocksdb::Options::default();
    rocksdb.create_if_missing(true);
    rocksdb.set_block_based_table_factory(&blocks);
    // RocksDB must not flush by itself, when the revisions that belong to it are not yet synced: it
    // gets room for more than is ever put between two flushes.
    rocksdb.set_write_buffer_size(
        WRITE_BUFFERS
            * usize::try_from(options.write_buffer_bytes).unwrap_or(usize::MAX / WRITE_BUFFERS),
    );
    // The state's size is told to clients, and small quotas count on it: it grows in small steps.
    rocksdb.set_arena_block_size(16 << 10);
    rocksdb.set_max_write_buffer_number(3);
    rocksdb.set_max_open_files(options.max_open_files);
    rocksdb.set_max_background_jobs(2);
    rocksdb.set_max_file_opening_threads(2);
    rocksdb.set_compression_type(DBCompressionType::Lz4);
    rocksdb.set_bytes_per_sync(1 << 20);
    // One writer, so the locking that lets several insert at once would only cost.
    rocksdb.set_allow_concurrent_memtable_write(false);
    rocksdb.set_keep_log_file_num(2);
    rocksdb.set_max_log_file_size(1 << 20);
    rocksdb.set_stats_dump_period_sec(0);
    rocksdb.set_stats_persist_period_sec(0);
    rocksdb
}
