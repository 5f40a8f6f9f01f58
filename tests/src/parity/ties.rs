//! Ranges sorted by something else than the key, in which several keys have the same place; and roles
//! with several permissions that begin with the same key.
//!
//! etcd does not say how such keys are ordered: its sort is stable for a dozen keys, and for more
//! it is not. So keys of one place are compared as a set; of a last place that the limit cuts only
//! how many there are.

use etcd_proto::authpb::Permission;
use etcd_proto::etcdserverpb::range_request::SortTarget;
use etcd_proto::etcdserverpb::request_op::Request;
use etcd_proto::etcdserverpb::response_op::Response;
use etcd_proto::etcdserverpb::{RangeRequest, RangeResponse, TxnRequest, TxnResponse};
use etcd_proto::mvccpb::KeyValue;

use super::answer::Answer;
use super::operation::Operation;
use super::told::Told;

/// Up to so many keys etcd's sort is stable.
const STABLE: i64 = 12;

/// Makes answers comparable that may differ in such orders only.
pub(crate) fn level(operation: &Operation, answer: &mut Answer) {
    match (operation, answer) {
        (Operation::Range(request), Answer::Range(response)) => level_range(request, response),
        (Operation::Txn(request), Answer::Txn(response)) => level_txn(request, response),
        (_, Answer::Told(Told::RoleGet(response))) if response.perm.len() as i64 > STABLE => {
            let order = |p: &Permission| (p.key.clone(), p.range_end.clone(), p.perm_type);
            response.perm.sort_by_key(order);
        }
        (Operation::RangeStream(request), Answer::RangeStream(messages, _)) => {
            // Where the next message begins depends on the order in the one before.
            if is_sorted(request) && messages.len() > 1 {
                messages.clear();
            }
            let responses = messages.iter_mut().filter_map(|m| m.range_response.as_mut());
            responses.for_each(|response| level_range(request, response));
        }
        _ => {}
    }
}

fn level_txn(request: &TxnRequest, response: &mut TxnResponse) {
    let asked = if response.succeeded { &request.success } else { &request.failure };
    for (asked, answered) in asked.iter().zip(&mut response.responses) {
        match (&asked.request, &mut answered.response) {
            (Some(Request::RequestRange(request)), Some(Response::ResponseRange(response))) => {
                level_range(request, response);
            }
            (Some(Request::RequestTxn(request)), Some(Response::ResponseTxn(response))) => {
                level_txn(request, response);
            }
            _ => {}
        }
    }
}

fn level_range(request: &RangeRequest, response: &mut RangeResponse) {
    if !is_sorted(request) || response.count <= STABLE {
        return;
    }
    let target = SortTarget::try_from(request.sort_target).unwrap_or(SortTarget::Key);
    let is_same = |a: &KeyValue, b: &KeyValue| match target {
        SortTarget::Key => false,
        SortTarget::Version => a.version == b.version,
        SortTarget::Create => a.create_revision == b.create_revision,
        SortTarget::Mod => a.mod_revision == b.mod_revision,
        SortTarget::Value => a.value == b.value,
    };
    let more = response.more;
    let mut places: Vec<&mut [KeyValue]> = response.kvs.chunk_by_mut(is_same).collect();
    for place in &mut places {
        place.sort_by(|a, b| a.key.cmp(&b.key));
    }
    if let Some(last) = places.last_mut().filter(|_| more) {
        last.fill(KeyValue::default());
    }
}

fn is_sorted(request: &RangeRequest) -> bool {
    request.sort_target != SortTarget::Key as i32
}

#[cfg(test)]
mod tests {
    use super::*;

    fn leveled(keys: &[(&'static str, i64)], more: bool) -> Vec<(String, i64)> {
        let kvs = keys.iter().map(|&(key, version)| KeyValue {
            key: key.into(),
            version,
            ..KeyValue::default()
        });
        let kvs = kvs.collect();
        let mut response = RangeResponse { kvs, more, count: 13, ..RangeResponse::default() };
        let sort_target = SortTarget::Version as i32;
        level_range(&RangeRequest { sort_target, ..RangeRequest::default() }, &mut response);
        let text = |kv: &KeyValue| (String::from_utf8_lossy(&kv.key).into_owned(), kv.version);
        response.kvs.iter().map(text).collect()
    }

    fn owned(keys: &[(&str, i64)]) -> Vec<(String, i64)> {
        keys.iter().map(|&(key, version)| (key.to_owned(), version)).collect()
    }

    #[test]
    fn keys_of_one_place_are_a_set_and_of_a_cut_one_a_number() {
        let keys = [("b", 1), ("a", 1), ("d", 2), ("c", 2)];
        assert_eq!(leveled(&keys, false), owned(&[("a", 1), ("b", 1), ("c", 2), ("d", 2)]));
        assert_eq!(leveled(&keys, true), owned(&[("a", 1), ("b", 1), ("", 0), ("", 0)]));
    }
}
