//! What can go wrong with a file, one variant for each reaction of the caller.

/// An error of reading or writing a file.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The file cannot be read, or the sink takes no more.
    #[error(transparent)]
    Io(#[from] std::io::Error),
    /// Neither of the two meta pages is one: this is no such file, or its beginning is lost.
    #[error("not a bbolt file: {0}")]
    Foreign(String),
    /// A page is not what the pages above it promise.
    #[error("page {page} is damaged: {reason}")]
    Damaged {
        /// The page's number.
        page: u64,
        /// What is wrong with it.
        reason: String,
    },
    /// A bucket or key did not follow the one before it, or was empty: the writer's caller errs.
    #[error("a key is empty, or not greater than the one before it")]
    Unordered,
    /// A pair came before any bucket: the writer's caller errs.
    #[error("a pair without a bucket")]
    NoBucket,
    /// A key with its value does not fit what the format can count.
    #[error("a pair of {bytes} bytes is too large")]
    TooLarge {
        /// Its size.
        bytes: usize,
    },
    /// What was written is not what was measured before.
    #[error("the contents changed between measuring and writing")]
    Changed,
}

impl Error {
    pub(crate) fn damaged(page: u64, reason: impl Into<String>) -> Error {
        Error::Damaged { page, reason: reason.into() }
    }
}
