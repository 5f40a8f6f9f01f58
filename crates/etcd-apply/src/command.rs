//! A command as it is executed: exactly one kind of request.

use bytes::Bytes;
use etcd_auth::Identity;
use etcd_nesting::{CommandParts, Deep, decode_parts};
use etcd_proto::etcdserverpb::{
    AlarmRequest, CompactionRequest, DeleteRangeRequest, InternalRaftRequest,
    LeaseCheckpointRequest, LeaseExpireRequest, LeaseGrantRequest, LeaseRevokeRequest, PutRequest,
    TxnRequest,
};
use etcd_proto::membershippb::{
    ClusterMemberAttrSetRequest, ClusterVersionSetRequest, DowngradeInfoSetRequest,
};

use crate::auth::AuthCommand;
use crate::cost::{LEASE_COST, put_cost, txn_cost};
use crate::{Kind, Refusal};

/// The request that a replicated `InternalRaftRequest` holds.
#[derive(Debug)]
pub(crate) enum Command {
    Put(PutRequest),
    DeleteRange(DeleteRangeRequest),
    Txn(Deep<TxnRequest>),
    Compaction(CompactionRequest),
    Alarm(AlarmRequest),
    LeaseGrant(LeaseGrantRequest),
    LeaseRevoke(LeaseRevokeRequest),
    LeaseExpire(LeaseExpireRequest),
    LeaseCheckpoint(LeaseCheckpointRequest),
    Auth(AuthCommand),
    PublishMember(ClusterMemberAttrSetRequest),
    SetVersion(ClusterVersionSetRequest),
    SetDowngrade(DowngradeInfoSetRequest),
    /// Of a kind that is not built; named by its field.
    Unsupported(&'static str),
}

impl Command {
    /// Reads a command, and who gives it. All members see the same bytes, so all of them refuse the
    /// same ones.
    pub(crate) fn decode(bytes: Bytes) -> Result<(Identity, Command), Refusal> {
        let mut parts = decode_parts(bytes).map_err(|_| Refusal::Malformed)?;
        let header = parts.header.take().unwrap_or_default();
        let caller = Identity { user: header.username, revision: header.auth_revision };
        Ok((caller, Command::of(parts).ok_or(Refusal::Malformed)?))
    }

    /// Its kind.
    pub(crate) fn kind(&self) -> Kind {
        match self {
            Command::Put(_) => Kind::Put,
            Command::DeleteRange(_) => Kind::DeleteRange,
            Command::Txn(_) => Kind::Txn,
            Command::Compaction(_) => Kind::Compaction,
            Command::Alarm(_) => Kind::Alarm,
            Command::LeaseGrant(_) => Kind::LeaseGrant,
            Command::LeaseRevoke(_) | Command::LeaseExpire(_) => Kind::LeaseRevoke,
            Command::LeaseCheckpoint(_) => Kind::LeaseCheckpoint,
            Command::Auth(command) => command.kind(),
            Command::PublishMember(_) => Kind::ClusterMemberAttrSet,
            Command::SetVersion(_) => Kind::ClusterVersionSet,
            Command::SetDowngrade(_) => Kind::DowngradeInfoSet,
            Command::Unsupported(_) => Kind::Unknown,
        }
    }

    /// What it counts against the quota, in bytes.
    pub(crate) fn cost(&self) -> u64 {
        match self {
            Command::Put(request) => put_cost(request),
            Command::Txn(request) => txn_cost(request),
            Command::LeaseGrant(_) => LEASE_COST,
            _ => 0,
        }
    }

    /// How many txns stand inside each other in it.
    pub(crate) fn levels(&self) -> usize {
        match self {
            Command::Txn(txn) => txn.levels(),
            _ => 0,
        }
    }

    /// The request that is set; a command has one.
    fn of(parts: CommandParts) -> Option<Command> {
        match parts {
            CommandParts { put: Some(put), .. } => Some(Command::Put(put)),
            CommandParts { txn: Some(txn), .. } => Some(Command::Txn(txn)),
            CommandParts { rest, .. } => Command::of_rest(*rest?),
        }
    }

    fn of_rest(mut request: InternalRaftRequest) -> Option<Command> {
        let version = request.cluster_version_set.take().map(Command::SetVersion);
        let publish = request.cluster_member_attr_set.take().map(Command::PublishMember);
        let delete = request.delete_range.take().map(Command::DeleteRange);
        version
            .or(publish)
            .or(delete)
            .or_else(|| request.compaction.take().map(Command::Compaction))
            .or_else(|| request.downgrade_info_set.take().map(Command::SetDowngrade))
            .or_else(|| request.alarm.take().map(Command::Alarm))
            .or_else(|| request.lease_grant.take().map(Command::LeaseGrant))
            .or_else(|| request.lease_revoke.take().map(Command::LeaseRevoke))
            .or_else(|| request.lease_expire.take().map(Command::LeaseExpire))
            .or_else(|| request.lease_checkpoint.take().map(Command::LeaseCheckpoint))
            .or_else(|| AuthCommand::take(&mut request).map(Command::Auth))
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
    first_set!(request, range, downgrade_version_test,)
}
