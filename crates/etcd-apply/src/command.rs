//! A command as it is executed: exactly one kind of request.

use bytes::Bytes;
use etcd_proto::etcdserverpb::{
    AlarmRequest, CompactionRequest, DeleteRangeRequest, InternalRaftRequest, PutRequest,
    TxnRequest,
};
use etcd_proto::membershippb::{ClusterMemberAttrSetRequest, ClusterVersionSetRequest};
use prost::Message as _;

use crate::Refusal;

/// The request that a replicated `InternalRaftRequest` holds.
#[derive(Debug)]
pub(crate) enum Command {
    Put(PutRequest),
    DeleteRange(DeleteRangeRequest),
    Txn(TxnRequest),
    Compaction(CompactionRequest),
    Alarm(AlarmRequest),
    PublishMember(ClusterMemberAttrSetRequest),
    SetVersion(ClusterVersionSetRequest),
    /// Of a kind that is not built; named by its field.
    Unsupported(&'static str),
}

impl Command {
    /// Reads a command. All members see the same bytes, so all of them refuse the same ones.
    pub(crate) fn decode(bytes: Bytes) -> Result<Command, Refusal> {
        let request = InternalRaftRequest::decode(bytes).map_err(|_| Refusal::Malformed)?;
        Command::of(request).ok_or(Refusal::Malformed)
    }

    /// The request that is set; a command has one.
    fn of(mut request: InternalRaftRequest) -> Option<Command> {
        if let Some(put) = request.put {
            return Some(Command::Put(put));
        }
        if let Some(txn) = request.txn {
            return Some(Command::Txn(txn));
        }
        let version = request.cluster_version_set.take().map(Command::SetVersion);
        let publish = request.cluster_member_attr_set.take().map(Command::PublishMember);
        let delete = request.delete_range.take().map(Command::DeleteRange);
        version
            .or(publish)
            .or(delete)
            .or_else(|| request.compaction.take().map(Command::Compaction))
            .or_else(|| request.alarm.take().map(Command::Alarm))
            .or_else(|| unsupported(&request).map(Command::Unsupported))
    }
}

macro_rules! first_set {
    ($request:expr, $($field:ident),* $(,)?) => {
        match $request {
            $(request if request.$field.is_some() => Some(stringify!($field)),)*
            _ => None,
        }
    };
}

fn unsupported(request: &InternalRaftRequest) -> Option<&'static str> {
    first_set!(
        request,
        range,
        lease_grant,
        lease_revoke,
        lease_checkpoint,
        auth_enable,
        auth_disable,
        auth_status,
        authenticate,
        auth_user_add,
        auth_user_delete,
        auth_user_get,
        auth_user_change_password,
        auth_user_grant_role,
        auth_user_revoke_role,
        auth_user_list,
        auth_role_list,
        auth_role_add,
        auth_role_delete,
        auth_role_get,
        auth_role_grant_permission,
        auth_role_revoke_permission,
        downgrade_info_set,
        downgrade_version_test,
    )
}
