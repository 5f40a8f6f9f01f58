//! The readers' handle on the leases, and their clocks.

use std::ops::Bound;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use etcd_storage::Storage;
use parking_lot::Mutex;
use tokio::sync::oneshot;

use crate::clock::{Clock, Moment};
use crate::spread::{MANY_LEASES, spread};
use crate::state::{Lead, State};
use crate::{Error, Figures, Writer};

/// Leases or keys looked at while the lock is held once: some hundred microseconds.
const STEP: usize = 1024;

/// The leases, for everybody but the applier. Cheap to clone.
///
/// Every member knows the leases and their keys; when they expire only the member that leads knows.
#[derive(Debug, Clone)]
pub struct Lessor {
    shared: Arc<Shared>,
}

#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) state: Mutex<State>,
    pub(crate) clock: Clock,
    pub(crate) figures: Figures,
}

/// How a member begins to lead.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Leadership {
    /// Raft's term. While it stays the same, so do the clocks.
    pub term: u64,
    /// By how much longer than their time to live all leases live at first: nobody could renew them
    /// during the election.
    pub extension: Duration,
    /// How often what is left of a long lease is replicated; `None` is never.
    pub checkpoint_interval: Option<Duration>,
}

/// What renewing a lease came to.
#[derive(Debug)]
pub enum Renewal {
    /// It lives on for its whole time.
    Renewed {
        /// As granted.
        ttl_seconds: i64,
    },
    /// It has expired, and is going to be revoked: too late.
    Expired(Ending),
}

/// The end of an expired lease, to come.
#[derive(Debug)]
pub struct Ending(oneshot::Receiver<()>);

impl Ending {
    /// Resolves once the lease is revoked, or once this member leads no more.
    pub async fn reached(self) {
        // The sender is dropped, which is the word.
        let _ = self.0.await;
    }
}

/// How long a lease lives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TimeToLive {
    /// As granted, in seconds.
    pub granted_seconds: i64,
    /// What is left, in seconds, rounded towards zero; negative if it should be gone already.
    pub left_seconds: i64,
}

/// Leases that have expired.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Due {
    /// The term in which this member leads: what it knows of clocks is true in no other.
    pub term: u64,
    /// The leases, those first that expired first.
    pub ids: Vec<i64>,
}

impl Lessor {
    /// Opens the leases that `storage` holds. `leased` are the live keys that belong to one; keys
    /// of a lease that is gone live for ever.
    ///
    /// # Errors
    /// `Damaged` when a row is no lease, `Storage` when reading fails.
    pub fn open(
        storage: &Storage,
        leased: impl IntoIterator<Item = (Bytes, i64)>,
        clock: Clock,
    ) -> Result<(Lessor, Writer), Error> {
        let figures = Figures::default();
        let shared = Arc::new(Shared { state: Mutex::default(), clock, figures });
        let mut writer = Writer::new(Arc::clone(&shared));
        writer.reload(storage, leased)?;
        Ok((Lessor { shared }, writer))
    }

    /// Lets the clocks run: this member leads. All leases live for the extension and their time to
    /// live, or for what was left at their last checkpoint; many of them expire one after the
    /// other. Returns at once, and does nothing if this was said of the same or a later term before.
    pub fn lead(&self, leadership: Leadership) {
        let Leadership { term, extension, checkpoint_interval } = leadership;
        let mut state = self.shared.state.lock();
        if state.lead().is_some_and(|lead| lead.term >= term) {
            return;
        }
        let base = self.shared.clock.now().after(extension);
        let leftovers = state.begin(Lead { term, base, checkpoint_interval, settled: false });
        drop(state);
        drop(leftovers);
    }

    /// Stops the clocks: another member leads, or may.
    pub fn step_down(&self) {
        let leftovers = self.shared.state.lock().step_down();
        drop(leftovers);
    }

    /// The term in which the clocks run, if they do.
    pub fn term(&self) -> Option<u64> {
        self.shared.state.lock().lead().map(|lead| lead.term)
    }

    /// Whether there is such a lease.
    pub fn contains(&self, id: i64) -> bool {
        self.shared.state.lock().leases.contains_key(&id)
    }

    /// What was left of a lease at its last checkpoint, in seconds; zero if there was none.
    pub fn remaining_at_checkpoint(&self, id: i64) -> i64 {
        let state = self.shared.state.lock();
        state.leases.get(&id).map_or(0, |lease| lease.remaining_seconds)
    }

    /// Lets a lease live for its whole time from now on.
    ///
    /// # Errors
    /// `NotPrimary` unless this member leads, `NotFound`.
    pub fn renew(&self, id: i64) -> Result<Renewal, Error> {
        let mut state = self.shared.state.lock();
        if state.lead().is_none() {
            return Err(Error::NotPrimary);
        }
        let lease = state.leases.get(&id).ok_or(Error::NotFound)?;
        let ttl_seconds = lease.ttl_seconds;
        let now = self.shared.clock.now();
        if state.expiry(lease).is_some_and(|expiry| expiry <= now) {
            return Ok(Renewal::Expired(Ending(state.wait_for_end(id))));
        }
        state.refresh(id, now);
        self.shared.figures.renewed.raise();
        Ok(Renewal::Renewed { ttl_seconds })
    }

    /// What was counted since this member was started.
    pub fn figures(&self) -> &Figures {
        &self.shared.figures
    }

    /// How many leases there are.
    pub fn count(&self) -> usize {
        self.shared.state.lock().leases.len()
    }

    /// How long a lease lives.
    ///
    /// # Errors
    /// `NotFound`, `NotPrimary` unless this member leads.
    pub fn time_to_live(&self, id: i64) -> Result<TimeToLive, Error> {
        let state = self.shared.state.lock();
        let lease = state.leases.get(&id).ok_or(Error::NotFound)?;
        let expiry = state.expiry(lease).ok_or(Error::NotPrimary)?;
        Ok(TimeToLive {
            granted_seconds: lease.ttl_seconds,
            left_seconds: expiry.seconds_from(self.shared.clock.now()),
        })
    }

    /// The keys of a lease, in order; none if there is no such lease.
    pub fn keys(&self, id: i64) -> Vec<Bytes> {
        let mut keys: Vec<Bytes> = Vec::new();
        loop {
            let last = keys.last().map(|key| &key[..]);
            let state = self.shared.state.lock();
            let page = state.leases.get(&id).map(|lease| lease.keys.page(last, STEP));
            drop(state);
            match page {
                Some(page) if !page.is_empty() => keys.extend(page),
                _ => return keys,
            }
        }
    }

    /// The ids of all leases: those first that expire first on the member that leads, by their
    /// numbers on others. Leases that come or go meanwhile may be there or not.
    pub fn ids(&self) -> Vec<i64> {
        let mut found = Vec::new();
        self.walk(|state, id| {
            let expiry = state.leases.get(&id).and_then(|lease| state.expiry(lease));
            found.push((expiry.unwrap_or(Moment::NEVER), id));
        });
        found.sort_unstable();
        found.into_iter().map(|(_, id)| id).collect()
    }

    /// Up to `most` leases that have expired, those first that expired first. They are due again
    /// after `retry`, if they are still there then. Empty unless this member leads.
    ///
    /// After a change of the leader the first call takes long if there are many leases; nobody else
    /// waits for it.
    pub fn due(&self, most: usize, retry: Duration) -> Due {
        self.settle();
        let now = self.shared.clock.now();
        let retry_at = now.after(retry);
        let mut due = Due::default();
        loop {
            let mut state = self.shared.state.lock();
            match state.lead() {
                Some(lead) if due.ids.is_empty() || due.term == lead.term => due.term = lead.term,
                // What was found is not true any more.
                _ => return Due::default(),
            }
            if !state.take_due(now, retry_at, &mut due.ids, most, STEP) {
                return due;
            }
        }
    }

    /// Up to `most` leases of which a checkpoint is due, with the seconds they have left.
    pub fn due_checkpoints(&self, most: usize) -> Vec<(i64, i64)> {
        let now = self.shared.clock.now();
        let mut state = self.shared.state.lock();
        std::iter::from_fn(|| state.take_checkpoint(now)).take(most).collect()
    }

    /// Gives every lease of an earlier leader an expiry of its own.
    fn settle(&self) {
        let tenure = {
            let state = self.shared.state.lock();
            match state.lead() {
                Some(lead) if !lead.settled => state.tenure(),
                _ => return,
            }
        };
        let now = self.shared.clock.now();
        let (mut count, mut expiries) = (0, Vec::new());
        self.walk(|state, id| {
            count += 1;
            let lease = state.leases.get(&id).filter(|lease| !state.is_settled(lease));
            expiries.extend(lease.and_then(|lease| Some((state.expiry(lease)?, id))));
        });
        expiries.sort_unstable();
        if count >= MANY_LEASES {
            spread(&mut expiries);
        }
        for step in expiries.chunks(STEP) {
            let mut state = self.shared.state.lock();
            if state.tenure() != tenure {
                return;
            }
            for &(expiry, id) in step {
                // Whoever was renewed meanwhile has one.
                if state.leases.get(&id).is_some_and(|lease| !state.is_settled(lease)) {
                    state.set_expiry(id, expiry);
                }
                state.plan_checkpoint(id, now);
            }
        }
        let mut state = self.shared.state.lock();
        if state.tenure() == tenure {
            state.settled();
        }
    }

    /// Shows the ids of all leases, in order, holding the lock only for so many at a time.
    fn walk(&self, mut visit: impl FnMut(&State, i64)) {
        let mut from = Bound::Unbounded;
        loop {
            let state = self.shared.state.lock();
            let mut ids = state.leases.range((from, Bound::Unbounded)).map(|(id, _)| *id);
            let mut last = None;
            for id in ids.by_ref().take(STEP) {
                visit(&state, id);
                last = Some(id);
            }
            match last {
                Some(last) => from = Bound::Excluded(last),
                None => return,
            }
        }
    }
}
