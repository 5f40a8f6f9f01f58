//! Whole clusters of real processes, for the tests in `tests/`.
//!
//! - [`Process`]: one server with its log; [`Member`]: a process with its place in a cluster.
//! - [`Scene`]: a folder for members that a test makes by itself.
//! - [`Raw`]: a client that says anything, with [`wire`] to write it.
//! - [`Cluster`]: members on loopback or each in a network namespace of its own ([`Network`]).
//! - [`Client`]: a blocking client over etcd-proto's stubs; [`Etcdctl`], [`Etcdutl`]: etcd's own
//!   tools.
//! - [`chance`]: random numbers of a seed that is printed.
//! - [`HeldDisk`]: a disk that lets nothing be synced; [`VolatileDisk`]: one whose power fails.
//! - [`History`]: writers that remember what was acknowledged.
//! - [`web`] asks over plain HTTP, [`http_script`] runs requests and their expected answers.
//! - [`script`]: commands and their expected output in a text file; [`behaviour`]: the same with
//!   gRPC's requests.
//! - [`parity`]: random operations to a real etcd and to this server, and the smallest difference.
//!
//! The server is whatever program `ETCD_SERVER` names, else this project's own beside the test
//! binary: the same tests pass against a real etcd, which proves that they test its behaviour.
//!
//! Never in it: anything that looks into the server other than through its flags, its ports, its
//! log and its exit.

pub mod chance;
pub mod ports;
pub mod process;
pub mod certificates;
pub mod namespace;
pub mod client;
pub mod wire;
pub mod raw;
pub mod web;
pub mod metrics;
pub mod golang;
pub mod etcdctl;
pub mod etcdutl;
pub mod member;
pub mod cluster;
pub mod scene;
pub mod held_disk;
pub mod volatile_disk;
pub mod history;
mod transcript;
pub mod script;
pub mod http_script;
pub mod behaviour;
pub mod parity;

pub use certificates::Certificates;
pub use client::{Client, Failure};
pub use cluster::{Cluster, Plan, Turn};
pub use etcdctl::Etcdctl;
pub use etcdutl::Etcdutl;
pub use held_disk::HeldDisk;
pub use history::History;
pub use member::{Member, Place};
pub use metrics::Scrape;
pub use namespace::Network;
pub use process::{Process, Signal};
pub use raw::{Call, Outcome, Raw};
pub use scene::Scene;
pub use volatile_disk::VolatileDisk;
