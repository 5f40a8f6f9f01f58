//! Alarms that stand until somebody clears them.

use std::collections::BTreeSet;
use std::ops::ControlFlow;

use etcd_proto::etcdserverpb::alarm_request::AlarmAction;
use etcd_proto::etcdserverpb::{AlarmMember, AlarmRequest, AlarmType};
use etcd_storage::{Batch, Storage, Table};
use prost::Message as _;

use crate::Error;

/// All active alarms.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Alarms {
    /// By type, then by member.
    active: BTreeSet<(i32, u64)>,
}

impl Alarms {
    /// Reads the alarms that were stored.
    pub(crate) fn load(storage: &Storage) -> Result<Alarms, Error> {
        let mut alarms = Alarms::default();
        let mut failure = Ok(());
        storage.scan(Table::Alarm, &[]..&[], |key, _| match AlarmMember::decode(key) {
            Ok(alarm) => {
                alarms.active.insert((alarm.alarm, alarm.member_id));
                ControlFlow::Continue(())
            }
            Err(error) => {
                failure = Err(Error::Damaged { table: "alarm", reason: error.to_string() });
                ControlFlow::Break(())
            }
        })?;
        failure.map(|()| alarms)
    }

    /// The active alarms, by type and member.
    pub fn iter(&self) -> impl Iterator<Item = AlarmMember> + '_ {
        self.active.iter().map(|&(alarm, member_id)| AlarmMember { member_id, alarm })
    }

    /// Whether any alarm of this type stands, for whichever member.
    pub fn has(&self, alarm: AlarmType) -> bool {
        self.active.range((alarm as i32, 0)..=(alarm as i32, u64::MAX)).next().is_some()
    }

    /// Executes an alarm request (behaviour of etcd 3.7.1) and returns the alarms concerned.
    pub(crate) fn execute(
        &mut self,
        request: &AlarmRequest,
        batch: &mut Batch,
    ) -> Vec<AlarmMember> {
        let alarm = AlarmMember { member_id: request.member_id, alarm: request.alarm };
        let is_none = request.alarm == AlarmType::None as i32;
        match AlarmAction::try_from(request.action) {
            Ok(AlarmAction::Get) => {
                self.iter().filter(|active| is_none || active.alarm == request.alarm).collect()
            }
            Ok(AlarmAction::Activate) if !is_none => {
                self.active.insert((alarm.alarm, alarm.member_id));
                batch.put(Table::Alarm, &alarm.encode_to_vec(), &[]);
                vec![alarm]
            }
            Ok(AlarmAction::Deactivate) if self.active.remove(&(alarm.alarm, alarm.member_id)) => {
                batch.delete(Table::Alarm, &alarm.encode_to_vec());
                vec![alarm]
            }
            Ok(AlarmAction::Activate | AlarmAction::Deactivate) | Err(_) => Vec::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NO_SPACE: i32 = AlarmType::Nospace as i32;
    const CORRUPT: i32 = AlarmType::Corrupt as i32;

    fn execute(
        alarms: &mut Alarms,
        action: AlarmAction,
        member_id: u64,
        alarm: i32,
    ) -> Vec<(u64, i32)> {
        let request = AlarmRequest { action: action as i32, member_id, alarm };
        let concerned = alarms.execute(&request, &mut Batch::new());
        concerned.iter().map(|alarm| (alarm.member_id, alarm.alarm)).collect()
    }

    #[test]
    fn an_alarm_stands_until_it_is_cleared_for_its_own_member() {
        use AlarmAction::{Activate, Deactivate, Get};
        let mut alarms = Alarms::default();
        assert_eq!(execute(&mut alarms, Activate, 7, NO_SPACE), [(7, NO_SPACE)]);
        assert_eq!(execute(&mut alarms, Activate, 7, NO_SPACE), [(7, NO_SPACE)]);
        assert_eq!(execute(&mut alarms, Activate, 0, CORRUPT), [(0, CORRUPT)]);
        assert!(alarms.has(AlarmType::Nospace) && alarms.has(AlarmType::Corrupt));
        // Which member asks, and which it names, does not matter when reading.
        assert_eq!(execute(&mut alarms, Get, 9, 0), [(7, NO_SPACE), (0, CORRUPT)]);
        assert_eq!(execute(&mut alarms, Get, 9, CORRUPT), [(0, CORRUPT)]);
        assert_eq!(execute(&mut alarms, Deactivate, 8, NO_SPACE), []);
        assert_eq!(execute(&mut alarms, Deactivate, 7, NO_SPACE), [(7, NO_SPACE)]);
        assert!(!alarms.has(AlarmType::Nospace));
    }

    #[test]
    fn the_alarm_none_is_never_raised_nor_cleared() {
        let mut alarms = Alarms::default();
        assert_eq!(execute(&mut alarms, AlarmAction::Activate, 7, 0), []);
        assert_eq!(execute(&mut alarms, AlarmAction::Deactivate, 7, 0), []);
        assert_eq!(alarms, Alarms::default());
    }

    #[test]
    fn an_unknown_action_does_nothing() {
        let mut alarms = Alarms::default();
        let request = AlarmRequest { action: 9, member_id: 1, alarm: NO_SPACE };
        assert_eq!(alarms.execute(&request, &mut Batch::new()), []);
        assert_eq!(alarms, Alarms::default());
    }
}
