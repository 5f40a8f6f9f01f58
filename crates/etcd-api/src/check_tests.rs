//! What is refused, and with which of several faults.

use super::*;
use etcd_proto::etcdserverpb::Compare;

fn put(key: &'static str) -> PutRequest {
    PutRequest { key: key.into(), ..PutRequest::default() }
}

fn operation(request: Request) -> RequestOp {
    RequestOp { request: Some(request) }
}

fn puts(keys: &[&'static str]) -> Vec<RequestOp> {
    keys.iter().map(|key| operation(Request::RequestPut(put(key)))).collect()
}

fn nested(txn: TxnRequest) -> RequestOp {
    operation(Request::RequestTxn(txn))
}

#[test]
fn every_request_needs_a_key() {
    assert_eq!(check_range(&RangeRequest::default()), Err(Error::EmptyKey));
    assert_eq!(check_put(&PutRequest::default()), Err(Error::EmptyKey));
    assert_eq!(check_delete_range(&DeleteRangeRequest::default()), Err(Error::EmptyKey));
    let txn = TxnRequest { compare: vec![Compare::default()], ..TxnRequest::default() };
    assert_eq!(check_txn(&txn, 1), Err(Error::EmptyKey));
}

#[test]
fn a_sorting_that_does_not_exist_is_refused() {
    let range = |sort_order, sort_target| RangeRequest {
        key: "a".into(),
        sort_order,
        sort_target,
        ..RangeRequest::default()
    };
    for (order, target) in [(3, 0), (-1, 0), (0, 5), (0, -1)] {
        assert_eq!(check_range(&range(order, target)), Err(Error::InvalidSortOption));
    }
    assert_eq!(check_range(&range(2, 4)), Ok(()));
    // The key is looked at first.
    let keyless = RangeRequest { sort_order: 9, ..RangeRequest::default() };
    assert_eq!(check_range(&keyless), Err(Error::EmptyKey));
}

#[test]
fn a_put_that_keeps_the_old_brings_nothing_new() {
    let value = PutRequest { ignore_value: true, value: "v".into(), lease: 1, ..put("a") };
    let lease = PutRequest { ignore_lease: true, lease: 1, ..put("a") };
    let touch = PutRequest { ignore_value: true, ignore_lease: true, ..put("a") };
    assert_eq!(check_put(&value), Err(Error::ValueProvided));
    assert_eq!(check_put(&lease), Err(Error::LeaseProvided));
    assert_eq!(check_put(&touch), Ok(()));
}

#[test]
fn the_longest_list_counts_against_the_budget() {
    let compare = Compare { key: "a".into(), ..Compare::default() };
    let txn = |compares, success: &[&'static str], failure: &[&'static str]| TxnRequest {
        compare: vec![compare.clone(); compares],
        success: puts(success),
        failure: puts(failure),
    };
    assert_eq!(check_txn(&txn(2, &["a", "b"], &["a"]), 2), Ok(()));
    assert_eq!(check_txn(&txn(3, &[], &[]), 2), Err(Error::TooManyOps));
    assert_eq!(check_txn(&txn(0, &["a", "b", "c"], &[]), 2), Err(Error::TooManyOps));
    assert_eq!(check_txn(&txn(0, &[], &["a", "b", "c"]), 2), Err(Error::TooManyOps));
    // The count is looked at before the keys.
    assert_eq!(check_txn(&txn(0, &["", "", ""], &[]), 2), Err(Error::TooManyOps));
}

#[test]
fn a_nested_txn_has_what_its_parent_leaves() {
    let inner =
        |keys: &[&'static str]| nested(TxnRequest { success: puts(keys), ..TxnRequest::default() });
    let outer =
        |operations: Vec<RequestOp>| TxnRequest { success: operations, ..TxnRequest::default() };
    assert_eq!(check_txn(&outer(vec![inner(&["a", "b"])]), 3), Ok(()));
    assert_eq!(check_txn(&outer(vec![inner(&["a", "b"])]), 2), Err(Error::TooManyOps));
    // Two nested txns do not share: each is measured against the same rest.
    assert_eq!(check_txn(&outer(vec![inner(&["a", "b"]), inner(&["c", "d"])]), 4), Ok(()));
    // An empty txn costs nothing itself.
    assert_eq!(check_txn(&outer(vec![inner(&[])]), 1), Ok(()));
}

#[test]
fn every_operation_is_checked_as_its_own_request() {
    let failing = |operation: RequestOp| {
        let success = TxnRequest { success: vec![operation.clone()], ..TxnRequest::default() };
        let failure = TxnRequest { failure: vec![operation], ..TxnRequest::default() };
        let error = check_txn(&success, 8).expect_err("refused");
        assert_eq!(check_txn(&failure, 8), Err(error.clone()));
        error
    };
    let sorted = RangeRequest { key: "a".into(), sort_target: 9, ..RangeRequest::default() };
    let valued = PutRequest { ignore_value: true, value: "v".into(), ..put("a") };
    let delete = DeleteRangeRequest::default();
    assert_eq!(failing(operation(Request::RequestRange(sorted))), Error::InvalidSortOption);
    assert_eq!(failing(operation(Request::RequestPut(valued))), Error::ValueProvided);
    assert_eq!(failing(operation(Request::RequestDeleteRange(delete))), Error::EmptyKey);
    assert_eq!(failing(RequestOp { request: None }), Error::KeyNotFound);
}
