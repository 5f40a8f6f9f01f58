//! The versions that this server tells about.

/// The version of etcd whose behaviour this server has.
pub const ETCD_VERSION: &str = "3.7.1";

/// The oldest cluster version that a 3.7 member may join.
pub const MIN_CLUSTER_VERSION: &str = "3.0.0";

/// The cluster version that a cluster of such servers settles on.
pub const CLUSTER_VERSION: &str = "3.7.0";

/// What `--version` prints: etcd's first line, then this server's own.
pub(crate) fn text() -> String {
    format!(
        "etcd Version: {ETCD_VERSION}\netcd-server Version: {} (Rust)\n",
        env!("CARGO_PKG_VERSION")
    )
}
