//! A write transaction: puts and deletes that share one main revision.

use bytes::Bytes;
use etcd_storage::{Batch, Table};

use crate::cursor::Cursor;
use crate::event::Event;
use crate::index::{Change, KeyState};
use crate::query::{RangeQuery, RangeResult};
use crate::reader::{Reader, parse};
use crate::record::{self, Record};
use crate::revision::{Kind, RecordKey};
use crate::writer::Writer;
use crate::{Error, KeyRange, Operations, Revision};

/// What to put.
#[derive(Debug, Clone, Copy)]
pub struct PutArgs<'a> {
    /// The key, never empty.
    pub key: &'a [u8],
    /// The new value; `None` keeps the stored one.
    pub value: Option<&'a [u8]>,
    /// What becomes of the lease.
    pub lease: LeaseChange,
    /// Whether to answer what was there before.
    pub previous: Previous,
}

/// What a put does to the key's lease.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LeaseChange {
    /// The key belongs to this lease from now on; zero for none.
    Set(i64),
    /// The stored lease stays.
    Keep,
}

/// Whether a write reads what it replaces: that costs a look into storage.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Previous {
    /// Answer the key-values before the write.
    Wanted,
    /// Do not look.
    Ignored,
}

/// What a put did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PutOutcome {
    /// The stored key-value before, if wanted and present.
    pub previous: Option<Bytes>,
    /// The lease of the key before; zero for none or if the key was absent.
    pub previous_lease: i64,
    /// The lease of the key now; zero for none.
    pub lease: i64,
}

/// What a delete did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DeleteOutcome {
    /// How many keys went.
    pub deleted: i64,
    /// Their stored key-values, if wanted, in key order.
    pub previous: Vec<Bytes>,
    /// The leases that lost a key, and which, in key order.
    pub detached: Vec<(i64, Bytes)>,
}

/// What a transaction did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TxnOutcome {
    /// The store's revision after it: one more than before if anything changed.
    pub revision: i64,
    /// How many changes it made.
    pub changes: usize,
    /// All changes in order, for the watchers, unless they were [spared](WriteTxn::spare_events).
    pub events: Vec<Event>,
}

impl TxnOutcome {
    /// Whether the store has a new revision.
    pub fn changed(&self) -> bool {
        self.changes > 0
    }
}

/// An open write transaction. Its changes take effect as they are made; there is no way back.
///
/// Until its first change it reads the store as it was before, from then on with its own changes.
#[derive(Debug)]
pub struct WriteTxn<'a> {
    writer: &'a mut Writer,
    batch: &'a mut Batch,
    /// Changes so far.
    changes: usize,
    /// `None` if nobody wants to know of them.
    events: Option<Vec<Event>>,
    /// For the figures.
    done: Operations,
}

impl<'a> WriteTxn<'a> {
    pub(crate) fn new(writer: &'a mut Writer, batch: &'a mut Batch) -> WriteTxn<'a> {
        let done = Operations::default();
        WriteTxn { writer, batch, changes: 0, events: Some(Vec::new()), done }
    }

    /// Keeps no events: nobody is going to be told of them.
    pub fn spare_events(&mut self) {
        self.events = None;
    }

    /// The revision of answers: that before the transaction, one more after its first change.
    pub fn revision(&self) -> i64 {
        self.writer.revision
    }

    /// Reads what the transaction sees now.
    pub fn reader(&self) -> Reader<'_> {
        self.writer.reader()
    }

    /// The same as [`Reader::range`] on what the transaction sees now.
    ///
    /// # Errors
    /// See there.
    pub fn range(&mut self, query: &RangeQuery) -> Result<RangeResult, Error> {
        self.done.ranges += 1;
        self.reader().range(query)
    }

    /// Counts reads before the first change, such as those of conditions: they are a transaction of
    /// their own, as in etcd.
    pub fn count_reads(&mut self, reads: u64) {
        self.writer.done.add(Operations::of_ranges(reads));
    }

    /// Counts a range that belongs to the transaction and is not read, since nobody waits for it: in
    /// etcd every member reads it.
    pub fn count_range(&mut self) {
        self.done.ranges += 1;
    }

    /// Puts one key.
    ///
    /// # Errors
    /// `KeyNotFound`, before any change, when the value or the lease of an absent key shall stay.
    pub fn put(&mut self, args: PutArgs<'_>) -> Result<PutOutcome, Error> {
        let PutArgs { key, value, lease, previous } = args;
        let keeps = value.is_none() || lease == LeaseChange::Keep;
        self.done.ranges += u64::from(keeps || previous == Previous::Wanted);
        let kept = match keeps {
            true => Some(self.reader().state(key)?.ok_or(Error::KeyNotFound)?),
            false => None,
        };
        let kept_value;
        let value = match (value, &kept) {
            (Some(value), _) => value,
            (None, Some(kept)) => {
                kept_value = self.reader().value(kept)?;
                &kept_value[..]
            }
            (None, None) => unreachable!("a value is kept only of a key that was found"),
        };
        let lease = match (lease, &kept) {
            (LeaseChange::Set(lease), _) => lease,
            (LeaseChange::Keep, Some(kept)) => self.reader().lease(kept)?,
            (LeaseChange::Keep, None) => unreachable!("the same holds for a lease"),
        };
        self.write(key, value, lease, previous)
    }

    /// Deletes the live keys of a range, in key order.
    ///
    /// # Errors
    /// Only those of the storage.
    pub fn delete_range(
        &mut self,
        range: KeyRange,
        previous: Previous,
    ) -> Result<DeleteOutcome, Error> {
        let mut outcome = DeleteOutcome::default();
        self.done.ranges += u64::from(previous == Previous::Wanted);
        self.done.deletes += 1;
        let mut cursor = Cursor::new(range, i64::MAX);
        while !cursor.is_done() {
            let mut found = Vec::new();
            cursor.step(&self.writer.store, usize::MAX, |key, state| {
                found.push((Bytes::copy_from_slice(key), state));
            })?;
            if previous == Previous::Wanted {
                let revisions: Vec<_> = found.iter().map(|(_, state)| state.revision).collect();
                let reader = self.reader();
                outcome.previous.extend(reader.records(reader.current, &revisions)?);
            }
            for (key, state) in found {
                self.bury(&key);
                outcome.deleted += 1;
                match state.lease {
                    None | Some(0) => {}
                    Some(lease) => outcome.detached.push((lease, key)),
                }
            }
        }
        Ok(outcome)
    }

    /// Ends the transaction.
    pub fn finish(self) -> TxnOutcome {
        self.writer.done.add(self.done.together());
        let events = self.events.unwrap_or_default();
        TxnOutcome { revision: self.writer.revision, changes: self.changes, events }
    }

    fn write(
        &mut self,
        key: &[u8],
        value: &[u8],
        lease: i64,
        previous: Previous,
    ) -> Result<PutOutcome, Error> {
        let revision = self.next_revision();
        self.done.puts += 1;
        self.done.put_bytes += (key.len() + value.len()) as u64;
        let changed = self.writer.change(key, revision, Change::Put { lease });
        let KeyState { create_revision, version, .. } =
            changed.after.expect("a put makes its key live");
        let mod_revision = revision.main;
        let record = Record { key, create_revision, mod_revision, version, value, lease };
        let record = self.writer.pending.push(revision, &record);
        self.batch.put(Table::Key, &revision.put_key(), record);
        if let Some(events) = &mut self.events {
            let record = Bytes::copy_from_slice(record);
            events.push(event(Kind::Put, revision, record));
        }
        let old = match (previous, &changed.before) {
            (Previous::Wanted, Some(before)) => Some(self.reader().record(before)?),
            _ => None,
        };
        let previous_lease = changed.before.and_then(|before| before.lease).unwrap_or(0);
        Ok(PutOutcome { previous: old, previous_lease, lease })
    }

    /// Deletes a live key.
    fn bury(&mut self, key: &[u8]) {
        let revision = self.next_revision();
        self.writer.change(key, revision, Change::Tombstone);
        let record = record::tombstone(key);
        let row = RecordKey { revision, kind: Kind::Tombstone }.encode();
        self.batch.put(Table::Key, &row, &record);
        if let Some(events) = &mut self.events {
            events.push(event(Kind::Tombstone, revision, record));
        }
    }

    /// The revision of the next change. The first one moves the store's revision, so that even a
    /// transaction dropped halfway never shares a revision with the next.
    fn next_revision(&mut self) -> Revision {
        if self.changes == 0 {
            self.writer.revision += 1;
        }
        let sub = self.changes as i64;
        self.changes += 1;
        Revision { main: self.writer.revision, sub }
    }
}

fn event(kind: Kind, revision: Revision, record: Bytes) -> Event {
    let key = parse(revision, &record).expect("the record was just written").key;
    let key = record.slice_ref(key);
    Event { kind, revision, key, record }
}
