//! The readers' handle of a store.

use std::sync::Arc;

use bytes::Bytes;
use etcd_figures::Lap;
use etcd_storage::Storage;

use crate::compactor::{Compactor, CompactorOptions};
use crate::cursor::Cursor;
use crate::hash::{self, KeyValueHash};
use crate::history::{self, History, HistoryLimits};
use crate::listing::Listing;
use crate::pending::NOTHING;
use crate::query::{KeyValues, RangeQuery, RangeResult};
use crate::reader::Reader;
use crate::store::Store;
use crate::writer::Writer;
use crate::{Error, Figures, KeyRange};

/// How often a read of the current revision begins again. Each time takes a compaction at a
/// revision that was not there when the read began.
const OVERTAKEN_MAX: usize = 8;

/// A store of keys by revision, for those who read. Cheap to clone; all calls may block shortly on
/// storage.
#[derive(Debug, Clone)]
pub struct Mvcc {
    pub(crate) store: Arc<Store>,
}

impl Mvcc {
    /// Opens the store that `storage` holds: reads every record once to build the index.
    ///
    /// A compaction that was scheduled but not finished counts at once and goes on when a
    /// [`Compactor`] runs.
    ///
    /// # Errors
    /// `Damaged` when a row is no record, `Storage` when reading fails.
    pub fn open(storage: Storage) -> Result<(Mvcc, Writer), Error> {
        let store = Arc::new(Store::open(storage)?);
        Ok((Mvcc { store: Arc::clone(&store) }, Writer::new(store)))
    }

    /// The current main revision: the newest that was published.
    pub fn revision(&self) -> i64 {
        self.store.visible()
    }

    /// The compact revision: reads below it fail. -1 if there was no compaction.
    pub fn compact_revision(&self) -> i64 {
        self.store.compacted()
    }

    /// A view of the present, for several reads at one revision (a transaction that only reads).
    pub fn reader(&self) -> Reader<'_> {
        // In this order the compact revision is never above the current one.
        let compacted = self.store.compacted();
        let current = self.store.visible();
        Reader { store: &self.store, current, compacted, pending: &NOTHING }
    }

    /// The same as [`Reader::range`] on the present. A read of the current revision that a
    /// compaction overtakes begins again.
    ///
    /// # Errors
    /// See there.
    pub fn range(&self, query: &RangeQuery) -> Result<RangeResult, Error> {
        for _ in 0..OVERTAKEN_MAX {
            match self.reader().range(query) {
                Err(Error::Compacted) if query.revision <= 0 => {}
                result => return result,
            }
        }
        self.reader().range(query)
    }

    /// The same for an answer that may be long: in key order its key-values come as fields.
    ///
    /// # Errors
    /// See there; `Compacted` whenever a compaction overtakes the read.
    pub fn long_range(&self, query: &RangeQuery) -> Result<RangeResult<KeyValues>, Error> {
        if !query.is_plain() {
            return Ok(self.range(query)?.into());
        }
        let mut list = self.list(query)?;
        let kvs = KeyValues::Fields(list.next_page(usize::MAX)?);
        let (count, more, revision) = (list.count(), list.more(), list.revision());
        Ok(RangeResult { kvs, count, more, revision })
    }

    /// Begins a list in key order that is fetched in pages of the caller's choice. Its revision is
    /// fixed here; sorting, bounds and a count alone are not for it.
    ///
    /// # Errors
    /// `FutureRevision` and `Compacted` for the revision asked for.
    pub fn list(&self, query: &RangeQuery) -> Result<Listing, Error> {
        Listing::begin(self, query)
    }

    /// Reads a stretch of the changes from the main revision `from` on whose keys are `wanted`.
    ///
    /// # Errors
    /// `Compacted` when `from` is below the compact revision.
    pub fn history(
        &self,
        from: i64,
        wanted: &dyn Fn(&[u8]) -> bool,
        limits: HistoryLimits,
    ) -> Result<History, Error> {
        history::history(&self.store, from, wanted, limits)
    }

    /// Hashes all records up to a revision as etcd's `HashKV` does; zero is the current one. A hash
    /// that a compaction at this revision took in this process is preferred.
    ///
    /// # Errors
    /// `FutureRevision`, or `Compacted` below the compact revision.
    pub fn hash_kv(&self, revision: i64) -> Result<KeyValueHash, Error> {
        let begun = Lap::begin();
        let hash = hash::hash_kv(&self.store, revision)?;
        self.store.figures.hashes.note_time(begun.so_far());
        Ok(hash)
    }

    /// The hashes that compactions of this process took, the newest first.
    pub fn compaction_hashes(&self) -> Vec<KeyValueHash> {
        self.store.hashes.lock().newest_first()
    }

    /// Every live key that belongs to a lease, with the lease, in key order: what a lessor needs to
    /// know at the start.
    ///
    /// # Errors
    /// None as long as nobody writes; see [`Reader::lease`] else.
    pub fn leased_keys(&self) -> Result<Vec<(Bytes, i64)>, Error> {
        let mut leased = Vec::new();
        let mut cursor = Cursor::new(KeyRange::everything(), self.revision());
        while !cursor.is_done() {
            let mut found = Vec::new();
            cursor.step(&self.store, usize::MAX, |key, state| {
                if state.lease != Some(0) {
                    found.push((Bytes::copy_from_slice(key), state));
                }
            })?;
            for (key, state) in found {
                match self.reader().lease(&state)? {
                    0 => {}
                    lease => leased.push((key, lease)),
                }
            }
        }
        Ok(leased)
    }

    /// Keys in the index: the live ones, and the deleted ones that are not yet compacted.
    pub fn indexed_keys(&self) -> usize {
        self.store.index.read().keys()
    }

    /// How many keys are live, those of changes included that are not published yet.
    pub fn live_keys(&self) -> u64 {
        self.store.index.read().live()
    }

    /// About how many bytes of memory the index takes, without what keys of several revisions add.
    /// It is held for short steps only.
    pub fn index_bytes(&self) -> usize {
        let bytes = (0..).map_while(|part| self.store.index.read().part_bytes(part));
        bytes.sum()
    }

    /// Compactions that are published and not yet carried out.
    pub fn compaction_backlog(&self) -> usize {
        self.store.schedule.len()
    }

    /// What the store has counted and timed of its work since it was opened.
    pub fn figures(&self) -> &Figures {
        &self.store.figures
    }

    /// The one who carries out compactions; somebody has to [`run`](Compactor::run) it.
    pub fn compactor(&self, options: CompactorOptions) -> Compactor {
        Compactor::new(Arc::clone(&self.store), options)
    }

    /// Calls back once no published compaction at or below `revision` is left to carry out: at once
    /// if there is none. The callback runs on the compactor's thread and must not block; it is
    /// dropped uncalled if the store goes away first.
    pub fn on_compacted(&self, revision: i64, callback: Box<dyn FnOnce() + Send>) {
        self.store.schedule.on_compacted(revision, callback);
    }
}
