//! Reading at one revision: single keys, their facts and their stored records.

use bytes::Bytes;
use etcd_storage::Table;

use crate::cursor::Cursor;
use crate::fields::Fields;
use crate::index::KeyState;
use crate::pending::Pending;
use crate::record::Record;
use crate::store::Store;
use crate::{Error, KeyRange, Revision, fetch};

/// A view of the store at its current revision, or at an older one as asked.
///
/// It costs nothing to make and holds nothing: it does not keep old revisions from compaction, but
/// a read that meets one fails with [`Error::Compacted`].
#[derive(Debug, Clone, Copy)]
pub struct Reader<'a> {
    pub(crate) store: &'a Store,
    pub(crate) current: i64,
    pub(crate) compacted: i64,
    pub(crate) pending: &'a Pending,
}

impl<'a> Reader<'a> {
    /// The newest main revision it sees; answers carry it in their header.
    pub fn revision(&self) -> i64 {
        self.current
    }

    /// The compact revision; -1 if there was no compaction.
    pub fn compact_revision(&self) -> i64 {
        self.compacted
    }

    /// The main revision that a request means: zero or less is the current one.
    pub(crate) fn resolve(&self, asked: i64) -> Result<i64, Error> {
        let at = if asked <= 0 { self.current } else { asked };
        match at {
            _ if at > self.current => Err(Error::FutureRevision),
            _ if at < self.compacted => Err(Error::Compacted),
            _ => Ok(at),
        }
    }

    /// A key as it stands; `None` when absent.
    ///
    /// # Errors
    /// `Compacted` when a compaction overtook the reader.
    pub fn state(&self, key: &[u8]) -> Result<Option<KeyState>, Error> {
        self.state_at(key, self.current)
    }

    pub(crate) fn state_at(&self, key: &[u8], at: i64) -> Result<Option<KeyState>, Error> {
        let index = self.store.index.read();
        self.store.check_readable(at)?;
        Ok(index.get(key).and_then(|life| life.at(at)))
    }

    /// The live keys of a range, ascending: the facts that a transaction compares.
    pub fn states(&self, range: KeyRange) -> States<'a> {
        let cursor = Cursor::new(range, self.current);
        States { reader: *self, cursor, found: Vec::new().into_iter() }
    }

    /// How many keys of the range are live at a revision.
    pub(crate) fn count(&self, range: &KeyRange, at: i64) -> Result<u64, Error> {
        {
            let index = self.store.index.read();
            self.store.check_readable(at)?;
            if let Some(count) = index.count(range, at) {
                return Ok(count);
            }
        }
        let mut cursor = Cursor::new(range.clone(), at);
        let mut count = 0;
        while !cursor.is_done() {
            cursor.step(self.store, usize::MAX, |_, _| count += 1)?;
        }
        Ok(count)
    }

    /// The lease of a key found by this reader; zero for none.
    ///
    /// # Errors
    /// `Compacted` when a compaction overtook the reader.
    pub fn lease(&self, state: &KeyState) -> Result<i64, Error> {
        match state.lease {
            Some(lease) => Ok(lease),
            None => Ok(parse(state.revision, &self.record(state)?)?.lease),
        }
    }

    /// The value of a key found by this reader.
    ///
    /// # Errors
    /// `Compacted` when a compaction overtook the reader.
    pub fn value(&self, state: &KeyState) -> Result<Bytes, Error> {
        let record = self.record(state)?;
        let value = parse(state.revision, &record)?.value;
        Ok(record.slice_ref(value))
    }

    /// The stored key-value of a key found by this reader: an encoded `mvccpb.KeyValue`.
    ///
    /// # Errors
    /// `Compacted` when a compaction overtook the reader.
    pub fn record(&self, state: &KeyState) -> Result<Bytes, Error> {
        self.record_of(self.current, state.revision)
    }

    /// The stored record of a put that a read at `at` found.
    pub(crate) fn record_of(&self, at: i64, revision: Revision) -> Result<Bytes, Error> {
        let record = match self.pending.has(revision) {
            true => self.pending.get(revision),
            false => self.store.storage.get(Table::Key, &revision.put_key())?,
        };
        record.ok_or_else(|| self.missing(revision, at))
    }

    /// The stored records of puts that a read at `at` found, in their order.
    pub(crate) fn records(&self, at: i64, revisions: &[Revision]) -> Result<Vec<Bytes>, Error> {
        let stored: Vec<_> =
            revisions.iter().copied().filter(|revision| !self.pending.has(*revision)).collect();
        let mut stored = fetch::records(&self.store.storage, &stored)?.into_iter();
        let record = |revision: &Revision| {
            // Only puts are ever asked for, and all that storage may not have are pending.
            let record = match self.pending.has(*revision) {
                true => {
                    Some(self.pending.get(*revision).expect("every unpublished put is pending"))
                }
                false => stored.next().expect("one answer for each revision"),
            };
            record.ok_or_else(|| self.missing(*revision, at))
        };
        revisions.iter().map(record).collect()
    }

    /// The same as fields of an answer, where nothing is pending.
    pub(crate) fn fields(&self, at: i64, revisions: Vec<Revision>) -> Result<Fields, Error> {
        fetch::fields(&self.store.storage, revisions).map_err(|error| match error {
            Error::Missing(revision) => self.missing(revision, at),
            error => error,
        })
    }

    /// A record is gone: by a compaction that overtook the read at `at`, or else wrongly.
    fn missing(&self, revision: Revision, at: i64) -> Error {
        self.store.check_readable(at).err().unwrap_or(Error::Missing(revision))
    }
}

/// Reads the stored record of a revision.
pub(crate) fn parse(revision: Revision, record: &[u8]) -> Result<Record<'_>, Error> {
    Record::parse(record).map_err(|reason| Error::damaged(&revision.put_key(), reason))
}

/// The live keys of a range: see [`Reader::states`].
#[derive(Debug)]
pub struct States<'a> {
    reader: Reader<'a>,
    cursor: Cursor,
    found: std::vec::IntoIter<KeyState>,
}

impl Iterator for States<'_> {
    type Item = Result<KeyState, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Some(state) = self.found.next() {
                return Some(Ok(state));
            }
            if self.cursor.is_done() {
                return None;
            }
            let mut found = Vec::new();
            let store = self.reader.store;
            if let Err(error) = self.cursor.step(store, usize::MAX, |_, state| found.push(state)) {
                return Some(Err(error));
            }
            self.found = found.into_iter();
        }
    }
}
