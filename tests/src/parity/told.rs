//! Answers of the services beside KV.

use super::answer::{Refusal, anonymise};
use super::call::Call;
use super::caller::by;
use etcd_proto::etcdserverpb as pb;
use etcd_proto::v3electionpb::{self as election, election_client::ElectionClient};
use etcd_proto::v3lockpb::{self as lock, lock_client::LockClient};
use pb::auth_client::AuthClient;
use pb::cluster_client::ClusterClient;
use pb::lease_client::LeaseClient;
use pb::maintenance_client::MaintenanceClient;
use std::fmt::Debug;
use tonic::transport::Channel;
use tonic::{Code, Status};

/// What there is to tell, each with a header.
macro_rules! told {
    ($($name:ident($response:ty),)*) => {
        /// What a server told; each is named like the RPC that it answers.
        #[derive(Debug, Clone, PartialEq)]
        #[expect(missing_docs, reason = "each is named like the RPC that it answers")]
        pub enum Told {
            $($name($response),)*
            /// One that says nothing that servers pick themselves: its header, and what else it has.
            Plain(Option<pb::ResponseHeader>, String),
        }

        impl Told {
            pub(crate) fn header(&self) -> Option<&pb::ResponseHeader> {
                match self {
                    $(Told::$name(response) => response.header.as_ref(),)*
                    Told::Plain(header, _) => header.as_ref(),
                }
            }

            pub(crate) fn header_mut(&mut self) -> Option<&mut pb::ResponseHeader> {
                match self {
                    $(Told::$name(response) => response.header.as_mut(),)*
                    Told::Plain(header, _) => header.as_mut(),
                }
            }
        }
    };
}

told! {
    LeaseGrant(pb::LeaseGrantResponse),
    LeaseKeepAlive(pb::LeaseKeepAliveResponse),
    LeaseTimeToLive(pb::LeaseTimeToLiveResponse),
    LeaseLeases(pb::LeaseLeasesResponse),
    Authenticate(pb::AuthenticateResponse),
    Lock(lock::LockResponse),
    Campaign(election::CampaignResponse),
    Leader(election::LeaderResponse),
    Alarm(pb::AlarmResponse),
    RoleGet(pb::AuthRoleGetResponse),
    Status(pb::StatusResponse),
}

/// A call of a method, with a token.
macro_rules! ask {
    ($client:ident.$method:ident($message:expr), $channel:ident, $token:ident) => {
        $client::new($channel.clone()).$method(by($token, $message)).await?.into_inner()
    };
}

/// The same, whose answer has nothing that servers pick themselves.
macro_rules! plain {
    ($($ask:tt)*) => {{
        let mut response = ask!($($ask)*);
        let header = response.header.take();
        Ok(plainly(header, &response))
    }};
}

/// Calls a server.
pub(crate) async fn tell(
    call: &Call,
    channel: &Channel,
    token: Option<&str>,
) -> Result<Told, Refusal> {
    let called = match call {
        Call::LeaseGrant(_)
        | Call::LeaseRevoke(_)
        | Call::LeaseKeepAlive(_)
        | Call::LeaseTimeToLive(_)
        | Call::LeaseLeases => leases(call, channel, token).await,
        Call::Lock(_)
        | Call::Unlock(_)
        | Call::Campaign(_)
        | Call::Proclaim(_)
        | Call::Leader(_)
        | Call::Observe(_)
        | Call::Resign(_) => recipes(call, channel, token).await,
        Call::Alarm(_) | Call::Status | Call::MemberList => members(call, channel, token).await,
        Call::RoleAdd(_)
        | Call::RoleGet(_)
        | Call::RoleList
        | Call::RoleDelete(_)
        | Call::RoleGrantPermission(_)
        | Call::RoleRevokePermission(_) => roles(call, channel, token).await,
        _ => users(call, channel, token).await,
    };
    let mut told = called?;
    told.header_mut().map(anonymise);
    Ok(told)
}

fn plainly(header: Option<pb::ResponseHeader>, response: &impl Debug) -> Told {
    Told::Plain(header, format!("{response:?}"))
}

fn unanswered() -> Status {
    Status::new(Code::Ok, "(the stream ended without an answer)")
}

async fn leases(call: &Call, channel: &Channel, token: Option<&str>) -> Result<Told, Status> {
    match call.clone() {
        Call::LeaseGrant(request) => {
            Ok(Told::LeaseGrant(ask!(LeaseClient.lease_grant(request), channel, token)))
        }
        Call::LeaseRevoke(request) => plain!(LeaseClient.lease_revoke(request), channel, token),
        Call::LeaseKeepAlive(request) => {
            let requests = tokio_stream::once(request);
            let mut stream = ask!(LeaseClient.lease_keep_alive(requests), channel, token);
            Ok(Told::LeaseKeepAlive(stream.message().await?.ok_or_else(unanswered)?))
        }
        Call::LeaseTimeToLive(request) => {
            let response = ask!(LeaseClient.lease_time_to_live(request), channel, token);
            Ok(Told::LeaseTimeToLive(response))
        }
        Call::LeaseLeases => {
            let request = pb::LeaseLeasesRequest {};
            Ok(Told::LeaseLeases(ask!(LeaseClient.lease_leases(request), channel, token)))
        }
        _ => unreachable!("only what has to do with leases comes here"),
    }
}

async fn users(call: &Call, channel: &Channel, token: Option<&str>) -> Result<Told, Status> {
    match call.clone() {
        Call::AuthEnable => {
            plain!(AuthClient.auth_enable(pb::AuthEnableRequest {}), channel, token)
        }
        Call::AuthDisable => {
            plain!(AuthClient.auth_disable(pb::AuthDisableRequest {}), channel, token)
        }
        Call::AuthStatus => {
            plain!(AuthClient.auth_status(pb::AuthStatusRequest {}), channel, token)
        }
        Call::Authenticate(_, request) => {
            Ok(Told::Authenticate(ask!(AuthClient.authenticate(request), channel, token)))
        }
        Call::UserAdd(request) => plain!(AuthClient.user_add(request), channel, token),
        Call::UserGet(request) => plain!(AuthClient.user_get(request), channel, token),
        Call::UserList => {
            plain!(AuthClient.user_list(pb::AuthUserListRequest {}), channel, token)
        }
        Call::UserDelete(request) => plain!(AuthClient.user_delete(request), channel, token),
        Call::UserChangePassword(request) => {
            plain!(AuthClient.user_change_password(request), channel, token)
        }
        Call::UserGrantRole(request) => {
            plain!(AuthClient.user_grant_role(request), channel, token)
        }
        Call::UserRevokeRole(request) => {
            plain!(AuthClient.user_revoke_role(request), channel, token)
        }
        _ => unreachable!("only what has to do with users comes here"),
    }
}

async fn roles(call: &Call, channel: &Channel, token: Option<&str>) -> Result<Told, Status> {
    match call.clone() {
        Call::RoleAdd(request) => plain!(AuthClient.role_add(request), channel, token),
        Call::RoleGet(request) => {
            Ok(Told::RoleGet(ask!(AuthClient.role_get(request), channel, token)))
        }
        Call::RoleList => {
            plain!(AuthClient.role_list(pb::AuthRoleListRequest {}), channel, token)
        }
        Call::RoleDelete(request) => plain!(AuthClient.role_delete(request), channel, token),
        Call::RoleGrantPermission(request) => {
            plain!(AuthClient.role_grant_permission(request), channel, token)
        }
        Call::RoleRevokePermission(request) => {
            plain!(AuthClient.role_revoke_permission(request), channel, token)
        }
        _ => unreachable!("only what has to do with roles comes here"),
    }
}

async fn recipes(call: &Call, channel: &Channel, token: Option<&str>) -> Result<Told, Status> {
    match call.clone() {
        Call::Lock(request) => Ok(Told::Lock(ask!(LockClient.lock(request), channel, token))),
        Call::Unlock(request) => plain!(LockClient.unlock(request), channel, token),
        Call::Campaign(request) => {
            Ok(Told::Campaign(ask!(ElectionClient.campaign(request), channel, token)))
        }
        Call::Proclaim(request) => plain!(ElectionClient.proclaim(request), channel, token),
        Call::Leader(request) => {
            Ok(Told::Leader(ask!(ElectionClient.leader(request), channel, token)))
        }
        Call::Observe(request) => {
            let mut stream = ask!(ElectionClient.observe(request), channel, token);
            Ok(Told::Leader(stream.message().await?.ok_or_else(unanswered)?))
        }
        Call::Resign(request) => plain!(ElectionClient.resign(request), channel, token),
        _ => unreachable!("only what has to do with locks and elections comes here"),
    }
}

async fn members(call: &Call, channel: &Channel, token: Option<&str>) -> Result<Told, Status> {
    match call.clone() {
        Call::Alarm(request) => {
            Ok(Told::Alarm(ask!(MaintenanceClient.alarm(request), channel, token)))
        }
        Call::Status => {
            let response = ask!(MaintenanceClient.status(pb::StatusRequest {}), channel, token);
            // What else it has are measures and places in the log.
            let pb::StatusResponse { header, errors, is_learner, .. } = response;
            let status = pb::StatusResponse { header, errors, is_learner, ..Default::default() };
            Ok(Told::Status(status))
        }
        Call::MemberList => {
            let request = pb::MemberListRequest { linearizable: false };
            ask!(ClusterClient.member_list(request), channel, token);
            Ok(Told::Plain(None, String::new()))
        }
        _ => unreachable!("only what has to do with members comes here"),
    }
}
