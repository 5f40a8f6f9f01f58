//! Commands on leases: from the request to the changes and the answer.

use bytes::Bytes;
use etcd_lease::Writer;
use etcd_mvcc::{KeyRange, Previous};
use etcd_proto::etcdserverpb::{
    LeaseCheckpointRequest, LeaseExpireRequest, LeaseGrantRequest, LeaseGrantResponse,
};
use etcd_storage::Batch;

use crate::leased_txn::LeasedTxn;
use crate::{Error, Refusal, range};

/// Grants a lease. Whoever proposed it has chosen the id and raised the time to live to its own
/// least, so that no member's configuration counts here.
pub(crate) fn grant(
    leases: &mut Writer,
    request: &LeaseGrantRequest,
    revision: i64,
    batch: &mut Batch,
) -> Result<LeaseGrantResponse, Error> {
    leases.grant(request.id, request.ttl, batch)?;
    let header = range::header(revision);
    Ok(LeaseGrantResponse { header, id: request.id, ttl: request.ttl, error: String::new() })
}

/// Whether the leader that saw the lease expire still led when it wrote this entry. If another one
/// did, that one's clock decides.
pub(crate) fn check_term(request: &LeaseExpireRequest, term: u64) -> Result<(), Refusal> {
    if request.term == term { Ok(()) } else { Err(Refusal::LeaderChanged) }
}

/// Deletes the keys that a lease had, which is gone already.
pub(crate) fn delete_keys(txn: &mut LeasedTxn<'_>, keys: Vec<Bytes>) -> Result<(), Error> {
    for key in keys {
        txn.delete_range(KeyRange::new(key, Bytes::new()), Previous::Ignored)?;
    }
    Ok(())
}

/// Notes what leases have left.
pub(crate) fn checkpoint(leases: &mut Writer, request: &LeaseCheckpointRequest, batch: &mut Batch) {
    for checkpoint in &request.checkpoints {
        leases.checkpoint(checkpoint.id, checkpoint.remaining_ttl, batch);
    }
}
