//! Room in the storage: what would take more than the quota is refused.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use etcd_proto::etcdserverpb::alarm_request::AlarmAction;
use etcd_proto::etcdserverpb::{AlarmMember, AlarmRequest, AlarmType, InternalRaftRequest};

use crate::deadline::Deadline;
use crate::{Api, Error};

/// What a lease counts against the quota, in bytes.
pub(crate) const LEASE_COST: u64 = 64;

/// How long a measurement serves: other members' puts are not in it.
const MEASUREMENT_AGE: Duration = Duration::from_secs(1);

/// What is known of the storage's size. Measuring takes longer than a put may, so what was granted
/// since the last time is added to it.
#[derive(Debug, Clone)]
pub struct Quota {
    known: Arc<Known>,
}

#[derive(Debug)]
struct Known {
    begun: Instant,
    /// When to measure again, in milliseconds after the beginning.
    due: AtomicU64,
    /// The size that was measured and the costs of what was granted since, in bytes.
    used: AtomicU64,
}

impl Default for Quota {
    fn default() -> Quota {
        let (due, used) = (AtomicU64::new(0), AtomicU64::new(0));
        Quota { known: Arc::new(Known { begun: Instant::now(), due, used }) }
    }
}

impl Quota {
    /// Whether `cost` more bytes stay below `limit`; never refused without measuring.
    fn grants(&self, cost: u64, limit: u64, measure: impl FnOnce() -> u64) -> bool {
        let Known { begun, due, used } = &*self.known;
        let milliseconds = |time: Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        let now = milliseconds(begun.elapsed());
        let was_due = due.load(Ordering::Relaxed);
        let next = now + milliseconds(MEASUREMENT_AGE);
        // Of several requests at once only one measures.
        let measures = now >= was_due
            && due.compare_exchange(was_due, next, Ordering::Relaxed, Ordering::Relaxed).is_ok();
        let fits = |before: u64| before.saturating_add(cost) < limit;
        if !measures && fits(used.load(Ordering::Relaxed)) {
            used.fetch_add(cost, Ordering::Relaxed);
            return true;
        }
        let measured = measure();
        let is_granted = fits(measured);
        let granted = if is_granted { cost } else { 0 };
        used.store(measured.saturating_add(granted), Ordering::Relaxed);
        is_granted
    }
}

impl Api {
    /// Makes sure that the storage has room for `cost` more bytes. If it has not, an alarm says so
    /// in the whole cluster, until a client silences it. What costs nothing always has room.
    ///
    /// # Errors
    ///
    /// `NoSpace`.
    pub(crate) async fn reserve(&self, cost: u64, deadline: Deadline) -> Result<(), Error> {
        // Less than no bytes are no quota.
        let Ok(limit) = u64::try_from(self.limits.quota_bytes()) else { return Ok(()) };
        let measure = || self.views.storage.sizes().total;
        if cost == 0 || self.quota.grants(cost, limit, measure) {
            return Ok(());
        }
        let (member_id, alarm) = (self.member_id.0, AlarmType::Nospace as i32);
        let mine = AlarmMember { member_id, alarm };
        if !self.views.cluster().alarms.iter().any(|active| active == mine) {
            let action = AlarmAction::Activate as i32;
            let alarm = Some(AlarmRequest { action, member_id, alarm });
            let command = InternalRaftRequest { alarm, ..Default::default() };
            if let Err(error) = self.propose(&command, deadline).await {
                tracing::warn!(%error, "the storage is full, and no alarm could be raised");
            }
        }
        Err(Error::NoSpace)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_granted_counts_until_the_next_measurement() {
        let quota = Quota::default();
        assert!(quota.grants(10, 100, || 50), "measured at first");
        let never = || unreachable!("there is room by what is known");
        assert!(quota.grants(10, 100, never));
        assert!(quota.grants(29, 100, never));
        assert!(!quota.grants(1, 100, || 99), "100 of 100 is full");
        assert!(!quota.grants(1, 100, || 99));
        assert!(quota.grants(1, 100, || 20), "space was freed");
        assert!(quota.grants(78, 100, never));
    }

    #[test]
    fn a_measurement_is_repeated_in_time() {
        let quota = Quota::default();
        assert!(quota.grants(1, 100, || 0));
        quota.known.due.store(0, Ordering::Relaxed);
        assert!(!quota.grants(1, 100, || 100), "others wrote meanwhile");
    }
}
