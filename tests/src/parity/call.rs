//! Calls of the services beside KV: users and roles, leases, locks, elections, alarms.
//!
//! Ids that each server picks itself, and revisions that only an earlier answer tells, are numbers
//! near marks: see [`names`](super::names) and [`waiting`](super::waiting).

use etcd_proto::etcdserverpb as pb;
use etcd_proto::{v3electionpb, v3lockpb};

/// A call with its message.
#[derive(Debug, Clone, PartialEq)]
#[expect(missing_docs, reason = "each is named like its RPC")]
pub enum Call {
    LeaseGrant(pb::LeaseGrantRequest),
    LeaseRevoke(pb::LeaseRevokeRequest),
    /// One message on a stream of its own.
    LeaseKeepAlive(pb::LeaseKeepAliveRequest),
    LeaseTimeToLive(pb::LeaseTimeToLiveRequest),
    LeaseLeases,
    AuthEnable,
    AuthDisable,
    AuthStatus,
    /// The token is remembered in a place, if there is one.
    Authenticate(usize, pb::AuthenticateRequest),
    UserAdd(pb::AuthUserAddRequest),
    UserGet(pb::AuthUserGetRequest),
    UserList,
    UserDelete(pb::AuthUserDeleteRequest),
    UserChangePassword(pb::AuthUserChangePasswordRequest),
    UserGrantRole(pb::AuthUserGrantRoleRequest),
    UserRevokeRole(pb::AuthUserRevokeRoleRequest),
    RoleAdd(pb::AuthRoleAddRequest),
    RoleGet(pb::AuthRoleGetRequest),
    RoleList,
    RoleDelete(pb::AuthRoleDeleteRequest),
    RoleGrantPermission(pb::AuthRoleGrantPermissionRequest),
    RoleRevokePermission(pb::AuthRoleRevokePermissionRequest),
    /// It may wait for others.
    Lock(v3lockpb::LockRequest),
    Unlock(v3lockpb::UnlockRequest),
    /// It may wait for others.
    Campaign(v3electionpb::CampaignRequest),
    Proclaim(v3electionpb::ProclaimRequest),
    Leader(v3electionpb::LeaderRequest),
    Resign(v3electionpb::ResignRequest),
    Alarm(pb::AlarmRequest),
    /// Of its answer only the alarms are compared.
    Status,
    /// Of its answer only that there is one is compared.
    MemberList,
}

impl Call {
    /// Its name in counts and scripts.
    pub fn kind(&self) -> &'static str {
        match self {
            Call::LeaseGrant(_) => "lease_grant",
            Call::LeaseRevoke(_) => "lease_revoke",
            Call::LeaseKeepAlive(_) => "lease_keep_alive",
            Call::LeaseTimeToLive(_) => "lease_time_to_live",
            Call::LeaseLeases => "leases",
            Call::AuthEnable => "auth_enable",
            Call::AuthDisable => "auth_disable",
            Call::AuthStatus => "auth_status",
            Call::Authenticate(..) => "authenticate",
            Call::UserAdd(_) => "user_add",
            Call::UserGet(_) => "user_get",
            Call::UserList => "user_list",
            Call::UserDelete(_) => "user_delete",
            Call::UserChangePassword(_) => "user_change_password",
            Call::UserGrantRole(_) => "user_grant_role",
            Call::UserRevokeRole(_) => "user_revoke_role",
            Call::RoleAdd(_) => "role_add",
            Call::RoleGet(_) => "role_get",
            Call::RoleList => "role_list",
            Call::RoleDelete(_) => "role_delete",
            Call::RoleGrantPermission(_) => "role_grant_permission",
            Call::RoleRevokePermission(_) => "role_revoke_permission",
            Call::Lock(_) => "lock",
            Call::Unlock(_) => "unlock",
            Call::Campaign(_) => "campaign",
            Call::Proclaim(_) => "proclaim",
            Call::Leader(_) => "leader",
            Call::Resign(_) => "resign",
            Call::Alarm(_) => "alarm",
            Call::Status => "status",
            Call::MemberList => "member_list",
        }
    }

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
        !self.is_local() && !matches!(self, Call::AuthStatus | Call::Leader(_))
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
