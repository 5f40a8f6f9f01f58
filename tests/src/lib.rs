//! Whole clusters of real processes, for the tests in `tests/`.
//!
//! - [`Process`]: one server with its log; [`Member`]: a process with its place in a cluster.
//! - [`Cluster`]: members on loopback or each in a network namespace of its own ([`Network`]).
//! - [`Client`]: a blocking client over etcd-proto's stubs; [`Etcdctl`]: etcd's own.
//! - [`History`]: writers that remember what was acknowledged.
//! - [`script`]: commands and their expected output in a text file.
//!
//! The server is whatever program `ETCD_SERVER` names, else this project's own beside the test
//! binary: the same tests pass against a real etcd, which proves that they test its behaviour.
//!
//! Never in it: anything that looks into the server other than through its flags, its ports, its
//! log and its exit.

pub mod ports;
pub mod process;
pub mod certificates;
pub mod namespace;
pub mod client;
pub mod etcdctl;
pub mod member;
pub mod cluster;
pub mod history;
pub mod script;

pub use certificates::Certificates;
pub use client::{Client, Failure};
pub use cluster::{Cluster, Plan, Turn};
pub use etcdctl::Etcdctl;
pub use history::History;
pub use member::{Member, Place};
pub use namespace::Network;
pub use process::{Process, Signal};
