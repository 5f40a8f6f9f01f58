//! The past of the store, change by change: what a watcher reads that starts behind the present.

use std::ops::ControlFlow;

use bytes::Bytes;
use etcd_storage::Table;

use crate::event::Event;
use crate::reader::parse;
use crate::revision::RecordKey;
use crate::store::Store;
use crate::{Error, Revision};

/// A stretch of the past. No main revision is ever split between two.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct History {
    /// The changes, ascending.
    pub events: Vec<Event>,
    /// Where the next stretch begins: the revision after the last one looked at.
    pub next_revision: i64,
}

/// Bounds of one stretch; the first main revision is always read whole.
#[derive(Debug, Clone, Copy)]
pub struct HistoryLimits {
    /// Most main revisions with a wanted change.
    pub revisions: usize,
    /// Bytes of records after which no new main revision is begun.
    pub bytes: usize,
    /// Most changes looked at, wanted or not, before no new main revision is begun.
    pub looked_at: usize,
}

impl Default for HistoryLimits {
    /// As many revisions as etcd puts into one watch response.
    fn default() -> HistoryLimits {
        HistoryLimits { revisions: 1000, bytes: 1 << 20, looked_at: 10_000 }
    }
}

/// Collects one stretch.
struct Stretch<'w> {
    wanted: &'w dyn Fn(&[u8]) -> bool,
    limits: HistoryLimits,
    events: Vec<Event>,
    /// The main revision being read.
    main: i64,
    revisions: usize,
    bytes: usize,
    looked_at: usize,
}

/// Reads the changes from a main revision on, up to the current one, of the keys that are wanted.
pub(crate) fn history(
    store: &Store,
    from: i64,
    wanted: &dyn Fn(&[u8]) -> bool,
    limits: HistoryLimits,
) -> Result<History, Error> {
    let current = store.visible();
    store.check_readable(from)?;
    let nothing = Vec::new();
    if from > current {
        return Ok(History { events: nothing, next_revision: from });
    }
    let (revisions, bytes, looked_at) = (0, 0, 0);
    let mut stretch =
        Stretch { wanted, limits, events: nothing, main: from, revisions, bytes, looked_at };
    let mut next_revision = current + 1;
    let mut failure = Ok(());
    let start = Revision::first_of(from.max(0)).put_key();
    let end = Revision::first_of(current + 1).put_key();
    store.storage.scan(Table::Key, &start..&end, |key, value| match stretch.row(key, value) {
        Ok(None) => ControlFlow::Continue(()),
        Ok(Some(next)) => {
            next_revision = next;
            ControlFlow::Break(())
        }
        Err(error) => {
            failure = Err(error);
            ControlFlow::Break(())
        }
    })?;
    failure?;
    // Asked after the scan: if nothing was compacted until now, it missed nothing.
    store.check_readable(from)?;
    Ok(History { events: stretch.events, next_revision })
}

impl Stretch<'_> {
    /// Takes a row, or says at which main revision the stretch must end before it.
    fn row(&mut self, key: &[u8], value: &[u8]) -> Result<Option<i64>, Error> {
        let RecordKey { revision, kind } =
            RecordKey::decode(key).ok_or_else(|| Error::damaged(key, "its key is no revision"))?;
        if revision.main != self.main {
            if self.is_full() {
                return Ok(Some(revision.main));
            }
            self.main = revision.main;
        }
        self.looked_at += 1;
        let key = parse(revision, value)?.key;
        if !(self.wanted)(key) {
            return Ok(None);
        }
        let is_first = self.events.last().is_none_or(|last| last.revision.main != self.main);
        self.revisions += usize::from(is_first);
        self.bytes += value.len();
        let record = Bytes::copy_from_slice(value);
        let key = record.slice_ref(parse(revision, &record)?.key);
        self.events.push(Event { kind, revision, key, record });
        Ok(None)
    }

    fn is_full(&self) -> bool {
        let Stretch { limits, revisions, bytes, looked_at, .. } = self;
        *revisions >= limits.revisions || *bytes >= limits.bytes || *looked_at >= limits.looked_at
    }
}
