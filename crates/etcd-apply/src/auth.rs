//! Commands on users, roles and tokens.

use std::sync::Arc;

use etcd_auth::{Identity, SimpleTokens, Store, Token};
use etcd_proto::authpb::Permission;
use etcd_proto::etcdserverpb::{
    AuthRoleAddRequest, AuthRoleDeleteRequest, AuthRoleGetRequest, AuthRoleGrantPermissionRequest,
    AuthRoleRevokePermissionRequest, AuthUserAddRequest, AuthUserChangePasswordRequest,
    AuthUserDeleteRequest, AuthUserGetRequest, AuthUserGrantRoleRequest, AuthUserRevokeRoleRequest,
    InternalAuthenticateRequest, InternalRaftRequest,
};
use etcd_storage::Batch;

use crate::{Kind, Refusal};

/// A command on the store of users and roles. Questions are commands too, as in etcd: their answer
/// is as new as a change's.
#[derive(Debug)]
pub(crate) enum AuthCommand {
    Enable,
    Disable,
    Status,
    Authenticate(InternalAuthenticateRequest),
    UserAdd(AuthUserAddRequest),
    UserDelete(AuthUserDeleteRequest),
    UserGet(AuthUserGetRequest),
    UserChangePassword(AuthUserChangePasswordRequest),
    UserGrantRole(AuthUserGrantRoleRequest),
    UserRevokeRole(AuthUserRevokeRoleRequest),
    UserList,
    RoleList,
    RoleAdd(AuthRoleAddRequest),
    RoleDelete(AuthRoleDeleteRequest),
    RoleGet(AuthRoleGetRequest),
    RoleGrantPermission(AuthRoleGrantPermissionRequest),
    RoleRevokePermission(AuthRoleRevokePermissionRequest),
}

/// What a command on users and roles is answered with, beside the header.
#[derive(Debug, Clone, PartialEq)]
pub enum AuthAnswer {
    /// The change is made.
    Changed,
    /// Whether authentication is on, and the store's revision.
    Status {
        /// Whether it is on.
        enabled: bool,
        /// How often the store has changed.
        revision: u64,
    },
    /// A user has authenticated.
    Authenticated {
        /// The simple token, if one was asked for.
        token: Option<Token>,
        /// Whom the token is to prove, and at which revision of the store.
        identity: Identity,
    },
    /// The names of users, or of roles, sorted.
    Names(Vec<String>),
    /// The permissions of a role, by key.
    Permissions(Vec<Permission>),
}

impl AuthCommand {
    /// The request of this kind that a command holds, if it holds one.
    pub(crate) fn take(request: &mut InternalRaftRequest) -> Option<AuthCommand> {
        use AuthCommand as C;
        let user = request
            .auth_user_add
            .take()
            .map(C::UserAdd)
            .or_else(|| request.auth_user_delete.take().map(C::UserDelete))
            .or_else(|| request.auth_user_get.take().map(C::UserGet))
            .or_else(|| request.auth_user_change_password.take().map(C::UserChangePassword))
            .or_else(|| request.auth_user_grant_role.take().map(C::UserGrantRole))
            .or_else(|| request.auth_user_revoke_role.take().map(C::UserRevokeRole))
            .or_else(|| request.auth_user_list.take().map(|_| C::UserList));
        let role = || {
            request
                .auth_role_list
                .take()
                .map(|_| C::RoleList)
                .or_else(|| request.auth_role_add.take().map(C::RoleAdd))
                .or_else(|| request.auth_role_delete.take().map(C::RoleDelete))
                .or_else(|| request.auth_role_get.take().map(C::RoleGet))
                .or_else(|| request.auth_role_grant_permission.take().map(C::RoleGrantPermission))
                .or_else(|| request.auth_role_revoke_permission.take().map(C::RoleRevokePermission))
        };
        user.or_else(role)
            .or_else(|| request.authenticate.take().map(C::Authenticate))
            .or_else(|| request.auth_enable.take().map(|_| C::Enable))
            .or_else(|| request.auth_disable.take().map(|_| C::Disable))
            .or_else(|| request.auth_status.take().map(|_| C::Status))
    }

    /// Its kind.
    pub(crate) fn kind(&self) -> Kind {
        match self {
            AuthCommand::Enable => Kind::AuthEnable,
            AuthCommand::Disable => Kind::AuthDisable,
            AuthCommand::Status => Kind::AuthStatus,
            AuthCommand::Authenticate(_) => Kind::Authenticate,
            AuthCommand::UserAdd(_) => Kind::AuthUserAdd,
            AuthCommand::UserDelete(_) => Kind::AuthUserDelete,
            AuthCommand::UserGet(_) => Kind::AuthUserGet,
            AuthCommand::UserChangePassword(_) => Kind::AuthUserChangePassword,
            AuthCommand::UserGrantRole(_) => Kind::AuthUserGrantRole,
            AuthCommand::UserRevokeRole(_) => Kind::AuthUserRevokeRole,
            AuthCommand::UserList => Kind::AuthUserList,
            AuthCommand::RoleList => Kind::AuthRoleList,
            AuthCommand::RoleAdd(_) => Kind::AuthRoleAdd,
            AuthCommand::RoleDelete(_) => Kind::AuthRoleDelete,
            AuthCommand::RoleGet(_) => Kind::AuthRoleGet,
            AuthCommand::RoleGrantPermission(_) => Kind::AuthRoleGrantPermission,
            AuthCommand::RoleRevokePermission(_) => Kind::AuthRoleRevokePermission,
        }
    }

    /// Whether the caller may give this command (the rules of etcd 3.7.1).
    pub(crate) fn check(&self, store: &Store, caller: &Identity) -> Result<(), etcd_auth::Refusal> {
        match self {
            AuthCommand::Status | AuthCommand::Authenticate(_) => Ok(()),
            AuthCommand::UserGet(request) => store.check_get_user(caller, &request.name),
            AuthCommand::RoleGet(request) => store.check_get_role(caller, &request.role),
            _ => store.check_admin(caller),
        }
    }

    /// Executes the command, which stands at `index` of the log.
    pub(crate) fn execute(
        &self,
        store: &mut Arc<Store>,
        tokens: &SimpleTokens,
        index: u64,
        batch: &mut Batch,
    ) -> Result<AuthAnswer, Refusal> {
        match self {
            AuthCommand::Status => {
                Ok(AuthAnswer::Status { enabled: store.is_enabled(), revision: store.revision() })
            }
            AuthCommand::Authenticate(request) => authenticate(store, tokens, request, index),
            AuthCommand::UserGet(request) => Ok(AuthAnswer::Names(store.roles_of(&request.name)?)),
            AuthCommand::UserList => Ok(AuthAnswer::Names(store.user_names())),
            AuthCommand::RoleList => Ok(AuthAnswer::Names(store.role_names())),
            AuthCommand::RoleGet(request) => {
                Ok(AuthAnswer::Permissions(store.permissions_of(&request.role)?))
            }
            _ => {
                self.change(Arc::make_mut(store), batch)?;
                self.forget(store, tokens);
                Ok(AuthAnswer::Changed)
            }
        }
    }

    fn change(&self, store: &mut Store, batch: &mut Batch) -> Result<(), etcd_auth::Refusal> {
        match self {
            AuthCommand::Enable => store.enable(batch),
            AuthCommand::Disable => {
                store.disable(batch);
                Ok(())
            }
            AuthCommand::UserAdd(request) => store.add_user(request, batch),
            AuthCommand::UserDelete(request) => store.delete_user(&request.name, batch),
            AuthCommand::UserChangePassword(request) => store.change_password(request, batch),
            AuthCommand::UserGrantRole(request) => store.grant_role(request, batch),
            AuthCommand::UserRevokeRole(request) => store.revoke_role(request, batch),
            AuthCommand::RoleAdd(request) => store.add_role(&request.name, batch),
            AuthCommand::RoleDelete(request) => store.delete_role(&request.role, batch),
            AuthCommand::RoleGrantPermission(request) => store.grant_permission(request, batch),
            AuthCommand::RoleRevokePermission(request) => store.revoke_permission(request, batch),
            AuthCommand::Status
            | AuthCommand::Authenticate(_)
            | AuthCommand::UserGet(_)
            | AuthCommand::UserList
            | AuthCommand::RoleList
            | AuthCommand::RoleGet(_) => Ok(()),
        }
    }

    /// Forgets tokens that are good no more after the change.
    fn forget(&self, store: &Store, tokens: &SimpleTokens) {
        match self {
            AuthCommand::UserDelete(request) => tokens.forget_user(&request.name),
            AuthCommand::UserChangePassword(request) => tokens.forget_user(&request.name),
            _ if !store.is_enabled() => tokens.clear(),
            _ => {}
        }
    }
}

/// The password was looked at before, by the member that proposed the command: what could have
/// changed meanwhile it finds by the store's revision.
fn authenticate(
    store: &Store,
    tokens: &SimpleTokens,
    request: &InternalAuthenticateRequest,
    index: u64,
) -> Result<AuthAnswer, Refusal> {
    store.check_login(&request.name)?;
    let prefix = &request.simple_token;
    let token = match prefix.is_empty() {
        true => None,
        false => Some(Token(tokens.assign(&request.name, prefix, index))),
    };
    let identity = Identity { user: request.name.clone(), revision: store.revision() };
    Ok(AuthAnswer::Authenticated { token, identity })
}
