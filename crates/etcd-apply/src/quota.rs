//! Whether a member's storage has room for more.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

use etcd_storage::Storage;
use tokio::sync::Notify;

/// The quota when none is configured, in bytes (etcd: 2 GiB).
const DEFAULT_BYTES: i64 = 2 << 30;
/// The storage is measured anew after each of so many parts of the quota: what a commit adds is
/// known only about.
const MEASURED_PARTS: u64 = 64;

/// A member's quota, and what is known of its storage's size. Cheap to clone.
///
/// Storages of the same contents differ in size, so this never decides what a command changes, only
/// what its caller is told, and whether the member asks for an alarm: that goes through the log.
#[derive(Debug, Clone)]
pub struct Quota {
    known: Arc<Known>,
}

#[derive(Debug)]
struct Known {
    storage: Storage,
    /// In bytes; negative is none.
    limit: AtomicI64,
    /// The size that was measured and what was committed since, in bytes.
    used: AtomicU64,
    /// The size at which to measure again whatever the quota is, in bytes.
    due: AtomicU64,
    overrun: Notify,
}

impl Quota {
    /// No quota at all.
    pub(crate) fn new(storage: Storage) -> Quota {
        let (limit, used, due) = (AtomicI64::new(-1), AtomicU64::new(0), AtomicU64::new(0));
        Quota { known: Arc::new(Known { storage, limit, used, due, overrun: Notify::new() }) }
    }

    /// Sets the quota in bytes, as `--quota-backend-bytes` gives it: 0 is etcd's own default, less
    /// is none.
    pub fn limit_to(&self, configured_bytes: i64) {
        let limit = if configured_bytes == 0 { DEFAULT_BYTES } else { configured_bytes };
        self.known.limit.store(limit, Ordering::Relaxed);
    }

    /// The quota in bytes as the status tells it: negative is none.
    pub fn limit_bytes(&self) -> i64 {
        self.known.limit.load(Ordering::Relaxed)
    }

    /// Whether so many more bytes stay below the quota. What costs nothing always has room.
    pub fn has_room(&self, cost: u64) -> bool {
        self.grants(cost, || self.known.storage.sizes().total)
    }

    /// Waits until a command was applied for which there was no room, and no alarm said so.
    pub async fn overrun(&self) {
        self.known.overrun.notified().await;
    }

    /// Wakes whoever waits for an overrun, or the next who does.
    pub(crate) fn report_overrun(&self) {
        self.known.overrun.notify_one();
    }

    /// Counts what was committed.
    pub(crate) fn count(&self, bytes: usize) {
        let bytes = u64::try_from(bytes).expect("a length fits 64 bits");
        self.known.used.fetch_add(bytes, Ordering::Relaxed);
    }

    /// The storage holds something else now.
    pub(crate) fn forget(&self) {
        self.known.due.store(0, Ordering::Relaxed);
    }

    /// Never refuses without measuring.
    fn grants(&self, cost: u64, measure: impl FnOnce() -> u64) -> bool {
        let Ok(limit) = u64::try_from(self.limit_bytes()) else { return true };
        if cost == 0 {
            return true;
        }
        let Known { used, due, .. } = &*self.known;
        let fits = |before: u64| before.saturating_add(cost) < limit;
        let before = used.load(Ordering::Relaxed);
        if before < due.load(Ordering::Relaxed) && fits(before) {
            return true;
        }
        let measured = measure();
        // What was committed meanwhile may not be in it: then the next one measures again.
        let (set, seen) = (Ordering::Relaxed, Ordering::Relaxed);
        if used.compare_exchange(before, measured, set, seen).is_ok() {
            due.store(measured.saturating_add(limit / MEASURED_PARTS), Ordering::Relaxed);
        }
        fits(measured)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use etcd_storage::StorageOptions;

    fn with_quota(configured_bytes: i64, check: impl FnOnce(Quota)) {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let storage = Storage::open(&directory.path().join("state"), StorageOptions::default());
        let quota = Quota::new(storage.expect("an empty storage"));
        quota.limit_to(configured_bytes);
        check(quota);
    }

    fn never() -> u64 {
        unreachable!("there is room by what is known")
    }

    #[test]
    fn what_was_committed_counts_until_the_next_measurement() {
        with_quota(6400, |quota| {
            assert!(quota.grants(10, || 50), "measured at first");
            quota.count(40);
            assert!(quota.grants(6309, never), "6399 of 6400");
            assert!(!quota.grants(6310, || 90), "full, and never said without measuring");
            assert!(quota.grants(6310, || 20), "space was freed");
            quota.count(99);
            assert!(quota.grants(1, never));
            quota.count(1);
            assert!(quota.grants(1, || 120), "a part of the quota has been written since");
            quota.forget();
            assert!(!quota.grants(1, || 6399), "there is another state");
        });
    }

    #[test]
    fn a_quota_of_zero_is_the_default_and_less_is_none() {
        with_quota(0, |quota| {
            assert_eq!(quota.limit_bytes(), 2 << 30);
            assert!(quota.grants(1, || (2 << 30) - 2));
            assert!(!quota.grants(2, || (2 << 30) - 2));
        });
        with_quota(-7, |quota| {
            assert_eq!(quota.limit_bytes(), -7);
            assert!(quota.grants(u64::MAX, never));
        });
    }

    #[test]
    fn what_costs_nothing_has_room_in_a_full_storage() {
        with_quota(1, |quota| {
            assert!(quota.has_room(0));
            assert!(!quota.has_room(1));
        });
    }
}
