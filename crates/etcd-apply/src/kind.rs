//! The kinds of commands, as etcd's metrics call them.

/// What a command asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Of one key.
    Put,
    /// Of some keys.
    DeleteRange,
    /// Of several changes at once.
    Txn,
    /// A read; as a command nobody gives it.
    Range,
    /// Of old revisions.
    Compaction,
    /// Of a lease.
    LeaseGrant,
    /// Of a lease, by a client or because it has expired.
    LeaseRevoke,
    /// Of what leases have left.
    LeaseCheckpoint,
    /// To raise, clear or list alarms.
    Alarm,
    /// Of the version that all speak.
    ClusterVersionSet,
    /// Of what a member says of itself.
    ClusterMemberAttrSet,
    /// Of a downgrade's beginning or end.
    DowngradeInfoSet,
    /// Of a user.
    Authenticate,
    /// On users, roles and tokens.
    AuthEnable,
    /// On users, roles and tokens.
    AuthDisable,
    /// On users, roles and tokens.
    AuthStatus,
    /// On users, roles and tokens.
    AuthUserAdd,
    /// On users, roles and tokens.
    AuthUserDelete,
    /// On users, roles and tokens.
    AuthUserGet,
    /// On users, roles and tokens.
    AuthUserChangePassword,
    /// On users, roles and tokens.
    AuthUserGrantRole,
    /// On users, roles and tokens.
    AuthUserRevokeRole,
    /// On users, roles and tokens.
    AuthUserList,
    /// On users, roles and tokens.
    AuthRoleList,
    /// On users, roles and tokens.
    AuthRoleAdd,
    /// On users, roles and tokens.
    AuthRoleDelete,
    /// On users, roles and tokens.
    AuthRoleGet,
    /// On users, roles and tokens.
    AuthRoleGrantPermission,
    /// On users, roles and tokens.
    AuthRoleRevokePermission,
    /// What cannot be read, or is not built.
    Unknown,
}

impl Kind {
    /// All of them, each at its place.
    pub const ALL: &[Kind] = &[
        Kind::Put,
        Kind::DeleteRange,
        Kind::Txn,
        Kind::Range,
        Kind::Compaction,
        Kind::LeaseGrant,
        Kind::LeaseRevoke,
        Kind::LeaseCheckpoint,
        Kind::Alarm,
        Kind::ClusterVersionSet,
        Kind::ClusterMemberAttrSet,
        Kind::DowngradeInfoSet,
        Kind::Authenticate,
        Kind::AuthEnable,
        Kind::AuthDisable,
        Kind::AuthStatus,
        Kind::AuthUserAdd,
        Kind::AuthUserDelete,
        Kind::AuthUserGet,
        Kind::AuthUserChangePassword,
        Kind::AuthUserGrantRole,
        Kind::AuthUserRevokeRole,
        Kind::AuthUserList,
        Kind::AuthRoleList,
        Kind::AuthRoleAdd,
        Kind::AuthRoleDelete,
        Kind::AuthRoleGet,
        Kind::AuthRoleGrantPermission,
        Kind::AuthRoleRevokePermission,
        Kind::Unknown,
    ];

    /// That of a command whose request is this field of an `InternalRaftRequest`.
    pub fn of_field(number: u64) -> Kind {
        match number {
            3 => Kind::Range,
            4 => Kind::Put,
            5 => Kind::DeleteRange,
            6 => Kind::Txn,
            7 => Kind::Compaction,
            8 => Kind::LeaseGrant,
            9 | 10_000 => Kind::LeaseRevoke,
            10 => Kind::Alarm,
            11 => Kind::LeaseCheckpoint,
            1_000 => Kind::AuthEnable,
            1_011 => Kind::AuthDisable,
            1_012 => Kind::Authenticate,
            1_013 => Kind::AuthStatus,
            1_100 => Kind::AuthUserAdd,
            1_101 => Kind::AuthUserDelete,
            1_102 => Kind::AuthUserGet,
            1_103 => Kind::AuthUserChangePassword,
            1_104 => Kind::AuthUserGrantRole,
            1_105 => Kind::AuthUserRevokeRole,
            1_106 => Kind::AuthUserList,
            1_107 => Kind::AuthRoleList,
            1_200 => Kind::AuthRoleAdd,
            1_201 => Kind::AuthRoleDelete,
            1_202 => Kind::AuthRoleGet,
            1_203 => Kind::AuthRoleGrantPermission,
            1_204 => Kind::AuthRoleRevokePermission,
            1_300 => Kind::ClusterVersionSet,
            1_301 => Kind::ClusterMemberAttrSet,
            1_302 => Kind::DowngradeInfoSet,
            _ => Kind::Unknown,
        }
    }

    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Kind::Put => "Put",
            Kind::DeleteRange => "DeleteRange",
            Kind::Txn => "Txn",
            Kind::Range => "Range",
            Kind::Compaction => "Compaction",
            Kind::LeaseGrant => "LeaseGrant",
            Kind::LeaseRevoke => "LeaseRevoke",
            Kind::LeaseCheckpoint => "LeaseCheckpoint",
            Kind::Alarm => "Alarm",
            Kind::ClusterVersionSet => "ClusterVersionSet",
            Kind::ClusterMemberAttrSet => "ClusterMemberAttrSet",
            Kind::DowngradeInfoSet => "DowngradeInfoSet",
            Kind::Authenticate => "Authenticate",
            Kind::AuthEnable => "AuthEnable",
            Kind::AuthDisable => "AuthDisable",
            Kind::AuthStatus => "AuthStatus",
            Kind::AuthUserAdd => "AuthUserAdd",
            Kind::AuthUserDelete => "AuthUserDelete",
            Kind::AuthUserGet => "AuthUserGet",
            Kind::AuthUserChangePassword => "AuthUserChangePassword",
            Kind::AuthUserGrantRole => "AuthUserGrantRole",
            Kind::AuthUserRevokeRole => "AuthUserRevokeRole",
            Kind::AuthUserList => "AuthUserList",
            Kind::AuthRoleList => "AuthRoleList",
            Kind::AuthRoleAdd => "AuthRoleAdd",
            Kind::AuthRoleDelete => "AuthRoleDelete",
            Kind::AuthRoleGet => "AuthRoleGet",
            Kind::AuthRoleGrantPermission => "AuthRoleGrantPermission",
            Kind::AuthRoleRevokePermission => "AuthRoleRevokePermission",
            Kind::Unknown => "unknown",
        }
    }
}
