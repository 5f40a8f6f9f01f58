//! What the applied state times of its work, with etcd's meanings.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use etcd_figures::{Count, Distribution, Histogram, Histograms, Scale};
use parking_lot::Mutex;

use crate::{Kind, Version};

/// Times of a command or a range, as etcd sorts them.
const SCALE: Scale = Scale::seconds(0.0001, 20);
/// Times until a state is copied.
const COPIES: Scale = Scale::seconds(0.01, 17);
/// Times until everything is hashed.
const HASHES: Scale = Scale::seconds(0.01, 15);
/// What counts as slow if nobody says otherwise (etcd's default).
const SLOW: Duration = Duration::from_millis(100);

/// Whether something was done or refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// It was done.
    Done,
    /// It was refused, or failed.
    Refused,
}

/// Times of commands and of what is read.
#[derive(Debug)]
pub struct Figures {
    /// Two places for each kind: refused, done.
    commands: Histograms,
    ranges: Histograms,
    /// Commands and reads that took long.
    pub slow: Count,
    /// How long it takes to send a copy of the state to a client.
    pub copies: Histogram,
    /// How long it takes to hash everything.
    pub hashes: Histogram,
    /// From which time on something is slow, in nanoseconds.
    slow_from: AtomicU64,
    /// Versions that the cluster had since this member started.
    versions: Mutex<BTreeSet<Version>>,
}

impl Default for Figures {
    fn default() -> Figures {
        let figures = Figures {
            commands: Histograms::new(SCALE, Kind::ALL.len() * 2),
            ranges: Histograms::new(SCALE, 2),
            slow: Count::new(),
            copies: Histogram::new(COPIES),
            hashes: Histogram::new(HASHES),
            slow_from: AtomicU64::new(0),
            versions: Mutex::default(),
        };
        figures.call_slow(SLOW);
        figures
    }
}

impl Figures {
    /// Sets from which time on something is slow (`--warning-apply-duration`).
    pub fn call_slow(&self, from: Duration) {
        let from = u64::try_from(from.as_nanos()).unwrap_or(u64::MAX);
        self.slow_from.store(from, Ordering::Relaxed);
    }

    /// From which time on something is slow.
    pub(crate) fn slow_from(&self) -> Duration {
        Duration::from_nanos(self.slow_from.load(Ordering::Relaxed))
    }

    /// Notes how long a command took, and says whether that was slow.
    pub(crate) fn note_command(&self, kind: Kind, outcome: Outcome, took: Duration) -> bool {
        self.commands.at(place(kind as usize, outcome)).note_time(took);
        self.note_slow(took)
    }

    /// Notes how long a range took that is no command.
    pub fn note_range(&self, outcome: Outcome, took: Duration) {
        self.ranges.at(place(0, outcome)).note_time(took);
        self.note_slow(took);
    }

    /// Counts what took long, and says whether this did.
    pub fn note_slow(&self, took: Duration) -> bool {
        let is_slow = took > self.slow_from();
        if is_slow {
            self.slow.raise();
        }
        is_slow
    }

    /// Remembers a version that the cluster has.
    pub(crate) fn note_version(&self, version: Version) {
        self.versions.lock().insert(version);
    }

    /// The versions that the cluster had since this member started, with the present one.
    pub fn versions(&self) -> Vec<Version> {
        self.versions.lock().iter().copied().collect()
    }

    /// The times of each kind of commands that there were.
    pub fn commands(&self) -> impl Iterator<Item = (Kind, Outcome, Distribution)> + '_ {
        self.commands.distributions().map(|(place, times)| {
            let (kind, outcome) = (Kind::ALL[place / 2], outcome(place));
            (kind, outcome, times)
        })
    }

    /// The times of ranges that were no commands.
    pub fn ranges(&self) -> impl Iterator<Item = (Outcome, Distribution)> + '_ {
        self.ranges.distributions().map(|(place, times)| (outcome(place), times))
    }
}

fn place(kind: usize, outcome: Outcome) -> usize {
    kind * 2 + usize::from(outcome == Outcome::Done)
}

fn outcome(place: usize) -> Outcome {
    if place % 2 == 1 { Outcome::Done } else { Outcome::Refused }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_kept_by_kind_and_outcome() {
        let figures = Figures::default();
        assert!(!figures.note_command(Kind::Put, Outcome::Done, Duration::from_millis(1)));
        assert!(figures.note_command(Kind::Put, Outcome::Done, Duration::from_millis(101)));
        assert!(!figures.note_command(Kind::Txn, Outcome::Refused, Duration::from_millis(1)));
        let seen: Vec<_> =
            figures.commands().map(|(kind, outcome, times)| (kind, outcome, times.count)).collect();
        assert_eq!(seen, [(Kind::Put, Outcome::Done, 2), (Kind::Txn, Outcome::Refused, 1)]);
        assert_eq!(figures.slow.get(), 1);
        figures.call_slow(Duration::from_millis(1));
        figures.note_range(Outcome::Done, Duration::from_millis(2));
        assert_eq!(figures.slow.get(), 2);
        assert_eq!(figures.ranges().count(), 1);
    }

    #[test]
    fn each_kind_stands_at_its_place() {
        for (place, kind) in Kind::ALL.iter().enumerate() {
            assert_eq!(*kind as usize, place);
        }
    }
}
