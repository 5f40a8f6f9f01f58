//! The requests that loads are made of.

use bytes::Bytes;
use etcd_proto::etcdserverpb::compare::{CompareResult, CompareTarget, TargetUnion};
use etcd_proto::etcdserverpb::kv_client::KvClient;
use etcd_proto::etcdserverpb::request_op::Request;
use etcd_proto::etcdserverpb::{Compare, PutRequest, RangeRequest, RequestOp, TxnRequest};

use crate::connection::Connection;

/// Whether a read asks the cluster or only the member.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Freshness {
    Linearizable,
    Serializable,
}

/// The service KV on a connection.
pub(crate) fn kv(connection: &Connection) -> KvClient<Connection> {
    KvClient::with_origin(connection.clone(), connection.origin())
        .max_decoding_message_size(usize::MAX)
}

pub(crate) fn put(key: Bytes, value: Bytes) -> PutRequest {
    PutRequest { key, value, ..PutRequest::default() }
}

pub(crate) fn get(key: &[u8], freshness: Freshness) -> RangeRequest {
    RangeRequest {
        key: Bytes::copy_from_slice(key),
        serializable: freshness == Freshness::Serializable,
        ..RangeRequest::default()
    }
}

/// Everything from `key` on, at most `limit` (0: all).
pub(crate) fn list(key: Bytes, limit: i64) -> RangeRequest {
    let range_end = Bytes::from_static(&[0]);
    RangeRequest { key, range_end, limit, ..RangeRequest::default() }
}

/// What a Kubernetes API server sends to update an object: if it is still at `revision`, put it,
/// else get it.
pub(crate) fn guarded_put(key: Bytes, value: Bytes, revision: i64) -> TxnRequest {
    let compare = Compare {
        result: CompareResult::Equal as i32,
        target: CompareTarget::Mod as i32,
        key: key.clone(),
        target_union: Some(TargetUnion::ModRevision(revision)),
        ..Compare::default()
    };
    let get = RangeRequest { key: key.clone(), ..RangeRequest::default() };
    TxnRequest {
        compare: vec![compare],
        success: vec![RequestOp { request: Some(Request::RequestPut(put(key, value))) }],
        failure: vec![RequestOp { request: Some(Request::RequestRange(get)) }],
    }
}

/// Many puts in one transaction, to fill a store quickly.
pub(crate) fn puts(pairs: impl IntoIterator<Item = (Bytes, Bytes)>) -> TxnRequest {
    let operations = pairs
        .into_iter()
        .map(|(key, value)| RequestOp { request: Some(Request::RequestPut(put(key, value))) });
    TxnRequest { success: operations.collect(), ..TxnRequest::default() }
}
