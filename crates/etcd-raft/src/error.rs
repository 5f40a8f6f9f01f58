//! What can go wrong, one variant for each reaction of the caller.

/// Raft cannot start, or cannot go on: the process must end.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The log or the state cannot be read or written.
    #[error(transparent)]
    Storage(#[from] etcd_storage::Error),
    /// Log and state do not fit each other, or hold something unreadable.
    #[error("{0}")]
    Damaged(String),
    /// The consensus stopped for good.
    #[error("raft stopped: {0}")]
    Stopped(String),
}

/// Why a command got no reply.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ProposeError {
    /// No leader accepted it before the deadline: it has no effect.
    #[error("no leader accepted the proposal in time")]
    NotAccepted,
    /// The leader is handing over and takes nothing more: it has no effect.
    #[error("the leader is handing over")]
    Dropped,
    /// It was sent or appended, but not applied here before the deadline: it may still take effect.
    #[error("the proposal was not applied in time")]
    Unknown,
    /// This member is stopping.
    #[error("the member is stopping")]
    Stopped,
}

/// Why a read may not be answered.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReadError {
    /// A leader became known while the read waited for the word of one.
    #[error("the leader changed")]
    LeaderChanged,
    /// No leader confirmed an index, or it was not applied here, before the deadline.
    #[error("no read index in time")]
    TimedOut,
    /// This member is stopping.
    #[error("the member is stopping")]
    Stopped,
}

/// Why the members were not changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ChangeError {
    /// It speaks against what the members are: they stay as they are.
    #[error(transparent)]
    Refused(#[from] etcd_membership::Error),
    /// It was not seen to be made in time. It may still be.
    #[error("the members were not changed in time")]
    TimedOut,
    /// This member is stopping.
    #[error("the member is stopping")]
    Stopped,
}

/// Why leadership was not handed over.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TransferError {
    /// This member does not lead.
    #[error("not leader")]
    NotLeader,
    /// The target is unknown or has no vote.
    #[error("bad leader transferee")]
    BadTarget,
    /// The target did not become leader in time.
    #[error("leader transfer took too long")]
    TimedOut,
    /// This member is stopping.
    #[error("the member is stopping")]
    Stopped,
}
