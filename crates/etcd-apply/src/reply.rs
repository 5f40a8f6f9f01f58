//! What the caller of a command gets back.

use etcd_nesting::Deep;
use etcd_proto::etcdserverpb::{
    AlarmResponse, CompactionResponse, DeleteRangeResponse, LeaseGrantResponse,
    LeaseRevokeResponse, PutResponse, TxnResponse,
};

use crate::{AuthAnswer, Refusal};

/// The outcome of a command.
pub type Reply = Result<Answer, Refusal>;

/// The answer to a command that was executed. Headers carry the revision only: who answers and in
/// which term is for the caller to add.
#[derive(Debug, Clone, PartialEq)]
pub enum Answer {
    /// To a put.
    Put(PutResponse),
    /// To a delete.
    DeleteRange(DeleteRangeResponse),
    /// To a txn.
    Txn(Deep<TxnResponse>),
    /// To a compaction.
    Compaction(CompactionResponse),
    /// To a grant of a lease.
    LeaseGrant(LeaseGrantResponse),
    /// To the end of a lease.
    LeaseRevoke(LeaseRevokeResponse),
    /// To a reading or changing of alarms.
    Alarm(AlarmResponse),
    /// To a command on users, roles and tokens, at a revision of the keys.
    Auth(AuthAnswer, i64),
    /// The command has nothing to tell, or nobody waits for what it has.
    Done,
}
