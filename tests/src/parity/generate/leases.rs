//! Leases: granted, revoked, renewed and asked for.

use super::words;
use crate::parity::call::Call;
use crate::parity::names::PICKED;
use etcd_proto::etcdserverpb as pb;
use proptest::prelude::*;

pub(super) fn lease() -> impl Strategy<Value = Call> {
    let grant = (granted(), ttl());
    prop_oneof![
        20 => grant.prop_map(|(id, ttl)| Call::LeaseGrant(pb::LeaseGrantRequest { ttl, id })),
        4 => asked().prop_map(|id| Call::LeaseRevoke(pb::LeaseRevokeRequest { id })),
        4 => asked().prop_map(|id| Call::LeaseKeepAlive(pb::LeaseKeepAliveRequest { id })),
        6 => (asked(), any::<bool>()).prop_map(|(id, keys)| {
            Call::LeaseTimeToLive(pb::LeaseTimeToLiveRequest { id, keys })
        }),
        2 => Just(Call::LeaseLeases),
    ]
}

/// Seldom one that the server picks.
fn granted() -> impl Strategy<Value = i64> {
    prop_oneof![12 => words::lease(), 1 => Just(0i64)]
}

/// One that a client named, or the server picked.
fn asked() -> impl Strategy<Value = i64> {
    prop_oneof![16 => words::lease(), 2 => PICKED..(PICKED + 3), 1 => Just(0)]
}

/// Either so long that it does not end, or so short that it is awaited.
fn ttl() -> impl Strategy<Value = i64> {
    prop_oneof![
        12 => 1_000..10_000i64,
        9 => Just(3),
        1 => prop::sample::select(vec![i64::MIN, -1, 0, 1, 2]),
        1 => prop::sample::select(vec![9_000_000_000, 9_000_000_001, i64::MAX]),
    ]
}
