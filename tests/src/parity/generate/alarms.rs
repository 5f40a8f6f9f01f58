//! Alarms, and what refuses most while they are on.

use crate::parity::call::Call;
use crate::parity::names::OWN;
use etcd_proto::etcdserverpb::AlarmRequest;
use proptest::prelude::*;

/// More are ended than begun. An action that does not exist would end a real etcd's process.
pub(super) fn alarm() -> impl Strategy<Value = Call> {
    let member = prop_oneof![3 => Just(OWN), 1 => Just(7u64), 1 => Just(0)];
    let kind = prop_oneof![8 => Just(1), 3 => Just(2), 1 => Just(0)];
    let known = (prop_oneof![2 => Just(0), 1 => Just(1), 6 => Just(2)], member, kind);
    prop_oneof![
        6 => known.prop_map(|(action, member_id, alarm)| {
            Call::Alarm(AlarmRequest { action, member_id, alarm })
        }),
        1 => Just(Call::Status),
    ]
}
