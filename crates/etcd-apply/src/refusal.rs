//! Why a command or a read is refused: what the caller is told, nothing is broken.

/// A refusal changes nothing, and every member that applies the same command comes to the same one;
/// but for `NoSpace`, which also says of a command that was executed that this member's storage had
/// no room for it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The revision was compacted away.
    #[error("mvcc: required revision has been compacted")]
    Compacted,
    /// The revision is greater than the current one.
    #[error("mvcc: required revision is a future revision")]
    FutureRevision,
    /// A put wants to keep the value or the lease of a key that is absent, or an operation of a txn
    /// is empty.
    #[error("etcdserver: key not found")]
    KeyNotFound,
    /// A put names a lease that does not exist, or one is revoked that does not.
    #[error("lease not found")]
    LeaseNotFound,
    /// A lease is granted with an id that another one has.
    #[error("lease already exists")]
    LeaseExists,
    /// A lease is granted for too long.
    #[error("too large lease TTL")]
    LeaseTtlTooLarge,
    /// Another leader decides by now.
    #[error("etcdserver: leader changed")]
    LeaderChanged,
    /// A NOSPACE alarm stands, or the command has outgrown this member's quota.
    #[error("etcdserver: no space")]
    NoSpace,
    /// A CORRUPT alarm stands.
    #[error("etcdserver: corrupt cluster")]
    Corrupt,
    /// A member published itself that the cluster does not know.
    #[error("membership: ID not found")]
    MemberNotFound,
    /// Users, roles and permissions have it so.
    #[error(transparent)]
    Auth(#[from] etcd_auth::Refusal),
    /// The command is of a kind that this version cannot execute; named by its field.
    #[error("etcdserver: unsupported command {0}")]
    Unsupported(&'static str),
    /// The command's bytes are not a command, or hold none.
    #[error("etcdserver: malformed command")]
    Malformed,
}
