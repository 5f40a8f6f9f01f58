//! Why a member does not start, or cannot go on.

/// A fatal error: the process ends with status 1 and this text.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The configuration is well-formed but does not fit the machine or the cluster.
    #[error("{0}")]
    Configuration(String),
    /// The data directory cannot be used.
    #[error("{0}")]
    Data(String),
    /// The first members could not find each other.
    #[error("{0}")]
    Discovery(String),
    /// The member that starts was removed from its cluster before.
    #[error("the member has been permanently removed from the cluster")]
    Removed,
    /// A listener, a certificate or a peer.
    #[error(transparent)]
    Transport(#[from] etcd_transport::Error),
    /// Ids and initial cluster.
    #[error(transparent)]
    Membership(#[from] etcd_membership::Error),
    /// State or log.
    #[error(transparent)]
    Storage(#[from] etcd_storage::Error),
    /// The applied state.
    #[error(transparent)]
    Apply(#[from] etcd_apply::Error),
    /// Keys of tokens.
    #[error(transparent)]
    Auth(#[from] etcd_auth::Error),
    /// The consensus.
    #[error(transparent)]
    Raft(#[from] etcd_raft::Error),
}
