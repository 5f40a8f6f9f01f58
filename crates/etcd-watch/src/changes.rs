//! The changes of one revision, as all their watchers share them.

use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use etcd_mvcc::{Event, Kind, Mvcc, RangeQuery};
use etcd_proto::mvccpb::KeyValue;
use prost::Message as _;

use crate::Error;

/// What a change takes in memory beside its record, in bytes.
const CHANGE_OVERHEAD_BYTES: usize = 256;
/// How much larger than the change itself a previous value may be to be kept for other watchers.
const PREVIOUS_KEPT_BYTES: usize = 4 << 10;

/// One change of one key.
#[derive(Debug)]
pub struct Change {
    /// Whether the key got a value or went.
    pub kind: Kind,
    /// After a put the whole key-value, after a delete the key and the delete's revision alone.
    pub kv: KeyValue,
    /// The same, encoded. After a put it is what is stored, and `kv` a part of it.
    pub record: Bytes,
    /// Memory, in bytes.
    weight: usize,
    /// The key-value before, once a watcher has asked for it.
    previous: OnceLock<Option<Box<KeyValue>>>,
}

impl Change {
    fn new(event: Event) -> Result<Change, prost::DecodeError> {
        let Event { kind, revision, record, .. } = event;
        let weight = record.len() + CHANGE_OVERHEAD_BYTES;
        // Key and value go on sharing the record's memory.
        let mut kv = KeyValue::decode(record.clone())?;
        let record = match kind {
            Kind::Put => record,
            Kind::Tombstone => {
                kv.mod_revision = revision.main;
                kv.encode_to_vec().into()
            }
        };
        Ok(Change { kind, kv, record, weight, previous: OnceLock::new() })
    }

    /// The key-value before the change: none for a key's creation, and none when it is compacted
    /// away (etcd leaves it out then). Looks into storage, which may block shortly.
    pub fn previous(&self, mvcc: &Mvcc) -> Option<KeyValue> {
        let KeyValue { create_revision, mod_revision, .. } = self.kv;
        if self.kind == Kind::Put && create_revision == mod_revision {
            return None;
        }
        // What was looked up for a watcher before the compaction is none of a later one's.
        if mod_revision - 1 < mvcc.compact_revision() {
            return None;
        }
        if let Some(kept) = self.previous.get() {
            return kept.as_deref().cloned();
        }
        let query = RangeQuery {
            key: self.kv.key.clone(),
            revision: mod_revision - 1,
            ..RangeQuery::default()
        };
        let record = mvcc.range(&query).ok().and_then(|mut found| found.kvs.pop());
        let bytes = record.as_ref().map_or(0, Bytes::len);
        let previous = record.and_then(|record| KeyValue::decode(record).ok());
        // The hub counts what a change weighs without it.
        if bytes <= self.weight + PREVIOUS_KEPT_BYTES {
            let _ = self.previous.set(previous.clone().map(Box::new));
        }
        previous
    }
}

/// All changes of one main revision, in order; never empty.
#[derive(Debug)]
pub(crate) struct Changes {
    pub(crate) revision: i64,
    pub(crate) list: Box<[Change]>,
    /// Memory of all of them, in bytes.
    pub(crate) weight: usize,
}

impl Changes {
    fn new(revision: i64, events: impl Iterator<Item = Event>) -> Result<Changes, Error> {
        let list = events.map(Change::new).collect::<Result<Box<[_]>, _>>();
        let list = list.map_err(|error| etcd_mvcc::Error::Damaged {
            key: format!("of revision {revision}"),
            reason: error.to_string(),
        })?;
        let weight = list.iter().map(|change| change.weight).sum();
        Ok(Changes { revision, list, weight })
    }

    /// The changes of one transaction, none if it made none.
    pub(crate) fn of_txn(events: Vec<Event>) -> Option<Arc<Changes>> {
        let revision = events.first()?.revision.main;
        let changes = Changes::new(revision, events.into_iter());
        Some(Arc::new(changes.expect("a record that was just written can be read")))
    }

    /// Splits a stretch of the past into its revisions.
    pub(crate) fn of_history(events: Vec<Event>) -> Result<Vec<Arc<Changes>>, Error> {
        let mut all = Vec::new();
        let mut events = events.into_iter().peekable();
        while let Some(first) = events.peek() {
            let main = first.revision.main;
            let same = std::iter::from_fn(|| events.next_if(|next| next.revision.main == main));
            all.push(Arc::new(Changes::new(main, same)?));
        }
        Ok(all)
    }
}

/// Which of a revision's changes a watcher is told of.
#[derive(Debug, Clone)]
pub(crate) enum Picks {
    All,
    /// By their places, ascending.
    Some(Box<[u32]>),
}

/// What a watcher is told of one revision.
#[derive(Debug, Clone)]
pub(crate) struct Part {
    pub(crate) changes: Arc<Changes>,
    pub(crate) picks: Picks,
}

impl Part {
    /// How many changes.
    pub(crate) fn count(&self) -> usize {
        match &self.picks {
            Picks::All => self.changes.list.len(),
            Picks::Some(places) => places.len(),
        }
    }

    /// The changes, in order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Change> {
        let (all, places): (_, &[u32]) = match &self.picks {
            Picks::All => (&self.changes.list[..], &[]),
            Picks::Some(places) => (&[][..], places),
        };
        all.iter().chain(places.iter().map(|place| &self.changes.list[*place as usize]))
    }

    /// What keeping it keeps in memory at most, in bytes: all of the revision's changes.
    pub(crate) fn weight(&self) -> usize {
        self.changes.weight
    }
}
