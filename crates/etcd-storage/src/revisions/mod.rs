//! The rows of revisions, in files of their own.
//!
//! Revisions only ever grow, and so do their rows' keys: each row is added behind all others, and what
//! was added never changes. So the rows lie end to end in files, in blocks that are read and checked
//! together, and to find one it takes the first key of each block, in memory. Neighbours lie side by
//! side; a list of many is some long reads.
//!
//! A row that is deleted is only marked. A file of which half is marked is written anew, without
//! these rows.
//!
//! What the files hold is whatever RocksDB's last flush says of them: see [`record`]. All of that is
//! synced before, so that a crash takes the rows back to the same moment as all other tables.

mod appender;
mod block;
mod cache;
mod contents;
mod file;
mod key;
mod packer;
mod part;
mod reader;
mod reclaim;
mod record;
mod recovery;
mod removed;
mod walk;

use std::cell::RefCell;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use parking_lot::{Mutex, MutexGuard, RwLock};
use rocksdb::{ColumnFamily, DB};

use crate::{Error, Leap};
pub(crate) use appender::Appender;
pub(crate) use block::{Rows, push_row};
use cache::BlockCache;
use contents::Place;
pub(crate) use contents::{Contents, Found};
pub(crate) use key::RowKey;
use reader::BlockReader;
pub(crate) use reclaim::Effort;

thread_local! {
    static READER: RefCell<BlockReader> = RefCell::default();
}

/// All rows. Readers share it with the one who writes.
pub(crate) struct Revisions {
    contents: Arc<RwLock<Contents>>,
    cache: BlockCache,
    /// Held by whoever changes anything.
    appender: Mutex<Appender>,
    /// Held by whoever removes rows or writes files anew: taken before the appender.
    removing: Mutex<()>,
}

/// Where a flush ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ending {
    /// Behind a block: the file goes on.
    Block,
    /// Behind a file: none grows any more.
    File,
}

/// What a batch removes.
#[derive(Debug, Default)]
pub(crate) struct Removals {
    pub(crate) keys: Vec<RowKey>,
    /// An empty end is none.
    pub(crate) ranges: Vec<Range<Vec<u8>>>,
}

impl Removals {
    pub(crate) fn is_empty(&self) -> bool {
        self.keys.is_empty() && self.ranges.is_empty()
    }
}

impl Revisions {
    /// Opens the rows in `directory` that `db` knows of, with memory for so many bytes of them. Changes
    /// nothing.
    pub(crate) fn open(
        directory: &Path,
        db: &DB,
        records: &ColumnFamily,
        cache_bytes: usize,
    ) -> Result<Revisions, Error> {
        let (contents, next, changes) = recovery::recover(directory, db, records)?;
        let contents = Arc::new(RwLock::new(contents));
        let appender = Appender::new(directory, contents.clone(), next, changes)?;
        let (appender, removing) = (Mutex::new(appender), Mutex::default());
        Ok(Revisions { contents, cache: BlockCache::new(cache_bytes), appender, removing })
    }

    /// Removes from `directory` what was written after the last flush, before anything is changed.
    pub(crate) fn remove_others(&self, directory: &Path) -> Result<(), Error> {
        recovery::remove_others(directory, &self.contents())
    }

    /// The value of the row with this key.
    pub(crate) fn get(&self, key: &[u8]) -> Result<Option<Bytes>, Error> {
        READER.with_borrow_mut(|reader| {
            reader.forget();
            self.get_with(key, reader)
        })
    }

    /// The values of the rows with these keys.
    pub(crate) fn get_many<'k>(
        &self,
        keys: impl IntoIterator<Item = &'k [u8]>,
    ) -> Result<Vec<Option<Bytes>>, Error> {
        READER.with_borrow_mut(|reader| {
            reader.forget();
            keys.into_iter().map(|key| self.get_with(key, reader)).collect()
        })
    }

    fn get_with(&self, key: &[u8], reader: &mut BlockReader) -> Result<Option<Bytes>, Error> {
        let contents = self.contents.read();
        let Place::Block { part, block } = contents.place_of(key) else {
            return Ok(contents.pending_value(key));
        };
        let Some(part) = contents.part(part) else { return Ok(None) };
        let name = (part.file.number, block);
        if let Some(value) = self.cache.look(name, |rows| part.value(block, rows, key)) {
            return Ok(value);
        }
        let part = part.clone();
        // Reading may take its time.
        drop(contents);
        let rows = reader.read(&part, block)?;
        self.cache.offer(name, rows);
        Ok(part.value(block, rows, key))
    }

    /// Shows the rows of `range` to `visit`, as of one moment. An empty end is none.
    pub(crate) fn walk(
        &self,
        range: Range<&[u8]>,
        visit: impl FnMut(&[u8], &[u8]) -> Leap,
    ) -> Result<(), Error> {
        walk::walk(&self.contents(), range, visit)
    }

    /// The row with the greatest key.
    pub(crate) fn last(&self) -> Result<Option<(Bytes, Bytes)>, Error> {
        self.contents().last()
    }

    /// All rows as they are at this moment.
    pub(crate) fn contents(&self) -> Contents {
        self.contents.read().clone()
    }

    /// The right to change anything.
    pub(crate) fn appender(&self) -> MutexGuard<'_, Appender> {
        self.appender.lock()
    }

    /// The right to remove rows.
    pub(crate) fn removing(&self) -> MutexGuard<'_, ()> {
        self.removing.lock()
    }

    /// Finds the rows that are to be removed, while nobody else removes any.
    pub(crate) fn find(&self, removals: &mut Removals) -> Result<Vec<Found>, Error> {
        let contents = self.contents();
        let Removals { keys, ranges } = removals;
        for range in ranges {
            walk::walk(&contents, &range.start[..]..&range.end[..], |key, _| {
                keys.extend(RowKey::new(key));
                Leap::Next
            })?;
        }
        // Each block is read once then.
        keys.sort_unstable();
        let mut reader = BlockReader::default();
        let found = keys.iter().map(|key| contents.find(key.as_bytes(), &mut reader).transpose());
        found.flatten().collect()
    }

    /// Bytes of all rows, and of those that are removed and still take room.
    pub(crate) fn sizes(&self) -> (u64, u64) {
        self.contents.read().sizes()
    }

    /// How many files there are.
    pub(crate) fn files(&self) -> usize {
        self.contents.read().parts().count()
    }
}

impl Contents {
    /// Makes the files appear in another directory, too, while they do not grow.
    pub(crate) fn link(&self, directory: &Path) -> Result<(), Error> {
        self.parts().try_for_each(|part| part.file.link(directory))?;
        let synced = std::fs::File::open(directory).and_then(|names| names.sync_all());
        synced.map_err(|error| Error::from_io(directory, &error))
    }

    /// See [`Revisions::get`].
    pub(crate) fn get(&self, key: &[u8]) -> Result<Option<Bytes>, Error> {
        let mut value = None;
        walk::walk(self, key..&[], |found, bytes| {
            value = (found == key).then(|| Bytes::copy_from_slice(bytes));
            Leap::End
        })?;
        Ok(value)
    }

    /// See [`Revisions::walk`].
    pub(crate) fn walk(
        &self,
        range: Range<&[u8]>,
        visit: impl FnMut(&[u8], &[u8]) -> Leap,
    ) -> Result<(), Error> {
        walk::walk(self, range, visit)
    }
}
