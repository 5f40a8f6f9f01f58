//! Calls of the services beside KV: users and roles, leases, locks, elections, alarms.
//!
//! Ids that each server picks itself, and revisions that only an earlier answer tells, are numbers
//! near marks: see [`names`](super::names) and [`waiting`](super::waiting).

use etcd_proto::etcdserverpb as pb;
use etcd_proto::{v3electionpb, v3lockpb};

/// The calls, each with its name in counts and scripts.
macro_rules! calls {
    ($($(#[$doc:meta])* $name:ident $(($($message:ty),+))? = $kind:literal,)*) => {
        /// A call with its message.
        #[derive(Debug, Clone, PartialEq)]
        #[expect(missing_docs, reason = "each is named like its RPC")]
        pub enum Call {
            $($(#[$doc])* $name $(($($message),+))?,)*
        }

        impl Call {
            /// Its name in counts and scripts.
            pub fn kind(&self) -> &'static str {
                match self {
                    $(Call::$name { .. } => $kind,)*
                }
            }
        }
    };
}

calls! {
    LeaseGrant(pb::LeaseGrantRequest) = "lease_grant",
    LeaseRevoke(pb::LeaseRevokeRequest) = "lease_revoke",
    /// One message on a stream of its own.
    LeaseKeepAlive(pb::LeaseKeepAliveRequest) = "lease_keep_alive",
    LeaseTimeToLive(pb::LeaseTimeToLiveRequest) = "lease_time_to_live",
    LeaseLeases = "leases",
    AuthEnable = "auth_enable",
    AuthDisable = "auth_disable",
    AuthStatus = "auth_status",
    /// The token is remembered in a place, if there is one.
    Authenticate(usize, pb::AuthenticateRequest) = "authenticate",
    UserAdd(pb::AuthUserAddRequest) = "user_add",
    UserGet(pb::AuthUserGetRequest) = "user_get",
    UserList = "user_list",
    UserDelete(pb::AuthUserDeleteRequest) = "user_delete",
    UserChangePassword(pb::AuthUserChangePasswordRequest) = "user_change_password",
    UserGrantRole(pb::AuthUserGrantRoleRequest) = "user_grant_role",
    UserRevokeRole(pb::AuthUserRevokeRoleRequest) = "user_revoke_role",
    RoleAdd(pb::AuthRoleAddRequest) = "role_add",
    RoleGet(pb::AuthRoleGetRequest) = "role_get",
    RoleList = "role_list",
    RoleDelete(pb::AuthRoleDeleteRequest) = "role_delete",
    RoleGrantPermission(pb::AuthRoleGrantPermissionRequest) = "role_grant_permission",
    RoleRevokePermission(pb::AuthRoleRevokePermissionRequest) = "role_revoke_permission",
    /// It may wait for others.
    Lock(v3lockpb::LockRequest) = "lock",
    Unlock(v3lockpb::UnlockRequest) = "unlock",
    /// It may wait for others.
    Campaign(v3electionpb::CampaignRequest) = "campaign",
    Proclaim(v3electionpb::ProclaimRequest) = "proclaim",
    Leader(v3electionpb::LeaderRequest) = "leader",
    /// Of its answers the first is compared.
    Observe(v3electionpb::LeaderRequest) = "observe",
    Resign(v3electionpb::ResignRequest) = "resign",
    Alarm(pb::AlarmRequest) = "alarm",
    /// Of its answer only the alarms are compared.
    Status = "status",
    /// Of its answer only that there is one is compared.
    MemberList = "member_list",
}

impl Call {
    /// Whether the answer comes from what the member itself, or the leader, has at the moment.
    pub(crate) fn is_local(&self) -> bool {
        matches!(
            self,
            Call::LeaseKeepAlive(_)
                | Call::LeaseTimeToLive(_)
                | Call::LeaseLeases
                | Call::Status
                | Call::MemberList
        )
    }

    /// Whether it asks the leader, whoever that is.
    pub(crate) fn asks_leader(&self) -> bool {
        matches!(self, Call::LeaseKeepAlive(_) | Call::LeaseTimeToLive(_))
    }

    /// Whether it may change what members have.
    pub(crate) fn is_write(&self) -> bool {
        !self.is_local() && !matches!(self, Call::AuthStatus | Call::Leader(_) | Call::Observe(_))
    }

    /// Whether it changes users, roles or the rule of them, when it is answered.
    pub(crate) fn changes_rights(&self) -> bool {
        matches!(
            self,
            Call::AuthEnable
                | Call::AuthDisable
                | Call::UserAdd(_)
                | Call::UserDelete(_)
                | Call::UserChangePassword(_)
                | Call::UserGrantRole(_)
                | Call::UserRevokeRole(_)
                | Call::RoleAdd(_)
                | Call::RoleDelete(_)
                | Call::RoleGrantPermission(_)
                | Call::RoleRevokePermission(_)
        )
    }
}
