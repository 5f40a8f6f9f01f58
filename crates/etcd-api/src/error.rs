//! The one table of errors to statuses: what a client gets to see, code and text.

use tonic::{Code, Status};

macro_rules! table {
    ($($(#[$doc:meta])* $name:ident = $code:ident, $text:literal;)*) => {
        /// Everything that this server refuses a request with. The texts are etcd's: clients tell
        /// errors apart by them.
        #[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
        pub enum Error {
            $($(#[$doc])* #[error($text)] $name,)*
            /// An error that etcd has no row for either: code `Unknown`, and its own text.
            #[error("{0}")]
            Other(String),
        }

        impl Error {
            /// Every row, in the order of etcd's own list.
            pub const ROWS: &[Error] = &[$(Error::$name),*];

            /// The code on the wire.
            pub fn code(&self) -> Code {
                match self {
                    $(Error::$name => Code::$code,)*
                    Error::Other(_) => Code::Unknown,
                }
            }
        }
    };
}

table! {
    /// A key is empty, in a request, an operation of a txn or a compare.
    EmptyKey = InvalidArgument, "etcdserver: key is not provided";
    /// A put wants to keep the value or lease of an absent key, or a txn operation is empty.
    KeyNotFound = InvalidArgument, "etcdserver: key not found";
    /// A put that keeps the value brings one.
    ValueProvided = InvalidArgument, "etcdserver: value is provided";
    /// A put that keeps the lease brings one.
    LeaseProvided = InvalidArgument, "etcdserver: lease is provided";
    /// A txn has more compares or operations than `--max-txn-ops`.
    TooManyOps = InvalidArgument, "etcdserver: too many operations in txn request";
    /// A txn puts a key twice, or puts what it deletes.
    DuplicateKey = InvalidArgument, "etcdserver: duplicate key given in txn request";
    /// The metadata `client-api-version` is not UTF-8.
    InvalidClientApiVersion = InvalidArgument, "etcdserver: invalid client api version";
    /// The sort order or target is none of the known ones.
    InvalidSortOption = InvalidArgument, "etcdserver: invalid sort option";
    /// The revision was compacted away.
    Compacted = OutOfRange, "etcdserver: mvcc: required revision has been compacted";
    /// The revision is greater than the current one.
    FutureRevision = OutOfRange, "etcdserver: mvcc: required revision is a future revision";
    /// The quota is used up, or a NOSPACE alarm stands.
    NoSpace = ResourceExhausted, "etcdserver: mvcc: database space exceeded";
    /// No lease has this id.
    LeaseNotFound = NotFound, "etcdserver: requested lease not found";
    /// A lease has this id already.
    LeaseExists = FailedPrecondition, "etcdserver: lease already exists";
    /// A lease would live longer than 9 000 000 000 s.
    LeaseTtlTooLarge = OutOfRange, "etcdserver: too large lease TTL";
    /// The client ended the watch stream.
    WatchCanceled = Cancelled, "etcdserver: watch canceled";
    /// A member has this id already.
    MemberExists = FailedPrecondition, "etcdserver: member ID already exist";
    /// Another member has this peer URL.
    PeerUrlExists = FailedPrecondition, "etcdserver: Peer URLs already exists";
    /// The change could cost the quorum. `Unknown` on the wire, since etcd's server sends
    /// an error object without a code.
    NotEnoughStartedMembers = Unknown,
        "etcdserver: re-configuration failed due to not enough started members";
    /// A peer URL is none.
    MemberBadUrls = InvalidArgument, "etcdserver: given member URLs are invalid";
    /// No member has this id, or it was removed.
    MemberNotFound = NotFound, "etcdserver: member not found";
    /// Only a learner can be promoted.
    MemberNotLearner = FailedPrecondition, "etcdserver: can only promote a learner member";
    /// The learner has not caught up.
    LearnerNotReady = FailedPrecondition,
        "etcdserver: can only promote a learner member which is in sync with leader";
    /// There are as many learners as `--max-learners` allows.
    TooManyLearners = FailedPrecondition, "etcdserver: too many learner members in cluster";
    /// A peer belongs to another cluster.
    ClusterIdMismatch = FailedPrecondition, "etcdserver: cluster ID mismatch";
    /// The command is larger than `--max-request-bytes`.
    RequestTooLarge = InvalidArgument, "etcdserver: request is too large";
    /// Too much is committed and not applied. `Unknown` on the wire, since etcd's server
    /// sends an error object without a code.
    TooManyRequests = Unknown, "etcdserver: too many requests";
    /// Authentication needs the user `root`.
    RootUserMissing = FailedPrecondition, "etcdserver: root user does not exist";
    /// Authentication needs the user `root` to have the role `root`.
    RootRoleMissing = FailedPrecondition, "etcdserver: root user does not have root role";
    /// A user has this name already.
    UserExists = FailedPrecondition, "etcdserver: user name already exists";
    /// A user name is empty, or nobody is named while authentication is on.
    UserEmpty = InvalidArgument, "etcdserver: user name is empty";
    /// No user has this name.
    UserNotFound = FailedPrecondition, "etcdserver: user name not found";
    /// A role has this name already.
    RoleExists = FailedPrecondition, "etcdserver: role name already exists";
    /// No role has this name.
    RoleNotFound = FailedPrecondition, "etcdserver: role name not found";
    /// A role name is empty.
    RoleEmpty = InvalidArgument, "etcdserver: role name is empty";
    /// Unknown user or wrong password.
    AuthFailed = InvalidArgument, "etcdserver: authentication failed, invalid user ID or password";
    /// A grant without a permission.
    PermissionNotGiven = InvalidArgument, "etcdserver: permission not given";
    /// The user may not do this.
    PermissionDenied = PermissionDenied, "etcdserver: permission denied";
    /// The user does not have the role.
    RoleNotGranted = FailedPrecondition, "etcdserver: role is not granted to the user";
    /// The role does not have the permission.
    PermissionNotGranted = FailedPrecondition, "etcdserver: permission is not granted to the role";
    /// Authentication is off.
    AuthNotEnabled = FailedPrecondition, "etcdserver: authentication is not enabled";
    /// The token is unknown or has expired.
    InvalidAuthToken = Unauthenticated, "etcdserver: invalid auth token";
    /// A change that would lock everybody out.
    InvalidAuthMgmt = InvalidArgument, "etcdserver: invalid auth management";
    /// The token is older than the last change of users and roles.
    AuthOldRevision = InvalidArgument, "etcdserver: revision of auth store is old";
    /// No leader is known and the client asked to be told.
    NoLeader = Unavailable, "etcdserver: no leader";
    /// Only the leader does this.
    NotLeader = FailedPrecondition, "etcdserver: not leader";
    /// The leader changed under a read.
    LeaderChanged = Unavailable, "etcdserver: leader changed";
    /// The cluster's version does not have this yet.
    NotCapable = FailedPrecondition, "etcdserver: not capable";
    /// The member is stopping.
    Stopped = Unavailable, "etcdserver: server stopped";
    /// No answer in time.
    Timeout = Unavailable, "etcdserver: request timed out";
    /// No answer in time, around an election.
    TimeoutDueToLeaderFail = Unavailable,
        "etcdserver: request timed out, possibly due to previous leader failure";
    /// No answer in time, while peers were out of reach.
    TimeoutDueToConnectionLost = Unavailable,
        "etcdserver: request timed out, possibly due to connection lost";
    /// The member did not apply what is committed in time.
    TimeoutWaitAppliedIndex = Unavailable,
        "etcdserver: request timed out, waiting for the applied index took too long";
    /// Too few members are reachable for the change.
    Unhealthy = Unavailable, "etcdserver: unhealthy cluster";
    /// A CORRUPT alarm stands.
    Corrupt = DataLoss, "etcdserver: corrupt cluster";
    /// A learner does not serve this.
    NotSupportedForLearner = FailedPrecondition, "etcdserver: rpc not supported for learner";
    /// The target cannot lead.
    BadLeaderTransferee = FailedPrecondition, "etcdserver: bad leader transferee";
    /// The downgrade target is not a version.
    WrongDowngradeVersionFormat = InvalidArgument,
        "etcdserver: wrong downgrade target version format";
    /// The downgrade target is not one minor version below.
    InvalidDowngradeTargetVersion = InvalidArgument, "etcdserver: invalid downgrade target version";
    /// The cluster version is not decided yet.
    ClusterVersionUnavailable = FailedPrecondition,
        "etcdserver: cluster version not found during downgrade";
    /// A downgrade is under way.
    DowngradeInProcess = FailedPrecondition, "etcdserver: cluster has a downgrade job in progress";
    /// No downgrade is under way.
    NoInflightDowngrade = FailedPrecondition, "etcdserver: no inflight downgrade job";
    /// The client gave up while the command was under way.
    Canceled = Cancelled, "etcdserver: request canceled";
    /// The client gave up; Go's own text.
    ContextCanceled = Cancelled, "context canceled";
    /// The client's deadline passed, or nobody accepted the command in time; Go's own text.
    DeadlineExceeded = DeadlineExceeded, "context deadline exceeded";
    /// The new leader did not show up in time.
    LeaderTransferTimeout = Unknown, "etcdserver: request timed out, leader transfer took too long";
    /// A downgrade request without a known action.
    UnknownMethod = Unknown, "etcdserver: unknown method";
    /// The leader is handing over.
    ProposalDropped = Unknown, "raft proposal dropped";
    /// A stream is always in key order.
    CustomSortOrder = Unimplemented, "RangeStream does not support custom sort orders";
    /// A stream is never filtered.
    RevisionFilter = Unimplemented, "RangeStream does not support revision filters";
}

impl Error {
    /// An error without a row.
    pub(crate) fn other(error: impl std::fmt::Display) -> Error {
        Error::Other(error.to_string())
    }
}

impl From<Error> for Status {
    fn from(error: Error) -> Status {
        Status::new(error.code(), error.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Code and text of every error, as etcd 3.7.1 sends them.
    const WIRE: &str = "
        InvalidArgument etcdserver: key is not provided
        InvalidArgument etcdserver: key not found
        InvalidArgument etcdserver: value is provided
        InvalidArgument etcdserver: lease is provided
        InvalidArgument etcdserver: too many operations in txn request
        InvalidArgument etcdserver: duplicate key given in txn request
        InvalidArgument etcdserver: invalid client api version
        InvalidArgument etcdserver: invalid sort option
        OutOfRange etcdserver: mvcc: required revision has been compacted
        OutOfRange etcdserver: mvcc: required revision is a future revision
        ResourceExhausted etcdserver: mvcc: database space exceeded
        NotFound etcdserver: requested lease not found
        FailedPrecondition etcdserver: lease already exists
        OutOfRange etcdserver: too large lease TTL
        Canceled etcdserver: watch canceled
        FailedPrecondition etcdserver: member ID already exist
        FailedPrecondition etcdserver: Peer URLs already exists
        Unknown etcdserver: re-configuration failed due to not enough started members
        InvalidArgument etcdserver: given member URLs are invalid
        NotFound etcdserver: member not found
        FailedPrecondition etcdserver: can only promote a learner member
        FailedPrecondition etcdserver: can only promote a learner member which is in sync with leader
        FailedPrecondition etcdserver: too many learner members in cluster
        FailedPrecondition etcdserver: cluster ID mismatch
        InvalidArgument etcdserver: request is too large
        Unknown etcdserver: too many requests
        FailedPrecondition etcdserver: root user does not exist
        FailedPrecondition etcdserver: root user does not have root role
        FailedPrecondition etcdserver: user name already exists
        InvalidArgument etcdserver: user name is empty
        FailedPrecondition etcdserver: user name not found
        FailedPrecondition etcdserver: role name already exists
        FailedPrecondition etcdserver: role name not found
        InvalidArgument etcdserver: role name is empty
        InvalidArgument etcdserver: authentication failed, invalid user ID or password
        InvalidArgument etcdserver: permission not given
        PermissionDenied etcdserver: permission denied
        FailedPrecondition etcdserver: role is not granted to the user
        FailedPrecondition etcdserver: permission is not granted to the role
        FailedPrecondition etcdserver: authentication is not enabled
        Unauthenticated etcdserver: invalid auth token
        InvalidArgument etcdserver: invalid auth management
        InvalidArgument etcdserver: revision of auth store is old
        Unavailable etcdserver: no leader
        FailedPrecondition etcdserver: not leader
        Unavailable etcdserver: leader changed
        FailedPrecondition etcdserver: not capable
        Unavailable etcdserver: server stopped
        Unavailable etcdserver: request timed out
        Unavailable etcdserver: request timed out, possibly due to previous leader failure
        Unavailable etcdserver: request timed out, possibly due to connection lost
        Unavailable etcdserver: request timed out, waiting for the applied index took too long
        Unavailable etcdserver: unhealthy cluster
        DataLoss etcdserver: corrupt cluster
        FailedPrecondition etcdserver: rpc not supported for learner
        FailedPrecondition etcdserver: bad leader transferee
        InvalidArgument etcdserver: wrong downgrade target version format
        InvalidArgument etcdserver: invalid downgrade target version
        FailedPrecondition etcdserver: cluster version not found during downgrade
        FailedPrecondition etcdserver: cluster has a downgrade job in progress
        FailedPrecondition etcdserver: no inflight downgrade job
        Canceled etcdserver: request canceled
        Canceled context canceled
        DeadlineExceeded context deadline exceeded
        Unknown etcdserver: request timed out, leader transfer took too long
        Unknown etcdserver: unknown method
        Unknown raft proposal dropped
        Unimplemented RangeStream does not support custom sort orders
        Unimplemented RangeStream does not support revision filters
    ";

    /// Codes by the names that gRPC's specification and etcd's error list use.
    fn name(code: Code) -> String {
        match code {
            Code::Cancelled => "Canceled".to_owned(),
            code => format!("{code:?}"),
        }
    }

    #[test]
    fn every_row_is_what_etcd_sends() {
        let sent: Vec<String> = Error::ROWS
            .iter()
            .map(|error| {
                let status = Status::from(error.clone());
                format!("{} {}", name(status.code()), status.message())
            })
            .collect();
        let expected: Vec<&str> = WIRE.trim().lines().map(str::trim).collect();
        assert_eq!(sent, expected);
    }

    #[test]
    fn an_error_without_a_row_is_unknown_with_its_own_text() {
        let status = Status::from(Error::other("something new"));
        assert_eq!((status.code(), status.message()), (Code::Unknown, "something new"));
    }
}
