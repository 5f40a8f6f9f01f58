//! What an older reference does otherwise than etcd 3.7, and what is therefore left out or masked.
//!
//! | etcd 3.4 | so |
//! |---|---|
//! | takes sort orders and targets that do not exist | none is asked for |
//! | in a transaction looks for a kept value before the lease | no put has both |
//! | has no RangeStream | it is not called |
//! | knows many rules of users, leases, locks and alarms not yet | they are not asked for |
//! | refuses HashKV at the revision of the last compaction | it is not asked |
//! | keeps no hashes of earlier compactions | they are not asked for, and there is no compaction at 0 |
//! | has no `hash_revision` in a HashKV's answer | it is taken out of both |
//! | creates a watcher with a negative start revision, and then cancels it as compacted | none is made |
//! | answers a progress request for watchers that are not done with the past, or not there | none is made |
//! | removes a delete that a compaction's revision holds (before 3.4.34) | no watcher starts there, and the newest revision is not compacted |

use super::answer::Answer;
use super::moment::Position;
use super::operation::{Ask, Operation};
use etcd_proto::etcdserverpb::maintenance_client::MaintenanceClient;
use etcd_proto::etcdserverpb::range_request::{SortOrder, SortTarget};
use etcd_proto::etcdserverpb::request_op::Request;
use etcd_proto::etcdserverpb::{RangeRequest, StatusRequest, TxnRequest};
use tonic::transport::Channel;

/// Which of them apply.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Known {
    /// None: it is what this project is to be like.
    Nothing,
    /// The table above.
    Etcd34,
}

impl Known {
    /// Those of the version that a server says it has.
    pub(crate) async fn of(channel: &Channel) -> Known {
        let mut client = MaintenanceClient::new(channel.clone());
        let status = client.status(StatusRequest {}).await.expect("the reference answers");
        let version = status.into_inner().version;
        match version.as_str() {
            version if version.starts_with("3.7.") => Known::Nothing,
            version if version.starts_with("3.4.") => Known::Etcd34,
            version => panic!("nothing is known of etcd {version}"),
        }
    }

    /// What of an operation both servers can be asked alike.
    pub(crate) fn allowed(self, operation: Operation, position: Position) -> Option<Operation> {
        if self == Known::Nothing {
            return Some(operation);
        }
        match operation {
            Operation::RangeStream(_) | Operation::Call(_) | Operation::Expire => None,
            Operation::Range(range) if !is_sort_known(&range) => None,
            Operation::Txn(txn) if !is_alike(&txn) => None,
            Operation::HashKv(revision) if (1..=position.compacted).contains(&revision) => None,
            Operation::HashKv(0) if position.newest == position.compacted => None,
            Operation::Compact(compact) if [0, position.newest].contains(&compact.revision) => None,
            Operation::Watch { stream, mut asks } => {
                asks.retain(|ask| match ask {
                    Ask::Progress => false,
                    Ask::Create(create) => {
                        create.start_revision >= 0
                            && create.start_revision != position.compacted.max(1)
                    }
                    _ => true,
                });
                Some(Operation::Watch { stream, asks })
            }
            operation => Some(operation),
        }
    }

    /// Takes out of an answer what only one of the two has.
    pub(crate) fn mask(self, answer: &mut Answer) {
        if let (Known::Etcd34, Answer::HashKv(response)) = (self, answer) {
            response.hash_revision = 0;
        }
    }
}

fn is_sort_known(range: &RangeRequest) -> bool {
    SortOrder::try_from(range.sort_order).is_ok() && SortTarget::try_from(range.sort_target).is_ok()
}

fn is_alike(txn: &TxnRequest) -> bool {
    txn.success.iter().chain(&txn.failure).all(|operation| match &operation.request {
        Some(Request::RequestRange(range)) => is_sort_known(range),
        Some(Request::RequestTxn(nested)) => is_alike(nested),
        Some(Request::RequestPut(put)) => put.lease == 0 || !put.ignore_value,
        _ => true,
    })
}
