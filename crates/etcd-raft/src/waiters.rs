//! Who waits for what is applied: for the reply to a proposal, or to read.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::Mutex;
use tokio::sync::{Notify, oneshot};

use crate::ProposeError;
use crate::confirmed::Confirmed;

/// The callers on this member that wait for their proposal to be applied here, and the readers.
pub(crate) struct Waiters<R> {
    pub(crate) confirmed: Confirmed,
    next: AtomicU64,
    waiting: Mutex<HashMap<u64, Waiter<R>>>,
    emptied: Notify,
}

/// Where a caller waits for the reply, or for the reason why there is none.
pub(crate) type Reply<R> = oneshot::Sender<Result<R, ProposeError>>;

struct Waiter<R> {
    reply: Reply<R>,
    /// Whether the proposal left this member or reached its log: then it may take effect.
    dispatched: bool,
}

/// What became of a proposal whose caller stops waiting.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Abandoned {
    /// It never left: it has no effect, now or later.
    BeforeDispatch,
    /// It may still be applied.
    AfterDispatch,
}

impl<R> Waiters<R> {
    /// Numbers start at `seed`, which should differ between members and between starts, so that a
    /// reply to an earlier life's proposal finds nobody.
    pub(crate) fn new(seed: u64) -> Waiters<R> {
        Waiters {
            confirmed: Confirmed::default(),
            next: AtomicU64::new(seed),
            waiting: Mutex::default(),
            emptied: Notify::new(),
        }
    }

    pub(crate) fn register(&self) -> (u64, oneshot::Receiver<Result<R, ProposeError>>) {
        let id = self.next.fetch_add(1, Ordering::Relaxed);
        let (reply, receiver) = oneshot::channel();
        self.waiting.lock().insert(id, Waiter { reply, dispatched: false });
        (id, receiver)
    }

    /// Marks the proposals that still have a caller as dispatched; the others are removed.
    pub(crate) fn dispatch<P>(&self, proposals: &mut Vec<P>, id: impl Fn(&P) -> u64) {
        let mut waiting = self.waiting.lock();
        proposals.retain(|proposal| match waiting.get_mut(&id(proposal)) {
            Some(waiter) => {
                waiter.dispatched = true;
                true
            }
            None => false,
        });
    }

    pub(crate) fn is_waiting(&self, id: u64) -> bool {
        self.waiting.lock().contains_key(&id)
    }

    /// Takes back [`Waiters::dispatch`]: a leader refused the proposals, they are in no log.
    pub(crate) fn refused(&self, ids: impl Iterator<Item = u64>) {
        let mut waiting = self.waiting.lock();
        for id in ids {
            if let Some(waiter) = waiting.get_mut(&id) {
                waiter.dispatched = false;
            }
        }
    }

    pub(crate) fn abandon(&self, id: u64) -> Abandoned {
        let mut waiting = self.waiting.lock();
        let waiter = waiting.remove(&id);
        self.tell_if_empty(&waiting);
        match waiter {
            Some(Waiter { dispatched: false, .. }) => Abandoned::BeforeDispatch,
            _ => Abandoned::AfterDispatch,
        }
    }

    /// The callers of `ids` that wait on this member, in the same order.
    pub(crate) fn take(&self, ids: impl Iterator<Item = u64>) -> Vec<Option<Reply<R>>> {
        let mut waiting = self.waiting.lock();
        let taken = ids.map(|id| waiting.remove(&id).map(|waiter| waiter.reply)).collect();
        self.tell_if_empty(&waiting);
        taken
    }

    /// How many wait.
    pub(crate) fn len(&self) -> usize {
        self.waiting.lock().len()
    }

    /// Resolves when nobody waits.
    pub(crate) async fn emptied(&self) {
        loop {
            let emptied = self.emptied.notified();
            if self.waiting.lock().is_empty() {
                return;
            }
            emptied.await;
        }
    }

    fn tell_if_empty(&self, waiting: &HashMap<u64, Waiter<R>>) {
        if waiting.is_empty() {
            self.emptied.notify_waiters();
        }
    }

    /// Ends every wait: the member stops.
    pub(crate) fn clear(&self) {
        self.confirmed.clear();
        self.waiting.lock().clear();
        self.emptied.notify_waiters();
    }
}
