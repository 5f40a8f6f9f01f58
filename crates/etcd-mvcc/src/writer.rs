//! The one who changes the store: transactions, compactions, and their publication.

use std::sync::Arc;

use etcd_storage::{Batch, Table};

use crate::index::{Change, Changed};
use crate::load::SCHEDULED;
use crate::pending::Pending;
use crate::reader::Reader;
use crate::schedule::{Job, JobHistory};
use crate::store::Store;
use crate::write_txn::WriteTxn;
use crate::{Error, Operations, Revision};

/// The applier's handle. There is one for each store.
///
/// Its changes go into a [`Batch`] of the caller. Once that is committed, [`publish`] shows them to
/// readers. Transactions see all earlier changes at once, published or not.
///
/// [`publish`]: Writer::publish
#[derive(Debug)]
pub struct Writer {
    pub(crate) store: Arc<Store>,
    /// The main revision after the last change.
    pub(crate) revision: i64,
    /// The compact revision after the last compaction; -1 never.
    compacted: i64,
    /// Records of changes not yet published.
    pub(crate) pending: Pending,
    /// Compactions not yet published.
    scheduled: Vec<Job>,
    /// What transactions did that is not yet published.
    pub(crate) done: Operations,
}

impl Writer {
    pub(crate) fn new(store: Arc<Store>) -> Writer {
        let (revision, compacted) = (store.visible(), store.compacted());
        let (pending, done) = (Pending::default(), Operations::default());
        Writer { store, revision, compacted, pending, scheduled: Vec::new(), done }
    }

    /// The main revision after all changes, published or not.
    pub fn revision(&self) -> i64 {
        self.revision
    }

    /// The compact revision after all compactions, published or not; -1 if there was none.
    pub fn compact_revision(&self) -> i64 {
        self.compacted
    }

    /// Opens a transaction whose changes go into `batch`. Several may share one batch.
    pub fn begin<'a>(&'a mut self, batch: &'a mut Batch) -> WriteTxn<'a> {
        WriteTxn::new(self, batch)
    }

    /// Reads the store after all changes, published or not.
    pub fn reader(&self) -> Reader<'_> {
        Reader {
            store: &self.store,
            current: self.revision,
            compacted: self.compacted,
            pending: &self.pending,
        }
    }

    /// Compacts everything before `revision`: reads below it fail, here at once and for readers
    /// from the next [`publish`](Writer::publish) on. Removing the records is the
    /// [`Compactor`](crate::Compactor)'s work. A first compaction at 0 is allowed.
    ///
    /// # Errors
    /// `Compacted` unless `revision` is above the compact revision, `FutureRevision` if it is above
    /// the current one. Nothing is changed then.
    pub fn compact(&mut self, revision: i64, batch: &mut Batch) -> Result<(), Error> {
        if revision <= self.compacted {
            return Err(Error::Compacted);
        }
        if revision > self.revision {
            return Err(Error::FutureRevision);
        }
        batch.put(Table::Meta, SCHEDULED, &Revision::first_of(revision).put_key());
        let history = JobHistory::Whole;
        self.scheduled.push(Job { revision, previous: self.compacted, history });
        self.compacted = revision;
        Ok(())
    }

    /// Shows all changes to readers. The batches they went into must be committed.
    pub fn publish(&mut self) {
        self.store.publish(self.revision, self.compacted);
        self.pending.clear();
        self.store.figures.count(std::mem::take(&mut self.done));
        if !self.scheduled.is_empty() {
            self.store.schedule.push(self.scheduled.drain(..));
        }
    }

    /// Starts over after the storage's contents were replaced by a snapshot. Changes that were not
    /// published are forgotten; running reads may fail.
    ///
    /// # Errors
    /// `Damaged` or `Storage`: the store must not be used any more.
    pub fn reload(&mut self) -> Result<(), Error> {
        self.store.reload()?;
        *self = Writer::new(Arc::clone(&self.store));
        Ok(())
    }

    pub(crate) fn change(&self, key: &[u8], revision: Revision, change: Change) -> Changed {
        self.store.index.write().change(key, revision, change)
    }
}
