//! Random requests over few keys: many of them right at the edge of a rule.

use bytes::Bytes;
use etcd_proto::etcdserverpb::compare::TargetUnion;
use etcd_proto::etcdserverpb::request_op::Request as Operation;
use etcd_proto::etcdserverpb::{
    CompactionRequest, Compare, DeleteRangeRequest, PutRequest, RangeRequest, RequestOp, TxnRequest,
};
use proptest::prelude::*;

/// Any request.
#[derive(Debug, Clone)]
pub(crate) enum Request {
    Range(RangeRequest),
    Put(PutRequest),
    DeleteRange(DeleteRangeRequest),
    Txn(TxnRequest),
    Compaction(CompactionRequest),
    HashKv(i64),
}

/// A request to a store that is at `revision`.
pub(crate) fn request(revision: i64) -> impl Strategy<Value = Request> {
    prop_oneof![
        30 => range(revision).prop_map(Request::Range),
        20 => put().prop_map(Request::Put),
        8 => delete_range().prop_map(Request::DeleteRange),
        40 => txn(revision, 2).prop_map(|mut txn| {
            if has_delete_to_the_end(&txn) {
                keep_nothing(&mut txn);
            }
            Request::Txn(txn)
        }),
        1 => (-1..=revision + 1).prop_map(|revision| {
            Request::Compaction(CompactionRequest { revision, physical: true })
        }),
        4 => revisions(revision).prop_map(Request::HashKv),
    ]
}

/// Mostly the newest, else one of the last few, or one that cannot be.
fn revisions(revision: i64) -> impl Strategy<Value = i64> {
    prop_oneof![
        6 => Just(0),
        3 => revision - 6..=revision,
        1 => prop::sample::select(vec![-2, -1, 1, revision + 1, revision + 2]),
    ]
}

fn key() -> impl Strategy<Value = Bytes> {
    let keys = ["a", "ab", "b", "b\0", "c", "\0", "\u{7f}"];
    prop_oneof![
        60 => prop::sample::select(keys.to_vec()).prop_map(Bytes::from),
        1 => Just(Bytes::new()),
    ]
}

fn range_end() -> impl Strategy<Value = Bytes> {
    prop_oneof![
        4 => Just(Bytes::new()),
        1 => Just(Bytes::from_static(b"\0")),
        3 => key(),
    ]
}

fn value() -> impl Strategy<Value = Bytes> {
    prop::sample::select(vec!["", "1", "2", "10"]).prop_map(Bytes::from)
}

fn rarely() -> impl Strategy<Value = bool> {
    prop::bool::weighted(0.15)
}

/// An enumeration's number with `known` values, seldom one beyond.
fn choice(known: i32) -> impl Strategy<Value = i32> {
    prop_oneof![40 => 0..known, 1 => Just(known), 1 => Just(-1)]
}

fn range(revision: i64) -> impl Strategy<Value = RangeRequest> {
    let filter = move || prop_oneof![8 => Just(0), 1 => revision - 4..=revision, 1 => Just(-1i64)];
    let filters = (filter(), filter(), filter(), filter());
    let flags = (any::<bool>(), rarely(), rarely());
    let sort = (choice(3), choice(5));
    (key(), range_end(), -1..4i64, revisions(revision), sort, flags, filters).prop_map(
        |(key, range_end, limit, revision, sort, flags, filters)| RangeRequest {
            key,
            range_end,
            limit,
            revision,
            sort_order: sort.0,
            sort_target: sort.1,
            serializable: flags.0,
            keys_only: flags.1,
            count_only: flags.2,
            min_mod_revision: filters.0,
            max_mod_revision: filters.1,
            min_create_revision: filters.2,
            max_create_revision: filters.3,
        },
    )
}

fn put() -> impl Strategy<Value = PutRequest> {
    let lease = prop_oneof![20 => Just(0), 1 => Just(7i64)];
    (key(), value(), lease, any::<bool>(), rarely(), rarely()).prop_map(
        |(key, value, lease, prev_kv, ignore_value, ignore_lease)| PutRequest {
            key,
            // Mostly what is legal together with the flag.
            value: if ignore_value && value != "10" { Bytes::new() } else { value },
            lease,
            prev_kv,
            ignore_value,
            ignore_lease,
        },
    )
}

fn delete_range() -> impl Strategy<Value = DeleteRangeRequest> {
    (key(), range_end(), any::<bool>()).prop_map(|(key, range_end, prev_kv)| DeleteRangeRequest {
        key,
        range_end,
        prev_kv,
    })
}

fn compare(revision: i64) -> impl Strategy<Value = Compare> {
    let number = || prop_oneof![0..4i64, revision - 4..=revision];
    let with = prop_oneof![
        number().prop_map(|number| Some(TargetUnion::Version(number))),
        number().prop_map(|number| Some(TargetUnion::CreateRevision(number))),
        number().prop_map(|number| Some(TargetUnion::ModRevision(number))),
        number().prop_map(|number| Some(TargetUnion::Lease(number))),
        value().prop_map(|value| Some(TargetUnion::Value(value))),
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

fn txn(revision: i64, depth: u32) -> BoxedStrategy<TxnRequest> {
    let compares = prop::collection::vec(compare(revision), 0..3);
    let list = || prop::collection::vec(operation(revision, depth), 0..4);
    (compares, list(), list(), prop::bool::weighted(0.3))
        .prop_map(|(compare, success, failure, reads)| {
            let only_reads = |mut list: Vec<RequestOp>| {
                list.retain(|op| matches!(op.request, Some(Operation::RequestRange(_))));
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

fn operation(revision: i64, depth: u32) -> BoxedStrategy<RequestOp> {
    let leaf = prop_oneof![
        6 => range(revision).prop_map(|range| Some(Operation::RequestRange(range))),
        12 => put().prop_map(|put| Some(Operation::RequestPut(put))),
        5 => delete_range().prop_map(|delete| Some(Operation::RequestDeleteRange(delete))),
        1 => prop::bool::weighted(0.1).prop_map(|empty| match empty {
            true => None,
            false => Some(Operation::RequestPut(PutRequest {
                key: "e".into(),
                ..PutRequest::default()
            })),
        }),
    ];
    let request = match depth.checked_sub(1) {
        None => leaf.boxed(),
        Some(depth) => prop_oneof![
            5 => leaf,
            1 => txn(revision, depth).prop_map(|txn| Some(Operation::RequestTxn(txn))),
        ]
        .boxed(),
    };
    request.prop_map(|request| RequestOp { request }).boxed()
}

/// A put that keeps what an earlier delete up to the last key removed ends etcd's process.
fn has_delete_to_the_end(txn: &TxnRequest) -> bool {
    txn.success.iter().chain(&txn.failure).any(|operation| match &operation.request {
        Some(Operation::RequestDeleteRange(delete)) => delete.range_end[..] == [0],
        Some(Operation::RequestTxn(txn)) => has_delete_to_the_end(txn),
        _ => false,
    })
}

fn keep_nothing(txn: &mut TxnRequest) {
    for operation in txn.success.iter_mut().chain(&mut txn.failure) {
        match &mut operation.request {
            Some(Operation::RequestPut(put)) => {
                (put.ignore_value, put.ignore_lease) = (false, false);
            }
            Some(Operation::RequestTxn(txn)) => keep_nothing(txn),
            _ => {}
        }
    }
}
