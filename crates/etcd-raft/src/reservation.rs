//! Entries that a member will ask for next: those after a snapshot that is on its way to it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::Mutex;

/// Bytes of entries that are kept for a snapshot's sake. A member for which more is written while it
/// receives and installs one gets another: the log would fill the disk.
const RESERVED_BYTES: u64 = 1 << 30;

/// What is reserved of one log, with indexes as openraft counts them: from 0. Cheap to clone; every
/// clone is the same.
///
/// Without it a member that takes longer to install a snapshot than the others take to fill the log
/// would find the entries after it gone, be sent the next one, and never catch up.
#[derive(Debug, Clone, Default)]
pub(crate) struct Reservations {
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    /// Bytes of entries appended since the start.
    appended: AtomicU64,
    reserved: Mutex<Reserved>,
}

#[derive(Debug, Default)]
struct Reserved {
    next_number: u64,
    /// For snapshots that are made, sent or installed, by the number of the reservation.
    under_way: BTreeMap<u64, Start>,
    /// For members that have installed one and still lack what came after it.
    installed: BTreeMap<u64, Start>,
}

/// Where reserved entries start.
#[derive(Debug, Clone, Copy)]
struct Start {
    /// The last entry that the snapshot holds.
    after: u64,
    /// What [`Shared::appended`] was then.
    appended: u64,
}

/// Keeps the entries after a snapshot until it is dropped.
#[derive(Debug)]
pub(crate) struct Reservation {
    reservations: Reservations,
    number: u64,
    start: Start,
}

impl Reservations {
    /// Counts bytes of entries that were appended to the log.
    pub(crate) fn note_appended(&self, bytes: u64) {
        self.shared.appended.fetch_add(bytes, Ordering::Relaxed);
    }

    /// Keeps the entries after a snapshot whose last one is `after`.
    pub(crate) fn reserve(&self, after: u64) -> Reservation {
        let start = Start { after, appended: self.shared.appended.load(Ordering::Relaxed) };
        let mut reserved = self.shared.reserved.lock();
        let number = reserved.next_number;
        reserved.next_number += 1;
        reserved.under_way.insert(number, start);
        Reservation { reservations: self.clone(), number, start }
    }

    /// The first entry that stays, where without reservations it were `otherwise`. `matched` tells up
    /// to where a member is known to have the log; nothing for who gets no log from this member.
    pub(crate) fn first_kept(&self, otherwise: u64, matched: impl Fn(u64) -> Option<u64>) -> u64 {
        let appended = self.shared.appended.load(Ordering::Relaxed);
        let is_affordable = |start: &Start| appended - start.appended <= RESERVED_BYTES;
        let mut first = otherwise;
        let mut reserved = self.shared.reserved.lock();
        for start in reserved.under_way.values().filter(|start| is_affordable(start)) {
            first = first.min(start.after + 1);
        }
        reserved.installed.retain(|member, start| {
            let Some(matched) = matched(*member) else { return false };
            let next = matched.max(start.after) + 1;
            let lacks_some = next < otherwise && is_affordable(start);
            if lacks_some {
                first = first.min(next);
            }
            lacks_some
        });
        first
    }
}

impl Reservation {
    /// The snapshot is installed: what `member` lacks stays until it has caught up.
    pub(crate) fn installed_by(self, member: u64) {
        self.reservations.shared.reserved.lock().installed.insert(member, self.start);
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        self.reservations.shared.reserved.lock().under_way.remove(&self.number);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn everybody_has(index: u64) -> impl Fn(u64) -> Option<u64> {
        move |_| Some(index)
    }

    #[test]
    fn entries_after_a_snapshot_stay_until_the_member_has_them() {
        let reservations = Reservations::default();
        assert_eq!(reservations.first_kept(90, everybody_has(0)), 90);
        let reservation = reservations.reserve(40);
        assert_eq!(reservations.first_kept(90, everybody_has(0)), 41);
        assert_eq!(reservations.first_kept(30, everybody_has(0)), 30, "more is kept anyway");
        reservation.installed_by(7);
        // The leader has not heard of it yet.
        assert_eq!(reservations.first_kept(90, everybody_has(0)), 41);
        assert_eq!(reservations.first_kept(90, everybody_has(60)), 61);
        assert_eq!(reservations.first_kept(90, everybody_has(89)), 90);
        assert_eq!(reservations.first_kept(190, everybody_has(60)), 190, "it was let go");
    }

    #[test]
    fn a_snapshot_that_does_not_arrive_reserves_nothing() {
        let reservations = Reservations::default();
        drop(reservations.reserve(40));
        assert_eq!(reservations.first_kept(90, everybody_has(0)), 90);
    }

    #[test]
    fn a_member_that_gets_no_log_from_here_reserves_nothing() {
        let reservations = Reservations::default();
        reservations.reserve(40).installed_by(7);
        assert_eq!(reservations.first_kept(90, |_| None), 90);
    }

    #[test]
    fn more_than_the_disk_should_bear_is_let_go() {
        let reservations = Reservations::default();
        reservations.note_appended(5);
        let first = reservations.reserve(40);
        reservations.note_appended(RESERVED_BYTES);
        assert_eq!(reservations.first_kept(90, everybody_has(0)), 41);
        reservations.note_appended(1);
        assert_eq!(reservations.first_kept(90, everybody_has(0)), 90);
        first.installed_by(7);
        let _second = reservations.reserve(50);
        assert_eq!(reservations.first_kept(90, everybody_has(0)), 51);
    }
}
