//! Time for the leases: the machine's, or one that is set by hand.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// Tells the time. Cheap to clone; clones tell the same time.
#[derive(Debug, Clone)]
pub struct Clock {
    source: Source,
}

#[derive(Debug, Clone)]
enum Source {
    /// Monotonic, since this instant.
    Machine(Instant),
    /// Nanoseconds.
    Hand(Arc<AtomicU64>),
}

impl Clock {
    /// The machine's monotonic clock: no change of its wall clock lets a lease expire.
    pub fn machine() -> Clock {
        Clock { source: Source::Machine(Instant::now()) }
    }

    /// A clock that stands until [`advance`](Clock::advance): for simulations and tests.
    pub fn by_hand() -> Clock {
        Clock { source: Source::Hand(Arc::default()) }
    }

    /// Moves a clock that is set by hand; any other goes its own way.
    pub fn advance(&self, by: Duration) {
        if let Source::Hand(nanoseconds) = &self.source {
            nanoseconds.fetch_add(Moment::ZERO.after(by).0, Ordering::AcqRel);
        }
    }

    /// What time it is.
    pub(crate) fn now(&self) -> Moment {
        match &self.source {
            Source::Machine(start) => Moment::ZERO.after(start.elapsed()),
            Source::Hand(nanoseconds) => Moment(nanoseconds.load(Ordering::Acquire)),
        }
    }
}

/// Nanoseconds since the clock's start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Moment(u64);

impl Moment {
    pub(crate) const ZERO: Moment = Moment(0);

    /// A moment that does not come: centuries away.
    pub(crate) const NEVER: Moment = Moment(u64::MAX);

    pub(crate) fn after(self, time: Duration) -> Moment {
        let nanoseconds = u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
        Moment(self.0.saturating_add(nanoseconds))
    }

    /// Whole seconds from `now` to this moment, rounded towards zero; negative if it is past.
    pub(crate) fn seconds_from(self, now: Moment) -> i64 {
        let nanoseconds = i128::from(self.0) - i128::from(now.0);
        i64::try_from(nanoseconds / 1_000_000_000).expect("u64 nanoseconds are fewer seconds")
    }

    /// Seconds from `now` to this moment, rounded up.
    pub(crate) fn seconds_from_up(self, now: Moment) -> i64 {
        let left = self.0.saturating_sub(now.0).div_ceil(1_000_000_000);
        i64::try_from(left).expect("u64 nanoseconds are fewer seconds")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seconds_are_cut_towards_zero_or_rounded_up() {
        let at = |milliseconds| Moment::ZERO.after(Duration::from_millis(milliseconds));
        for (moment, now, cut, up) in
            [(2000, 0, 2, 2), (2000, 1, 1, 2), (1, 0, 0, 1), (0, 999, 0, 0), (0, 1000, -1, 0)]
        {
            assert_eq!(at(moment).seconds_from(at(now)), cut, "{moment} from {now}");
            assert_eq!(at(moment).seconds_from_up(at(now)), up, "{moment} from {now}");
        }
    }

    #[test]
    fn a_clock_set_by_hand_stands_still_until_it_is_moved() {
        let clock = Clock::by_hand();
        let other = clock.clone();
        assert_eq!(clock.now(), Moment::ZERO);
        other.advance(Duration::from_secs(3));
        assert_eq!(clock.now().seconds_from(Moment::ZERO), 3);
    }
}
