//! The service Auth: users, roles, permissions, and tokens for passwords.

use std::sync::Arc;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use etcd_apply::{Answer, AuthAnswer};
use etcd_proto::etcdserverpb::auth_server::Auth;
use etcd_proto::etcdserverpb::*;
use tonic::{Request, Response, Status};

use crate::caller::Caller;
use crate::deadline::Deadline;
use crate::encoded_command::EncodedCommand;
use crate::kv::unexpected;
use crate::{Api, Error};

/// Answers for users and roles. Every request goes through the log, questions too: the answer is as
/// new as one can be, and who may ask is decided where it is answered.
pub(crate) struct AuthService {
    api: Arc<Api>,
}

impl AuthService {
    pub(crate) fn new(api: Arc<Api>) -> AuthService {
        AuthService { api }
    }

    async fn ask(
        &self,
        caller: &Caller,
        command: InternalRaftRequest,
    ) -> Result<(AuthAnswer, Option<ResponseHeader>), Status> {
        let deadline = Deadline::of(caller.metadata(), self.api.limits.request_timeout);
        let command = EncodedCommand::of(&command);
        match self.api.propose_for(caller, command, deadline).await? {
            Answer::Auth(answer, revision) => Ok((answer, Some(self.api.header(revision)))),
            _ => Err(unexpected()),
        }
    }

    /// Makes a change, which has nothing to tell but the header of its response.
    async fn change<T>(
        &self,
        request: Request<T>,
        command: impl FnOnce(T) -> InternalRaftRequest,
    ) -> Result<Option<ResponseHeader>, Status> {
        let (caller, message) = Caller::split(request);
        match self.ask(&caller, command(message)).await? {
            (AuthAnswer::Changed, header) => Ok(header),
            _ => Err(unexpected()),
        }
    }

    /// The same for what is answered with names.
    async fn names<T>(
        &self,
        request: Request<T>,
        command: impl FnOnce(T) -> InternalRaftRequest,
    ) -> Result<(Vec<String>, Option<ResponseHeader>), Status> {
        let (caller, message) = Caller::split(request);
        match self.ask(&caller, command(message)).await? {
            (AuthAnswer::Names(names), header) => Ok((names, header)),
            _ => Err(unexpected()),
        }
    }

    /// A password's hash as a command carries it.
    async fn hash(&self, password: String) -> Result<String, Error> {
        Ok(BASE64_STANDARD.encode(self.api.authentication.hash(password).await?))
    }
}

/// A command that is this one request.
macro_rules! command {
    ($field:ident) => {
        |message| InternalRaftRequest { $field: Some(message), ..Default::default() }
    };
}

#[tonic::async_trait]
impl Auth for AuthService {
    async fn auth_enable(
        &self,
        request: Request<AuthEnableRequest>,
    ) -> Result<Response<AuthEnableResponse>, Status> {
        let header = self.change(request, command!(auth_enable)).await?;
        Ok(Response::new(AuthEnableResponse { header }))
    }

    async fn auth_disable(
        &self,
        request: Request<AuthDisableRequest>,
    ) -> Result<Response<AuthDisableResponse>, Status> {
        let header = self.change(request, command!(auth_disable)).await?;
        Ok(Response::new(AuthDisableResponse { header }))
    }

    async fn auth_status(
        &self,
        request: Request<AuthStatusRequest>,
    ) -> Result<Response<AuthStatusResponse>, Status> {
        let (caller, message) = Caller::split(request);
        let command = command!(auth_status)(message);
        let (AuthAnswer::Status { enabled, revision }, header) = self.ask(&caller, command).await?
        else {
            return Err(unexpected());
        };
        Ok(Response::new(AuthStatusResponse { header, enabled, auth_revision: revision }))
    }

    async fn authenticate(
        &self,
        request: Request<AuthenticateRequest>,
    ) -> Result<Response<AuthenticateResponse>, Status> {
        let (caller, message) = Caller::split(request);
        Ok(Response::new(self.api.authenticate(&caller, message).await?))
    }

    async fn user_add(
        &self,
        mut request: Request<AuthUserAddRequest>,
    ) -> Result<Response<AuthUserAddResponse>, Status> {
        let message = request.get_mut();
        let password = std::mem::take(&mut message.password);
        if !message.options.is_some_and(|options| options.no_password) {
            message.hashed_password = self.hash(password).await?;
        }
        let header = self.change(request, command!(auth_user_add)).await?;
        Ok(Response::new(AuthUserAddResponse { header }))
    }

    async fn user_get(
        &self,
        request: Request<AuthUserGetRequest>,
    ) -> Result<Response<AuthUserGetResponse>, Status> {
        let (roles, header) = self.names(request, command!(auth_user_get)).await?;
        Ok(Response::new(AuthUserGetResponse { header, roles }))
    }

    async fn user_list(
        &self,
        request: Request<AuthUserListRequest>,
    ) -> Result<Response<AuthUserListResponse>, Status> {
        let (users, header) = self.names(request, command!(auth_user_list)).await?;
        Ok(Response::new(AuthUserListResponse { header, users }))
    }

    async fn user_delete(
        &self,
        request: Request<AuthUserDeleteRequest>,
    ) -> Result<Response<AuthUserDeleteResponse>, Status> {
        let header = self.change(request, command!(auth_user_delete)).await?;
        Ok(Response::new(AuthUserDeleteResponse { header }))
    }

    /// Without a password the hash stays as the request has it, as in etcd: without one, too, no
    /// password is good any more.
    async fn user_change_password(
        &self,
        mut request: Request<AuthUserChangePasswordRequest>,
    ) -> Result<Response<AuthUserChangePasswordResponse>, Status> {
        let message = request.get_mut();
        let password = std::mem::take(&mut message.password);
        if !password.is_empty() {
            message.hashed_password = self.hash(password).await?;
        }
        let header = self.change(request, command!(auth_user_change_password)).await?;
        Ok(Response::new(AuthUserChangePasswordResponse { header }))
    }

    async fn user_grant_role(
        &self,
        request: Request<AuthUserGrantRoleRequest>,
    ) -> Result<Response<AuthUserGrantRoleResponse>, Status> {
        let header = self.change(request, command!(auth_user_grant_role)).await?;
        Ok(Response::new(AuthUserGrantRoleResponse { header }))
    }

    async fn user_revoke_role(
        &self,
        request: Request<AuthUserRevokeRoleRequest>,
    ) -> Result<Response<AuthUserRevokeRoleResponse>, Status> {
        let header = self.change(request, command!(auth_user_revoke_role)).await?;
        Ok(Response::new(AuthUserRevokeRoleResponse { header }))
    }

    async fn role_add(
        &self,
        request: Request<AuthRoleAddRequest>,
    ) -> Result<Response<AuthRoleAddResponse>, Status> {
        let header = self.change(request, command!(auth_role_add)).await?;
        Ok(Response::new(AuthRoleAddResponse { header }))
    }

    async fn role_get(
        &self,
        request: Request<AuthRoleGetRequest>,
    ) -> Result<Response<AuthRoleGetResponse>, Status> {
        let (caller, message) = Caller::split(request);
        let command = command!(auth_role_get)(message);
        let (AuthAnswer::Permissions(perm), header) = self.ask(&caller, command).await? else {
            return Err(unexpected());
        };
        Ok(Response::new(AuthRoleGetResponse { header, perm }))
    }

    async fn role_list(
        &self,
        request: Request<AuthRoleListRequest>,
    ) -> Result<Response<AuthRoleListResponse>, Status> {
        let (roles, header) = self.names(request, command!(auth_role_list)).await?;
        Ok(Response::new(AuthRoleListResponse { header, roles }))
    }

    async fn role_delete(
        &self,
        request: Request<AuthRoleDeleteRequest>,
    ) -> Result<Response<AuthRoleDeleteResponse>, Status> {
        let header = self.change(request, command!(auth_role_delete)).await?;
        Ok(Response::new(AuthRoleDeleteResponse { header }))
    }

    async fn role_grant_permission(
        &self,
        request: Request<AuthRoleGrantPermissionRequest>,
    ) -> Result<Response<AuthRoleGrantPermissionResponse>, Status> {
        let header = self.change(request, command!(auth_role_grant_permission)).await?;
        Ok(Response::new(AuthRoleGrantPermissionResponse { header }))
    }

    async fn role_revoke_permission(
        &self,
        request: Request<AuthRoleRevokePermissionRequest>,
    ) -> Result<Response<AuthRoleRevokePermissionResponse>, Status> {
        let header = self.change(request, command!(auth_role_revoke_permission)).await?;
        Ok(Response::new(AuthRoleRevokePermissionResponse { header }))
    }
}
