//! Transactions, nested ones too.
//!
//! etcd looks before a transaction whether the keys are there that its puts keep the value or lease
//! of, and lets a delete up to the last key remove them in between: the put then ends the process.
//! Such puts keep nothing here.

use super::ranges::range;
use super::words::{choice, key, many, numbered, range_end, short};
use super::writes::{delete_range, put};
use crate::parity::moment::NEWEST;
use etcd_proto::etcdserverpb::compare::TargetUnion;
use etcd_proto::etcdserverpb::request_op::Request;
use etcd_proto::etcdserverpb::{Compare, PutRequest, RequestOp, TxnRequest};
use proptest::prelude::*;

/// How deep transactions are nested in others.
const DEPTH: u32 = 2;

pub(super) fn txn() -> impl Strategy<Value = TxnRequest> {
    nested(DEPTH).prop_map(|mut txn| {
        if has_delete_to_the_end(&txn) {
            keep_nothing(&mut txn);
        }
        txn
    })
}

/// Puts of many keys at once, so that there are long ranges; sometimes more than etcd takes.
pub(super) fn many_puts() -> impl Strategy<Value = TxnRequest> {
    let keys = prop_oneof![
        10 => prop::collection::vec(many(), 5..60),
        1 => prop::collection::vec(many(), 127..131),
    ];
    let sizes = prop::sample::select(vec![0, 0, 100, 1000, 3000usize]);
    (keys, sizes, prop::bool::weighted(0.1)).prop_map(|(mut keys, size, repeat)| {
        if !repeat && keys.len() < 100 {
            keys.sort_unstable();
            keys.dedup();
        }
        let put = |key| {
            Request::RequestPut(PutRequest {
                key: numbered(key),
                value: vec![b'm'; size].into(),
                ..PutRequest::default()
            })
        };
        let operation = |key| RequestOp { request: Some(put(key)) };
        TxnRequest { success: keys.into_iter().map(operation).collect(), ..TxnRequest::default() }
    })
}

fn nested(depth: u32) -> BoxedStrategy<TxnRequest> {
    let compares = prop::collection::vec(compare(), 0..3);
    let list = || prop::collection::vec(operation(depth), 0..4);
    (compares, list(), list(), prop::bool::weighted(0.3))
        .prop_map(|(compare, success, failure, reads)| {
            let only_reads = |mut list: Vec<RequestOp>| {
                list.retain(|op| matches!(op.request, Some(Request::RequestRange(_))));
                list
            };
            match reads {
                true => {
                    let (success, failure) = (only_reads(success), only_reads(failure));
                    TxnRequest { compare, success, failure }
                }
                false => TxnRequest { compare, success, failure },
            }
        })
        .boxed()
}

fn operation(depth: u32) -> BoxedStrategy<RequestOp> {
    let leaf = prop_oneof![
        60 => range().prop_map(|range| Some(Request::RequestRange(range))),
        120 => put().prop_map(|put| Some(Request::RequestPut(put))),
        50 => delete_range().prop_map(|delete| Some(Request::RequestDeleteRange(delete))),
        1 => Just(None),
    ];
    let request = match depth.checked_sub(1) {
        None => leaf.boxed(),
        Some(depth) => prop_oneof![
            5 => leaf,
            1 => nested(depth).prop_map(|txn| Some(Request::RequestTxn(txn))),
        ]
        .boxed(),
    };
    request.prop_map(|request| RequestOp { request }).boxed()
}

fn compare() -> impl Strategy<Value = Compare> {
    let number = || prop_oneof![0..4i64, (NEWEST - 4)..=NEWEST, Just(-1)];
    let with = prop_oneof![
        number().prop_map(|number| Some(TargetUnion::Version(number))),
        number().prop_map(|number| Some(TargetUnion::CreateRevision(number))),
        number().prop_map(|number| Some(TargetUnion::ModRevision(number))),
        number().prop_map(|number| Some(TargetUnion::Lease(number))),
        short().prop_map(|value| Some(TargetUnion::Value(value))),
        Just(None),
    ];
    (choice(4), choice(5), key(), range_end(), with, prop::bool::weighted(0.8)).prop_map(
        |(result, target, key, range_end, target_union, fits)| {
            // Mostly what belongs to the target.
            let target = match &target_union {
                Some(TargetUnion::Version(_)) if fits => 0,
                Some(TargetUnion::CreateRevision(_)) if fits => 1,
                Some(TargetUnion::ModRevision(_)) if fits => 2,
                Some(TargetUnion::Value(_)) if fits => 3,
                Some(TargetUnion::Lease(_)) if fits => 4,
                _ => target,
            };
            Compare { result, target, key, range_end, target_union }
        },
    )
}

fn has_delete_to_the_end(txn: &TxnRequest) -> bool {
    txn.success.iter().chain(&txn.failure).any(|operation| match &operation.request {
        Some(Request::RequestDeleteRange(delete)) => delete.range_end[..] == [0],
        Some(Request::RequestTxn(txn)) => has_delete_to_the_end(txn),
        _ => false,
    })
}

fn keep_nothing(txn: &mut TxnRequest) {
    for operation in txn.success.iter_mut().chain(&mut txn.failure) {
        match &mut operation.request {
            Some(Request::RequestPut(put)) => {
                (put.ignore_value, put.ignore_lease) = (false, false);
            }
            Some(Request::RequestTxn(txn)) => keep_nothing(txn),
            _ => {}
        }
    }
}
