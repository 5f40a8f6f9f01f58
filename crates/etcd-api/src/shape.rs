//! The shape of what a client asks for, as one question.

use etcd_proto::etcdserverpb::InternalRaftRequest;

use crate::check::{check_delete_range, check_put, check_range, check_txn};
use crate::overlap::check_overlaps;
use crate::{Error, Limits};

/// Checks the request that a command holds as its service checks it before anything else: whether a
/// client could bring this command into the log. A deep txn needs a stack with room for it.
///
/// # Errors
/// What the service answers.
pub fn check_shape(command: &InternalRaftRequest, limits: &Limits) -> Result<(), Error> {
    if let Some(range) = &command.range {
        check_range(range)?;
    }
    if let Some(put) = &command.put {
        check_put(put)?;
    }
    if let Some(delete) = &command.delete_range {
        check_delete_range(delete)?;
    }
    if let Some(txn) = &command.txn {
        check_txn(txn, limits.max_txn_ops)?;
        check_overlaps(txn)?;
    }
    Ok(())
}
