//! The overlap check against a model that looks at every pair.

use super::*;
use etcd_proto::etcdserverpb::{DeleteRangeRequest, PutRequest, RangeRequest};
use proptest::prelude::*;

fn put(key: &str) -> RequestOp {
    let put = PutRequest { key: key.as_bytes().to_vec().into(), ..PutRequest::default() };
    RequestOp { request: Some(Request::RequestPut(put)) }
}

fn delete(key: &str, range_end: &str) -> RequestOp {
    let delete = DeleteRangeRequest {
        key: key.as_bytes().to_vec().into(),
        range_end: range_end.as_bytes().to_vec().into(),
        ..DeleteRangeRequest::default()
    };
    RequestOp { request: Some(Request::RequestDeleteRange(delete)) }
}

fn range(key: &str, range_end: &str) -> RequestOp {
    let range = RangeRequest {
        key: key.as_bytes().to_vec().into(),
        range_end: range_end.as_bytes().to_vec().into(),
        ..RangeRequest::default()
    };
    RequestOp { request: Some(Request::RequestRange(range)) }
}

fn nested(success: &[RequestOp], failure: &[RequestOp]) -> RequestOp {
    let txn = TxnRequest { compare: vec![], success: success.into(), failure: failure.into() };
    RequestOp { request: Some(Request::RequestTxn(txn)) }
}

fn check(operations: &[RequestOp]) -> Result<(), Error> {
    let txn = TxnRequest { success: operations.to_vec(), ..TxnRequest::default() };
    let otherwise = TxnRequest { failure: operations.to_vec(), ..TxnRequest::default() };
    let result = check_overlaps(&txn);
    assert_eq!(check_overlaps(&otherwise), result, "both lists are checked alike");
    result
}

#[track_caller]
fn passes(operations: &[RequestOp]) {
    assert_eq!(check(operations), Ok(()));
}

#[track_caller]
fn is_refused(operations: &[RequestOp]) {
    assert_eq!(check(operations), Err(Error::DuplicateKey));
    let reversed: Vec<RequestOp> = operations.iter().rev().cloned().collect();
    assert_eq!(check(&reversed), Err(Error::DuplicateKey), "the order does not count");
}

#[test]
fn a_key_put_twice_is_refused() {
    passes(&[put("a"), put("b"), range("a", "c")]);
    is_refused(&[put("a"), put("b"), put("a")]);
}

#[test]
fn the_same_key_in_both_lists_is_fine() {
    let success = vec![put("a")];
    let failure = success.clone();
    assert_eq!(check_overlaps(&TxnRequest { compare: vec![], success, failure }), Ok(()));
}

#[test]
fn a_put_in_a_deleted_range_is_refused() {
    is_refused(&[delete("a", ""), put("a")]);
    is_refused(&[delete("a", "c"), put("b")]);
    passes(&[delete("a", "c"), put("c")]);
    passes(&[delete("b", ""), put("b\0")]);
    passes(&[delete("c", "a"), put("b")]);
}

#[test]
fn a_delete_to_the_last_key_does_not_count() {
    passes(&[delete("a", "\0"), put("b")]);
    passes(&[delete("\0", "\0"), put("b")]);
}

#[test]
fn deletes_may_overlap() {
    passes(&[delete("a", "c"), delete("b", "d"), delete("b", ""), put("d")]);
    is_refused(&[delete("a", "d"), delete("b", ""), put("c")]);
}

#[test]
fn nested_puts_count_but_one_txns_two_lists_exclude_each_other() {
    passes(&[nested(&[put("a")], &[put("a")])]);
    is_refused(&[nested(&[put("a")], &[]), put("a")]);
    is_refused(&[nested(&[put("a")], &[]), nested(&[], &[put("a")])]);
    is_refused(&[nested(&[nested(&[], &[put("a")])], &[]), delete("a", "")]);
    is_refused(&[nested(&[put("a"), put("a")], &[])]);
}

#[test]
fn nested_deletes_count_for_puts_of_this_list_and_of_later_txns() {
    is_refused(&[nested(&[delete("a", "c")], &[]), put("b")]);
    assert_eq!(
        check(&[nested(&[delete("a", "c")], &[]), nested(&[put("b")], &[])]),
        Err(Error::DuplicateKey),
    );
    passes(&[nested(&[put("b")], &[]), nested(&[delete("a", "c")], &[])]);
    passes(&[nested(&[put("b")], &[delete("b", "")])]);
}

/// Every write of a list, with the rules spelled out pair by pair.
#[derive(Default)]
struct Model {
    puts: Vec<Vec<u8>>,
    deletes: Vec<(Vec<u8>, Vec<u8>)>,
}

impl Model {
    fn of(operations: &[RequestOp]) -> Option<Model> {
        let mut model = Model::default();
        for operation in operations {
            if let Some(Request::RequestDeleteRange(delete)) = &operation.request {
                model.deletes.push((delete.key.to_vec(), delete.range_end.to_vec()));
            }
        }
        for operation in operations {
            if let Some(Request::RequestTxn(txn)) = &operation.request {
                let (then, otherwise) = (Model::of(&txn.success)?, Model::of(&txn.failure)?);
                let puts = [then.puts, otherwise.puts].concat();
                if puts.iter().any(|key| model.has(key)) {
                    return None;
                }
                model.puts.extend(puts);
                model.deletes.extend([then.deletes, otherwise.deletes].concat());
            }
        }
        for operation in operations {
            if let Some(Request::RequestPut(put)) = &operation.request {
                if model.has(&put.key) {
                    return None;
                }
                model.puts.push(put.key.to_vec());
            }
        }
        Some(model)
    }

    fn has(&self, key: &[u8]) -> bool {
        let deleted = |(start, end): &(Vec<u8>, Vec<u8>)| {
            if end.is_empty() { key == start } else { &start[..] <= key && key < &end[..] }
        };
        self.puts.iter().any(|put| put == key) || self.deletes.iter().any(deleted)
    }
}

fn keys() -> impl Strategy<Value = String> {
    prop_oneof!["[a-e]{1,2}", Just("\0".to_owned())]
}

fn operations() -> impl Strategy<Value = Vec<RequestOp>> {
    let leaf = prop_oneof![
        3 => keys().prop_map(|key| put(&key)),
        3 => (keys(), prop_oneof![Just(String::new()), keys()])
            .prop_map(|(key, end)| delete(&key, &end)),
        1 => keys().prop_map(|key| range(&key, "")),
    ];
    let operation = leaf.prop_recursive(3, 12, 3, |inner| {
        let list = || prop::collection::vec(inner.clone(), 0..3);
        (list(), list()).prop_map(|(success, failure)| nested(&success, &failure))
    });
    prop::collection::vec(operation, 0..6)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4096))]

    #[test]
    fn the_check_agrees_with_the_model(operations in operations()) {
        let expected = Model::of(&operations).map(drop).ok_or(Error::DuplicateKey);
        prop_assert_eq!(check(&operations), expected);
    }
}
