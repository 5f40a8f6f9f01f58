//! What a member says over plain HTTP: health, version, metrics, its members to other members, and
//! all of gRPC as JSON.
//!
//! [`client_routes`] is for the client listeners, where [`Access`] says who may ask; [`peer_routes`]
//! is for the peer listener, [`metrics_routes`] for those of whoever only looks on. All show what
//! [`Facts`] leads to.
//!
//! [`Gateway`] is etcd's JSON gateway: it makes each request under `/v3/` a call of the member's
//! own gRPC services, and the answer JSON again, by the messages' descriptors alone.
//!
//! [`sample_memory`] has the allocator remember who allocates, for profiles of memory.
//!
//! Never in this crate: a second way to reach the state, or to change it.

mod looks;
mod facts;
mod version;
mod reads;
mod health;
mod probes;
mod metrics;
mod members;
mod promote;
mod downgrade;
mod hash_kv;
mod paths;
mod access;
mod refusal;
mod scanner;
mod numeral;
mod tokens;
mod descriptors;
mod transcription;
mod printing;
mod values;
mod bindings;
mod metadata;
mod messages;
mod call;
mod gateway;
mod websocket;
mod debug_profile;
mod debug_heap;
mod html;
mod debug_requests;
mod debug_events;
mod debug;
mod routes;

#[cfg(test)]
mod transcription_tests;

pub use access::Access;
pub use debug_heap::sample_memory;
pub use facts::{Facts, Profiling};
pub use gateway::Gateway;
pub use looks::Looks;
pub use routes::{client_routes, metrics_routes, peer_routes};
