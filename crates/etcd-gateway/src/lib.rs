//! What a member says over plain HTTP: health, version, metrics, and its members to other members.
//!
//! [`client_routes`] is for the client listeners, [`peer_routes`] for the peer listener. Both show
//! what [`Facts`] leads to.
//!
//! Never in this crate: a second way to reach the state, or to change it.

mod facts;
mod version;
mod health;
mod metrics;
mod members;
mod routes;

pub use facts::Facts;
pub use routes::{client_routes, peer_routes};
