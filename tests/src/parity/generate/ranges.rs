//! Reads of every shape.

use super::words::{choice, key, range_end, rarely, revision};
use crate::parity::moment::NEWEST;
use etcd_proto::etcdserverpb::RangeRequest;
use proptest::prelude::*;

pub(super) fn range() -> impl Strategy<Value = RangeRequest> {
    let filter = || prop_oneof![9 => Just(0), 1 => (NEWEST - 4)..=NEWEST, 1 => Just(-1i64)];
    let filters = (filter(), filter(), filter(), filter());
    let flags = (any::<bool>(), rarely(), rarely());
    let sort = (choice(3), choice(5));
    (key(), range_end(), limit(), revision(), sort, flags, filters).prop_map(
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

/// As a stream allows it, seldom not.
pub(super) fn streamed() -> impl Strategy<Value = RangeRequest> {
    (range(), prop::bool::weighted(0.9), prop::bool::weighted(0.5)).prop_map(
        |(range, allowed, long)| {
            let mut range = match allowed {
                true => RangeRequest {
                    // A target without an order is allowed, too.
                    sort_order: if range.sort_target == 0 { range.sort_order % 2 } else { 0 },
                    min_mod_revision: 0,
                    max_mod_revision: 0,
                    min_create_revision: 0,
                    max_create_revision: 0,
                    ..range
                },
                false => range,
            };
            if long {
                (range.key, range.range_end) = ("b".into(), "\0".into());
            }
            range
        },
    )
}

fn limit() -> impl Strategy<Value = i64> {
    prop_oneof![
        8 => -1..4i64,
        1 => 8..24i64,
        1 => prop::sample::select(vec![i64::MAX, i64::MAX - 1, i64::MIN]),
    ]
}
