//! Section Member: who this member is, where its data lies, where it listens, what it allows.

use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::field;
use crate::flag::Flag;
use crate::gates::FeatureGates;
use crate::kind::Kind;
use crate::url::Url;

/// The backend's size limit where `--quota-backend-bytes` is 0, in bytes.
pub(crate) const DEFAULT_QUOTA_BYTES: i64 = 2 * 1024 * 1024 * 1024;
/// The time between backend commits where `--backend-batch-interval` is 0.
pub(crate) const DEFAULT_BATCH_INTERVAL: Duration = Duration::from_millis(100);
/// The operations between backend commits where `--backend-batch-limit` is 0.
pub(crate) const DEFAULT_BATCH_LIMIT: usize = 10_000;
/// The least read and write timeout of peer connections.
pub(crate) const MIN_PEER_TIMEOUT: Duration = Duration::from_secs(5);

/// Who this member is, where its data lies, where it listens, what it allows.
///
/// Each field is the flag of its name. Values that etcd derives (a data directory from the name,
/// limits given as 0) are already derived.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Member {
    /// The name, which the initial cluster lists.
    pub name: String,
    /// The data directory; `<name>.etcd` unless given.
    pub data_dir: PathBuf,
    /// A directory of its own for the log; `None`: inside the data directory.
    #[serde(deserialize_with = "field::optional_path")]
    pub wal_dir: Option<PathBuf>,
    /// Applied entries between two snapshots.
    pub snapshot_count: u64,
    /// The leader's heartbeat period, which is raft's tick.
    #[serde(with = "field::millis")]
    pub heartbeat_interval: Duration,
    /// How long a follower hears nothing before it stands for election; at least five heartbeats.
    #[serde(with = "field::millis")]
    pub election_timeout: Duration,
    /// Whether most of the first election wait is skipped.
    pub initial_election_tick_advance: bool,
    /// Where peers connect; sorted, never empty.
    pub listen_peer_urls: Vec<Url>,
    /// Where clients connect; sorted, never empty.
    pub listen_client_urls: Vec<Url>,
    /// Listeners for HTTP alone; when not empty, `listen_client_urls` speak gRPC alone.
    pub listen_client_http_urls: Vec<Url>,
    /// Kept snapshot files, 0 for all.
    pub max_snapshots: u64,
    /// Kept log files, 0 for all.
    pub max_wals: u64,
    /// Whether the backend's pages stay in memory.
    pub memory_mlock: bool,
    /// The backend's size limit in bytes; negative: none.
    pub quota_backend_bytes: i64,
    /// `array`; anything else means a map.
    pub backend_bbolt_freelist_type: String,
    /// The longest time between two backend commits.
    #[serde(with = "field::nanos")]
    pub backend_batch_interval: Duration,
    /// The most operations between two backend commits.
    #[serde(deserialize_with = "field::count")]
    pub backend_batch_limit: usize,
    /// The most operations of one transaction.
    pub max_txn_ops: u64,
    /// The largest request in bytes, measured as the replicated command.
    pub max_request_bytes: u64,
    /// The most concurrent HTTP/2 streams of one client connection.
    pub max_concurrent_streams: u32,
    /// The least time between a client's pings; zero: not enforced.
    #[serde(with = "field::nanos")]
    pub grpc_keepalive_min_time: Duration,
    /// The time between the server's pings; zero: none.
    #[serde(with = "field::nanos")]
    pub grpc_keepalive_interval: Duration,
    /// How long an answer to a server's ping may take; zero: no pings.
    #[serde(with = "field::nanos")]
    pub grpc_keepalive_timeout: Duration,
    /// Whether listeners set SO_REUSEPORT.
    pub socket_reuse_port: bool,
    /// Whether listeners set SO_REUSEADDR.
    pub socket_reuse_address: bool,
    /// Whether `/v3/...` JSON requests are served.
    pub enable_grpc_gateway: bool,
    /// How long a read on a peer connection may take; at least 5 s.
    #[serde(with = "field::nanos")]
    pub raft_read_timeout: Duration,
    /// How long a write on a peer connection may take; at least 5 s.
    #[serde(with = "field::nanos")]
    pub raft_write_timeout: Duration,
    /// The feature gates.
    pub feature_gates: FeatureGates,
}

pub(crate) const FLAGS: &[Flag] = &[
    Flag::new("name", Kind::Text, "default", "Name of this member; no two members share one."),
    Flag::new("data-dir", Kind::Text, "", "Directory of the data; empty means '<name>.etcd'."),
    Flag::new("wal-dir", Kind::Text, "", "Directory of the log, if it lies outside the data."),
    Flag::new("snapshot-count", Kind::Uint, "10000", "Applied entries between two snapshots."),
    Flag::new("heartbeat-interval", Kind::Uint, "100", "Period of heartbeats in milliseconds."),
    Flag::new("election-timeout", Kind::Uint, "1000", "Election timeout in milliseconds."),
    Flag::new(
        "initial-election-tick-advance",
        Kind::Bool,
        "true",
        "Skip most of the first election wait at start.",
    ),
    Flag::new("listen-peer-urls", Kind::Urls, "http://localhost:2380", "URLs to hear peers on."),
    Flag::new(
        "listen-client-urls",
        Kind::Urls,
        "http://localhost:2379",
        "URLs to hear clients on: gRPC, and HTTP unless --listen-client-http-urls is given.",
    ),
    Flag::new("listen-client-http-urls", Kind::Urls, "", "URLs to hear HTTP clients on, no gRPC."),
    Flag::new("max-snapshots", Kind::Uint, "5", "Snapshot files to keep, 0 for all. Deprecated."),
    Flag::new("max-wals", Kind::Uint, "5", "Log files to keep, 0 for all."),
    Flag::new("memory-mlock", Kind::Bool, "false", "Lock the backend's pages in memory."),
    Flag::new(
        "quota-backend-bytes",
        Kind::Int,
        "0",
        "Size at which the backend refuses writes; 0 means 2 GiB, a negative number no limit.",
    ),
    Flag::new(
        "backend-bbolt-freelist-type",
        Kind::Text,
        "",
        "How free backend pages are kept: 'array' or 'map'; empty means 'map'.",
    ),
    Flag::new(
        "backend-batch-interval",
        Kind::Duration,
        "0",
        "Longest time between backend commits; 0 means 100ms.",
    ),
    Flag::new(
        "backend-batch-limit",
        Kind::Int,
        "0",
        "Most operations between backend commits; 0 means 10000.",
    ),
    Flag::new("max-txn-ops", Kind::Uint, "128", "Most operations in one transaction."),
    Flag::new("max-request-bytes", Kind::Uint, "1572864", "Largest client request in bytes."),
    Flag::new(
        "max-concurrent-streams",
        Kind::Uint32,
        "4294967295",
        "Most concurrent streams of one client connection.",
    ),
    Flag::new(
        "grpc-keepalive-min-time",
        Kind::Duration,
        "5s",
        "Least time between two pings of a client; 0 allows any.",
    ),
    Flag::new(
        "grpc-keepalive-interval",
        Kind::Duration,
        "2h",
        "Time between two pings to a quiet client; 0 sends none.",
    ),
    Flag::new(
        "grpc-keepalive-timeout",
        Kind::Duration,
        "20s",
        "Wait for a ping's answer before the connection is closed; 0 sends no pings.",
    ),
    Flag::new("socket-reuse-port", Kind::Bool, "false", "Set SO_REUSEPORT on listeners.")
        .in_yaml("socket-options.reuse-port"),
    Flag::new("socket-reuse-address", Kind::Bool, "false", "Set SO_REUSEADDR on listeners.")
        .in_yaml("socket-options.reuse-address"),
    Flag::new("enable-grpc-gateway", Kind::Bool, "true", "Serve gRPC's services as JSON too."),
    Flag::new("raft-read-timeout", Kind::Duration, "5s", "Read timeout to peers, at least 5s.")
        .not_in_yaml(),
    Flag::new("raft-write-timeout", Kind::Duration, "5s", "Write timeout to peers, at least 5s.")
        .not_in_yaml(),
    Flag::new("feature-gates", Kind::Gates, "", "Feature gates, such as 'LeaseCheckpoint=true'."),
];
