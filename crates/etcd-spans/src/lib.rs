//! What each request did and when: as spans for OpenTelemetry's collectors, and in memory for whoever
//! looks at the member.
//!
//! - [`Spans`] is where requests begin. It has an [`Export`], a [`Recent`], or both.
//! - [`Request`] is one call under way: its steps, what is noted of it, and its end.
//! - [`Applies`] carries the times at which commands were applied to those who wait for them.
//! - [`Recent`] keeps the last requests of each family, and those that are under way.
//!
//! Never in this crate: what a request means, its values, anything that may fail or delay it.

mod attribute;
mod applies;
mod incoming;
mod code;
mod journal;
mod trace;
mod recent;
mod export;
mod spans;
mod request;

pub use applies::{Applies, Expected};
pub use attribute::{Attribute, Value};
pub use export::{Error, Export};
pub use incoming::Incoming;
pub use journal::{ErrorAge, Journal, JournalFacts};
pub use recent::{FamilyFacts, Place, Recent};
pub use request::{LongStep, Request, Step};
pub use spans::Spans;
pub use trace::{Note, TraceFacts};

/// The README's example, kept true.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
