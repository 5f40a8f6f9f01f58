//! One committed command, one change, one reply, the same on every member.
//!
//! - [`Applier`] is raft's state machine: it takes committed commands in order, lets each through
//!   the gates, executes it, and commits what a call changed in one batch.
//! - [`Views`] is what everybody else may look at: keys, members, alarms, versions and the position
//!   they are at. It also answers what needs no log entry: ranges and read-only txns.
//! - [`Buckets`] is all of it at one moment, byte for byte as an etcd keeps it: for hashes and
//!   snapshots.
//! - [`Quota`] is the room that this member's storage has left. It alone may differ from member to
//!   member: what it refuses has been done all the same.
//! - [`Reply`] is what a command's caller gets back: an [`Answer`], or the [`Refusal`] that every
//!   member came to.
//! - [`Figures`] times commands by their [`Kind`], for whoever looks on; it decides nothing.
//!
//! Never in this crate: a clock, randomness, tasks, the order of a hash map, the network. Whatever
//! decides here must come out alike on every member and on every replay.

mod refusal;
mod error;
mod kind;
mod figures;
mod reply;
mod auth;
mod command;
mod cost;
mod alarms;
mod version;
mod downgrade;
mod cluster;
mod gates;
mod range;
mod list;
mod compare;
mod plan;
mod leased_txn;
mod leases;
mod execute;
mod permits;
mod buckets;
mod quota;
mod slow;
mod views;
mod access;
mod applier;
#[cfg(test)]
mod harness;
#[cfg(test)]
mod lease_tests;
#[cfg(test)]
mod auth_tests;
#[cfg(test)]
mod txn_tests;
#[cfg(test)]
mod news_tests;
#[cfg(test)]
mod deep_tests;

pub use alarms::Alarms;
pub use applier::Applier;
pub use auth::AuthAnswer;
pub use buckets::Buckets;
pub use cluster::Cluster;
pub use cost::{LEASE_COST, put_cost, txn_cost};
pub use downgrade::Downgrade;
pub use error::Error;
pub use figures::{Figures, Outcome};
pub use kind::Kind;
pub use list::List;
pub use quota::Quota;
pub use refusal::Refusal;
pub use reply::{Answer, Reply};
pub use version::Version;
pub use views::Views;

/// The README's example, kept true.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
