//! Puts and deletes.

use super::words::{key, lease, range_end, rarely, value};
use bytes::Bytes;
use etcd_proto::etcdserverpb::{DeleteRangeRequest, PutRequest};
use proptest::prelude::*;

pub(super) fn put() -> impl Strategy<Value = PutRequest> {
    let lease = prop_oneof![30 => Just(0), 6 => lease()];
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

/// Of a value that takes most of what a request may.
pub(super) fn long_put() -> impl Strategy<Value = PutRequest> {
    (key(), prop::sample::select(vec![50_000, 60_000])).prop_map(|(key, size)| PutRequest {
        key,
        value: vec![b'l'; size].into(),
        ..PutRequest::default()
    })
}

pub(super) fn delete_range() -> impl Strategy<Value = DeleteRangeRequest> {
    let end = prop_oneof![
        3 => Just(Bytes::new()),
        1 => range_end(),
    ];
    (key(), end, any::<bool>()).prop_map(|(key, range_end, prev_kv)| DeleteRangeRequest {
        key,
        range_end,
        prev_kv,
    })
}
