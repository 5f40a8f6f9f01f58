//! gRPC in, command out: the client's door to a member.
//!
//! - [`routes`] makes the services of an [`Api`], the handle on everything that they need: KV,
//!   Cluster, Maintenance and gRPC's own health service. What is not built is not registered.
//! - [`Error`] is the one table of errors to statuses; no other place makes a status of its own.
//! - [`Limits`] bounds what a client may ask.
//!
//! A request is checked for its shape, becomes a command and waits for raft, or a read that waits
//! for a barrier; the answer gets its header here.
//!
//! Never in this crate: state of its own, storage writes, listeners.

mod error;
mod refused;
mod limits;
mod check;
mod overlap;
mod deadline;
mod stopping;
mod api;
mod proposing;
mod reading;
mod gate;
mod rewording;
mod range_stream;
mod kv;
mod cluster;
mod status;
mod maintenance;
mod routes;
#[cfg(test)]
mod harness;
#[cfg(test)]
mod service_tests;

pub use api::{Api, Versions};
pub use error::Error;
pub use limits::Limits;
pub use routes::routes;
pub use stopping::Stopping;

/// The README's example, kept true.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
