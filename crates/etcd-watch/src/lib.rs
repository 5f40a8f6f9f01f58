//! Carries changes of keys to whoever asked for them.
//!
//! - [`Hub`] is where the applier [publishes](Hub::publish) what a committed batch changed.
//! - [`Feed`] is one client's stream: it has watchers, each for a [`KeyRange`](etcd_mvcc::KeyRange)
//!   from a revision on, and says next what one of them is to be [`Told`].
//!
//! A watcher is either in the hub, which puts every change into its feed's queue, or behind, and
//! then its feed reads the past until it has caught up. The queue is bounded: a watcher for which
//! there is no room falls behind, so a client that does not read costs nobody anything, and still
//! loses nothing until it is compacted.
//!
//! Never in this crate: writing, gRPC, a queue without a bound, a thread or task of its own.

mod error;
mod figures;
mod changes;
mod range_tree;
mod index;
mod told;
mod inbox;
mod watcher;
mod group;
mod tail;
mod hub;
mod feed;
#[cfg(test)]
mod bench;
#[cfg(test)]
mod stress_tests;

pub use changes::Change;
pub use error::Error;
pub use feed::{Begun, Feed};
pub use figures::Figures;
pub use hub::{Hub, News};
pub use told::{Changed, Told};
pub use watcher::{Filter, Interest};
