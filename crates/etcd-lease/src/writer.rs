//! The one who changes which leases there are.

use std::sync::Arc;

use bytes::Bytes;
use etcd_storage::{Batch, Storage};

use crate::lessor::Shared;
use crate::state::{Lease, State};
use crate::{Error, MAX_TTL_SECONDS, row};

/// The applier's handle. There is one for the leases of a storage.
///
/// What it changes is replicated: it depends on what was changed before and on nothing else. The
/// changes count at once; their rows go into the caller's [`Batch`].
#[derive(Debug)]
pub struct Writer {
    shared: Arc<Shared>,
}

impl Writer {
    pub(crate) fn new(shared: Arc<Shared>) -> Writer {
        Writer { shared }
    }

    /// Whether there is such a lease.
    pub fn contains(&self, id: i64) -> bool {
        self.shared.state.lock().leases.contains_key(&id)
    }

    /// Adds a lease. Any id but zero is fine; the time to live is taken as it is, since what is too
    /// little depends on the configuration of the member that was asked.
    ///
    /// # Errors
    /// `NotFound` for the id zero, `TtlTooLarge`, `Exists`; nothing is changed then.
    pub fn grant(&mut self, id: i64, ttl_seconds: i64, batch: &mut Batch) -> Result<(), Error> {
        if id == 0 {
            return Err(Error::NotFound);
        }
        if ttl_seconds > MAX_TTL_SECONDS {
            return Err(Error::TtlTooLarge);
        }
        let mut state = self.shared.state.lock();
        if state.leases.contains_key(&id) {
            return Err(Error::Exists);
        }
        let lease = Lease::loaded(ttl_seconds, 0);
        row::put(batch, id, &lease);
        state.leases.insert(id, lease);
        let now = self.shared.clock.now();
        state.refresh(id, now);
        state.plan_checkpoint(id, now);
        self.shared.figures.granted.raise();
        self.shared.figures.ttls.note(u64::try_from(ttl_seconds).unwrap_or(0));
        Ok(())
    }

    /// Removes a lease and answers its keys in order: to delete them is the caller's.
    ///
    /// # Errors
    /// `NotFound`.
    pub fn revoke(&mut self, id: i64, batch: &mut Batch) -> Result<Vec<Bytes>, Error> {
        let keys = self.shared.state.lock().remove(id).ok_or(Error::NotFound)?;
        row::delete(batch, id);
        self.shared.figures.revoked.raise();
        Ok(keys.into_vec())
    }

    /// Notes what a lease has left, for the next leader; zero is the whole. A lease that is gone
    /// needs no note.
    pub fn checkpoint(&mut self, id: i64, remaining_seconds: i64, batch: &mut Batch) {
        let mut state = self.shared.state.lock();
        let Some(lease) = state.leases.get_mut(&id) else { return };
        lease.remaining_seconds = remaining_seconds;
        row::put(batch, id, lease);
        state.plan_checkpoint(id, self.shared.clock.now());
    }

    /// A key belongs to a lease from now on. If there is no such lease it lives for ever.
    pub fn attach(&mut self, id: i64, key: &[u8]) {
        if let Some(lease) = self.shared.state.lock().leases.get_mut(&id) {
            lease.keys.insert(key);
        }
    }

    /// A key belongs to a lease no more.
    pub fn detach(&mut self, id: i64, key: &[u8]) {
        if let Some(lease) = self.shared.state.lock().leases.get_mut(&id) {
            lease.keys.remove(key);
        }
    }

    /// Starts over after the storage's contents were replaced by a snapshot. `leased` are the live
    /// keys that belong to a lease. The clocks stand still until this member leads.
    ///
    /// # Errors
    /// `Damaged` or `Storage`: nothing is changed then.
    pub fn reload(
        &mut self,
        storage: &Storage,
        leased: impl IntoIterator<Item = (Bytes, i64)>,
    ) -> Result<(), Error> {
        let mut leases = row::load(storage)?;
        for (key, id) in leased {
            if let Some(lease) = leases.get_mut(&id) {
                lease.keys.insert(&key);
            }
        }
        let mut state = self.shared.state.lock();
        let replaced = std::mem::take(&mut *state);
        // The count goes on: clocks of before must not count again.
        *state = State::reloaded(leases, replaced.tenure());
        drop(state);
        drop(replaced);
        Ok(())
    }
}
