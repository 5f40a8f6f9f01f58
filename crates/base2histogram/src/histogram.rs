//! Counts of values.

use std::marker::PhantomData;

use crate::{PercentileStats, bucket};

/// How often values were recorded. An empty one takes no memory of its own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Histogram<T = ()> {
    counts: Vec<u64>,
    total: u64,
    /// The original can attach something; openraft attaches nothing.
    attached: PhantomData<T>,
}

impl<T> Histogram<T> {
    /// One without values.
    #[must_use]
    pub fn new() -> Histogram<T> {
        Histogram { counts: Vec::new(), total: 0, attached: PhantomData }
    }

    /// Counts a value.
    pub fn record(&mut self, value: u64) {
        self.record_n(value, 1);
    }

    /// Counts a value `count` times.
    pub fn record_n(&mut self, value: u64, count: u64) {
        let bucket = bucket::of(value);
        if bucket >= self.counts.len() {
            self.counts.resize(bucket + 1, 0);
        }
        self.counts[bucket] += count;
        self.total += count;
    }

    /// How many values were counted.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.total
    }

    /// The least value of the bucket up to which the share `part`, from 0 to 1, of all values lies;
    /// 0 without values.
    #[must_use]
    pub fn percentile(&self, part: f64) -> u64 {
        let wanted = (self.total as f64 * part).ceil().max(1.0) as u64;
        let mut counted = 0;
        let reaches = |count: &u64| {
            counted += count;
            counted >= wanted
        };
        self.counts.iter().position(reaches).map_or(0, bucket::least)
    }

    /// The percentiles that are shown.
    #[must_use]
    pub fn percentile_stats(&self) -> PercentileStats {
        PercentileStats {
            samples: self.total,
            p0_1: self.percentile(0.001),
            p1: self.percentile(0.01),
            p5: self.percentile(0.05),
            p10: self.percentile(0.10),
            p50: self.percentile(0.50),
            p90: self.percentile(0.90),
            p99: self.percentile(0.99),
            p99_9: self.percentile(0.999),
        }
    }
}

impl<T> Default for Histogram<T> {
    fn default() -> Histogram<T> {
        Histogram::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_right_to_a_quarter() {
        let mut histogram = Histogram::<()>::new();
        assert_eq!(histogram.percentile(0.5), 0);
        for value in 1..=1000 {
            histogram.record(value);
        }
        assert_eq!(histogram.total(), 1000);
        let stats = histogram.percentile_stats();
        assert_eq!((stats.samples, stats.p0_1), (1000, 1));
        for (percentile, exact) in [(stats.p10, 100), (stats.p50, 500), (stats.p99, 990)] {
            assert!(percentile <= exact && percentile * 5 / 4 >= exact, "{percentile} for {exact}");
        }
    }
}
