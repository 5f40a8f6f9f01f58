//! What a command must pass before it is executed, in one list.

use etcd_proto::etcdserverpb::AlarmType;

use crate::command::Command;
use crate::{Cluster, Refusal};

/// Looks at a command, and at nothing but replicated state.
type Gate = fn(&Cluster, &Command) -> Result<(), Refusal>;

/// The gates, outermost first: the first that refuses is the one that the caller hears of. The
/// order is etcd's: alarms come before permissions, which the applier looks at right after.
const GATES: &[Gate] = &[refuse_when_corrupt, refuse_without_space];

/// Asks every gate.
pub(crate) fn pass(cluster: &Cluster, command: &Command) -> Result<(), Refusal> {
    GATES.iter().try_for_each(|gate| gate(cluster, command))
}

/// While data is known to differ between members nothing may be built on it.
fn refuse_when_corrupt(cluster: &Cluster, command: &Command) -> Result<(), Refusal> {
    let builds_on_data = matches!(
        command,
        Command::Put(_)
            | Command::DeleteRange(_)
            | Command::Txn(_)
            | Command::Compaction(_)
            | Command::LeaseGrant(_)
            | Command::LeaseRevoke(_)
            | Command::LeaseExpire(_)
            | Command::Unsupported("range")
    );
    if builds_on_data && cluster.alarms.has(AlarmType::Corrupt) {
        return Err(Refusal::Corrupt);
    }
    Ok(())
}

/// Without space nothing may grow; what shrinks passes.
fn refuse_without_space(cluster: &Cluster, command: &Command) -> Result<(), Refusal> {
    if cluster.alarms.has(AlarmType::Nospace) && command.cost() > 0 {
        return Err(Refusal::NoSpace);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use etcd_proto::etcdserverpb::alarm_request::AlarmAction;
    use etcd_proto::etcdserverpb::request_op::Request;
    use etcd_proto::etcdserverpb::{AlarmRequest, PutRequest, RequestOp, TxnRequest};
    use etcd_storage::Batch;

    fn cluster(alarms: &[AlarmType]) -> Cluster {
        let mut cluster = Cluster::default();
        for alarm in alarms {
            let action = AlarmAction::Activate as i32;
            let request = AlarmRequest { action, member_id: 1, alarm: *alarm as i32 };
            cluster.alarms.execute(&request, &mut Batch::new());
        }
        cluster
    }

    fn txn_with_put_in_failure() -> Command {
        let put = RequestOp { request: Some(Request::RequestPut(PutRequest::default())) };
        Command::Txn(TxnRequest { failure: vec![put], ..TxnRequest::default() }.into())
    }

    fn check(alarms: &[AlarmType], command: &Command, expected: Result<(), Refusal>) {
        assert_eq!(pass(&cluster(alarms), command), expected, "{alarms:?} {command:?}");
    }

    #[test]
    fn without_space_only_what_may_grow_is_refused() {
        let alarms = [AlarmType::Nospace];
        check(&alarms, &Command::Put(PutRequest::default()), Err(Refusal::NoSpace));
        check(&alarms, &txn_with_put_in_failure(), Err(Refusal::NoSpace));
        check(&alarms, &Command::LeaseGrant(Default::default()), Err(Refusal::NoSpace));
        check(&alarms, &Command::Txn(TxnRequest::default().into()), Ok(()));
        check(&alarms, &Command::DeleteRange(Default::default()), Ok(()));
        check(&alarms, &Command::Compaction(Default::default()), Ok(()));
        check(&alarms, &Command::LeaseRevoke(Default::default()), Ok(()));
        check(&alarms, &Command::LeaseExpire(Default::default()), Ok(()));
    }

    #[test]
    fn with_corrupt_data_nothing_builds_on_it_and_that_is_said_first() {
        let alarms = [AlarmType::Nospace, AlarmType::Corrupt];
        check(&alarms, &Command::Put(PutRequest::default()), Err(Refusal::Corrupt));
        check(&alarms, &Command::Txn(TxnRequest::default().into()), Err(Refusal::Corrupt));
        check(&alarms, &Command::DeleteRange(Default::default()), Err(Refusal::Corrupt));
        check(&alarms, &Command::Compaction(Default::default()), Err(Refusal::Corrupt));
        check(&alarms, &Command::LeaseGrant(Default::default()), Err(Refusal::Corrupt));
        check(&alarms, &Command::LeaseRevoke(Default::default()), Err(Refusal::Corrupt));
        check(&alarms, &Command::LeaseExpire(Default::default()), Err(Refusal::Corrupt));
        check(&alarms, &Command::Alarm(Default::default()), Ok(()));
        check(&alarms, &Command::SetVersion(Default::default()), Ok(()));
    }

    #[test]
    fn without_alarms_everything_passes() {
        check(&[], &Command::Put(PutRequest::default()), Ok(()));
        check(&[], &txn_with_put_in_failure(), Ok(()));
    }
}
