//! What is asked of both servers.

use super::call::Call;
use super::caller::Caller;
use super::moment::Position;
use super::names::PICKED;
use etcd_proto::etcdserverpb::request_op::Request as Nested;
use etcd_proto::etcdserverpb::watch_request::RequestUnion;
use etcd_proto::etcdserverpb::{
    CompactionRequest, DeleteRangeRequest, PutRequest, RangeRequest, TxnRequest,
    WatchCancelRequest, WatchCreateRequest, WatchProgressRequest, WatchRequest,
};
use prost::Message as _;

/// Watch streams that are open at the same time.
pub const STREAMS: usize = 3;

/// An operation, and which member gets it: the remainder by the number of members counts.
#[derive(Debug, Clone)]
pub struct Step {
    /// A large number; one server alone gets everything.
    pub member: usize,
    /// In whose name. A watch stream is in the name of whoever opens it.
    pub caller: Caller,
    /// What it is asked.
    pub operation: Operation,
}

/// One request, or several on a stream. Revisions in it may be relative, see [`Position`]; ids may be
/// marks for what the server picks.
#[derive(Debug, Clone)]
pub enum Operation {
    /// A call of Range.
    Range(RangeRequest),
    /// A call of RangeStream.
    RangeStream(RangeRequest),
    /// A call of Put.
    Put(PutRequest),
    /// A call of DeleteRange.
    DeleteRange(DeleteRangeRequest),
    /// A call of Txn.
    Txn(TxnRequest),
    /// A call of Compact.
    Compact(CompactionRequest),
    /// A call of HashKV at a revision, to every member.
    HashKv(i64),
    /// A call of another service.
    Call(Call),
    /// The lease that lives for seconds only is not renewed any more, and is gone afterwards.
    Expire,
    /// Requests on a watch stream, one after the other without waiting.
    Watch {
        /// Which stream; it is opened when it is not.
        stream: usize,
        /// The requests.
        asks: Vec<Ask>,
    },
    /// The client's end of a watch stream goes away.
    Close {
        /// Which stream.
        stream: usize,
        /// How.
        close: Close,
    },
}

/// One request on a watch stream.
#[derive(Debug, Clone)]
pub enum Ask {
    /// Creates a watcher.
    Create(WatchCreateRequest),
    /// Cancels the watcher with the n-th id of those in use, counted round.
    CancelOne(usize),
    /// Cancels the watcher with this id, if there is one.
    Cancel(i64),
    /// Asks for a progress response.
    Progress,
    /// Asks for nothing, which is legal.
    Nothing,
}

/// How a client leaves a watch stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Close {
    /// It says that it will send nothing more, and listens on.
    Half,
    /// It resets the stream.
    Reset,
}

impl Operation {
    /// Its name in counts.
    pub fn kind(&self) -> &'static str {
        match self {
            Operation::Range(_) => "range",
            Operation::RangeStream(_) => "range-stream",
            Operation::Put(_) => "put",
            Operation::DeleteRange(_) => "delete-range",
            Operation::Txn(_) => "txn",
            Operation::Compact(_) => "compact",
            Operation::HashKv(_) => "hash-kv",
            Operation::Call(call) => call.kind(),
            Operation::Expire => "expire",
            Operation::Watch { .. } => "watch",
            Operation::Close { .. } => "close",
        }
    }

    /// The bytes of its message, if it becomes a command.
    pub(crate) fn command_bytes(&self) -> usize {
        match self {
            Operation::Put(put) => put.encoded_len(),
            Operation::DeleteRange(delete) => delete.encoded_len(),
            Operation::Txn(txn) => txn.encoded_len(),
            _ => 0,
        }
    }

    /// The same with all revisions as they are sent.
    pub(crate) fn at(mut self, position: Position) -> Operation {
        match &mut self {
            Operation::Range(range) | Operation::RangeStream(range) => {
                position.resolve_range(range);
            }
            Operation::Txn(txn) => position.resolve_txn(txn),
            Operation::Compact(compact) => compact.revision = position.resolve(compact.revision),
            Operation::HashKv(revision) => *revision = position.resolve(*revision),
            Operation::Watch { asks, .. } => {
                for ask in asks {
                    if let Ask::Create(create) = ask {
                        create.start_revision = position.resolve(create.start_revision);
                    }
                }
            }
            Operation::Put(_)
            | Operation::DeleteRange(_)
            | Operation::Call(_)
            | Operation::Expire
            | Operation::Close { .. } => {}
        }
        self
    }

    /// Whether it puts an id into keys that each server picks itself.
    pub(crate) fn puts_picked(&self) -> bool {
        match self {
            Operation::Put(put) => put.lease >= PICKED,
            Operation::Txn(txn) => txn_puts_picked(txn),
            Operation::Call(Call::Lock(lock)) => lock.lease == 0,
            Operation::Call(Call::Campaign(campaign)) => campaign.lease == 0,
            _ => false,
        }
    }

    /// Whether the answer comes from what the member itself has, however far behind it may be.
    pub(crate) fn is_local(&self) -> bool {
        match self {
            Operation::Range(range) | Operation::RangeStream(range) => range.serializable,
            Operation::Txn(txn) => {
                let mut all = txn.success.iter().chain(&txn.failure);
                all.all(|operation| match &operation.request {
                    Some(Nested::RequestRange(range)) => range.serializable,
                    _ => false,
                })
            }
            Operation::HashKv(_) | Operation::Watch { .. } | Operation::Close { .. } => true,
            Operation::Call(call) => call.is_local(),
            Operation::Put(_)
            | Operation::DeleteRange(_)
            | Operation::Compact(_)
            | Operation::Expire => false,
        }
    }

    /// Whether it may change what members have.
    pub(crate) fn is_write(&self) -> bool {
        match self {
            Operation::Put(_) | Operation::DeleteRange(_) | Operation::Compact(_) => true,
            Operation::Txn(txn) => {
                let mut all = txn.success.iter().chain(&txn.failure);
                !all.all(|operation| matches!(operation.request, Some(Nested::RequestRange(_))))
            }
            Operation::Call(call) => call.is_write(),
            _ => false,
        }
    }
}

fn txn_puts_picked(txn: &TxnRequest) -> bool {
    txn.success.iter().chain(&txn.failure).any(|operation| match &operation.request {
        Some(Nested::RequestPut(put)) => put.lease >= PICKED,
        Some(Nested::RequestTxn(txn)) => txn_puts_picked(txn),
        _ => false,
    })
}

impl Ask {
    /// Its name in counts.
    pub(crate) fn kind(&self) -> &'static str {
        match self {
            Ask::Create(_) => "watch: create",
            Ask::CancelOne(_) | Ask::Cancel(_) => "watch: cancel",
            Ask::Progress => "watch: progress",
            Ask::Nothing => "watch: nothing",
        }
    }

    /// The message; `in_use` are the ids of the stream's watchers.
    pub(crate) fn message(&self, in_use: &[i64]) -> WatchRequest {
        let cancel = |watch_id| RequestUnion::CancelRequest(WatchCancelRequest { watch_id });
        let request_union = match self {
            Ask::Create(create) => Some(RequestUnion::CreateRequest(create.clone())),
            Ask::CancelOne(number) => Some(match in_use {
                [] => cancel(0),
                ids => cancel(ids[number % ids.len()]),
            }),
            Ask::Cancel(id) => Some(cancel(*id)),
            Ask::Progress => Some(RequestUnion::ProgressRequest(WatchProgressRequest {})),
            Ask::Nothing => None,
        };
        WatchRequest { request_union }
    }
}
