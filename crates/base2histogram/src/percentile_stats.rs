//! The percentiles of a histogram that are shown.

use std::fmt;

/// Some percentiles, and of how many values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PercentileStats {
    /// Values that were counted.
    pub samples: u64,
    /// Of one value in a thousand.
    pub p0_1: u64,
    /// Of one in a hundred.
    pub p1: u64,
    /// Of one in twenty.
    pub p5: u64,
    /// Of one in ten.
    pub p10: u64,
    /// The median.
    pub p50: u64,
    /// Of nine in ten.
    pub p90: u64,
    /// Of ninety-nine in a hundred.
    pub p99: u64,
    /// Of all but one in a thousand.
    pub p99_9: u64,
}

impl fmt::Display for PercentileStats {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let PercentileStats { samples, p50, p90, p99, p99_9, .. } = self;
        write!(formatter, "{samples} values: half up to {p50}, 90 % up to {p90}, ")?;
        write!(formatter, "99 % up to {p99}, 99.9 % up to {p99_9}")
    }
}
