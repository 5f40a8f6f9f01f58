//! The methods that are counted, with the names that etcd's metrics have for them.

use etcd_proto::etcdserverpb::{
    auth_server, cluster_server, kv_server, lease_server, maintenance_server, watch_server,
};
use etcd_proto::v3electionpb::election_server;
use etcd_proto::v3lockpb::lock_server;

/// One message each way.
pub(crate) const UNARY: &str = "unary";
/// One message in, many out.
pub(crate) const SERVER_STREAM: &str = "server_stream";
/// Many messages each way.
pub(crate) const BIDI_STREAM: &str = "bidi_stream";

/// The services that are there.
#[derive(Clone, Copy)]
pub(crate) enum Served {
    Kv,
    Watch,
    Lease,
    Cluster,
    Maintenance,
    Auth,
    Health,
    Lock,
    Election,
}

impl Served {
    const ALL: [Served; 9] = [
        Served::Kv,
        Served::Watch,
        Served::Lease,
        Served::Cluster,
        Served::Maintenance,
        Served::Auth,
        Served::Health,
        Served::Lock,
        Served::Election,
    ];

    /// What it is called on the wire.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Served::Kv => kv_server::SERVICE_NAME,
            Served::Watch => watch_server::SERVICE_NAME,
            Served::Lease => lease_server::SERVICE_NAME,
            Served::Cluster => cluster_server::SERVICE_NAME,
            Served::Maintenance => maintenance_server::SERVICE_NAME,
            Served::Auth => auth_server::SERVICE_NAME,
            Served::Health => "grpc.health.v1.Health",
            Served::Lock => lock_server::SERVICE_NAME,
            Served::Election => election_server::SERVICE_NAME,
        }
    }

    pub(crate) fn named(name: &str) -> Option<Served> {
        Served::ALL.into_iter().find(|served| served.name() == name)
    }

    /// The service that a path begins with.
    pub(crate) fn at(path: &str) -> Option<Served> {
        Served::named(path.strip_prefix('/')?.split_once('/')?.0)
    }
}

/// Methods of one service that are called in the same way.
pub(crate) struct Methods {
    pub(crate) service: Served,
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
    always(Served::Kv, UNARY, &["Compact", "DeleteRange", "Put", "Range", "Txn"]),
    always(Served::Kv, SERVER_STREAM, &["RangeStream"]),
    always(Served::Watch, BIDI_STREAM, &["Watch"]),
    always(Served::Lease, UNARY, &["LeaseGrant", "LeaseLeases", "LeaseRevoke", "LeaseTimeToLive"]),
    always(Served::Lease, BIDI_STREAM, &["LeaseKeepAlive"]),
    always(
        Served::Cluster,
        UNARY,
        &["MemberAdd", "MemberList", "MemberPromote", "MemberRemove", "MemberUpdate"],
    ),
    always(
        Served::Maintenance,
        UNARY,
        &["Alarm", "Defragment", "Downgrade", "Hash", "HashKV", "MoveLeader", "Status"],
    ),
    always(Served::Maintenance, SERVER_STREAM, &["Snapshot"]),
    always(
        Served::Auth,
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
    always(Served::Health, UNARY, &["Check", "List"]),
    always(Served::Health, SERVER_STREAM, &["Watch"]),
    once_called(Served::Lock, UNARY, &["Lock", "Unlock"]),
    once_called(Served::Election, UNARY, &["Campaign", "Leader", "Proclaim", "Resign"]),
    once_called(Served::Election, SERVER_STREAM, &["Observe"]),
];

const fn always(service: Served, kind: &'static str, names: &'static [&'static str]) -> Methods {
    Methods { service, kind, names, shown: Shown::Always }
}

const fn once_called(
    service: Served,
    kind: &'static str,
    names: &'static [&'static str],
) -> Methods {
    Methods { service, kind, names, shown: Shown::OnceCalled }
}
