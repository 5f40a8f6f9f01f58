//! What the floors below refuse, as rows of the table.

use etcd_apply::Refusal;

use crate::Error;

impl From<Refusal> for Error {
    fn from(refusal: Refusal) -> Error {
        match refusal {
            Refusal::Compacted => Error::Compacted,
            Refusal::FutureRevision => Error::FutureRevision,
            Refusal::KeyNotFound => Error::KeyNotFound,
            Refusal::LeaseNotFound => Error::LeaseNotFound,
            Refusal::LeaseExists => Error::LeaseExists,
            Refusal::LeaseTtlTooLarge => Error::LeaseTtlTooLarge,
            Refusal::LeaderChanged => Error::LeaderChanged,
            Refusal::NoSpace => Error::NoSpace,
            Refusal::Corrupt => Error::Corrupt,
            Refusal::MemberNotFound => Error::MemberNotFound,
            Refusal::Auth(refusal) => refusal.into(),
            refusal @ (Refusal::Unsupported(_) | Refusal::Malformed) => Error::other(refusal),
        }
    }
}

impl From<etcd_auth::Refusal> for Error {
    fn from(refusal: etcd_auth::Refusal) -> Error {
        use etcd_auth::Refusal as R;
        match refusal {
            R::RootUserMissing => Error::RootUserMissing,
            R::RootRoleMissing => Error::RootRoleMissing,
            R::UserExists => Error::UserExists,
            R::UserEmpty => Error::UserEmpty,
            R::UserNotFound => Error::UserNotFound,
            R::RoleExists => Error::RoleExists,
            R::RoleNotFound => Error::RoleNotFound,
            R::RoleEmpty => Error::RoleEmpty,
            R::AuthFailed => Error::AuthFailed,
            R::PermissionNotGiven => Error::PermissionNotGiven,
            R::PermissionDenied => Error::PermissionDenied,
            R::RoleNotGranted => Error::RoleNotGranted,
            R::PermissionNotGranted => Error::PermissionNotGranted,
            R::NotEnabled => Error::AuthNotEnabled,
            R::InvalidToken => Error::InvalidAuthToken,
            R::InvalidManagement => Error::InvalidAuthMgmt,
            R::OldRevision => Error::AuthOldRevision,
            R::NoPasswordUser | R::VerifyOnly | R::PasswordTooLong => Error::other(refusal),
        }
    }
}

impl From<etcd_auth::Error> for Error {
    fn from(error: etcd_auth::Error) -> Error {
        match error {
            etcd_auth::Error::Refused(refusal) => refusal.into(),
            error => internal(&error),
        }
    }
}

impl From<etcd_apply::Error> for Error {
    fn from(error: etcd_apply::Error) -> Error {
        match error {
            etcd_apply::Error::Refused(refusal) => refusal.into(),
            error => internal(&error),
        }
    }
}

impl From<etcd_mvcc::Error> for Error {
    fn from(error: etcd_mvcc::Error) -> Error {
        match error {
            etcd_mvcc::Error::Compacted => Error::Compacted,
            etcd_mvcc::Error::FutureRevision => Error::FutureRevision,
            etcd_mvcc::Error::KeyNotFound => Error::KeyNotFound,
            error => internal(&error),
        }
    }
}

/// A read failed for a reason that is not the client's.
fn internal(error: &dyn std::error::Error) -> Error {
    tracing::error!(%error, "a read failed");
    Error::other(error)
}
