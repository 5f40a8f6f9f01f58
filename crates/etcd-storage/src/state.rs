//! The replicated state: tables, atomic batches, flushes, checkpoints and their install.

use std::ops::{ControlFlow, Range};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::JoinHandle;

use arc_swap::ArcSwap;
use bytes::Bytes;
use parking_lot::Mutex;
use rocksdb::ReadOptions;

use crate::family::{self, Family};
use crate::generation::{Due, Generation};
use crate::generations::Generations;
use crate::revisions::Revisions;
use crate::{Batch, Engine, Error, Leap, Sizes, StateFigures, Table, View, rows};

/// Bounds of the state's memory and files.
#[derive(Debug, Clone)]
pub struct StorageOptions {
    /// Bytes of changes to tables other than revisions that are kept in memory before they are
    /// flushed.
    pub write_buffer_bytes: u64,
    /// Bytes of blocks cached for lookups: so many of revisions, and a quarter of them of all other
    /// tables.
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
    figures: Arc<StateFigures>,
    /// Works beside commits; ended before the state is closed.
    beside: Mutex<Option<JoinHandle<()>>>,
}

impl Drop for Shared {
    fn drop(&mut self) {
        if let Some(thread) = self.beside.lock().take() {
            thread.join().expect("it does not panic");
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
        let figures = Arc::new(StateFigures::default());
        let path = generations.path(number);
        let generation = Generation::open(number, &path, &options, figures.clone())?;
        generations.point_to(number)?;
        generations.remove_others(number);
        let (current, beside) = (ArcSwap::from_pointee(generation), Mutex::default());
        Ok(Storage { shared: Arc::new(Shared { generations, options, current, figures, beside }) })
    }

    /// The value of `key` in `table`.
    pub fn get(&self, table: Table, key: &[u8]) -> Result<Option<Bytes>, Error> {
        let generation = self.shared.current.load();
        if table == Table::Key {
            return generation.revisions.get(key);
        }
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
        if table == Table::Key {
            return generation.revisions.get_many(keys);
        }
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
        if table == Table::Key {
            return generation.revisions.walk(range, visit);
        }
        let mut options = ReadOptions::default();
        options.set_iterate_upper_bound(table.range_end(range.end));
        options.fill_cache(false);
        let rows = generation.db.raw_iterator_cf_opt(generation.family(table), options);
        rows::walk(rows, table, range.start, visit).map_err(|error| generation.error(&error))
    }

    /// The row with the greatest key of `table`.
    pub fn last(&self, table: Table) -> Result<Option<(Bytes, Bytes)>, Error> {
        let generation = self.shared.current.load_full();
        if table == Table::Key {
            return generation.revisions.last();
        }
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
        read(&generation.view())
    }

    /// Makes all changes of `batch` visible. Not durable before the next [`flush`].
    ///
    /// A batch that deletes rows of [`Table::Key`] may take tens of milliseconds, in which other
    /// batches are committed: whoever deletes also writes files anew that have become half empty.
    ///
    /// # Errors
    /// `NoSpace` or `Io`: the caller must stop the process, the state may no longer be written.
    ///
    /// [`flush`]: Storage::flush
    pub fn commit(&self, batch: Batch) -> Result<(), Error> {
        let generation = self.shared.current.load();
        match generation.commit(batch)? {
            Due::Nothing => Ok(()),
            Due::Sync => self.beside(Generation::sync),
            Due::Flush => self.beside(Generation::flush),
            Due::FlushFirst => generation.flush(),
        }
    }

    /// Writes everything committed so far to files: it survives a crash from here on.
    pub fn flush(&self) -> Result<(), Error> {
        self.shared.current.load_full().flush()
    }

    /// Works on a thread of its own, unless that is still at it. If it fails, the next commit tells.
    fn beside(&self, work: fn(&Generation) -> Result<(), Error>) -> Result<(), Error> {
        let mut thread = self.shared.beside.lock();
        if thread.as_ref().is_some_and(|thread| !thread.is_finished()) {
            return Ok(());
        }
        let generation = self.shared.current.load_full();
        let path = generation.path.clone();
        let begun = std::thread::Builder::new().name("state-sync".to_owned());
        let begun = begun.spawn(move || drop(work(&generation)));
        *thread = Some(begun.map_err(|error| Error::from_io(&path, &error))?);
        Ok(())
    }

    /// Flushes, and writes all files anew in which anything was deleted or replaced, so that it takes
    /// no room any more: that may take minutes. Reads and commits go on meanwhile.
    pub fn compact(&self) -> Result<(), Error> {
        self.shared.current.load_full().compact()
    }

    /// Makes a durable copy of the state in `directory`, which must not exist, by hard links: it must
    /// be on the same file system. The copy holds at least everything committed before the call.
    pub fn checkpoint(&self, directory: &Path) -> Result<(), Error> {
        self.shared.current.load_full().checkpoint(directory)
    }

    /// Reads one row of a checkpoint without opening it for writes.
    pub fn read_checkpoint(
        directory: &Path,
        table: Table,
        key: &[u8],
    ) -> Result<Option<Bytes>, Error> {
        let error_here = |error: rocksdb::Error| Error::from_rocksdb(directory, &error);
        let db = family::open_to_read(directory).map_err(error_here)?;
        if let (Table::Key, Some(records)) = (table, Family::Others.handle_if_there(&db))
            && let Some(value) = Revisions::open(directory, &db, records, 0)?.get(key)?
        {
            return Ok(Some(value));
        }
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
        let new =
            Generation::open(number, &path, &self.shared.options, self.shared.figures.clone())?;
        generations.point_to(number)?;
        self.shared.current.store(Arc::new(new));
        // A reader or a flush may be under way in the old one: the last of them removes it.
        old.retire();
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

    /// What RocksDB says of itself now.
    pub fn engine(&self) -> Engine {
        let generation = self.shared.current.load_full();
        Engine::of(&generation.db, Family::Others.handle(&generation.db))
    }

    /// How many files the rows of [`Table::Key`] are in.
    pub fn revision_files(&self) -> usize {
        self.shared.current.load().revisions.files()
    }

    /// How large the state is, and how much of it is of use.
    pub fn sizes(&self) -> Sizes {
        self.shared.current.load().sizes()
    }
}
