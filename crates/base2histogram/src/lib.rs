//! Histograms of whole numbers, for the statistics that openraft keeps of itself.
//!
//! - [`Histogram`] counts values in buckets that are at most a quarter of their value wide.
//! - [`PercentileStats`] are the percentiles that are shown; [`AsciiChart`] puts several
//!   histograms' below each other.
//!
//! Never in this crate: tables made in advance, which are why it stands in for another.

mod bucket;
mod histogram;
mod percentile_stats;
mod ascii_chart;

pub use ascii_chart::AsciiChart;
pub use histogram::Histogram;
pub use percentile_stats::PercentileStats;
