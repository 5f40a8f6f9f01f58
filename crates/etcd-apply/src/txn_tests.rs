//! Txns, rule by rule.

use etcd_proto::etcdserverpb::compare::{CompareResult, CompareTarget, TargetUnion};
use etcd_proto::etcdserverpb::request_op::Request;
use etcd_proto::etcdserverpb::response_op::Response;
use etcd_proto::etcdserverpb::{
    CompactionRequest, Compare, InternalRaftRequest, PutRequest, RequestOp, TxnRequest, TxnResponse,
};

use crate::harness::{
    Harness, compare, delete, nested, operation, put, put_request, range, value_is,
};
use crate::{Answer, Refusal, Reply};

fn success(operations: Vec<RequestOp>) -> TxnRequest {
    TxnRequest { success: operations, ..TxnRequest::default() }
}

fn response(reply: Reply) -> TxnResponse {
    match reply {
        Ok(Answer::Txn(response)) => response.into_inner(),
        other => panic!("{other:?}"),
    }
}

fn refused(harness: &mut Harness, txn: TxnRequest) -> Refusal {
    let before = harness.rows();
    let refusal = harness.txn(txn).expect_err("refused");
    assert_eq!(harness.rows(), before, "a refused txn has no effect");
    refusal
}

/// Whether the condition holds, as a write txn and as a read-only one see it.
#[track_caller]
fn holds(harness: &mut Harness, compare: Compare) -> bool {
    let txn = TxnRequest { compare: vec![compare], ..TxnRequest::default() };
    let read = harness.views.read_txn(&txn).expect("a read").succeeded;
    assert_eq!(response(harness.txn(txn)).succeeded, read);
    read
}

#[test]
fn inner_headers_carry_the_revision_and_a_nested_txns_header_is_empty() {
    let mut harness = Harness::new();
    harness.put("a", "1");
    let txn = success(vec![
        range("a", 0),
        delete("x", ""),
        put("b", "1"),
        range("b", 0),
        nested(success(vec![delete("a", ""), range("a", 0)])),
    ]);
    let response = response(harness.txn(txn));
    assert_eq!(response.header.unwrap().revision, 3);
    let revisions: Vec<(i64, i64)> = response
        .responses
        .iter()
        .map(|inner| match inner.response.as_ref().expect("a response") {
            Response::ResponseRange(range) => (range.header.unwrap().revision, range.count),
            Response::ResponsePut(put) => (put.header.unwrap().revision, -1),
            Response::ResponseDeleteRange(delete) => {
                (delete.header.unwrap().revision, delete.deleted)
            }
            Response::ResponseTxn(txn) => (txn.header.unwrap().revision, -2),
        })
        .collect();
    // Before the first change answers carry the old revision, after it the new one.
    assert_eq!(revisions, [(2, 1), (2, 0), (3, -1), (3, 1), (0, -2)]);
    let Some(Response::ResponseTxn(inner)) = &response.responses[4].response else { panic!() };
    assert_eq!(inner.header, Some(Default::default()));
    let Some(Response::ResponseRange(range)) = &inner.responses[1].response else { panic!() };
    assert_eq!((range.header.unwrap().revision, range.count), (3, 0));
    assert_eq!(harness.contents(), "b=1");
}

#[test]
fn a_txn_without_changes_leaves_the_revision() {
    let mut harness = Harness::new();
    harness.put("a", "1");
    let txn = success(vec![delete("x", "z"), nested(success(vec![range("a", 0)]))]);
    let response = response(harness.txn(txn));
    assert_eq!(response.header.unwrap().revision, 2);
    assert_eq!(harness.views.mvcc.revision(), 2);
}

#[test]
fn conditions_of_nested_txns_see_the_state_before_the_outer_one() {
    let mut harness = Harness::new();
    harness.put("a", "old");
    let inner = TxnRequest {
        compare: vec![value_is("a", "old")],
        success: vec![put("seen", "old")],
        failure: vec![put("seen", "new")],
    };
    let response = response(harness.txn(success(vec![put("a", "new"), nested(inner)])));
    assert!(response.succeeded);
    assert_eq!(harness.contents(), "a=new seen=old");
}

#[test]
fn the_failure_list_runs_when_a_condition_fails() {
    let mut harness = Harness::new();
    let txn = TxnRequest {
        compare: vec![value_is("a", "1")],
        success: vec![put("way", "success")],
        failure: vec![put("way", "failure")],
    };
    assert!(!response(harness.txn(txn)).succeeded);
    assert_eq!(harness.contents(), "way=failure");
}

#[test]
fn a_txn_that_cannot_be_done_as_a_whole_has_no_effect() {
    let mut harness = Harness::new();
    harness.put("a", "1");
    let with = |put: PutRequest| {
        success(vec![
            super::harness::put("b", "1"),
            nested(success(vec![operation(Request::RequestPut(put))])),
        ])
    };
    let leased = PutRequest { lease: 7, ..put_request("c", "1") };
    let kept = PutRequest { ignore_value: true, ..put_request("c", "") };
    // The lease is looked for before the key.
    let both = PutRequest { lease: 7, ..kept.clone() };
    assert_eq!(refused(&mut harness, with(leased)), Refusal::LeaseNotFound);
    assert_eq!(refused(&mut harness, with(kept)), Refusal::KeyNotFound);
    assert_eq!(refused(&mut harness, with(both)), Refusal::LeaseNotFound);
    let future = success(vec![put("b", "1"), range("a", 3)]);
    assert_eq!(refused(&mut harness, future), Refusal::FutureRevision);
    let empty = success(vec![put("b", "1"), RequestOp { request: None }]);
    assert_eq!(refused(&mut harness, empty), Refusal::KeyNotFound);
}

#[test]
fn only_the_branch_that_runs_is_checked() {
    let mut harness = Harness::new();
    let txn =
        TxnRequest { compare: vec![], success: vec![put("a", "1")], failure: vec![range("a", 99)] };
    assert!(harness.txn(txn).is_ok());
}

#[test]
fn a_key_is_kept_only_if_it_was_there_before_the_txn_and_still_is() {
    let mut harness = Harness::new();
    harness.put("b", "1");
    let touch = |key| {
        let put = PutRequest { ignore_value: true, ignore_lease: true, ..put_request(key, "") };
        operation(Request::RequestPut(put))
    };
    assert!(harness.txn(success(vec![touch("b")])).is_ok());
    // Passing the check for overlaps needs a delete up to the last key.
    let gone = success(vec![nested(success(vec![delete("a", "\0")])), touch("b")]);
    assert_eq!(refused(&mut harness, gone), Refusal::KeyNotFound);
    assert!(harness.txn(success(vec![touch("b"), delete("c", "\0")])).is_ok());
    assert!(harness.txn(success(vec![delete("c", "\0"), touch("b")])).is_ok());
    assert!(harness.txn(success(vec![touch("b"), delete("a", "\0")])).is_ok());
    assert!(!harness.has("b"));
}

#[test]
fn a_put_and_a_delete_up_to_the_last_key_take_effect_in_order() {
    let mut harness = Harness::new();
    let txn = success(vec![put("b", "1"), delete("a", "\0")]);
    let response = response(harness.txn(txn));
    let Some(Response::ResponseDeleteRange(deleted)) = &response.responses[1].response else {
        panic!()
    };
    assert_eq!((deleted.deleted, deleted.prev_kvs.len()), (1, 1));
    assert_eq!(harness.contents(), "");
    assert_eq!(harness.views.mvcc.revision(), 2);
}

#[test]
fn a_range_in_a_txn_may_not_name_a_negative_revision() {
    let mut harness = Harness::new();
    harness.put("a", "1");
    let read = |harness: &Harness, revision| {
        let result = harness.views.read_txn(&success(vec![range("a", revision)]));
        result.map(drop).map_err(|error| match error {
            crate::Error::Refused(refusal) => refusal,
            other => panic!("{other}"),
        })
    };
    // Never compacted, the compact revision is -1 and readable.
    assert_eq!(read(&harness, -1), Ok(()));
    assert_eq!(read(&harness, -2), Err(Refusal::Compacted));
    assert_eq!(read(&harness, 3), Err(Refusal::FutureRevision));
    harness.put("a", "2");
    let compaction = Some(CompactionRequest { revision: 2, physical: false });
    harness.apply(InternalRaftRequest { compaction, ..Default::default() }).expect("compacted");
    assert_eq!(read(&harness, -1), Err(Refusal::Compacted));
    assert_eq!(read(&harness, 1), Err(Refusal::Compacted));
    assert_eq!(read(&harness, 2), Ok(()));
    let write = success(vec![put("b", "1"), range("a", 1)]);
    assert_eq!(refused(&mut harness, write), Refusal::Compacted);
}

#[test]
fn every_target_is_compared_with_what_is_stored() {
    use CompareResult::{Equal, Greater, Less, NotEqual};
    use CompareTarget::{Create, Lease, Mod, Value, Version};
    let mut harness = Harness::new();
    harness.put("a", "1");
    harness.put("a", "2");
    let number = |target, result, number: i64| {
        let with = match target {
            Version => TargetUnion::Version(number),
            Create => TargetUnion::CreateRevision(number),
            Mod => TargetUnion::ModRevision(number),
            Lease => TargetUnion::Lease(number),
            Value => unreachable!("values are no numbers"),
        };
        compare("a", target, result, with)
    };
    for (target, stored) in [(Version, 2), (Create, 2), (Mod, 3), (Lease, 0)] {
        for (result, expected) in [(Equal, [false, true, false]), (NotEqual, [true, false, true])]
            .into_iter()
            .chain([(Greater, [true, false, false]), (Less, [false, false, true])])
        {
            let with = [stored - 1, stored, stored + 1];
            let held = with.map(|with| holds(&mut harness, number(target, result, with)));
            assert_eq!(held, expected, "{target:?} {result:?}");
        }
    }
    for (result, expected) in [
        (Equal, [false, true, false]),
        (NotEqual, [true, false, true]),
        (Greater, [true, false, false]),
        (Less, [false, false, true]),
    ] {
        let held = ["1", "2", "20"].map(|with| {
            let with = TargetUnion::Value(with.into());
            holds(&mut harness, compare("a", Value, result, with))
        });
        assert_eq!(held, expected, "value {result:?}");
    }
}

#[test]
fn an_absent_key_has_no_value_and_counts_as_zero_else() {
    use CompareResult::{Equal, Less, NotEqual};
    let mut harness = Harness::new();
    for result in [Equal, NotEqual, Less] {
        let with = TargetUnion::Value("".into());
        assert!(!holds(&mut harness, compare("x", CompareTarget::Value, result, with)));
    }
    let zero = TargetUnion::CreateRevision(0);
    assert!(holds(&mut harness, compare("x", CompareTarget::Create, Equal, zero)));
    let one = TargetUnion::Version(1);
    assert!(holds(&mut harness, compare("x", CompareTarget::Version, Less, one)));
}

#[test]
fn a_condition_on_a_range_must_hold_for_every_key() {
    let mut harness = Harness::new();
    harness.put("a", "1");
    harness.put("b", "1");
    harness.put("c", "2");
    let ranged = |range_end: &'static str, value: &'static str| Compare {
        range_end: range_end.into(),
        ..value_is("a", value)
    };
    assert!(holds(&mut harness, ranged("c", "1")));
    assert!(!holds(&mut harness, ranged("d", "1")));
    assert!(!holds(&mut harness, ranged("\0", "1")));
    // No key at all: a value is missing, a number is zero.
    let empty = Compare { key: "x".into(), range_end: "z".into(), ..value_is("", "") };
    assert!(!holds(&mut harness, empty.clone()));
    let version = CompareTarget::Version as i32;
    assert!(holds(&mut harness, Compare { target: version, target_union: None, ..empty }));
}

#[test]
fn what_is_unknown_in_a_condition_is_taken_as_etcd_takes_it() {
    let mut harness = Harness::new();
    harness.put("a", "1");
    let known = value_is("a", "other");
    assert!(!holds(&mut harness, known.clone()));
    assert!(holds(&mut harness, Compare { result: 9, ..known.clone() }));
    assert!(holds(&mut harness, Compare { target: 9, ..known.clone() }));
    let not_equal = CompareResult::NotEqual as i32;
    assert!(!holds(&mut harness, Compare { target: 9, result: not_equal, ..known.clone() }));
    // Nothing to compare with is zero, and so is something for another target.
    let missing = Compare { target_union: None, result: not_equal, ..known };
    assert!(holds(&mut harness, missing.clone()));
    let other = Some(TargetUnion::Version(1));
    let create = CompareTarget::Create as i32;
    assert!(holds(&mut harness, Compare { target: create, target_union: other, ..missing }));
}

#[test]
fn a_read_only_txn_refuses_to_write() {
    let harness = Harness::new();
    let error = harness.views.read_txn(&success(vec![put("a", "1")])).expect_err("a write");
    assert!(matches!(error, crate::Error::Refused(Refusal::Unsupported(_))), "{error}");
}
