//! What a request counts against the quota (behaviour of etcd 3.7.1: nested txns count too).

use etcd_proto::etcdserverpb::request_op::Request;
use etcd_proto::etcdserverpb::{PutRequest, RequestOp, TxnRequest};

/// The cost of a lease in bytes.
pub const LEASE_COST: u64 = 64;
/// What a put costs beside its key and value, in bytes.
const PUT_OVERHEAD_BYTES: u64 = 256;

/// The cost of a put in bytes.
pub fn put_cost(request: &PutRequest) -> u64 {
    let bytes = request.key.len() + request.value.len();
    PUT_OVERHEAD_BYTES + u64::try_from(bytes).expect("a length fits 64 bits")
}

/// The cost of a txn in bytes: the dearer of its two lists, whichever would run. Only puts cost.
pub fn txn_cost(request: &TxnRequest) -> u64 {
    let list = |operations: &[RequestOp]| operations.iter().map(operation_cost).sum::<u64>();
    list(&request.success).max(list(&request.failure))
}

fn operation_cost(operation: &RequestOp) -> u64 {
    match &operation.request {
        Some(Request::RequestPut(put)) => put_cost(put),
        Some(Request::RequestTxn(txn)) => txn_cost(txn),
        Some(Request::RequestRange(_) | Request::RequestDeleteRange(_)) | None => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn put(value: &'static str) -> RequestOp {
        let put = PutRequest { key: "k".into(), value: value.into(), ..PutRequest::default() };
        RequestOp { request: Some(Request::RequestPut(put)) }
    }

    #[test]
    fn the_dearer_list_counts_and_nested_txns_too() {
        let inner = TxnRequest { failure: vec![put("12345")], ..TxnRequest::default() };
        let nested = RequestOp { request: Some(Request::RequestTxn(inner)) };
        let delete = RequestOp { request: Some(Request::RequestDeleteRange(Default::default())) };
        let txn = TxnRequest {
            compare: vec![],
            success: vec![put("1"), delete],
            failure: vec![nested, put("")],
        };
        assert_eq!(txn_cost(&txn), (256 + 6) + (256 + 1));
        assert_eq!(txn_cost(&TxnRequest::default()), 0);
    }
}
