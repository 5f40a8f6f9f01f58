//! The replicated state: tables, atomic batches, flushes, checkpoints and their install.

use std::ops::{ControlFlow, Range};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use arc_swap::ArcSwap;
use bytes::Bytes;
use etcd_figures::Lap;
use rocksdb::{
    BlockBasedOptions, BottommostLevelCompaction, Cache, ColumnFamily, CompactOptions, DB,
    DBCompressionType, ReadOptions, WriteOptions,
};

use crate::family::{self, Family};
use crate::generation::Generations;
use crate::sizes::InUse;
use crate::{Batch, Engine, Error, Leap, Sizes, StateFigures, Table, View, rows};

/// Bounds of the state's memory and files.
#[derive(Debug, Clone)]
pub struct StorageOptions {
    /// Bytes of changes kept in memory before they are flushed; bounds the replay after a crash.
    pub write_buffer_bytes: usize,
    /// Bytes of file blocks cached for reads.
    pub block_cache_bytes: usize,
    /// Files kept open at once.
    pub max_open_files: i32,
}

impl Default for StorageOptions {
    fn default() -> StorageOptions {
        StorageOptions {
            write_buffer_bytes: 32 << 20,
            block_cache_bytes: 32 << 20,
            max_open_files: 512,
        }
    }
}

/// The replicated state of one member. Cheap to clone; every clone sees the same state.
///
/// Writes are not synced: see [`Storage::flush`].
#[derive(Clone)]
pub struct Storage {
    shared: Arc<Shared>,
}

struct Shared {
    generations: Generations,
    options: StorageOptions,
    /// Replaced as a whole by [`Storage::install`]; readers keep the one they started with.
    current: ArcSwap<Generation>,
    figures: StateFigures,
}

struct Generation {
    number: u64,
    path: PathBuf,
    /// Declared before `retired`: the files are closed before they are removed.
    db: DB,
    retired: Retired,
    in_use: InUse,
    /// The usual ones: made once, as a lookup is quick enough to feel it.
    lookups: ReadOptions,
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

impl std::fmt::Debug for Storage {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Storage").field("path", &self.shared.current.load().path).finish()
    }
}

impl Storage {
    /// Opens the state under `directory`, or makes an empty one where there is none.
    ///
    /// # Errors
    /// `InUse`, `Foreign`, `Damaged` or `Io`, each with the path; nothing on disk is changed then.
    pub fn open(directory: &Path, options: StorageOptions) -> Result<Storage, Error> {
        let generations = Generations::open(directory)?;
        let number = generations.current()?;
        let generation = Generation::open(number, &generations.path(number), &options)?;
        generations.point_to(number)?;
        generations.remove_others(number);
        let current = ArcSwap::from_pointee(generation);
        let figures = StateFigures::default();
        Ok(Storage { shared: Arc::new(Shared { generations, options, current, figures }) })
    }

    /// The value of `key` in `table`.
    pub fn get(&self, table: Table, key: &[u8]) -> Result<Option<Bytes>, Error> {
        let generation = self.shared.current.load();
        let (family, row) = (generation.family(table), table.row(key));
        let value = generation.db.get_pinned_cf_opt(family, row, &generation.lookups);
        let value = value.map_err(|error| generation.error(&error))?;
        Ok(value.map(|value| Bytes::copy_from_slice(&value)))
    }

    /// The values of several keys of `table`, in the order of the keys.
    pub fn get_many<'k>(
        &self,
        table: Table,
        keys: impl IntoIterator<Item = &'k [u8]>,
    ) -> Result<Vec<Option<Bytes>>, Error> {
        let generation = self.shared.current.load();
        let family = generation.family(table);
        let rows = keys.into_iter().map(|key| (family, table.row(key)));
        let values = generation.db.multi_get_cf(rows);
        values
            .into_iter()
            .map(|value| Ok(value.map_err(|error| generation.error(&error))?.map(Bytes::from)))
            .collect()
    }

    /// Shows every row of `range` to `visit`, ascending, as of one moment, until it breaks.
    ///
    /// An empty end reaches to the end of the table. Nothing is copied: the slices are valid during
    /// the call only. The rows take no place among the blocks cached for [`Storage::get`].
    pub fn scan(
        &self,
        table: Table,
        range: Range<&[u8]>,
        mut visit: impl FnMut(&[u8], &[u8]) -> ControlFlow<()>,
    ) -> Result<(), Error> {
        self.leap(table, range, |key, value| visit(key, value).into())
    }

    /// The same, but `visit` may pass over rows. That costs less than several scans: what was read to
    /// find the first row is not read again to find the next.
    pub fn leap(
        &self,
        table: Table,
        range: Range<&[u8]>,
        visit: impl FnMut(&[u8], &[u8]) -> Leap,
    ) -> Result<(), Error> {
        let generation = self.shared.current.load_full();
        let mut options = ReadOptions::default();
        options.set_iterate_upper_bound(table.range_end(range.end));
        options.fill_cache(false);
        let rows = generation.db.raw_iterator_cf_opt(generation.family(table), options);
        rows::walk(rows, table, range.start, visit).map_err(|error| generation.error(&error))
    }

    /// The row with the greatest key of `table`.
    pub fn last(&self, table: Table) -> Result<Option<(Bytes, Bytes)>, Error> {
        let generation = self.shared.current.load_full();
        let mut options = ReadOptions::default();
        options.set_iterate_lower_bound(table.row(&[]));
        options.set_iterate_upper_bound(table.end());
        let mut rows = generation.db.raw_iterator_cf_opt(generation.family(table), options);
        rows.seek_to_last();
        let last = rows
            .item()
            .map(|(row, value)| (Bytes::copy_from_slice(&row[1..]), Bytes::copy_from_slice(value)));
        rows.status().map_err(|error| generation.error(&error))?;
        Ok(last)
    }

    /// Lets `read` look at all tables as they are at this moment. Commits go on meanwhile; what they
    /// replace is kept until `read` is done.
    pub fn at_one_moment<T>(&self, read: impl FnOnce(&View<'_>) -> T) -> T {
        let generation = self.shared.current.load_full();
        read(&View::new(&generation.db, &generation.path))
    }

    /// Makes all changes of `batch` visible at once. Not durable before the next [`flush`].
    ///
    /// # Errors
    /// `NoSpace` or `Io`: the caller must stop the process, the state may no longer be written.
    ///
    /// [`flush`]: Storage::flush
    pub fn commit(&self, batch: Batch) -> Result<(), Error> {
        let generation = self.shared.current.load();
        let mut options = WriteOptions::default();
        options.disable_wal(true);
        let tally = batch.tally;
        let begun = Lap::begin();
        let write = batch.into_write(&generation.db);
        let written = generation.db.write_opt(write, &options);
        written.map_err(|error| generation.error(&error))?;
        self.shared.figures.commits.note_time(begun.so_far());
        generation.in_use.count(tally);
        Ok(())
    }

    /// Writes everything committed so far to files: it survives a crash from here on.
    pub fn flush(&self) -> Result<(), Error> {
        let generation = self.shared.current.load_full();
        let begun = Lap::begin();
        family::flush(&generation.db).map_err(|error| generation.error(&error))?;
        self.shared.figures.flushes.note_time(begun.so_far());
        Ok(())
    }

    /// Flushes, and merges all files so that nothing deleted or replaced takes room any more: that
    /// may take minutes. Reads and commits go on meanwhile.
    pub fn compact(&self) -> Result<(), Error> {
        let (generation, begun) = (self.shared.current.load_full(), Lap::begin());
        let _compacting = self.shared.figures.compacting.hold();
        family::flush(&generation.db).map_err(|error| generation.error(&error))?;
        let mut options = CompactOptions::default();
        options.set_exclusive_manual_compaction(false);
        options.set_bottommost_level_compaction(BottommostLevelCompaction::Force);
        for family in Family::ALL {
            let family = family.handle(&generation.db);
            generation.db.compact_range_cf_opt(family, None::<&[u8]>, None::<&[u8]>, &options);
        }
        generation.in_use.reset(&generation.db);
        self.shared.figures.compactions.note_time(begun.so_far());
        Ok(())
    }

    /// Makes a durable copy of the state in `directory`, which must not exist: hard links where the
    /// file system allows. The copy holds at least everything committed before the call.
    pub fn checkpoint(&self, directory: &Path) -> Result<(), Error> {
        let generation = self.shared.current.load_full();
        let checkpoint = rocksdb::checkpoint::Checkpoint::new(&generation.db);
        checkpoint
            .and_then(|checkpoint| checkpoint.create_checkpoint(directory))
            .map_err(|error| Error::from_rocksdb(directory, &error))
    }

    /// Reads one row of a checkpoint without opening it for writes.
    pub fn read_checkpoint(
        directory: &Path,
        table: Table,
        key: &[u8],
    ) -> Result<Option<Bytes>, Error> {
        let error_here = |error: rocksdb::Error| Error::from_rocksdb(directory, &error);
        let db = family::open_to_read(directory).map_err(error_here)?;
        Ok(family::read(&db, table, key).map_err(error_here)?.map(Bytes::from))
    }

    /// Replaces the whole state by the files of a checkpoint, which are moved away from `directory`
    /// (it must be on the same file system). The swap is atomic, on disk and for readers.
    pub fn install(&self, directory: &Path) -> Result<(), Error> {
        let old = self.shared.current.load_full();
        let generations = &self.shared.generations;
        let number = old.number + 1;
        let path = generations.path(number);
        std::fs::rename(directory, &path).map_err(|error| Error::from_io(directory, &error))?;
        let new = Generation::open(number, &path, &self.shared.options)?;
        generations.point_to(number)?;
        self.shared.current.store(Arc::new(new));
        // A reader or a flush may be under way in the old one: the last of them removes it.
        old.retired.is_replaced.store(true, Ordering::Release);
        Ok(())
    }

    /// Where a snapshot may be received: beside the state, on the same file system.
    pub fn scratch_directory(&self, name: &str) -> PathBuf {
        self.shared.generations.path(0).with_file_name(name)
    }

    /// What it has counted and timed of its work since it was opened.
    pub fn figures(&self) -> &StateFigures {
        &self.shared.figures
    }

    /// What RocksDB says of each key space now, with its name.
    pub fn engines(&self) -> Vec<(&'static str, Engine)> {
        let generation = self.shared.current.load_full();
        let db = &generation.db;
        let engine = |family: Family| (family.title(), Engine::of(db, family.handle(db)));
        Family::ALL.map(engine).into()
    }

    /// How large the state is, and how much of it is of use.
    pub fn sizes(&self) -> Sizes {
        let generation = self.shared.current.load();
        generation.in_use.sizes(&generation.db)
    }
}

impl Generation {
    fn open(number: u64, path: &Path, options: &StorageOptions) -> Result<Generation, Error> {
        let cache = Cache::new_lru_cache(options.block_cache_bytes);
        let db = family::open(|family| rocksdb_options(options, &cache, family), path)?;
        let retired = Retired { path: path.to_owned(), is_replaced: AtomicBool::new(false) };
        let in_use = InUse::of(&db);
        let lookups = ReadOptions::default();
        Ok(Generation { number, path: path.to_owned(), db, retired, in_use, lookups })
    }

    fn family(&self, table: Table) -> &ColumnFamily {
        Family::of(table).handle(&self.db)
    }

    fn error(&self, error: &rocksdb::Error) -> Error {
        Error::from_rocksdb(&self.path, error)
    }
}

fn rocksdb_options(options: &StorageOptions, cache: &Cache, family: Family) -> rocksdb::Options {
    let mut blocks = BlockBasedOptions::default();
    blocks.set_block_cache(cache);
    // A lookup reads a whole block, checks it and unpacks it.
    blocks.set_block_size(4 << 10);
    blocks.set_format_version(5);
    // A file of revisions has a key range to itself, which says enough. Those of the other tables
    // overlap: a bloom filter keeps a lookup out of the files that do not have its row.
    if family == Family::Others {
        blocks.set_bloom_filter(10.0, false);
    }
    // Indexes of blocks and filters stay in memory beside the cache, less than a hundredth of what is
    // stored: in the cache those of a large store would drive out each other and all blocks.
    blocks.set_cache_index_and_filter_blocks(false);

    let mut rocksdb = rocksdb::Options::default();
    rocksdb.create_if_missing(true);
    rocksdb.set_block_based_table_factory(&blocks);
    rocksdb.set_write_buffer_size(options.write_buffer_bytes);
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
