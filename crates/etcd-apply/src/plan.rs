//! What a txn is going to do, decided on the state before it does anything.

use bytes::Bytes;
use etcd_mvcc::Reader;
use etcd_proto::etcdserverpb::request_op::Request;
use etcd_proto::etcdserverpb::{
    DeleteRangeRequest, PutRequest, RangeRequest, RequestOp, TxnRequest,
};

use crate::compare::all_hold;
use crate::{Error, Refusal};

/// The branch that a txn takes, down to its nested txns: their conditions, too, are looked at
/// before the first effect.
pub(crate) struct Plan<'r> {
    /// Whether the conditions held.
    pub(crate) succeeded: bool,
    /// How many conditions were looked at, but those of nested txns.
    compared: u64,
    /// What to do, in order.
    pub(crate) steps: Vec<Step<'r>>,
}

/// Whether there is a lease with this id.
pub(crate) type HasLease<'l> = &'l dyn Fn(i64) -> bool;

/// One operation of a plan.
pub(crate) enum Step<'r> {
    Range(&'r RangeRequest),
    Put(&'r PutRequest),
    DeleteRange(&'r DeleteRangeRequest),
    Txn(Plan<'r>),
}

impl<'r> Plan<'r> {
    /// Evaluates the conditions in what `reader` sees.
    pub(crate) fn of(reader: &Reader<'_>, request: &'r TxnRequest) -> Result<Plan<'r>, Error> {
        let (succeeded, compared) = all_hold(reader, &request.compare)?;
        let list = if succeeded { &request.success } else { &request.failure };
        let steps = list.iter().map(|operation| Step::of(reader, operation));
        Ok(Plan { succeeded, compared, steps: steps.collect::<Result<_, Error>>()? })
    }

    /// How often etcd reads before the first step: for each condition, and for each put that
    /// depends on what is there.
    pub(crate) fn reads(&self) -> u64 {
        let steps = self.steps.iter().map(|step| match step {
            Step::Txn(plan) => plan.reads(),
            Step::Put(put) => u64::from(put.prev_kv || put.ignore_value || put.ignore_lease),
            Step::Range(_) | Step::DeleteRange(_) => 0,
        });
        self.compared + steps.sum::<u64>()
    }

    /// Whether every step can be done. It must be asked before the first effect: a txn that is
    /// refused has none.
    pub(crate) fn check(&self, reader: &Reader<'_>, has_lease: HasLease<'_>) -> Result<(), Error> {
        Check { reader, has_lease, deleted_from: None }.plan(self)
    }
}

impl<'r> Step<'r> {
    fn of(reader: &Reader<'_>, operation: &'r RequestOp) -> Result<Step<'r>, Error> {
        match &operation.request {
            Some(Request::RequestRange(range)) => Ok(Step::Range(range)),
            Some(Request::RequestPut(put)) => Ok(Step::Put(put)),
            Some(Request::RequestDeleteRange(delete)) => Ok(Step::DeleteRange(delete)),
            Some(Request::RequestTxn(txn)) => Ok(Step::Txn(Plan::of(reader, txn)?)),
            None => Err(Refusal::KeyNotFound.into()),
        }
    }
}

/// A walk through a plan in the order of its steps.
struct Check<'c> {
    reader: &'c Reader<'c>,
    has_lease: HasLease<'c>,
    /// Every key from this one on is deleted by an earlier step.
    deleted_from: Option<&'c Bytes>,
}

impl<'c> Check<'c> {
    fn plan(&mut self, plan: &'c Plan<'_>) -> Result<(), Error> {
        plan.steps.iter().try_for_each(|step| match step {
            Step::Range(range) => Ok(check_revision(self.reader, range.revision)?),
            Step::Put(put) => self.put(put),
            Step::DeleteRange(delete) => {
                self.delete_range(delete);
                Ok(())
            }
            Step::Txn(plan) => self.plan(plan),
        })
    }

    /// A put's lease is looked for first, then the key whose value or lease it keeps.
    fn put(&self, put: &PutRequest) -> Result<(), Error> {
        check_lease(put, self.has_lease)?;
        if put.ignore_value || put.ignore_lease {
            let is_deleted = self.deleted_from.is_some_and(|from| put.key >= *from);
            if is_deleted || self.reader.state(&put.key)?.is_none() {
                return Err(Refusal::KeyNotFound.into());
            }
        }
        Ok(())
    }

    /// A txn that puts what an earlier step deletes is refused before it comes here, but for
    /// deletes up to the last key, which etcd's check passes over. If the put then keeps the value
    /// of its key, there is none any more: etcd ends its process then, this one refuses the txn.
    fn delete_range(&mut self, delete: &'c DeleteRangeRequest) {
        let is_lower = self.deleted_from.is_none_or(|from| delete.key < *from);
        if delete.range_end[..] == [0] && is_lower {
            self.deleted_from = Some(&delete.key);
        }
    }
}

/// The lease of a put must be there before it, unless it has none.
pub(crate) fn check_lease(put: &PutRequest, has_lease: HasLease<'_>) -> Result<(), Refusal> {
    if put.lease == 0 || has_lease(put.lease) { Ok(()) } else { Err(Refusal::LeaseNotFound) }
}

/// Unlike a range of its own, one in a txn may not name a negative revision: it counts as
/// compacted, but for -1 as long as nothing ever was (behaviour of etcd 3.7.1).
fn check_revision(reader: &Reader<'_>, revision: i64) -> Result<(), Refusal> {
    match revision {
        0 => Ok(()),
        _ if revision > reader.revision() => Err(Refusal::FutureRevision),
        _ if revision < reader.compact_revision() => Err(Refusal::Compacted),
        _ => Ok(()),
    }
}
