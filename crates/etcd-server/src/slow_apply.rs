//! The state machine on a clock: what takes too long to apply is told in the log.

use std::time::{Duration, Instant};

use etcd_apply::{Applier, Reply};
use etcd_proto::etcdserverpb::InternalRaftRequest;
use etcd_raft::{Applied, Entry, Payload, Proposal, StateMachine, StateMachineError};
use etcd_storage::Storage;
use prost::Message as _;

/// How many commands of those that were applied together are told.
const SHOWN_COMMANDS: usize = 8;

/// An [`Applier`] that is looked at while it works. It changes nothing of what is applied.
pub(crate) struct TimedApplier {
    applier: Applier,
    /// `--warning-apply-duration`.
    limit: Duration,
}

impl TimedApplier {
    pub(crate) fn new(applier: Applier, limit: Duration) -> TimedApplier {
        TimedApplier { applier, limit }
    }
}

impl StateMachine for TimedApplier {
    type Reply = Reply;

    fn storage(&self) -> &Storage {
        self.applier.storage()
    }

    fn apply(
        &mut self,
        entries: &[Entry],
        applied: &Applied,
    ) -> Result<Vec<Reply>, StateMachineError> {
        let begun = Instant::now();
        let replies = self.applier.apply(entries, applied);
        let took = begun.elapsed();
        if took > self.limit {
            tell(took, self.limit, entries);
        }
        replies
    }

    fn is_brief(&self, command: &[u8]) -> bool {
        self.applier.is_brief(command)
    }

    fn reload(&mut self) -> Result<(), StateMachineError> {
        self.applier.reload()
    }
}

/// One line with etcd's message and field names, for all commands that were applied together.
#[cold]
fn tell(took: Duration, limit: Duration, entries: &[Entry]) {
    let commands = || entries.iter().flat_map(commands);
    let shown: Vec<String> = commands().take(SHOWN_COMMANDS).map(describe).collect();
    let request = shown.join(" ");
    let (took, limit) = (format!("{took:?}"), format!("{limit:?}"));
    tracing::warn!(
        took,
        expected_duration = limit,
        prefix = "",
        request,
        requests = commands().count(),
        "apply request took too long"
    );
}

fn commands(entry: &Entry) -> &[Proposal] {
    match &entry.payload {
        Payload::Commands(proposals) => proposals,
        Payload::Blank | Payload::Membership(_) => &[],
    }
}

/// What a command does to which key, without values.
fn describe(proposal: &Proposal) -> String {
    let bytes = proposal.command.len();
    let Ok(command) = InternalRaftRequest::decode(proposal.command.clone()) else {
        return format!("a command of {bytes} bytes");
    };
    if let Some(put) = command.put {
        let (key, value_size) = (put.key.escape_ascii(), put.value.len());
        return format!("put:<key:\"{key}\" value_size:{value_size}>");
    }
    if let Some(delete) = command.delete_range {
        let (key, end) = (delete.key.escape_ascii(), delete.range_end.escape_ascii());
        return format!("delete_range:<key:\"{key}\" range_end:\"{end}\">");
    }
    if let Some(txn) = command.txn {
        let (compares, success) = (txn.compare.len(), txn.success.len());
        let failure = txn.failure.len();
        return format!("txn:<compares:{compares} success:{success} failure:{failure}>");
    }
    if let Some(compaction) = command.compaction {
        return format!("compaction:<revision:{}>", compaction.revision);
    }
    if let Some(revoke) = command.lease_revoke {
        return format!("lease_revoke:<ID:{}>", revoke.id);
    }
    format!("a command of {bytes} bytes")
}

#[cfg(test)]
mod tests {
    use etcd_proto::etcdserverpb::{LeaseRevokeRequest, PutRequest};

    use super::*;

    fn described(request: &InternalRaftRequest) -> String {
        let command = request.encode_to_vec().into();
        describe(&Proposal { id: 1, command, awaited: true })
    }

    #[test]
    fn a_command_is_told_without_values() {
        let put = PutRequest { key: "k".into(), value: "secret".into(), ..Default::default() };
        let put = InternalRaftRequest { put: Some(put), ..Default::default() };
        assert_eq!(described(&put), "put:<key:\"k\" value_size:6>");
        let lease_revoke = Some(LeaseRevokeRequest { id: 7 });
        let revoke = InternalRaftRequest { lease_revoke, ..Default::default() };
        assert_eq!(described(&revoke), "lease_revoke:<ID:7>");
        let nothing = InternalRaftRequest::default();
        assert_eq!(described(&nothing), "a command of 0 bytes");
    }
}
