//! Removing compacted records, in the background and paced.

use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Duration;

use etcd_figures::Lap;
use etcd_storage::{Batch, Table};

use crate::hash::Hasher;
use crate::load::FINISHED;
use crate::revision::{Kind, RecordKey};
use crate::schedule::{Job, JobHistory, Pause};
use crate::store::Store;
use crate::{Error, Revision};

/// How fast a compaction goes, and what it does on the way.
#[derive(Debug, Clone)]
pub struct CompactorOptions {
    /// Most records looked at or removed between two pauses.
    pub batch_limit: usize,
    /// The length of a pause.
    pub sleep_interval: Duration,
    /// Whether to hash the records before removing them.
    pub hashing: Hashing,
}

/// Whether compactions leave hashes for [`Mvcc::hash_kv`](crate::Mvcc::hash_kv).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hashing {
    /// Each compaction reads all records up to its revision once and remembers their hash, as
    /// etcd's do.
    On,
    /// Compactions read nothing: their cost is that of what they remove.
    Off,
}

impl Default for CompactorOptions {
    fn default() -> CompactorOptions {
        CompactorOptions {
            batch_limit: 1000,
            sleep_interval: Duration::from_millis(10),
            hashing: Hashing::On,
        }
    }
}

/// Carries out the compactions of one store, oldest first. There must be only one that runs.
///
/// The index knows what a compaction makes useless, so only those records are touched; nothing else
/// of the store is read for it.
#[derive(Debug, Clone)]
pub struct Compactor {
    store: Arc<Store>,
    options: CompactorOptions,
}

impl Compactor {
    pub(crate) fn new(store: Arc<Store>, options: CompactorOptions) -> Compactor {
        let batch_limit = options.batch_limit.max(1);
        Compactor { store, options: CompactorOptions { batch_limit, ..options } }
    }

    /// Waits for compactions and carries them out until [`stop`](Compactor::stop): a thread of its
    /// own should call it.
    ///
    /// # Errors
    /// `Storage` or `Damaged`: the process must stop.
    pub fn run(&self) -> Result<(), Error> {
        while let Some((job, epoch)) = self.store.schedule.next() {
            self.carry_out(job, epoch)?;
        }
        Ok(())
    }

    /// Carries out what is scheduled and returns, where nobody [`run`](Compactor::run)s it.
    ///
    /// # Errors
    /// `Storage` or `Damaged`: the process must stop.
    pub fn run_scheduled(&self) -> Result<(), Error> {
        while let Some((job, epoch)) = self.store.schedule.try_next() {
            self.carry_out(job, epoch)?;
        }
        Ok(())
    }

    /// Ends [`run`](Compactor::run) soon, for good. What is left undone is done after a restart.
    pub fn stop(&self) {
        self.store.schedule.stop();
    }

    fn carry_out(&self, job: Job, epoch: u64) -> Result<(), Error> {
        tracing::debug!(revision = job.revision, "compaction begins");
        let begun = Lap::begin();
        let hashed = self.options.hashing == Hashing::On && job.history == JobHistory::Whole;
        if hashed && self.hash(job, epoch)? == Pause::Abandoned {
            return Ok(());
        }
        let Some(removed) = self.remove(job, epoch)? else { return Ok(()) };
        self.store.figures.compactions.note_time(begun.so_far());
        self.store.figures.note_compaction();
        tracing::info!(revision = job.revision, removed, "compaction finished");
        self.store.schedule.finish(epoch);
        Ok(())
    }

    /// Hashes what the compaction finds, before it removes any of it.
    fn hash(&self, job: Job, epoch: u64) -> Result<Pause, Error> {
        // Later compactions may be published by now, but none removes anything before this one.
        let mut hasher = Hasher::for_compaction(&self.store, job.previous, job.revision);
        let end = Revision::first_of(job.revision + 1).put_key();
        let mut from = Some(Vec::new());
        while let Some(start) = from.take() {
            let mut rows = 0;
            let mut outcome = Ok(());
            self.store.storage.scan(Table::Key, &start..&end, |key, value| {
                if rows == self.options.batch_limit {
                    from = Some(key.to_vec());
                    return ControlFlow::Break(());
                }
                rows += 1;
                outcome = hasher.row(&self.store.index.read(), key, value);
                if outcome.is_ok() { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
            })?;
            outcome?;
            if self.pause(epoch) == Pause::Abandoned {
                return Ok(Pause::Abandoned);
            }
        }
        self.store.hashes.lock().insert(hasher.finish());
        Ok(Pause::Over)
    }

    /// Returns how many records were removed; `None` when the job must be abandoned.
    fn remove(&self, job: Job, epoch: u64) -> Result<Option<usize>, Error> {
        let (mut removed, mut dropped) = (0, Vec::new());
        let mut from = Some(Vec::new());
        let mut lap = Lap::begin();
        while let Some(start) = from {
            from = self.store.index.write().compact_from(&start, job.revision, &mut dropped);
            if dropped.len() < self.options.batch_limit && from.is_some() {
                continue;
            }
            self.store.figures.index_steps.note_time(lap.end());
            for dropped in dropped.chunks(self.options.batch_limit) {
                removed += dropped.len();
                lap = Lap::begin();
                self.delete(dropped)?;
                self.store.figures.removals.note_time(lap.end());
                self.store.figures.compacted.add(dropped.len() as u64);
                if self.pause(epoch) == Pause::Abandoned {
                    return Ok(None);
                }
            }
            dropped.clear();
            lap = Lap::begin();
        }
        if self.store.schedule.pause(epoch, Duration::ZERO) == Pause::Abandoned {
            return Ok(None);
        }
        let mut batch = Batch::default();
        batch.put(Table::Meta, FINISHED, &Revision::first_of(job.revision).put_key());
        self.store.storage.commit(batch)?;
        Ok(Some(removed))
    }

    fn delete(&self, dropped: &[(Revision, Kind)]) -> Result<(), Error> {
        let mut batch = Batch::default();
        for &(revision, kind) in dropped {
            batch.delete(Table::Key, &RecordKey { revision, kind }.encode());
        }
        Ok(self.store.storage.commit(batch)?)
    }

    fn pause(&self, epoch: u64) -> Pause {
        self.store.schedule.pause(epoch, self.options.sleep_interval)
    }
}
