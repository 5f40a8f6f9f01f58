//! What a component counts and times of its own work, to be read when somebody asks.
//!
//! - [`Count`] only grows, [`Level`] goes up and down, [`Histogram`] sorts times or numbers;
//!   [`Histograms`] are several of one scale.
//! - [`Lap`] measures the time that work takes, and [`Held`] says that some is under way.
//!
//! Never in this crate: a metric's name or format, a lock.

mod count;
mod histogram;
mod histograms;
mod lap;

pub use count::{Count, Held, Level};
pub use histogram::{Distribution, Histogram, Scale};
pub use histograms::Histograms;
pub use lap::Lap;

/// The README's example, kept true.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
