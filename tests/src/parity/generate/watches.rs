//! What happens on watch streams.

use super::words::{key, range_end, rarely};
use crate::parity::moment::{COMPACTED, NEWEST};
use crate::parity::operation::{Ask, Close, Operation, STREAMS};
use bytes::Bytes;
use etcd_proto::etcdserverpb::WatchCreateRequest;
use proptest::prelude::*;

pub(super) fn watch() -> impl Strategy<Value = Operation> {
    let ask = prop_oneof![
        60 => create().prop_map(Ask::Create),
        12 => (0..100usize).prop_map(Ask::CancelOne),
        2 => id().prop_map(Ask::Cancel),
        15 => Just(Ask::Progress),
        1 => Just(Ask::Nothing),
    ]
    .boxed();
    let asks = prop_oneof![
        3 => prop::collection::vec(ask.clone(), 1..2),
        1 => prop::collection::vec(ask, 2..6),
    ];
    (0..STREAMS, asks).prop_map(|(stream, asks)| Operation::Watch { stream, asks })
}

pub(super) fn close() -> impl Strategy<Value = Operation> {
    let close = prop_oneof![1 => Just(Close::Half), 2 => Just(Close::Reset)];
    (0..STREAMS, close).prop_map(|(stream, close)| Operation::Close { stream, close })
}

/// A watcher of everything from a revision on that wants its responses in fragments.
pub(super) fn fragmented(start_revision: i64) -> impl Strategy<Value = Operation> {
    (0..STREAMS, any::<bool>()).prop_map(move |(stream, prev_kv)| {
        let create = WatchCreateRequest {
            key: "\0".into(),
            range_end: "\0".into(),
            start_revision,
            prev_kv,
            fragment: true,
            ..WatchCreateRequest::default()
        };
        Operation::Watch { stream, asks: vec![Ask::Create(create)] }
    })
}

fn create() -> impl Strategy<Value = WatchCreateRequest> {
    let watch_id = prop_oneof![4 => Just(0), 1 => id()];
    let flags = (rarely(), any::<bool>(), rarely());
    (watched(), start(), filters(), watch_id, flags).prop_map(
        |((key, range_end), start_revision, filters, watch_id, flags)| WatchCreateRequest {
            key,
            range_end,
            start_revision,
            progress_notify: flags.0,
            filters,
            prev_kv: flags.1,
            watch_id,
            fragment: flags.2,
        },
    )
}

/// Mostly more than one key, so that there is something to tell.
fn watched() -> impl Strategy<Value = (Bytes, Bytes)> {
    let everything = Just((Bytes::from_static(b"\0"), Bytes::from_static(b"\0")));
    let between = Just((Bytes::from_static(b"a"), Bytes::from_static(b"c")));
    prop_oneof![2 => everything, 2 => between, 5 => (key(), range_end())]
}

fn start() -> impl Strategy<Value = i64> {
    prop_oneof![
        10 => Just(0),
        3 => (NEWEST - 9)..=NEWEST,
        2 => (NEWEST + 1)..(NEWEST + 4),
        3 => COMPACTED..(COMPACTED + 3),
        1 => prop::sample::select(vec![COMPACTED - 1, 1, 2, -1, i64::MIN, i64::MAX]),
    ]
}

/// Numbers beyond the two known ones are not heeded.
fn filters() -> impl Strategy<Value = Vec<i32>> {
    let filter = prop_oneof![20 => Just(0), 20 => Just(1), 1 => Just(2), 1 => Just(-1)];
    prop_oneof![6 => Just(Vec::new()), 1 => prop::collection::vec(filter, 1..4)]
}

fn id() -> impl Strategy<Value = i64> {
    prop_oneof![
        10 => 0..6i64,
        1 => prop::sample::select(vec![-1, -2, i64::MAX, i64::MIN]),
    ]
}
