//! Locks and elections.

use super::words::{lease, lock_key, lock_name, short};
use super::writes;
use crate::parity::call::Call;
use crate::parity::names::{PICKED, candidate};
use crate::parity::operation::Operation;
use crate::parity::pair::recipes::WON;
use etcd_proto::etcdserverpb::PutRequest;
use etcd_proto::v3electionpb::{
    CampaignRequest, LeaderKey, LeaderRequest, ProclaimRequest, ResignRequest,
};
use etcd_proto::v3lockpb::{LockRequest, UnlockRequest};
use proptest::prelude::*;

pub(super) fn recipe() -> impl Strategy<Value = Operation> {
    let lock = (lock_name(), lease());
    let campaign = (lock_name(), lease(), short());
    let proclaim = (leader(), short());
    prop_oneof![
        5 => lock.prop_map(|(name, lease)| Call::Lock(LockRequest { name, lease })),
        6 => lock_key().prop_map(|key| Call::Unlock(UnlockRequest { key })),
        5 => campaign.prop_map(|(name, lease, value)| {
            Call::Campaign(CampaignRequest { name, lease, value })
        }),
        4 => proclaim.prop_map(|(leader, value)| Call::Proclaim(ProclaimRequest { leader, value })),
        3 => lock_name().prop_map(|name| Call::Leader(LeaderRequest { name })),
        3 => lock_name().prop_map(|name| Call::Observe(LeaderRequest { name })),
        5 => leader().prop_map(|leader| Call::Resign(ResignRequest { leader })),
    ]
    .prop_map(Operation::Call)
}

/// The same, and what puts ids into keys that servers pick.
pub(super) fn picking() -> impl Strategy<Value = Operation> {
    let picked = (writes::put(), PICKED..(PICKED + 4));
    prop_oneof![
        20 => recipe(),
        2 => Just(Operation::Call(Call::Lock(LockRequest::default()))),
        2 => short().prop_map(|value| {
            Operation::Call(Call::Campaign(CampaignRequest { value, ..Default::default() }))
        }),
        3 => picked.prop_map(|(put, lease)| Operation::Put(PutRequest { lease, ..put })),
    ]
}

/// Mostly one who was a candidate, in that place.
fn leader() -> impl Strategy<Value = Option<LeaderKey>> {
    let revision = prop_oneof![8 => Just(WON), 1 => Just(WON + 1), 1 => 0..3i64];
    let leader = (lock_name(), lease(), revision, prop::option::weighted(0.1, lock_key()));
    let leader = leader.prop_map(|(name, lease, rev, other)| {
        let key = other.unwrap_or_else(|| candidate(&name, lease));
        LeaderKey { name, key, rev, lease }
    });
    // The last one that there was.
    let last = Just(LeaderKey { rev: WON, ..LeaderKey::default() });
    prop::option::weighted(0.96, prop_oneof![2 => last, 1 => leader])
}
