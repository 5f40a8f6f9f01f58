//! Every call there is, in the name of one token or of nobody.

use bytes::Bytes;
use etcd_proto::etcdserverpb as pb;
use etcd_proto::{v3electionpb, v3lockpb};
use pb::auth_client::AuthClient;
use pb::cluster_client::ClusterClient;
use pb::kv_client::KvClient;
use pb::lease_client::LeaseClient;
use pb::maintenance_client::MaintenanceClient;
use pb::request_op::Request as Operation;
use pb::watch_client::WatchClient;
use pb::watch_request::RequestUnion;
use tonic::transport::Channel;
use tonic::{Code, Request, Response, Status};

/// What became of a call.
pub(crate) type Answer = Result<(), (Code, String)>;

/// Calls that are for everybody.
pub(crate) const OF_ANYBODY: &[&str] = &["AuthStatus", "empty Txn"];
/// Calls that are for every user.
pub(crate) const OF_SOMEBODY: &[&str] = &[
    "AuthStatus",
    "empty Txn",
    "UserGet of oneself",
    "LeaseGrant",
    "LeaseRevoke",
    "LeaseTimeToLive",
    "LeaseLeases",
    "LeaseKeepAlive",
    "MemberList",
    "Status",
    "Alarm get",
];

pub(crate) fn by<T>(token: Option<&str>, message: T) -> Request<T> {
    let mut request = Request::new(message);
    if let Some(token) = token {
        request.metadata_mut().insert("token", token.parse().expect("visible letters"));
    }
    request
}

pub(crate) fn outcome<T>(result: Result<Response<T>, Status>) -> Answer {
    result.map(drop).map_err(|status| (status.code(), status.message().to_owned()))
}

/// The first message of a stream, or why there is none.
async fn first<T>(result: Result<Response<tonic::Streaming<T>>, Status>) -> Result<T, Status> {
    let message = result?.into_inner().message().await?;
    message.ok_or_else(|| Status::unknown("the stream ended"))
}

/// A txn for each place of a txn in which an operation can stand.
pub(crate) fn hidden_in_txns(operation: Operation) -> Vec<pb::TxnRequest> {
    let list = |request: Operation| vec![pb::RequestOp { request: Some(request) }];
    let success = |request| pb::TxnRequest { success: list(request), ..Default::default() };
    let failure = |request| pb::TxnRequest { failure: list(request), ..Default::default() };
    let nested = |txn| Operation::RequestTxn(txn);
    vec![
        success(operation.clone()),
        failure(operation.clone()),
        success(nested(failure(operation.clone()))),
        failure(nested(failure(nested(success(operation))))),
    ]
}

/// A client that asks for anything.
pub(crate) struct Calls<'c> {
    channel: &'c Channel,
    token: Option<&'c str>,
}

macro_rules! calls {
    ($self:ident, $client:ident: $($name:literal $method:ident($message:expr)),* $(,)?) => {
        vec![$((
            $name,
            outcome($client::new($self.channel.clone()).$method(by($self.token, $message)).await),
        )),*]
    };
}

impl<'c> Calls<'c> {
    pub(crate) fn new(channel: &'c Channel, token: Option<&'c str>) -> Calls<'c> {
        Calls { channel, token }
    }

    /// Every call, on a key that nobody but root may touch, with the name of each.
    pub(crate) async fn all(&self) -> Vec<(&'static str, Answer)> {
        let mut answers = self.keys().await;
        answers.extend(self.leases().await);
        answers.extend(self.members().await);
        answers.extend(self.users().await);
        answers.extend(self.roles().await);
        answers.extend(self.locks().await);
        answers
    }

    async fn keys(&self) -> Vec<(&'static str, Answer)> {
        let mut answers = self.reads("z", "").await;
        answers.extend(self.writes("z", "").await);
        answers.extend(calls!(self, KvClient:
            "Put" put(pb::PutRequest { key: "z".into(), ..Default::default() }),
            "Compact" compact(pb::CompactionRequest { revision: 2, physical: true }),
            "empty Txn" txn(pb::TxnRequest::default()),
        ));
        answers
    }

    /// A range, in every call that reads one.
    pub(crate) async fn reads(&self, key: &str, end: &str) -> Vec<(&'static str, Answer)> {
        let bytes = |text: &str| Bytes::copy_from_slice(text.as_bytes());
        let (key, range_end) = (bytes(key), bytes(end));
        let range = pb::RangeRequest {
            key: key.clone(),
            range_end: range_end.clone(),
            ..Default::default()
        };
        let local = pb::RangeRequest { serializable: true, ..range.clone() };
        let count = pb::RangeRequest { count_only: true, ..range.clone() };
        let mut answers = calls!(self, KvClient:
            "Range" range(range.clone()), "local Range" range(local.clone()),
            "counting Range" range(count),
        );
        let mut client = KvClient::new(self.channel.clone());
        let stream = client.range_stream(by(self.token, range.clone())).await;
        answers.push(("RangeStream", outcome(first(stream).await.map(Response::new))));
        answers.push(("Watch", self.watch(key.clone(), range_end.clone()).await));
        for operation in [range, local].map(Operation::RequestRange) {
            for txn in hidden_in_txns(operation) {
                answers.push(("reading Txn", self.txn(txn).await));
            }
        }
        let compare = pb::Compare { key, range_end, ..Default::default() };
        let compare = pb::TxnRequest { compare: vec![compare], ..Default::default() };
        answers.push(("comparing Txn", self.txn(compare).await));
        answers
    }

    /// A range, in every call that deletes one.
    pub(crate) async fn writes(&self, key: &str, end: &str) -> Vec<(&'static str, Answer)> {
        let bytes = |text: &str| Bytes::copy_from_slice(text.as_bytes());
        let (key, range_end) = (bytes(key), bytes(end));
        let delete = pb::DeleteRangeRequest { key, range_end, prev_kv: false };
        let mut answers = calls!(self, KvClient: "DeleteRange" delete_range(delete.clone()));
        for txn in hidden_in_txns(Operation::RequestDeleteRange(delete)) {
            answers.push(("deleting Txn", self.txn(txn).await));
        }
        answers
    }

    pub(crate) async fn txn(&self, txn: pb::TxnRequest) -> Answer {
        outcome(KvClient::new(self.channel.clone()).txn(by(self.token, txn)).await)
    }

    /// A refusal comes on the stream, which stays open.
    async fn watch(&self, key: Bytes, range_end: Bytes) -> Answer {
        let create = pb::WatchCreateRequest { key, range_end, ..Default::default() };
        let request = pb::WatchRequest { request_union: Some(RequestUnion::CreateRequest(create)) };
        let request = by(self.token, tokio_stream::once(request));
        let stream = WatchClient::new(self.channel.clone()).watch(request).await;
        match first(stream).await {
            Ok(response) if response.canceled => {
                let reason = response.cancel_reason;
                let (code, text) = reason.split_once(" desc = ").expect("a status");
                match code.ends_with("PermissionDenied") {
                    true => Err((Code::PermissionDenied, text.to_owned())),
                    false => Err((Code::Unknown, text.to_owned())),
                }
            }
            Ok(_) => Ok(()),
            Err(status) => Err((status.code(), status.message().to_owned())),
        }
    }

    async fn leases(&self) -> Vec<(&'static str, Answer)> {
        let mut answers = calls!(self, LeaseClient:
            "LeaseGrant" lease_grant(pb::LeaseGrantRequest { ttl: 1, id: 0 }),
            "LeaseRevoke" lease_revoke(pb::LeaseRevokeRequest { id: 99 }),
            "LeaseTimeToLive" lease_time_to_live(pb::LeaseTimeToLiveRequest { id: 99, keys: true }),
            "LeaseLeases" lease_leases(pb::LeaseLeasesRequest {}),
        );
        answers.push(("LeaseKeepAlive", self.keep_alive(99).await));
        answers
    }

    async fn keep_alive(&self, id: i64) -> Answer {
        let requests = tokio_stream::once(pb::LeaseKeepAliveRequest { id });
        let mut client = LeaseClient::new(self.channel.clone());
        let stream = client.lease_keep_alive(by(self.token, requests)).await;
        outcome(first(stream).await.map(Response::new))
    }

    /// Everything that has to do with a lease of others, and a key of one's own.
    pub(crate) async fn with_lease(
        &self,
        lease: i64,
        key: &'static str,
    ) -> Vec<(&'static str, Answer)> {
        let put = pb::PutRequest { key: key.into(), lease, ..Default::default() };
        let mut answers = calls!(self, KvClient: "Put" put(put.clone()));
        for txn in hidden_in_txns(Operation::RequestPut(put)) {
            answers.push(("putting Txn", self.txn(txn).await));
        }
        answers.extend(calls!(self, LeaseClient:
            "LeaseRevoke" lease_revoke(pb::LeaseRevokeRequest { id: lease }),
            "LeaseTimeToLive" lease_time_to_live(pb::LeaseTimeToLiveRequest { id: lease, keys: true }),
            "LeaseLeases" lease_leases(pb::LeaseLeasesRequest {}),
        ));
        answers.push(("LeaseKeepAlive", self.keep_alive(lease).await));
        answers
    }

    async fn members(&self) -> Vec<(&'static str, Answer)> {
        let peer_urls = vec!["http://127.0.0.1:1".to_owned()];
        let add = pb::MemberAddRequest { peer_urls, is_learner: false };
        let alarm = |action, alarm| pb::AlarmRequest { action, member_id: 1, alarm };
        let mut answers = calls!(self, ClusterClient:
            "MemberList" member_list(pb::MemberListRequest::default()),
            "MemberAdd" member_add(add),
            "MemberRemove" member_remove(pb::MemberRemoveRequest { id: 7 }),
            "MemberUpdate" member_update(pb::MemberUpdateRequest { id: 7, peer_urls: vec![] }),
            "MemberPromote" member_promote(pb::MemberPromoteRequest { id: 7 }),
        );
        answers.extend(calls!(self, MaintenanceClient:
            "Status" status(pb::StatusRequest {}),
            "Alarm get" alarm(alarm(0, 0)),
            "Alarm activate" alarm(alarm(1, 1)),
            "Alarm deactivate" alarm(alarm(2, 1)),
            "Hash" hash(pb::HashRequest {}),
            "HashKV" hash_kv(pb::HashKvRequest { revision: 0 }),
            "Defragment" defragment(pb::DefragmentRequest {}),
            "MoveLeader" move_leader(pb::MoveLeaderRequest { target_id: 7 }),
            "Downgrade" downgrade(pb::DowngradeRequest { action: 0, version: "3.6".to_owned() }),
        ));
        let mut client = MaintenanceClient::new(self.channel.clone());
        let stream = client.snapshot(by(self.token, pb::SnapshotRequest {})).await;
        answers.push(("Snapshot", outcome(first(stream).await.map(Response::new))));
        answers
    }

    async fn users(&self) -> Vec<(&'static str, Answer)> {
        let new = || "new".to_owned();
        let add = pb::AuthUserAddRequest { name: new(), password: new(), ..Default::default() };
        let root = || "root".to_owned();
        let password = pb::AuthUserChangePasswordRequest {
            name: root(),
            password: new(),
            ..Default::default()
        };
        calls!(self, AuthClient:
            "AuthEnable" auth_enable(pb::AuthEnableRequest {}),
            "AuthDisable" auth_disable(pb::AuthDisableRequest {}),
            "AuthStatus" auth_status(pb::AuthStatusRequest {}),
            "UserAdd" user_add(add),
            "UserGet of oneself" user_get(pb::AuthUserGetRequest { name: "poor".to_owned() }),
            "UserGet" user_get(pb::AuthUserGetRequest { name: root() }),
            "UserList" user_list(pb::AuthUserListRequest {}),
            "UserDelete" user_delete(pb::AuthUserDeleteRequest { name: "ann".to_owned() }),
            "UserChangePassword" user_change_password(password),
            "UserGrantRole" user_grant_role(
                pb::AuthUserGrantRoleRequest { user: "poor".to_owned(), role: root() }),
            "UserRevokeRole" user_revoke_role(
                pb::AuthUserRevokeRoleRequest { name: "ann".to_owned(), role: "r".to_owned() }),
        )
        .into_iter()
        // Who is not poor may not ask of it, either.
        .filter(|(name, _)| *name != "UserGet of oneself" || self.token.is_some())
        .collect()
    }

    async fn roles(&self) -> Vec<(&'static str, Answer)> {
        let role = || "r".to_owned();
        let perm_type = 2;
        let all = etcd_proto::authpb::Permission {
            perm_type,
            key: Bytes::from_static(b"\0"),
            range_end: Bytes::from_static(b"\0"),
        };
        let grant = pb::AuthRoleGrantPermissionRequest { name: role(), perm: Some(all) };
        let (key, range_end) = ("a".into(), "c".into());
        let revoke = pb::AuthRoleRevokePermissionRequest { role: role(), key, range_end };
        calls!(self, AuthClient:
            "RoleAdd" role_add(pb::AuthRoleAddRequest { name: "new".to_owned() }),
            "RoleGet" role_get(pb::AuthRoleGetRequest { role: role() }),
            "RoleList" role_list(pb::AuthRoleListRequest {}),
            "RoleDelete" role_delete(pb::AuthRoleDeleteRequest { role: role() }),
            "RoleGrantPermission" role_grant_permission(grant),
            "RoleRevokePermission" role_revoke_permission(revoke),
        )
    }

    /// Recipes that the member follows in their caller's name.
    async fn locks(&self) -> Vec<(&'static str, Answer)> {
        use v3electionpb::election_client::ElectionClient;
        use v3lockpb::lock_client::LockClient;
        let name = || Bytes::from_static(b"z");
        let campaign =
            v3electionpb::CampaignRequest { name: name(), lease: 99, value: Bytes::new() };
        let leader = Some(v3electionpb::LeaderKey { name: name(), key: name(), rev: 1, lease: 99 });
        let proclaim =
            v3electionpb::ProclaimRequest { leader: leader.clone(), value: Bytes::new() };
        let mut answers = calls!(self, LockClient:
            "Lock" lock(v3lockpb::LockRequest { name: name(), lease: 99 }),
            "Unlock" unlock(v3lockpb::UnlockRequest { key: name() }),
        );
        answers.extend(calls!(self, ElectionClient:
            "Campaign" campaign(campaign),
            "Proclaim" proclaim(proclaim),
            "Leader" leader(v3electionpb::LeaderRequest { name: name() }),
            "Resign" resign(v3electionpb::ResignRequest { leader }),
        ));
        let mut client = ElectionClient::new(self.channel.clone());
        let observe = v3electionpb::LeaderRequest { name: name() };
        let stream = client.observe(by(self.token, observe)).await;
        answers.push(("Observe", outcome(first(stream).await.map(Response::new))));
        answers
    }
}
