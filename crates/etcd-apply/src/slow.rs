//! What took too long to apply is told in the log.

use std::time::Duration;

use etcd_nesting::{CommandParts, decode_parts};
use etcd_raft::{Entry, Payload, Proposal};

/// How many of the commands that took long together are told.
const SHOWN_COMMANDS: usize = 8;

/// One line with etcd's message and field names, for all that took so long together.
#[cold]
pub(crate) fn tell<'c>(
    took: Duration,
    limit: Duration,
    commands: impl Iterator<Item = &'c Proposal> + Clone,
) {
    let shown: Vec<String> = commands.clone().take(SHOWN_COMMANDS).map(describe).collect();
    let request = shown.join(" ");
    let (took, limit) = (format!("{took:?}"), format!("{limit:?}"));
    tracing::warn!(
        took,
        expected_duration = limit,
        prefix = "",
        request,
        requests = commands.count(),
        "apply request took too long"
    );
}

/// What there is to execute in an entry.
pub(crate) fn commands(entry: &Entry) -> &[Proposal] {
    match &entry.payload {
        Payload::Commands(proposals) => proposals,
        Payload::Blank | Payload::Membership(_) => &[],
    }
}

/// What a command does to which key, without values.
fn describe(proposal: &Proposal) -> String {
    let bytes = proposal.command.len();
    // Txns may be deeper than a stack.
    let Ok(CommandParts { put, txn, rest, .. }) = decode_parts(proposal.command.clone()) else {
        return format!("a command of {bytes} bytes");
    };
    let rest = rest.map(|rest| *rest).unwrap_or_default();
    if let Some(put) = put {
        let (key, value_size) = (put.key.escape_ascii(), put.value.len());
        return format!("put:<key:\"{key}\" value_size:{value_size}>");
    }
    if let Some(delete) = rest.delete_range {
        let (key, end) = (delete.key.escape_ascii(), delete.range_end.escape_ascii());
        return format!("delete_range:<key:\"{key}\" range_end:\"{end}\">");
    }
    if let Some(txn) = txn {
        let (compares, success) = (txn.compare.len(), txn.success.len());
        let failure = txn.failure.len();
        return format!("txn:<compares:{compares} success:{success} failure:{failure}>");
    }
    if let Some(compaction) = rest.compaction {
        return format!("compaction:<revision:{}>", compaction.revision);
    }
    if let Some(revoke) = rest.lease_revoke {
        return format!("lease_revoke:<ID:{}>", revoke.id);
    }
    format!("a command of {bytes} bytes")
}

#[cfg(test)]
mod tests {
    use etcd_proto::etcdserverpb::{InternalRaftRequest, LeaseRevokeRequest, PutRequest};
    use prost::Message as _;

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
