//! What the clients know of their leases: enough to say how long each must live, and may.

use std::collections::BTreeMap;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

/// All leases, and all that went wrong. Cheap to clone.
#[derive(Clone, Default)]
pub(crate) struct Ledger {
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    /// From when on clients leave.
    began: OnceLock<Instant>,
    leases: Mutex<BTreeMap<i64, Lease>>,
    complaints: Mutex<Vec<String>>,
    complained: Condvar,
}

/// One lease.
#[derive(Debug, Clone)]
pub(crate) struct Lease {
    pub(crate) ttl: Duration,
    pub(crate) keys: Vec<String>,
    /// When its client stops to renew it, from the beginning on; `None` is never.
    pub(crate) leaves_after: Option<Duration>,
    /// When the last renewal that was answered was asked for: it lives for its time from then on.
    pub(crate) renewed: Instant,
    /// It was not renewed after this moment.
    pub(crate) touched: Instant,
    pub(crate) renewals: u64,
    /// Its client could not renew it in time: the members did not answer.
    pub(crate) starved: bool,
    /// The longest time from one answer to the next.
    pub(crate) longest_gap: Duration,
}

impl Ledger {
    /// Lets the clients begin to leave.
    pub(crate) fn begin(&self) {
        self.shared.began.get_or_init(Instant::now);
    }

    /// Notes a lease that was granted and has its keys.
    pub(crate) fn add(&self, id: i64, lease: Lease) {
        let known = lock(&self.shared.leases).insert(id, lease);
        assert!(known.is_none(), "the lease {id} was granted twice");
    }

    /// Whether the client of a lease has left it at this moment.
    pub(crate) fn is_left(&self, lease: &Lease, now: Instant) -> bool {
        match (self.shared.began.get(), lease.leaves_after) {
            (Some(&began), Some(after)) => now >= began + after,
            _ => false,
        }
    }

    /// Whether the client of a lease, which there is, has left it by now.
    pub(crate) fn has_left(&self, id: i64) -> bool {
        self.is_left(&lock(&self.shared.leases)[&id], Instant::now())
    }

    /// A renewal was asked for and answered. Answers the time to live.
    pub(crate) fn renewed(&self, id: i64, asked: Instant) -> Duration {
        let mut leases = lock(&self.shared.leases);
        let lease = leases.get_mut(&id).expect("only what was granted is renewed");
        let now = Instant::now();
        lease.longest_gap = lease.longest_gap.max(now - lease.touched);
        (lease.renewed, lease.touched) = (asked, now);
        lease.renewals += 1;
        lease.ttl
    }

    /// A lease is gone whose client has not left it. That must not be, unless nobody answered the
    /// client for its whole time to live: then it counts as left from its last answer on.
    pub(crate) fn lost(&self, id: i64) {
        let mut leases = lock(&self.shared.leases);
        let lease = leases.get_mut(&id).expect("only what was granted is renewed");
        let answered = lease.renewed.elapsed();
        if answered < lease.ttl {
            return self.complain(format!("renewed {answered:?} ago, and gone: {lease:?}"));
        }
        let since = |began: &Instant| lease.renewed.saturating_duration_since(*began);
        lease.leaves_after = Some(self.shared.began.get().map_or(Duration::ZERO, since));
        lease.starved = true;
    }

    /// A renewal was given up: it may have happened until now.
    pub(crate) fn gave_up(&self, id: i64) {
        let mut leases = lock(&self.shared.leases);
        leases.get_mut(&id).expect("only what was granted is renewed").touched = Instant::now();
    }

    /// A lease, if there are so many.
    pub(crate) fn nth(&self, number: usize) -> Option<(i64, Lease)> {
        let leases = lock(&self.shared.leases);
        leases.iter().nth(number).map(|(id, lease)| (*id, lease.clone()))
    }

    /// All leases.
    pub(crate) fn leases(&self) -> BTreeMap<i64, Lease> {
        lock(&self.shared.leases).clone()
    }

    /// Notes that something is not as it must be: the test is going to fail.
    pub(crate) fn complain(&self, what: String) {
        lock(&self.shared.complaints).push(what);
        self.shared.complained.notify_all();
    }

    /// Lets time pass, and fails as soon as somebody complains.
    #[track_caller]
    pub(crate) fn watch_over(&self, time: Duration) {
        let complaints = lock(&self.shared.complaints);
        let quiet = |complaints: &mut Vec<String>| complaints.is_empty();
        let waited = self.shared.complained.wait_timeout_while(complaints, time, quiet);
        let complaints = waited.unwrap_or_else(PoisonError::into_inner).0.clone();
        assert!(
            complaints.is_empty(),
            "{} complaints: {:#?}",
            complaints.len(),
            first(&complaints)
        );
    }
}

/// As many of them as a person reads.
fn first(complaints: &[String]) -> &[String] {
    &complaints[..complaints.len().min(20)]
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
