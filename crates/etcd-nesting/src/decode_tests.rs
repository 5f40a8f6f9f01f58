//! Txns from bytes: how deep, in how many pieces, and what is no txn.

use super::*;
use crate::encode;
use crate::nested::levels;
use etcd_proto::etcdserverpb::{DeleteRangeRequest, PutRequest, RangeRequest};
use proptest::prelude::*;

/// A length-delimited field.
fn field(number: u8, content: &[u8]) -> Vec<u8> {
    let mut bytes = vec![number << 3 | 2];
    prost::encoding::encode_varint(content.len() as u64, &mut bytes);
    bytes.extend_from_slice(content);
    bytes
}

/// A put's operation in the list `success`.
fn put() -> Vec<u8> {
    field(2, &field(2, &field(1, b"k")))
}

/// `levels` txns inside each other around the fields of the innermost.
fn nested(levels: usize, innermost: &[u8]) -> Bytes {
    // The heads of the messages, the innermost one's first, since each counts those inside it.
    let mut heads = Vec::new();
    let mut length = innermost.len();
    for _ in 1..levels {
        for number in [4, 2] {
            let mut head = vec![number << 3 | 2];
            prost::encoding::encode_varint(length as u64, &mut head);
            length += head.len();
            heads.push(head);
        }
    }
    heads.into_iter().rev().flatten().chain(innermost.iter().copied()).collect()
}

fn check_error(bytes: impl Into<Bytes>, expected: &Malformed) {
    assert_eq!(decode_txn(bytes.into()).err().as_ref(), Some(expected));
}

#[test]
fn as_many_levels_as_etcd_takes_are_read_and_one_more_is_not() {
    let deepest = LIMIT / 2 - 1;
    let txn = decode_txn(nested(deepest, &put())).expect("etcd takes it");
    assert_eq!(txn.levels(), deepest);
    check_error(nested(deepest + 1, &put()), &Malformed::TooDeep);
    // The put makes the difference: the empty operation alone is number 10 000.
    let txn = decode_txn(nested(deepest + 1, &field(2, b""))).expect("etcd takes it");
    assert_eq!(txn.levels(), deepest + 1);
    check_error(nested(deepest + 2, b""), &Malformed::TooDeep);
    check_error(nested(400_000, &put()), &Malformed::TooDeep);
}

#[test]
fn a_compare_counts_as_a_level_too() {
    let compare = field(1, &field(3, b"k"));
    let txn = decode_txn(nested(LIMIT / 2, &compare)).expect("the compare is number 10 000");
    assert_eq!(txn.levels(), LIMIT / 2);
}

#[test]
fn what_was_read_of_a_deep_txn_before_an_error_is_dropped_on_a_small_stack() {
    let mut broken = nested(LIMIT / 2 - 1, &put()).to_vec();
    broken.extend([0x12, 0x7f]);
    on_small_stack(move || check_error(broken, &Malformed::Truncated));
}

#[test]
fn a_deep_txn_that_gives_way_to_another_operation_is_dropped_on_a_small_stack() {
    let deep = field(4, &nested(LIMIT / 2 - 3, &put()));
    let range = field(1, &field(1, b"k"));
    let bytes = field(2, &[deep, range].concat());
    on_small_stack(move || {
        let txn = decode_txn(bytes.into()).expect("a txn");
        let range = RangeRequest { key: "k".into(), ..RangeRequest::default() };
        assert_eq!(txn.success[0].request, Some(Request::RequestRange(range)));
    });
}

#[test]
fn an_operation_in_two_pieces_is_merged() {
    let pieces = [field(4, &put()), field(4, &field(3, &field(1, &field(1, b"r"))))].concat();
    let txn = decode_txn(field(2, &pieces).into()).expect("a txn");
    let Some(Request::RequestTxn(inner)) = &txn.success[0].request else { panic!("{txn:?}") };
    assert_eq!((inner.success.len(), inner.failure.len()), (1, 1));
}

#[test]
fn an_inner_message_longer_than_its_parent_is_refused() {
    check_error(vec![0x12, 0x01], &Malformed::Truncated);
    check_error(field(2, &[0x22, 0x05, 0x12]), &Malformed::Truncated);
    let huge = [&[0x12][..], &[0xff; 9], &[0x01]].concat();
    check_error(huge, &Malformed::Truncated);
}

/// Runs `work` on a thread that the recursion would end: the smallest that Rust's own start takes.
pub(crate) fn on_small_stack(work: impl FnOnce() + Send + 'static) {
    let thread = std::thread::Builder::new().stack_size(192 << 10).spawn(work);
    thread.expect("a thread").join().expect("it has room");
}

fn operation() -> impl Strategy<Value = RequestOp> {
    let bytes = || proptest::collection::vec(any::<u8>(), 0..3).prop_map(Bytes::from);
    let leaf = prop_oneof![
        Just(None),
        (bytes(), any::<i64>()).prop_map(|(key, limit)| {
            Some(Request::RequestRange(RangeRequest { key, limit, ..RangeRequest::default() }))
        }),
        (bytes(), bytes()).prop_map(|(key, value)| {
            Some(Request::RequestPut(PutRequest { key, value, ..PutRequest::default() }))
        }),
        (bytes(), any::<bool>()).prop_map(|(key, prev_kv)| {
            let delete = DeleteRangeRequest { key, prev_kv, ..DeleteRangeRequest::default() };
            Some(Request::RequestDeleteRange(delete))
        }),
    ];
    let leaf = leaf.prop_map(|request| RequestOp { request });
    leaf.prop_recursive(6, 40, 4, |inner| {
        let list = || proptest::collection::vec(inner.clone(), 0..3);
        (list(), list()).prop_map(|(success, failure)| {
            let txn = TxnRequest { compare: Vec::new(), success, failure };
            RequestOp { request: Some(Request::RequestTxn(txn)) }
        })
    })
}

proptest! {
    #[test]
    fn whatever_is_written_is_read_the_same(success in proptest::collection::vec(operation(), 0..4)) {
        let txn = TxnRequest { success, ..TxnRequest::default() };
        let bytes = encode(&txn);
        prop_assert_eq!(&bytes, &txn.encode_to_vec());
        let read = decode_txn(bytes).expect("it was just written");
        prop_assert_eq!(levels(&*read), levels(&txn));
        prop_assert_eq!(&*read, &txn);
    }

    /// prost's own decoder is right about everything that is not deep.
    #[test]
    fn any_bytes_are_read_as_prost_reads_them(
        success in proptest::collection::vec(operation(), 1..4),
        damage in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..4),
        cut in any::<prop::sample::Index>(),
    ) {
        let mut bytes = TxnRequest { success, ..TxnRequest::default() }.encode_to_vec();
        for (place, byte) in damage {
            let place = place.index(bytes.len());
            bytes[place] = byte;
        }
        bytes.truncate(cut.index(bytes.len()) + 1);
        let ours = decode_txn(bytes.clone().into()).ok().map(Deep::into_inner);
        prop_assert_eq!(ours, TxnRequest::decode(Bytes::from(bytes)).ok());
    }
}
