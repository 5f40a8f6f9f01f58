//! What can go wrong below the tables, one variant for each reaction of the caller.

use std::path::Path;

use rocksdb::ErrorKind;

/// An error of the storage. Every variant names the directory, because a member has two.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Error {
    /// Another process holds the directory.
    #[error("{path} is in use by another process: stop it, or give this member its own --data-dir")]
    InUse {
        /// The directory that is locked.
        path: String,
    },
    /// The directory holds something that this crate did not write.
    #[error(
        "{path} does not hold this server's data ({reason}): give an empty --data-dir, or move it away"
    )]
    Foreign {
        /// The directory.
        path: String,
        /// What was found instead.
        reason: String,
    },
    /// Bytes on disk are not what was written. Nothing was changed by noticing it.
    #[error(
        "{path} is damaged: {reason}; nothing was changed: keep a copy, then restore this member from its peers or from a snapshot"
    )]
    Damaged {
        /// The directory.
        path: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The disk has no room left.
    #[error(
        "no space left on the disk of {path}: free some and start again; nothing acknowledged is lost"
    )]
    NoSpace {
        /// The directory that could not grow.
        path: String,
    },
    /// Reading or writing failed: the process must stop, since what reached the disk is unknown.
    #[error("{path}: {reason}")]
    Io {
        /// The directory.
        path: String,
        /// The operating system's or RocksDB's text.
        reason: String,
    },
}

impl Error {
    /// Translates an error of RocksDB on `path`.
    pub(crate) fn from_rocksdb(path: &Path, error: &rocksdb::Error) -> Error {
        let path = path.display().to_string();
        let reason = error.as_ref().to_owned();
        let lower = reason.to_ascii_lowercase();
        if lower.contains("no space left") || lower.contains("disk quota exceeded") {
            Error::NoSpace { path }
        } else if lower.contains("while lock file") || lower.contains("lock hold by") {
            if lower.contains("permission denied") {
                Error::Io { path, reason }
            } else {
                Error::InUse { path }
            }
        } else if error.kind() == ErrorKind::Corruption {
            Error::Damaged { path, reason }
        } else {
            Error::Io { path, reason }
        }
    }

    /// Names the file or directory that a call of the operating system failed on.
    pub(crate) fn from_io(path: &Path, error: &std::io::Error) -> Error {
        let path = path.display().to_string();
        match error.kind() {
            std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded => {
                Error::NoSpace { path }
            }
            _ => Error::Io { path, reason: error.to_string() },
        }
    }

    /// An error about the contents of `path`.
    pub(crate) fn damaged(path: &Path, reason: impl Into<String>) -> Error {
        Error::Damaged { path: path.display().to_string(), reason: reason.into() }
    }

    /// An error about a directory of someone else.
    pub(crate) fn foreign(path: &Path, reason: impl Into<String>) -> Error {
        Error::Foreign { path: path.display().to_string(), reason: reason.into() }
    }
}

impl From<Error> for std::io::Error {
    fn from(error: Error) -> std::io::Error {
        let kind = match error {
            Error::NoSpace { .. } => std::io::ErrorKind::StorageFull,
            Error::Damaged { .. } => std::io::ErrorKind::InvalidData,
            Error::InUse { .. } => std::io::ErrorKind::ResourceBusy,
            Error::Foreign { .. } | Error::Io { .. } => std::io::ErrorKind::Other,
        };
        std::io::Error::new(kind, error)
    }
}
