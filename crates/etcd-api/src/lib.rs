//! gRPC in, command out: the client's door to a member.
//!
//! - [`routes`] makes the services of an [`Api`], the handle on everything that they need: KV,
//!   Cluster, Maintenance and gRPC's own health service. What is not built is not registered.
//! - [`add_peer_routes`] is what other members ask of this one while it leads, and [`expire_leases`]
//!   its round: [`Leases`] has what both need. [`compact_by_itself`] is the leader's too.
//!   [`raise_alarms`] is every member's own: it tells the cluster when its storage has outgrown its
//!   quota.
//! - [`Error`] is the one table of errors to statuses; no other place makes a status of its own.
//! - [`Health`] is what gRPC's health service says.
//! - [`Limits`] bounds what a client may ask.
//! - [`Metrics`] counts calls for whoever shows its registry.
//! - [`Reconfiguration`] is how a member deals with changes of the members; [`promoter`] is for the
//!   peer listener, where other members ask the leader for one.
//! - [`Authentication`] is how clients prove who they are: tokens, passwords, certificates.
//!
//! A request is checked for its shape, becomes a command and waits for raft, or a read that waits
//! for a barrier; the answer gets its header here.
//!
//! Never in this crate: state of its own, storage writes, listeners.

mod error;
mod refused;
mod backlog;
mod limits;
mod terms;
mod check;
mod overlap;
mod shape;
mod deadline;
mod quota;
mod stopping;
mod health;
mod reconfiguration;
mod renewals;
mod leases;
mod authentication;
mod api;
mod require_leader;
mod caller;
mod identify;
mod encoded_command;
mod reading;
mod looked_at;
mod proposing;
mod time_limit;
mod etiquette;
mod methods;
mod metrics;
mod slow;
mod counted_stream;
mod looked_at_answer;
mod gate;
mod rewording;
mod range_answer;
mod range_codec;
mod range_stream;
mod txn_codec;
mod kv;
mod reconfiguring;
mod promotion;
mod cluster;
mod status;
mod snapshot;
mod downgrade;
mod maintenance;
mod unary;
mod put_route;
mod txn_route;
mod range_route;
mod watch_response;
mod watch_answer;
mod watch_codec;
mod watch_stream;
mod watch;
mod lease_leader;
mod lease_renewals;
mod lease_expiry;
mod auto_compaction;
mod lease_peer;
mod lease_stream;
mod lease;
mod recipe;
mod lock;
mod observation;
mod election;
mod login;
mod auth;
mod routes;
#[cfg(test)]
mod harness;
#[cfg(test)]
mod auth_tests;
#[cfg(test)]
mod lease_tests;
#[cfg(test)]
mod recipe_tests;
#[cfg(test)]
mod service_tests;
#[cfg(test)]
mod watch_tests;
#[cfg(test)]
mod maintenance_tests;
#[cfg(test)]
mod cluster_tests;
#[cfg(test)]
mod downgrade_tests;
#[cfg(test)]
mod health_tests;
#[cfg(test)]
mod metrics_tests;
#[cfg(test)]
mod quota_tests;

pub use api::{Api, Versions};
pub use authentication::{Authentication, AuthenticationOptions, reap_tokens};
pub use auto_compaction::{Retention, compact_by_itself};
pub use backlog::Overload;
pub use counted_stream::Sent;
pub use error::Error;
pub use health::{Defragmenting, Health};
pub use lease_expiry::expire_leases;
pub use lease_peer::add_peer_routes;
pub use leases::{LeaseOptions, Leases};
pub use limits::Limits;
pub use metrics::{Detail, Feature, Metrics};
pub use promotion::promoter;
pub use quota::{Alarming, raise_alarms};
pub use reconfiguration::{Reconfiguration, Strictness};
pub use routes::{Answer, Services, routes};
pub use shape::check_shape;
pub use stopping::Stopping;

/// The README's example, kept true.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
