//! What can go wrong, one variant for each reaction of the caller.

use std::path::PathBuf;

use crate::Refusal;

/// An error of reading the store or of setting up tokens.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The caller is told, nothing is wrong here.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The storage failed: the process must stop.
    #[error(transparent)]
    Storage(#[from] etcd_storage::Error),
    /// A row is not what was once written there: the process must stop.
    #[error("damaged row in {table}: {reason}")]
    Damaged {
        /// The table.
        table: &'static str,
        /// What is wrong with the row.
        reason: String,
    },
    /// Tokens shall be signed by a method that there is not.
    #[error("auth: invalid auth signature method")]
    SignatureMethod,
    /// Tokens shall be signed, and no key is named that could do it or check it.
    #[error("auth: missing key data")]
    MissingKey,
    /// The two named keys are not a pair.
    #[error("auth: public and private keys don't match")]
    KeyMismatch,
    /// A key's file cannot be read.
    #[error("auth: cannot read the key file {}: {source}", path.display())]
    KeyFile {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
    /// A key's file holds no key that the signature method could use.
    #[error("auth: the key file {} holds no {expected}", path.display())]
    Key {
        /// The file.
        path: PathBuf,
        /// What it should hold.
        expected: &'static str,
    },
    /// The system gave no random bytes.
    #[error("auth: no randomness: {0}")]
    Random(String),
}
