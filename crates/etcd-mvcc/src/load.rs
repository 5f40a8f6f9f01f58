//! Building the index from storage when a member starts or installs a snapshot.

use std::ops::{ControlFlow, Range};

use etcd_storage::{Storage, Table};

use crate::index::{Change, Index};
use crate::record::Record;
use crate::revision::{Kind, RecordKey};
use crate::{Error, Revision};

/// Where the newest scheduled compaction is marked (a record key with sub 0).
pub(crate) const SCHEDULED: &[u8] = b"scheduledCompactRev";
/// Where the newest physically finished compaction is marked.
pub(crate) const FINISHED: &[u8] = b"finishedCompactRev";

/// Rows sorted together before they go into the index. They come in revision order, which for the
/// tree is no order at all: every insert would wait for memory.
const SORTED_ROWS: usize = 1 << 15;

/// What storage says about keys and revisions.
#[derive(Debug)]
pub(crate) struct Loaded {
    pub(crate) index: Index,
    /// The current main revision.
    pub(crate) revision: i64,
    /// The compact revision; -1 never.
    pub(crate) compacted: i64,
    /// The compact revision up to which nothing old is left; -1 never.
    pub(crate) finished: i64,
}

impl Loaded {
    /// Reads everything.
    ///
    /// A compaction that was scheduled but not finished counts at once. The current revision is the
    /// greatest that left any trace: a compaction may have removed the last record.
    pub(crate) fn read(storage: &Storage) -> Result<Loaded, Error> {
        let finished = mark(storage, FINISHED)?.unwrap_or(-1);
        let scheduled = mark(storage, SCHEDULED)?.unwrap_or(-1);
        let mut loader = Loader::default();
        let mut failure = Ok(());
        storage.scan(Table::Key, &[]..&[], |key, value| match loader.row(key, value) {
            Ok(()) => ControlFlow::Continue(()),
            Err(reason) => {
                failure = Err(Error::damaged(key, reason));
                ControlFlow::Break(())
            }
        })?;
        failure?;
        loader.flush();
        let Loader { mut index, last, .. } = loader;
        let revision = last.max(finished).max(scheduled).max(1);
        index.loaded(revision);
        Ok(Loaded { index, revision, compacted: finished.max(scheduled), finished })
    }
}

/// Fills the index from rows in revision order.
#[derive(Default)]
struct Loader {
    index: Index,
    /// The main revision of the last row.
    last: i64,
    /// The keys of the waiting rows, end to end.
    keys: Vec<u8>,
    waiting: Vec<Waiting>,
}

struct Waiting {
    key: Range<usize>,
    revision: Revision,
    change: Change,
}

impl Loader {
    fn row(&mut self, key: &[u8], value: &[u8]) -> Result<(), &'static str> {
        let RecordKey { revision, kind } =
            RecordKey::decode(key).ok_or("its key is no revision")?;
        if u32::try_from(revision.sub).is_err() {
            return Err("its sub revision is out of range");
        }
        let Record { key, create_revision, version, lease, .. } = Record::parse(value)?;
        let change = match kind {
            Kind::Put => Change::Load { create_revision, version, lease },
            Kind::Tombstone => Change::Tombstone,
        };
        self.last = revision.main;
        let start = self.keys.len();
        self.keys.extend_from_slice(key);
        self.waiting.push(Waiting { key: start..self.keys.len(), revision, change });
        if self.waiting.len() == SORTED_ROWS {
            self.flush();
        }
        Ok(())
    }

    fn flush(&mut self) {
        let Loader { index, keys, waiting, .. } = self;
        // A stable sort: the changes of one key stay in revision order.
        waiting.sort_by(|a, b| keys[a.key.clone()].cmp(&keys[b.key.clone()]));
        for Waiting { key, revision, change } in waiting.drain(..) {
            index.load(&keys[key], revision, change);
        }
        keys.clear();
    }
}

/// The main revision of a compaction mark.
fn mark(storage: &Storage, name: &[u8]) -> Result<Option<i64>, Error> {
    let Some(bytes) = storage.get(Table::Meta, name)? else { return Ok(None) };
    match RecordKey::decode(&bytes) {
        Some(mark) => Ok(Some(mark.revision.main)),
        None => Err(Error::damaged(name, "the compaction mark is no revision")),
    }
}
