//! Requests that somebody wants to know of: what their steps say, in etcd's words.

use etcd_proto::etcdserverpb::request_op::Request as Op;
use etcd_proto::etcdserverpb::{
    CompactionRequest, DeleteRangeRequest, LeaseGrantRequest, PutRequest, RangeRequest, TxnRequest,
    WatchCreateRequest,
};
use etcd_spans::{Attribute, Request, Step};

use crate::Api;
use crate::caller::Caller;
use crate::reading::is_read_only;

/// The wait for a read barrier.
pub(crate) const READ_BARRIER: &str = "read_barrier";
/// The way of a command through the log.
pub(crate) const COMMIT: &str = "commit";
/// What it does to the state.
pub(crate) const APPLY: &str = "apply";
const KEYS_ONLY: &str = "keys_only";
/// The lease of a txn that puts nothing, as in etcd.
const NO_PUT: i64 = -1;

impl Api {
    /// The request as it is looked at. Where nobody looks at any, that is all that it costs.
    pub(crate) fn looked_at<'c>(&self, caller: &'c Caller) -> Option<&'c Request> {
        self.spans.as_ref().and_then(|_| caller.looked_at())
    }

    /// Begins a step of a request that is looked at; it ends when it is dropped.
    pub(crate) fn step(
        &self,
        caller: &Caller,
        name: &'static str,
        attributes: impl FnOnce() -> Vec<Attribute>,
    ) -> Option<Step> {
        let request = self.looked_at(caller)?;
        Some(request.step(name, attributes()))
    }
}

pub(crate) fn range(request: &RangeRequest) -> Vec<Attribute> {
    vec![
        Attribute::key("range_begin", &request.key),
        Attribute::key("range_end", &request.range_end),
        Attribute::number("rev", request.revision),
        Attribute::number("limit", request.limit),
        Attribute::flag("count_only", request.count_only),
        Attribute::flag(KEYS_ONLY, request.keys_only),
    ]
}

/// As in etcd it does not say whether only keys are wanted.
pub(crate) fn range_stream(request: &RangeRequest) -> Vec<Attribute> {
    let mut attributes = range(request);
    attributes.retain(|attribute| attribute.name != KEYS_ONLY);
    attributes
}

pub(crate) fn watch(request: &WatchCreateRequest) -> Vec<Attribute> {
    // As in etcd whoever watches from the first key on watches from this.
    let key = if request.key.is_empty() { b"\0" } else { &request.key[..] };
    vec![
        Attribute::key("key", key),
        Attribute::key("range_end", &request.range_end),
        Attribute::number("start_rev", request.start_revision),
        Attribute::flag("prev_kv", request.prev_kv),
        Attribute::flag("fragment", request.fragment),
        Attribute::flag("progress_notify", request.progress_notify),
    ]
}

pub(crate) fn put(request: &PutRequest) -> Vec<Attribute> {
    vec![Attribute::key("key", &request.key)]
}

pub(crate) fn delete_range(request: &DeleteRangeRequest) -> Vec<Attribute> {
    vec![
        Attribute::key("range_begin", &request.key),
        Attribute::key("range_end", &request.range_end),
    ]
}

pub(crate) fn compact(request: &CompactionRequest) -> Vec<Attribute> {
    vec![
        Attribute::flag("is_physical", request.physical),
        Attribute::number("rev", request.revision),
    ]
}

pub(crate) fn txn(request: &TxnRequest) -> Vec<Attribute> {
    let TxnRequest { compare, success, failure } = request;
    let compare_key = compare.iter().map(|compare| &compare.key[..]).find(|key| !key.is_empty());
    let operations = || success.iter().filter_map(|operation| operation.request.as_ref());
    let success_key = operations().map(key_of).find(|key| !key.is_empty());
    let lease = operations().find_map(|operation| match operation {
        Op::RequestPut(put) => Some(put.lease),
        _ => None,
    });
    vec![
        Attribute::key("compare_first_key", compare_key.unwrap_or_default()),
        Attribute::key("success_first_key", success_key.unwrap_or_default()),
        Attribute::text("success_first_type", operations().next().map_or("", type_of)),
        Attribute::number("success_first_lease", lease.unwrap_or(NO_PUT)),
        Attribute::count("compare_len", compare.len()),
        Attribute::count("success_len", success.len()),
        Attribute::count("failure_len", failure.len()),
        Attribute::flag("read_only", is_read_only(request)),
    ]
}

pub(crate) fn lease_grant(request: &LeaseGrantRequest) -> Vec<Attribute> {
    vec![Attribute::number("id", request.id), Attribute::number("ttl", request.ttl)]
}

/// Of what there is to a lease beside its id nothing is told.
pub(crate) fn lease(id: i64) -> Vec<Attribute> {
    vec![Attribute::number("id", id)]
}

fn key_of(operation: &Op) -> &[u8] {
    match operation {
        Op::RequestRange(range) => &range.key,
        Op::RequestPut(put) => &put.key,
        Op::RequestDeleteRange(delete) => &delete.key,
        Op::RequestTxn(_) => &[],
    }
}

fn type_of(operation: &Op) -> &'static str {
    match operation {
        Op::RequestRange(_) => "range",
        Op::RequestPut(_) => "put",
        Op::RequestDeleteRange(_) => "delete_range",
        Op::RequestTxn(_) => "txn",
    }
}

#[cfg(test)]
mod tests {
    use etcd_proto::etcdserverpb::{Compare, RequestOp};

    use super::*;

    fn told(attributes: &[Attribute]) -> String {
        let told: Vec<String> = attributes.iter().map(Attribute::to_string).collect();
        told.join(" ")
    }

    #[test]
    fn a_txn_is_told_by_its_first_keys() {
        let nothing = "compare_first_key=\"\" success_first_key=\"\" success_first_type=\"\" \
                       success_first_lease=-1 compare_len=0 success_len=0 failure_len=0 \
                       read_only=true";
        assert_eq!(told(&txn(&TxnRequest::default())), nothing);
        let range = Op::RequestRange(RangeRequest::default());
        let put = PutRequest { key: "k".into(), lease: 7, ..PutRequest::default() };
        let operations = [range, Op::RequestPut(put)];
        let success = operations.map(|operation| RequestOp { request: Some(operation) }).to_vec();
        let compare = Compare { key: "c".into(), ..Compare::default() };
        let compare = vec![Compare::default(), compare];
        let request = TxnRequest { compare, success, ..TxnRequest::default() };
        let expected = "compare_first_key=\"c\" success_first_key=\"k\" \
                        success_first_type=\"range\" success_first_lease=7 compare_len=2 \
                        success_len=2 failure_len=0 read_only=false";
        assert_eq!(told(&txn(&request)), expected);
    }
}
