//! Several histograms below each other.

use std::fmt;

use crate::{Histogram, PercentileStats};

/// A line for each of some histograms.
#[derive(Debug, Clone, Default)]
pub struct AsciiChart {
    lines: Vec<(String, PercentileStats)>,
}

impl AsciiChart {
    /// One without lines.
    #[must_use]
    pub fn new() -> AsciiChart {
        AsciiChart::default()
    }

    /// Adds a line.
    #[must_use]
    pub fn add<T>(mut self, name: &str, histogram: Histogram<T>) -> AsciiChart {
        self.lines.push((name.to_owned(), histogram.percentile_stats()));
        self
    }
}

impl fmt::Display for AsciiChart {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut lines = self.lines.iter();
        lines.try_for_each(|(name, stats)| writeln!(formatter, "{name}: {stats}"))
    }
}
