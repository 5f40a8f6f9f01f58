//! What can go wrong with a watcher, one variant for each reaction of the caller.

/// An error of watching. The first two are what a client is told, in etcd's words.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No key lies in the range asked for.
    #[error("mvcc: watcher range is empty")]
    EmptyRange,
    /// The client chose an id that one of its watchers has.
    #[error("mvcc: duplicate watch ID provided on the WatchStream")]
    DuplicateId,
    /// The past could not be read: the feed has no more to say.
    #[error(transparent)]
    Mvcc(#[from] etcd_mvcc::Error),
}
