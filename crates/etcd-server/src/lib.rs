//! Composes the crates into one member.
//!
//! [`Server::start`] takes a checked configuration apart and starts everything in order;
//! [`Server::stop`] ends it in order. [`run`] is the whole process around it: configuration, log
//! lines, signals, exit statuses.
//!
//! Never in this crate: the way of a request.

mod error;
mod version;
pub mod logging;
mod limits;
mod tls;
mod authentication;
mod peers;
mod data_directory;
mod discovery;
mod srv;
mod bootstrap;
mod settings;
mod memory;
mod corruption;
mod spans;
mod noted_applier;
mod client_doors;
mod publish;
mod versions;
mod server;
mod process;

pub use error::Error;
pub use process::run;
pub use server::Server;
pub use version::{CLUSTER_VERSION, ETCD_VERSION, MIN_CLUSTER_VERSION};
