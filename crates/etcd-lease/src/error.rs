//! What can go wrong, one variant for each reaction of the caller.

/// An error of the leases.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No lease has this id.
    #[error("lease not found")]
    NotFound,
    /// A lease has this id already.
    #[error("lease already exists")]
    Exists,
    /// The time to live is above [`MAX_TTL_SECONDS`](crate::MAX_TTL_SECONDS).
    #[error("too large lease TTL")]
    TtlTooLarge,
    /// This member's clocks stand still: it does not lead. Another one knows.
    #[error("not a primary lessor")]
    NotPrimary,
    /// A row is no lease: the process must stop.
    #[error("damaged row in lease: {0}")]
    Damaged(String),
    /// The storage failed: the process must stop.
    #[error(transparent)]
    Storage(#[from] etcd_storage::Error),
}
