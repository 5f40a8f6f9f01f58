//! What the caller of a command gets back.

use etcd_proto::etcdserverpb::{
    AlarmResponse, CompactionResponse, DeleteRangeResponse, PutResponse, TxnResponse,
};

use crate::Refusal;

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
    Txn(TxnResponse),
    /// To a compaction.
    Compaction(CompactionResponse),
    /// To a reading or changing of alarms.
    Alarm(AlarmResponse),
    /// The command has nothing to tell, or nobody waits for what it has.
    Done,
}
