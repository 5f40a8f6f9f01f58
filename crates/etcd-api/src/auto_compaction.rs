//! History that goes by itself: the leader compacts what is older than it was told to keep.

use std::collections::VecDeque;
use std::time::Duration;

use etcd_proto::etcdserverpb::{CompactionRequest, InternalRaftRequest};
use tokio::time::{Instant, sleep_until};

use crate::{Api, Error};

/// How often a leader that keeps a number of revisions looks (etcd: 5 min).
const LOOK: Duration = Duration::from_secs(300);
/// History is compacted as often as it gets this much older (etcd's hour).
const HOUR: Duration = Duration::from_secs(3600);
/// How many samples are taken from one compaction to the next (etcd's number).
const SAMPLES: u32 = 10;

/// How much history stays.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Retention {
    /// All that is younger than this, which is more than nothing.
    Time(Duration),
    /// So many revisions.
    Revisions(i64),
}

/// Compacts what is older than `retention`, while this member leads; on any other it only watches.
/// Runs until it is dropped.
///
/// The times are etcd's. A number of revisions is looked at every five minutes. For a time the
/// revision is sampled ten times in it, or ten times an hour if it is longer; once the time has
/// passed since the start, what the oldest sample saw is compacted, and from then on every hour, or
/// after the same time if that is shorter.
pub async fn compact_by_itself(api: Api, retention: Retention) {
    let mut schedule = Schedule::new(retention, Instant::now());
    let mut look = Instant::now();
    loop {
        schedule.sample(api.views.mvcc.revision());
        look += schedule.interval();
        sleep_until(look).await;
        if !api.raft.status().is_leader() {
            continue;
        }
        let current = api.views.mvcc.revision();
        let Some(revision) = schedule.due(current, Instant::now()) else { continue };
        tracing::info!(revision, ?retention, "starting auto compaction");
        match api.compact_to(revision).await {
            // What is compacted already needs no second time.
            Ok(()) | Err(Error::Compacted) => schedule.done(revision, Instant::now()),
            Err(error) => tracing::warn!(revision, %error, "failed auto compaction"),
        }
    }
}

impl Api {
    async fn compact_to(&self, revision: i64) -> Result<(), Error> {
        let compaction = Some(CompactionRequest { revision, physical: false });
        let command = InternalRaftRequest { compaction, ..Default::default() };
        self.propose(&command, self.own_deadline()).await.map(drop)
    }
}

/// When to compact, and up to where.
struct Schedule {
    retention: Retention,
    /// The current revision at the last looks, the oldest first; the oldest is as old as the time
    /// that is kept.
    samples: VecDeque<i64>,
    /// When the last compaction, or the first look, was.
    last: Instant,
    /// The time from there to the next.
    wait: Duration,
    /// How far it was compacted last.
    done: i64,
}

impl Schedule {
    fn new(retention: Retention, now: Instant) -> Schedule {
        let wait = match retention {
            Retention::Time(kept) => kept,
            Retention::Revisions(_) => Duration::ZERO,
        };
        Schedule { retention, samples: VecDeque::new(), last: now, wait, done: 0 }
    }

    /// The time from look to look.
    fn interval(&self) -> Duration {
        match self.retention {
            Retention::Time(kept) => kept.min(HOUR) / SAMPLES,
            Retention::Revisions(_) => LOOK,
        }
    }

    fn sample(&mut self, current: i64) {
        let Retention::Time(kept) = self.retention else { return };
        let samples = 1 + kept.as_nanos() / self.interval().as_nanos().max(1);
        self.samples.push_back(current);
        if self.samples.len() as u128 > samples {
            self.samples.pop_front();
        }
    }

    /// The revision that it is time to compact up to.
    fn due(&mut self, current: i64, now: Instant) -> Option<i64> {
        let revision = match self.retention {
            Retention::Time(_) => *self.samples.front()?,
            Retention::Revisions(kept) => current - kept,
        };
        if revision <= 0 || revision == self.done || now < self.last + self.wait {
            return None;
        }
        if let Retention::Time(kept) = self.retention {
            self.wait = kept.min(HOUR);
        }
        Some(revision)
    }

    fn done(&mut self, revision: i64, now: Instant) {
        self.done = revision;
        self.last = now;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: Duration = Duration::from_secs(60);

    /// Looks for so long at a store that gets `growth` revisions at each look, and says in which
    /// minutes it compacts, and up to where.
    fn compactions(retention: Retention, time: Duration, growth: i64) -> Vec<(u64, i64)> {
        let start = Instant::now();
        let mut schedule = Schedule::new(retention, start);
        let mut compactions = Vec::new();
        let (mut now, mut current) = (start, 1);
        while now - start < time {
            schedule.sample(current);
            now += schedule.interval();
            current += growth;
            if let Some(revision) = schedule.due(current, now) {
                schedule.done(revision, now);
                compactions.push(((now - start).as_secs() / 60, revision));
            }
        }
        compactions
    }

    #[test]
    fn a_short_time_is_kept_from_end_to_end() {
        let ten = Retention::Time(10 * MINUTE);
        assert_eq!(compactions(ten, 30 * MINUTE, 1), [(10, 1), (20, 10), (30, 20)]);
    }

    #[test]
    fn a_long_time_is_kept_and_from_then_on_compacted_each_hour() {
        let day = Retention::Time(24 * HOUR);
        let hours = 60 * 24;
        let expected = [(hours, 1), (hours + 60, 10), (hours + 120, 20)];
        assert_eq!(compactions(day, 26 * HOUR, 1), expected);
    }

    #[test]
    fn revisions_are_counted_from_the_newest() {
        let three = Retention::Revisions(3);
        assert_eq!(compactions(three, 20 * MINUTE, 2), [(10, 2), (15, 4), (20, 6)]);
    }

    #[test]
    fn what_did_not_change_is_not_compacted_again() {
        assert_eq!(compactions(Retention::Time(10 * MINUTE), 60 * MINUTE, 0), [(10, 1)]);
        assert_eq!(compactions(Retention::Revisions(3), 60 * MINUTE, 0), []);
    }

    #[test]
    fn a_compaction_that_failed_is_due_at_the_next_look() {
        let start = Instant::now();
        let mut schedule = Schedule::new(Retention::Time(10 * MINUTE), start);
        for minute in 1..=10 {
            schedule.sample(minute);
        }
        assert_eq!(schedule.due(10, start + 9 * MINUTE), None);
        assert_eq!(schedule.due(10, start + 10 * MINUTE), Some(1));
        schedule.sample(11);
        assert_eq!(schedule.due(11, start + 11 * MINUTE), Some(1));
        schedule.sample(12);
        assert_eq!(schedule.due(12, start + 12 * MINUTE), Some(2));
    }
}
