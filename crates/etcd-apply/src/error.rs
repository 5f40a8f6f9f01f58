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
    /// A file of the state could not be written: whoever asked for it has no file.
    #[error(transparent)]
    File(#[from] etcd_bolt::Error),
    /// The store of users and roles cannot be read: the process must stop.
    #[error(transparent)]
    Auth(etcd_auth::Error),
    /// The applied position is unreadable: the process must stop.
    #[error(transparent)]
    Raft(#[from] etcd_raft::Error),
}

impl From<etcd_lease::Error> for Error {
    fn from(error: etcd_lease::Error) -> Error {
        match error {
            etcd_lease::Error::NotFound => Refusal::LeaseNotFound.into(),
            etcd_lease::Error::Exists => Refusal::LeaseExists.into(),
            etcd_lease::Error::TtlTooLarge => Refusal::LeaseTtlTooLarge.into(),
            etcd_lease::Error::Storage(error) => error.into(),
            error @ (etcd_lease::Error::NotPrimary | etcd_lease::Error::Damaged(_)) => {
                Error::Damaged { table: "lease", reason: error.to_string() }
            }
        }
    }
}

impl From<etcd_auth::Error> for Error {
    fn from(error: etcd_auth::Error) -> Error {
        match error {
            etcd_auth::Error::Refused(refusal) => Refusal::from(refusal).into(),
            etcd_auth::Error::Storage(error) => error.into(),
            error => Error::Auth(error),
        }
    }
}

impl From<etcd_auth::Refusal> for Error {
    fn from(refusal: etcd_auth::Refusal) -> Error {
        Refusal::from(refusal).into()
    }
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
