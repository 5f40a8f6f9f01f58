//! What can go wrong, one variant for each reaction of the caller.

use crate::Refusal;

/// An error of applying or of reading.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The request cannot be served as it is: its sender is told, nothing is wrong here.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The storage or the store of keys failed: the process must stop, members would diverge.
    #[error(transparent)]
    Mvcc(etcd_mvcc::Error),
    /// The storage failed: the process must stop.
    #[error(transparent)]
    Storage(#[from] etcd_storage::Error),
    /// A row of the state is not what was once written there: the process must stop.
    #[error("damaged row in {table}: {reason}")]
    Damaged {
        /// The table.
        table: &'static str,
        /// What is wrong with the row.
        reason: String,
    },
    /// The applied position is unreadable: the process must stop.
    #[error(transparent)]
    Raft(#[from] etcd_raft::Error),
}

impl From<etcd_mvcc::Error> for Error {
    fn from(error: etcd_mvcc::Error) -> Error {
        match error {
            etcd_mvcc::Error::Compacted => Refusal::Compacted.into(),
            etcd_mvcc::Error::FutureRevision => Refusal::FutureRevision.into(),
            etcd_mvcc::Error::KeyNotFound => Refusal::KeyNotFound.into(),
            etcd_mvcc::Error::Storage(error) => error.into(),
            error => Error::Mvcc(error),
        }
    }
}
