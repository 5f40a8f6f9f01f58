//! Who waits for what is applied: for the reply to a proposal, or to read.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::Mutex;
use tokio::sync::{Notify, oneshot};
use tokio::time::{Instant, sleep_until};

use crate::ProposeError;
use crate::confirmed::Confirmed;

/// The callers on this member that wait for their proposal to be applied here, and the readers.
pub(crate) struct Waiters<R> {
    pub(crate) confirmed: Confirmed,
    next: AtomicU64,
    waiting: Mutex<Waiting<R>>,
    emptied: Notify,
    /// A deadline comes before all that were there.
    sooner: Notify,
}

struct Waiting<R> {
    callers: HashMap<u64, Waiter<R>>,
    /// Nobody's deadline is before it.
    due: Option<Instant>,
}

/// Where a caller waits for the reply, or for the reason why there is none.
pub(crate) type Reply<R> = oneshot::Sender<Result<R, ProposeError>>;

struct Waiter<R> {
    reply: Reply<R>,
    deadline: Instant,
    /// Whether the proposal left this member or reached its log: then it may take effect.
    dispatched: bool,
}

impl<R> Waiters<R> {
    /// Numbers start at `seed`, which should differ between members and between starts, so that a
    /// reply to an earlier life's proposal finds nobody.
    pub(crate) fn new(seed: u64) -> Waiters<R> {
        Waiters {
            confirmed: Confirmed::default(),
            next: AtomicU64::new(seed),
            waiting: Mutex::new(Waiting { callers: HashMap::new(), due: None }),
            emptied: Notify::new(),
            sooner: Notify::new(),
        }
    }

    pub(crate) fn register(
        &self,
        deadline: Instant,
    ) -> (u64, oneshot::Receiver<Result<R, ProposeError>>) {
        let id = self.next.fetch_add(1, Ordering::Relaxed);
        let (reply, receiver) = oneshot::channel();
        let mut waiting = self.waiting.lock();
        waiting.callers.insert(id, Waiter { reply, deadline, dispatched: false });
        if waiting.due.is_none_or(|due| deadline < due) {
            waiting.due = Some(deadline);
            self.sooner.notify_one();
        }
        (id, receiver)
    }

    /// Answers whoever waits past its deadline, for as long as it is polled. One timer for all costs
    /// less than one for each: next to none of them ever ends.
    pub(crate) async fn keep_deadlines(&self) {
        loop {
            let due = self.waiting.lock().due;
            let passed = async {
                match due {
                    Some(due) => sleep_until(due).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = passed => self.expire(Instant::now()),
                () = self.sooner.notified() => {}
            }
        }
    }

    fn expire(&self, now: Instant) {
        let mut waiting = self.waiting.lock();
        let expired: Vec<_> =
            waiting.callers.extract_if(|_, waiter| waiter.deadline <= now).collect();
        waiting.due = waiting.callers.values().map(|waiter| waiter.deadline).min();
        self.tell_if_empty(&waiting.callers);
        drop(waiting);
        for (_, Waiter { reply, dispatched, .. }) in expired {
            // One that never left has no effect, now or later; another may still be applied.
            let error = if dispatched { ProposeError::Unknown } else { ProposeError::NotAccepted };
            // Its caller may go away this very moment.
            let _ = reply.send(Err(error));
        }
    }

    /// Marks the proposals that still have a caller as dispatched; the others are removed.
    pub(crate) fn dispatch<P>(&self, proposals: &mut Vec<P>, id: impl Fn(&P) -> u64) {
        let mut waiting = self.waiting.lock();
        proposals.retain(|proposal| match waiting.callers.get_mut(&id(proposal)) {
            Some(waiter) => {
                waiter.dispatched = true;
                true
            }
            None => false,
        });
    }

    pub(crate) fn is_waiting(&self, id: u64) -> bool {
        self.waiting.lock().callers.contains_key(&id)
    }

    /// Takes back [`Waiters::dispatch`]: a leader refused the proposals, they are in no log.
    pub(crate) fn refused(&self, ids: impl Iterator<Item = u64>) {
        let mut waiting = self.waiting.lock();
        for id in ids {
            if let Some(waiter) = waiting.callers.get_mut(&id) {
                waiter.dispatched = false;
            }
        }
    }

    /// The caller went away.
    pub(crate) fn forget(&self, id: u64) {
        let mut waiting = self.waiting.lock();
        waiting.callers.remove(&id);
        self.tell_if_empty(&waiting.callers);
    }

    /// The callers of `ids` that wait on this member, in the same order.
    pub(crate) fn take(&self, ids: impl Iterator<Item = u64>) -> Vec<Option<Reply<R>>> {
        let mut waiting = self.waiting.lock();
        let taken = ids.map(|id| waiting.callers.remove(&id).map(|waiter| waiter.reply)).collect();
        self.tell_if_empty(&waiting.callers);
        taken
    }

    /// How many wait.
    pub(crate) fn len(&self) -> usize {
        self.waiting.lock().callers.len()
    }

    /// Resolves when nobody waits.
    pub(crate) async fn emptied(&self) {
        loop {
            let emptied = self.emptied.notified();
            if self.waiting.lock().callers.is_empty() {
                return;
            }
            emptied.await;
        }
    }

    fn tell_if_empty(&self, callers: &HashMap<u64, Waiter<R>>) {
        if callers.is_empty() {
            self.emptied.notify_waiters();
        }
    }

    /// Ends every wait: the member stops.
    pub(crate) fn clear(&self) {
        self.confirmed.clear();
        self.waiting.lock().callers.clear();
        self.emptied.notify_waiters();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use super::*;

    type Answer = Result<u8, ProposeError>;

    #[tokio::test(start_paused = true)]
    async fn each_caller_waits_until_its_own_deadline() {
        let waiters = Arc::new(Waiters::<u8>::new(1));
        let keeper = waiters.clone();
        tokio::spawn(async move { keeper.keep_deadlines().await });
        let begun = Instant::now();
        let seconds = |seconds| begun + Duration::from_secs(seconds);
        let wait = |deadline| waiters.register(seconds(deadline));
        let (_, late) = wait(30);
        let (sent, soon) = wait(5);
        // It comes while the others are kept, and is due first.
        tokio::task::yield_now().await;
        let (_, sooner) = wait(2);
        let (answered, first) = wait(1);
        waiters.dispatch(&mut vec![sent], |id| *id);
        let reply = waiters.take([answered].into_iter()).pop().flatten().expect("it waits");
        assert_eq!(reply.send(Ok(7)), Ok(()));
        let at = |answer: Answer| (Instant::now().duration_since(begun).as_secs(), answer);
        assert_eq!(at(first.await.expect("answered")), (0, Ok(7)));
        assert_eq!(at(sooner.await.expect("answered")), (2, Err(ProposeError::NotAccepted)));
        assert_eq!(at(soon.await.expect("answered")), (5, Err(ProposeError::Unknown)));
        assert_eq!(at(late.await.expect("answered")), (30, Err(ProposeError::NotAccepted)));
        assert_eq!(waiters.len(), 0);
        // And so do those who come when nobody is left.
        let (_, last) = wait(31);
        assert_eq!(at(last.await.expect("answered")), (31, Err(ProposeError::NotAccepted)));
    }
}
