//! What the HTTP endpoints look at.

use std::time::Duration;

use etcd_apply::{Reply, Views};
use etcd_membership::ClusterId;
use etcd_raft::Raft;
use etcd_spans::Recent;
use prometheus::Registry;

use crate::Looks;

/// The parts of a running member that the endpoints show. Cheap to clone.
#[derive(Clone)]
pub struct Facts {
    /// The member's cluster.
    pub cluster: ClusterId,
    /// The consensus, for the leader and for read barriers.
    pub raft: Raft<Reply>,
    /// The applied state.
    pub views: Views,
    /// How long a health check may wait for the cluster.
    pub request_timeout: Duration,
    /// What `/metrics` shows.
    pub registry: Registry,
    /// What is counted of those who look.
    pub looks: Looks,
    /// What is remembered of requests, if they are.
    pub recent: Option<Recent>,
    /// Whether profiles are made for whoever asks.
    pub profiling: Profiling,
    /// The version of etcd that this server behaves like, as "3.7.1".
    pub server_version: &'static str,
}

/// Whether `/debug/pprof` is served.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Profiling {
    /// It is not there.
    Off,
    /// Profiles are made for whoever asks.
    On,
}
