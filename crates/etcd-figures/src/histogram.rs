//! Times or numbers, sorted by their size.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

const NANOSECONDS_PER_SECOND: u64 = 1_000_000_000;
const NANOSECONDS_PER_MILLISECOND: u64 = 1_000_000;

/// How a histogram's places are cut: the first reaches up to `first`, each of the others twice as
/// far as the one before; what is beyond the last counts as well.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Scale {
    /// The first place's end, in the unit that is shown.
    first: f64,
    places: usize,
    /// What is noted, nanoseconds or things, for one of what is shown.
    per_unit: u64,
}

impl Scale {
    /// For times that are shown in seconds.
    pub const fn seconds(first: f64, places: usize) -> Scale {
        Scale { first, places, per_unit: NANOSECONDS_PER_SECOND }
    }

    /// For times that are shown in milliseconds.
    pub const fn milliseconds(first: f64, places: usize) -> Scale {
        Scale { first, places, per_unit: NANOSECONDS_PER_MILLISECOND }
    }

    /// For whole numbers.
    pub const fn numbers(first: f64, places: usize) -> Scale {
        Scale { first, places, per_unit: 1 }
    }
}

/// Counts what is noted by its size. Cheap to note to: two relaxed additions.
#[derive(Debug)]
pub struct Histogram {
    scale: Scale,
    /// The first place's end as it is noted.
    first: u64,
    /// One more than the scale has, for what is beyond.
    places: Box<[AtomicU64]>,
    /// Of all that was noted.
    sum: AtomicU64,
}

/// What a histogram holds at a moment.
#[derive(Debug, Clone, PartialEq)]
pub struct Distribution {
    /// Each place's end in the unit that is shown, and how much was noted up to there.
    pub places: Vec<(f64, u64)>,
    /// How much was noted.
    pub count: u64,
    /// The sum of it in the unit that is shown.
    pub sum: f64,
}

impl Histogram {
    /// Nothing is noted so far.
    pub fn new(scale: Scale) -> Histogram {
        // A first place of less than the unit that is noted is cut off to that.
        let first = ((scale.first * scale.per_unit as f64).round() as u64).max(1);
        let places = (0..=scale.places).map(|_| AtomicU64::new(0)).collect();
        Histogram { scale, first, places, sum: AtomicU64::new(0) }
    }

    /// Notes how long something took.
    pub fn note_time(&self, took: Duration) {
        let seconds = took.as_secs().saturating_mul(NANOSECONDS_PER_SECOND);
        self.note(seconds.saturating_add(u64::from(took.subsec_nanos())));
    }

    /// Notes a number, or a time in nanoseconds.
    pub fn note(&self, size: u64) {
        self.note_often(size, 1);
    }

    /// Notes that several things took so long together, about alike.
    pub fn note_together(&self, took: Duration, times: u64) {
        let nanoseconds = u64::try_from(took.as_nanos()).unwrap_or(u64::MAX);
        self.note_often(nanoseconds / times.max(1), times);
    }

    fn note_often(&self, size: u64, times: u64) {
        // Beyond the first place each is as long as all before: the next power of two tells.
        let beyond = size.saturating_sub(1) / self.first;
        let place = (u64::BITS - beyond.leading_zeros()) as usize;
        self.places[place.min(self.scale.places)].fetch_add(times, Ordering::Relaxed);
        self.sum.fetch_add(size.saturating_mul(times), Ordering::Relaxed);
    }

    /// What was noted so far.
    pub fn distribution(&self) -> Distribution {
        let mut count = 0;
        let mut end = self.scale.first;
        let mut places = Vec::with_capacity(self.scale.places);
        for (index, place) in self.places.iter().enumerate() {
            count += place.load(Ordering::Relaxed);
            if index < self.scale.places {
                places.push((end, count));
                end *= 2.0;
            }
        }
        let sum = self.sum.load(Ordering::Relaxed) as f64 / self.scale.per_unit as f64;
        Distribution { places, count, sum }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How much was noted up to each place's end, each by itself.
    fn alone(histogram: &Histogram) -> Vec<u64> {
        let seen = histogram.distribution();
        let before = std::iter::once(0).chain(seen.places.iter().map(|(_, count)| *count));
        let until = seen.places.iter().map(|(_, count)| *count).chain([seen.count]);
        before.zip(until).map(|(before, until)| until - before).collect()
    }

    #[test]
    fn each_place_reaches_up_to_its_end_and_not_beyond() {
        let histogram = Histogram::new(Scale::numbers(3.0, 4));
        for (size, place) in [(0, 0), (1, 0), (3, 0), (4, 1), (6, 1), (7, 2), (12, 2), (13, 3)] {
            let before = alone(&histogram);
            histogram.note(size);
            let after = alone(&histogram);
            let grown: Vec<_> = (0..5).filter(|at| after[*at] > before[*at]).collect();
            assert_eq!(grown, [place], "{size}");
        }
        histogram.note(24);
        histogram.note(25);
        histogram.note(1 << 60);
        assert_eq!(alone(&histogram), [3, 2, 2, 2, 2]);
        let seen = histogram.distribution();
        let ends: Vec<f64> = seen.places.iter().map(|(end, _)| *end).collect();
        assert_eq!(ends, [3.0, 6.0, 12.0, 24.0]);
        assert_eq!(seen.count, 11);
    }

    #[test]
    fn times_are_shown_in_their_unit() {
        let seconds = Histogram::new(Scale::seconds(0.0001, 20));
        seconds.note_time(Duration::from_micros(100));
        seconds.note_time(Duration::from_micros(101));
        let seen = seconds.distribution();
        assert_eq!(seen.places[..2], [(0.0001, 1), (0.0002, 2)]);
        assert_eq!((seen.places.len(), seen.sum), (20, 0.000_201));
        let milliseconds = Histogram::new(Scale::milliseconds(0.5, 14));
        milliseconds.note_time(Duration::from_secs(3));
        let seen = milliseconds.distribution();
        assert_eq!((seen.places[12], seen.places[13]), ((2048.0, 0), (4096.0, 1)));
        assert_eq!((seen.count, seen.sum), (1, 3000.0));
        milliseconds.note_together(Duration::from_millis(6), 3);
        milliseconds.note_together(Duration::from_millis(6), 0);
        let seen = milliseconds.distribution();
        assert_eq!((seen.places[1], seen.places[2]), ((1.0, 0), (2.0, 3)));
        assert_eq!((seen.count, seen.sum), (4, 3006.0));
    }
}
