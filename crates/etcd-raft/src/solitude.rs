//! The last member of a cluster goes on alone, when no quorum of it will come back.

use etcd_membership::MemberId;
use etcd_storage::{Log, LogOperation, Storage};
use tokio::sync::oneshot;

use crate::divergence::leave_to_state;
use crate::log_store::{Recorded, encode_entry};
use crate::openraft_types::{RaftEntry, RaftPayload};
use crate::{Applied, Error, Membership, RaftMember};

/// Makes a cluster of one out of a member's data, before it starts: an entry at the end of its log
/// removes all others. What the log holds stays, also what is not known as committed: nobody else
/// is left who could know better. Nothing changes in a cluster of one, nor without a log.
///
/// The others must never start again: each side would take itself for the cluster.
///
/// # Errors
/// The log or the state cannot be read or written.
pub async fn make_alone(log: &Log, storage: &Storage, member: MemberId) -> Result<(), Error> {
    let Applied { position, membership: applied, .. } = Applied::load(storage)?;
    leave_to_state(log, position).await?;
    let Some(recorded) = Recorded::read(log)? else { return Ok(()) };
    let latest = match recorded.membership {
        Some(latest) if latest.position.index > applied.position.index => latest,
        _ => applied,
    };
    let known = latest.members.get(&member).cloned().unwrap_or_default();
    if latest.members.len() == 1 && known.votes() {
        return Ok(());
    }
    let alone = RaftMember { peer_urls: known.peer_urls, ..RaftMember::default() };
    let membership = Membership { members: [(member, alone)].into(), ..Membership::default() };
    let mut log_id = recorded.last;
    log_id.index += 1;
    let payload = RaftPayload::Membership(membership.to_openraft());
    let record = encode_entry(&RaftEntry { log_id, payload });
    let append = LogOperation::Append { first_index: log_id.index, records: vec![record] };
    let (done, written) = oneshot::channel();
    let done = Box::new(move |result| {
        // The start was given up meanwhile.
        let _ = done.send(result);
    });
    log.submit(vec![append], Some(done));
    written.await.map_err(|_| Error::Stopped("the raft log closed".to_owned()))??;
    let gone = latest.members.keys().filter(|id| **id != member);
    for id in gone {
        tracing::warn!(removed = %id, "the member is removed: the cluster becomes one of one");
    }
    Ok(())
}
