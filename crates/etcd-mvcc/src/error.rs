//! What can go wrong with keys by revision, one variant for each reaction of the caller.

use crate::Revision;

/// An error of the multi-version store.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Error {
    /// The revision asked for, or one needed on the way, was compacted away. The caller starts
    /// again at a newer revision.
    #[error("mvcc: required revision has been compacted")]
    Compacted,
    /// The revision asked for is greater than the current one.
    #[error("mvcc: required revision is a future revision")]
    FutureRevision,
    /// A put wants to keep the value or the lease of a key that is absent.
    #[error("key not found")]
    KeyNotFound,
    /// The index knows a record that the storage does not have. The state was replaced by a
    /// snapshot during the read (the caller reads again), or the storage is damaged.
    #[error("the record of revision {0} is missing")]
    Missing(Revision),
    /// A stored row is not a record; the process must not go on with it.
    #[error("damaged record {key}: {reason}")]
    Damaged {
        /// The row's key, in hexadecimal digits.
        key: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The storage failed.
    #[error(transparent)]
    Storage(#[from] etcd_storage::Error),
}

impl Error {
    /// An error about the row under `key`.
    pub(crate) fn damaged(key: &[u8], reason: impl Into<String>) -> Error {
        let key = key.iter().map(|byte| format!("{byte:02x}")).collect();
        Error::Damaged { key, reason: reason.into() }
    }
}
