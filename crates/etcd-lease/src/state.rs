//! All leases: what is replicated, and beside it the clocks of the member that leads.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use tokio::sync::oneshot;

use crate::clock::Moment;
use crate::keys::Keys;

/// One lease. A million of them must fit beside the keys.
#[derive(Debug)]
pub(crate) struct Lease {
    /// As granted. Replicated.
    pub(crate) ttl_seconds: i64,
    /// What was left at the last checkpoint; zero: the whole. Replicated.
    pub(crate) remaining_seconds: i64,
    /// Replicated.
    pub(crate) keys: Keys,
    /// When it expires. Only meaningful in `tenure`.
    expiry: Moment,
    /// Its place in the queue of the due. Only meaningful in `tenure`.
    queued: Moment,
    /// The tenure that the two were set in.
    tenure: u32,
}

impl Lease {
    /// A lease without keys whose clock stands still.
    pub(crate) fn loaded(ttl_seconds: i64, remaining_seconds: i64) -> Lease {
        Lease {
            ttl_seconds,
            remaining_seconds,
            keys: Keys::None,
            expiry: Moment::NEVER,
            queued: Moment::NEVER,
            tenure: 0,
        }
    }

    /// How long it lives from a change of the leader on.
    fn left_at_last_checkpoint(&self) -> Duration {
        let seconds = match self.remaining_seconds {
            remaining if remaining > 0 => remaining,
            _ => self.ttl_seconds,
        };
        seconds_of(seconds)
    }
}

/// A number of seconds; less than none is none.
fn seconds_of(seconds: i64) -> Duration {
    Duration::from_secs(u64::try_from(seconds).unwrap_or(0))
}

/// How this member leads.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Lead {
    /// Raft's term.
    pub(crate) term: u64,
    /// From when on the leases of earlier leaders live once more.
    pub(crate) base: Moment,
    /// How often what is left of a long lease is replicated; `None` is never.
    pub(crate) checkpoint_interval: Option<Duration>,
    /// Whether every lease has an expiry of its own already.
    pub(crate) settled: bool,
}

/// What the lock protects.
#[derive(Debug, Default)]
pub(crate) struct State {
    /// In the order of their ids, so that it can be walked in steps and grows without pauses.
    pub(crate) leases: BTreeMap<i64, Lease>,
    /// `None` on every member but the leader: the clocks stand still.
    lead: Option<Lead>,
    /// Counts how often this member began to lead. Clocks of an earlier time count no more.
    tenure: u32,
    /// Invariant: has, for every lease with the current tenure, its place and nothing else. A place
    /// is never after the lease's expiry, except to try an expired one again; renewing moves only
    /// the expiry, and the place follows when its time comes.
    due: BTreeSet<(Moment, i64)>,
    /// When what is left is to be replicated, by time and by lease.
    checkpoints: BTreeSet<(Moment, i64)>,
    checkpoint_of: BTreeMap<i64, Moment>,
    /// Who waits for the end of an expired lease. Dropping a sender is the word.
    waiting: BTreeMap<i64, Vec<oneshot::Sender<()>>>,
}

/// What is large and no longer used: to be dropped without the lock.
#[derive(Debug, Default)]
pub(crate) struct Leftovers {
    _due: BTreeSet<(Moment, i64)>,
    _checkpoints: BTreeSet<(Moment, i64)>,
    _checkpoint_of: BTreeMap<i64, Moment>,
}

impl State {
    /// The state after all leases were replaced: nobody leads, and tenures are counted on.
    pub(crate) fn reloaded(leases: BTreeMap<i64, Lease>, tenure: u32) -> State {
        State { leases, tenure, ..State::default() }
    }

    pub(crate) fn lead(&self) -> Option<&Lead> {
        self.lead.as_ref()
    }

    pub(crate) fn tenure(&self) -> u32 {
        self.tenure
    }

    /// Begins to lead. Every clock of an earlier time is void.
    pub(crate) fn begin(&mut self, lead: Lead) -> Leftovers {
        let leftovers = self.step_down();
        self.tenure += 1;
        self.lead = Some(lead);
        leftovers
    }

    /// All clocks stand still, and nobody waits here any longer.
    pub(crate) fn step_down(&mut self) -> Leftovers {
        self.lead = None;
        self.waiting.clear();
        Leftovers {
            _due: std::mem::take(&mut self.due),
            _checkpoints: std::mem::take(&mut self.checkpoints),
            _checkpoint_of: std::mem::take(&mut self.checkpoint_of),
        }
    }

    pub(crate) fn settled(&mut self) {
        if let Some(lead) = &mut self.lead {
            lead.settled = true;
        }
    }

    /// When a lease expires; `None` on a member that does not lead.
    pub(crate) fn expiry(&self, lease: &Lease) -> Option<Moment> {
        let lead = self.lead.as_ref()?;
        Some(match lease.tenure == self.tenure {
            true => lease.expiry,
            false => lead.base.after(lease.left_at_last_checkpoint()),
        })
    }

    /// Whether a lease has an expiry of its own in this tenure.
    pub(crate) fn is_settled(&self, lease: &Lease) -> bool {
        lease.tenure == self.tenure
    }

    /// Lets a lease live for its whole time from `now` on, if this member leads.
    pub(crate) fn refresh(&mut self, id: i64, now: Moment) {
        if let Some(lease) = self.leases.get(&id) {
            let ttl = seconds_of(lease.ttl_seconds);
            self.set_expiry(id, now.after(ttl));
        }
    }

    /// Sets when a lease expires, if this member leads.
    pub(crate) fn set_expiry(&mut self, id: i64, expiry: Moment) {
        let Some(lease) = self.leases.get_mut(&id) else { return };
        if self.lead.is_none() {
            return;
        }
        let is_placed = lease.tenure == self.tenure;
        lease.tenure = self.tenure;
        lease.expiry = expiry;
        if is_placed && lease.queued <= expiry {
            return;
        }
        if is_placed {
            self.due.remove(&(lease.queued, id));
        }
        lease.queued = expiry;
        self.due.insert((expiry, id));
    }

    /// Takes a lease out; its keys, if it was there.
    pub(crate) fn remove(&mut self, id: i64) -> Option<Keys> {
        let lease = self.leases.remove(&id)?;
        if lease.tenure == self.tenure {
            self.due.remove(&(lease.queued, id));
        }
        if let Some(at) = self.checkpoint_of.remove(&id) {
            self.checkpoints.remove(&(at, id));
        }
        self.waiting.remove(&id);
        Some(lease.keys)
    }

    /// Resolves once the lease is gone or this member leads no more.
    pub(crate) fn wait_for_end(&mut self, id: i64) -> oneshot::Receiver<()> {
        let (sender, ended) = oneshot::channel();
        let waiting = self.waiting.entry(id).or_default();
        // Who went away is forgotten when the next one comes.
        waiting.retain(|sender| !sender.is_closed());
        waiting.push(sender);
        ended
    }

    /// Looks at up to `steps` places that are due, earliest first, and adds the leases that have
    /// expired to `expired`, until there are `most`; each is due again at `retry_at`. Whether there
    /// is more to look at.
    pub(crate) fn take_due(
        &mut self,
        now: Moment,
        retry_at: Moment,
        expired: &mut Vec<i64>,
        most: usize,
        steps: usize,
    ) -> bool {
        for _ in 0..steps {
            if expired.len() == most {
                return false;
            }
            let Some(&(at, id)) = self.due.first().filter(|(at, _)| *at <= now) else {
                return false;
            };
            self.due.pop_first();
            let lease = self.leases.get_mut(&id).expect("a place is that of a lease");
            if lease.expiry > at {
                lease.queued = lease.expiry;
            } else {
                expired.push(id);
                lease.queued = retry_at;
            }
            self.due.insert((lease.queued, id));
        }
        true
    }

    /// Plans the next checkpoint of a lease that has much time left.
    pub(crate) fn plan_checkpoint(&mut self, id: i64, now: Moment) {
        let interval = self.lead.as_ref().and_then(|lead| lead.checkpoint_interval);
        let (Some(interval), Some(lease)) = (interval, self.leases.get(&id)) else { return };
        if lease.left_at_last_checkpoint() > interval && !self.checkpoint_of.contains_key(&id) {
            let at = now.after(interval);
            self.checkpoints.insert((at, id));
            self.checkpoint_of.insert(id, at);
        }
    }

    /// The next lease whose checkpoint is due, with the seconds it has left.
    pub(crate) fn take_checkpoint(&mut self, now: Moment) -> Option<(i64, i64)> {
        loop {
            let &(at, id) = self.checkpoints.first().filter(|(at, _)| *at <= now)?;
            self.checkpoints.remove(&(at, id));
            self.checkpoint_of.remove(&id);
            let lease = self.leases.get(&id).expect("a checkpoint is that of a lease");
            let expiry = self.expiry(lease).expect("there are checkpoints only while leading");
            let left = expiry.seconds_from_up(now);
            match left {
                0 => {}
                left if left < lease.ttl_seconds => return Some((id, left)),
                // It was renewed just now.
                _ => self.plan_checkpoint(id, now),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Moment {
        Moment::ZERO.after(seconds_of(seconds))
    }

    #[test]
    fn a_look_costs_what_is_due_and_not_what_there_is() {
        const MANY: i64 = 10_000;
        let mut state = State::default();
        let lead = Lead { term: 1, base: at(0), checkpoint_interval: None, settled: true };
        state.begin(lead);
        for (id, ttl_seconds) in (1..=MANY).map(|id| (id, 60)).chain([(-1, 10)]) {
            state.leases.insert(id, Lease::loaded(ttl_seconds, 0));
            state.refresh(id, at(0));
        }
        for renewed in [3, 5] {
            (1..=MANY).for_each(|id| state.refresh(id, at(renewed)));
            assert_eq!(state.due.len(), state.leases.len(), "renewing leaves the queue alone");
        }
        let mut look = |now, steps| {
            let mut expired = Vec::new();
            let more = state.take_due(at(now), at(now + 7), &mut expired, 500, steps);
            (expired, more)
        };
        assert_eq!(look(9, 1), (vec![], false));
        assert_eq!(look(10, 2), (vec![-1], false), "one step for what is due, one to see the rest");
        assert_eq!(look(11, 1), (vec![], false));
        // Those that were renewed are looked at when their old time is over, each of them once.
        let once = usize::try_from(MANY).expect("it is no less than zero") + 2;
        assert_eq!(look(60, once), (vec![-1], false));
        assert_eq!(look(64, 1), (vec![], false));
        assert_eq!(look(65, 500), ((1..=500).collect(), true), "as many as were asked for");
    }
}
