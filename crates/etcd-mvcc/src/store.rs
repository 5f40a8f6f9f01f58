//! What readers, the writer and the compactor of one store share.

use std::sync::atomic::{AtomicI64, Ordering};

use etcd_storage::Storage;
use parking_lot::{Mutex, RwLock};

use crate::hash::HashCache;
use crate::index::Index;
use crate::load::Loaded;
use crate::schedule::{Job, JobHistory, Schedule};
use crate::{Error, Figures};

#[derive(Debug)]
pub(crate) struct Store {
    pub(crate) storage: Storage,
    /// Held for short steps only, by readers and writers alike.
    pub(crate) index: RwLock<Index>,
    pub(crate) schedule: Schedule,
    pub(crate) hashes: Mutex<HashCache>,
    pub(crate) figures: Figures,
    /// The newest revision that readers see. Every change up to it is in the index and in storage.
    visible: AtomicI64,
    /// Reads below fail. Invariant: raised before anything below is removed.
    compacted: AtomicI64,
}

impl Store {
    pub(crate) fn open(storage: Storage) -> Result<Store, Error> {
        let loaded = Loaded::read(&storage)?;
        let schedule = Schedule::default();
        schedule.push(resumed(&loaded));
        Ok(Store {
            storage,
            index: RwLock::new(loaded.index),
            schedule,
            hashes: Mutex::default(),
            figures: Figures::default(),
            visible: AtomicI64::new(loaded.revision),
            compacted: AtomicI64::new(loaded.compacted),
        })
    }

    pub(crate) fn visible(&self) -> i64 {
        self.visible.load(Ordering::Acquire)
    }

    pub(crate) fn compacted(&self) -> i64 {
        self.compacted.load(Ordering::Acquire)
    }

    /// Shows everything up to `revision` to readers.
    pub(crate) fn publish(&self, revision: i64, compacted: i64) {
        self.visible.store(revision, Ordering::Release);
        self.compacted.store(compacted, Ordering::Release);
    }

    /// Starts over from what storage holds now.
    pub(crate) fn reload(&self) -> Result<(), Error> {
        let loaded = Loaded::read(&self.storage)?;
        let job = resumed(&loaded);
        let mut index = self.index.write();
        // Under the lock, so that no reader meets the new index with the old compact revision.
        self.publish(loaded.revision, loaded.compacted);
        let old = std::mem::replace(&mut *index, loaded.index);
        drop(index);
        drop(old);
        self.hashes.lock().clear();
        self.schedule.replace(job);
        Ok(())
    }

    /// Fails if a read at `revision` may miss something that was compacted away.
    pub(crate) fn check_readable(&self, revision: i64) -> Result<(), Error> {
        if revision < self.compacted() { Err(Error::Compacted) } else { Ok(()) }
    }
}

/// The compaction that another process left unfinished.
fn resumed(loaded: &Loaded) -> Option<Job> {
    let Loaded { compacted, finished, .. } = *loaded;
    let history = JobHistory::Interrupted;
    (compacted > finished).then_some(Job { revision: compacted, previous: finished, history })
}
