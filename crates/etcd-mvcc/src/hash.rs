//! The hash of the store's records up to a revision, by which members compare themselves.
//!
//! It is a CRC-32C over the table's name and the rows that a compaction at the revision would
//! leave, so members that compacted at different times agree.

use std::collections::VecDeque;
use std::ops::ControlFlow;

use etcd_storage::Table;

use crate::cursor::STEP_KEYS;
use crate::index::{Generations, Index};
use crate::record::Record;
use crate::revision::{Kind, RecordKey};
use crate::store::Store;
use crate::{Error, KeyRange, Revision};

/// What the hash begins with: the name of the table in etcd.
const TABLE_NAME: &[u8] = b"key";
/// Most hashes of compactions remembered.
const CACHE_CAPACITY: usize = 10;

/// A hash of the store and what it covers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KeyValueHash {
    /// The CRC-32C.
    pub hash: u32,
    /// The compact revision it was taken under; -1 if there was no compaction.
    pub compact_revision: i64,
    /// The main revision up to which records are covered.
    pub hash_revision: i64,
}

/// The hashes that compactions of this process took, newest last.
#[derive(Debug, Default)]
pub(crate) struct HashCache {
    hashes: VecDeque<KeyValueHash>,
}

/// Takes the rows in revision order, skips what does not count, and hashes the rest.
pub(crate) struct Hasher {
    crc: u32,
    compacted: i64,
    revision: i64,
    keep: Keep,
}

/// Which of the rows up to the compact revision count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Keep {
    /// Those of the keys that are live at the hash's revision: of a deleted one nothing so old is
    /// kept.
    LiveKeys,
    /// All that a compaction at the compact revision keeps, because nothing is to be kept at the
    /// hash's: etcd takes its empty keep set for no keep set.
    Everything,
}

impl HashCache {
    pub(crate) fn newest_first(&self) -> Vec<KeyValueHash> {
        self.hashes.iter().rev().copied().collect()
    }

    pub(crate) fn get(&self, revision: i64) -> Option<KeyValueHash> {
        self.hashes.iter().find(|hash| hash.hash_revision == revision).copied()
    }

    pub(crate) fn insert(&mut self, hash: KeyValueHash) {
        if self.hashes.len() == CACHE_CAPACITY {
            self.hashes.pop_front();
        }
        self.hashes.push_back(hash);
    }

    pub(crate) fn clear(&mut self) {
        self.hashes.clear();
    }
}

impl Hasher {
    /// Begins a hash up to `revision` that a client asks for, as under the compact revision
    /// `compacted`. The store must not yet be compacted beyond `revision`.
    pub(crate) fn for_client(store: &Store, compacted: i64, revision: i64) -> Hasher {
        let is_kept = |life: &Generations| life.kept_at(revision).is_some();
        Hasher::begin(compacted, revision, keep_if_any(store, is_kept))
    }

    /// Begins the hash of a compaction at `revision` after one at `compacted`. What it keeps is not
    /// only live keys: the deletions at its own revision stay, too, and in etcd count as kept.
    pub(crate) fn for_compaction(store: &Store, compacted: i64, revision: i64) -> Hasher {
        let is_kept = |life: &Generations| life.keeps_any(revision);
        Hasher::begin(compacted, revision, keep_if_any(store, is_kept))
    }

    fn begin(compacted: i64, revision: i64, keep: Keep) -> Hasher {
        Hasher { crc: crc32c::crc32c(TABLE_NAME), compacted, revision, keep }
    }

    /// Takes the next row, which is not newer than the hash's revision.
    pub(crate) fn row(&mut self, index: &Index, key: &[u8], value: &[u8]) -> Result<(), Error> {
        let damaged = |reason| Error::damaged(key, reason);
        let row = RecordKey::decode(key).ok_or_else(|| damaged("its key is no revision"))?;
        let main = row.revision.main;
        if main <= self.compacted {
            let record = Record::parse(value).map_err(damaged)?;
            let keeps = |life: &Generations| match self.keep {
                Keep::LiveKeys => {
                    life.kept_at(self.revision).is_some_and(|state| state.revision == row.revision)
                }
                Keep::Everything => life.needs(self.compacted, row.revision),
            };
            if !index.get(record.key).is_some_and(keeps) {
                return Ok(());
            }
        }
        if main == self.compacted && row.kind == Kind::Tombstone {
            return Ok(());
        }
        self.crc = crc32c::crc32c_append(self.crc, key);
        self.crc = crc32c::crc32c_append(self.crc, value);
        Ok(())
    }

    pub(crate) fn finish(self) -> KeyValueHash {
        let Hasher { crc: hash, compacted: compact_revision, revision: hash_revision, .. } = self;
        KeyValueHash { hash, compact_revision, hash_revision }
    }
}

/// Hashes the store at a revision as clients ask for it; zero is the current one.
pub(crate) fn hash_kv(store: &Store, asked: i64) -> Result<KeyValueHash, Error> {
    if let Some(hash) = store.hashes.lock().get(asked) {
        return Ok(hash);
    }
    let (current, compacted) = (store.visible(), store.compacted());
    let revision = if asked == 0 { current } else { asked };
    if revision > current {
        return Err(Error::FutureRevision);
    }
    if revision < 0 {
        // etcd takes it as it is, and no record is that old.
        let hash = crc32c::crc32c(TABLE_NAME);
        return Ok(KeyValueHash { hash, compact_revision: compacted, hash_revision: revision });
    }
    store.check_readable(revision)?;
    let mut hasher = Hasher::for_client(store, compacted, revision);
    let mut outcome = Ok(());
    let end = Revision::first_of(revision + 1).put_key();
    store.storage.scan(Table::Key, &[]..&end, |key, value| {
        outcome = hasher.row(&store.index.read(), key, value);
        if outcome.is_ok() { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    })?;
    outcome?;
    // A compaction that began meanwhile may have removed rows that count.
    if store.compacted() != compacted {
        store.check_readable(revision)?;
        return hash_kv(store, revision);
    }
    Ok(hasher.finish())
}

/// What counts when the keys of which something is to be kept are those that `is_kept` names.
fn keep_if_any(store: &Store, is_kept: impl Fn(&Generations) -> bool) -> Keep {
    let everything = KeyRange::everything();
    let mut from = Some(Vec::new());
    while let Some(start) = from.take() {
        let (mut seen, mut found) = (0, false);
        store.index.read().walk(&everything, &start, |key, life| {
            if seen == STEP_KEYS {
                from = Some(key.to_vec());
            }
            seen += 1;
            found |= is_kept(life);
            if found || from.is_some() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        });
        if found {
            return Keep::LiveKeys;
        }
    }
    Keep::Everything
}
