//! The methods that are counted, with the names that etcd's metrics have for them.

/// One message each way.
pub(crate) const UNARY: &str = "unary";
/// One message in, many out.
pub(crate) const SERVER_STREAM: &str = "server_stream";
/// Many messages each way.
pub(crate) const BIDI_STREAM: &str = "bidi_stream";

/// Methods of one service that are called in the same way.
pub(crate) struct Methods {
    pub(crate) service: &'static str,
    /// [`UNARY`], [`SERVER_STREAM`] or [`BIDI_STREAM`].
    pub(crate) kind: &'static str,
    pub(crate) names: &'static [&'static str],
    pub(crate) shown: Shown,
}

/// Since when a method has its lines.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shown {
    /// From the start, at zero.
    Always,
    /// From its first call: etcd registers these services after it has set the counters up.
    OnceCalled,
}

/// All that etcd 3.7.1 counts. It answers some that this server does not.
pub(crate) const ALL: &[Methods] = &[
    always("etcdserverpb.KV", UNARY, &["Compact", "DeleteRange", "Put", "Range", "Txn"]),
    always("etcdserverpb.KV", SERVER_STREAM, &["RangeStream"]),
    always("etcdserverpb.Watch", BIDI_STREAM, &["Watch"]),
    always(
        "etcdserverpb.Lease",
        UNARY,
        &["LeaseGrant", "LeaseLeases", "LeaseRevoke", "LeaseTimeToLive"],
    ),
    always("etcdserverpb.Lease", BIDI_STREAM, &["LeaseKeepAlive"]),
    always(
        "etcdserverpb.Cluster",
        UNARY,
        &["MemberAdd", "MemberList", "MemberPromote", "MemberRemove", "MemberUpdate"],
    ),
    always(
        "etcdserverpb.Maintenance",
        UNARY,
        &["Alarm", "Defragment", "Downgrade", "Hash", "HashKV", "MoveLeader", "Status"],
    ),
    always("etcdserverpb.Maintenance", SERVER_STREAM, &["Snapshot"]),
    always(
        "etcdserverpb.Auth",
        UNARY,
        &[
            "AuthDisable",
            "AuthEnable",
            "AuthStatus",
            "Authenticate",
            "RoleAdd",
            "RoleDelete",
            "RoleGet",
            "RoleGrantPermission",
            "RoleList",
            "RoleRevokePermission",
            "UserAdd",
            "UserChangePassword",
            "UserDelete",
            "UserGet",
            "UserGrantRole",
            "UserList",
            "UserRevokeRole",
        ],
    ),
    always("grpc.health.v1.Health", UNARY, &["Check", "List"]),
    always("grpc.health.v1.Health", SERVER_STREAM, &["Watch"]),
    once_called("v3lockpb.Lock", UNARY, &["Lock", "Unlock"]),
    once_called("v3electionpb.Election", UNARY, &["Campaign", "Leader", "Proclaim", "Resign"]),
    once_called("v3electionpb.Election", SERVER_STREAM, &["Observe"]),
];

const fn always(
    service: &'static str,
    kind: &'static str,
    names: &'static [&'static str],
) -> Methods {
    Methods { service, kind, names, shown: Shown::Always }
}

const fn once_called(
    service: &'static str,
    kind: &'static str,
    names: &'static [&'static str],
) -> Methods {
    Methods { service, kind, names, shown: Shown::OnceCalled }
}
