//! Commands on keys: from the request to the store's changes and the answer.

use etcd_mvcc::{KeyRange, LeaseChange, Previous, PutArgs};
use etcd_proto::etcdserverpb::response_op::Response;
use etcd_proto::etcdserverpb::{
    DeleteRangeRequest, DeleteRangeResponse, PutRequest, PutResponse, ResponseHeader, ResponseOp,
    TxnRequest, TxnResponse,
};

use crate::leased_txn::LeasedTxn;
use crate::plan::{Plan, Step, check_lease};
use crate::{Error, range};

/// Whether a caller waits for the answer. Effects are the same; without one, reading what only the
/// answer needs is spared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Answering {
    Wanted,
    Spared,
}

impl Answering {
    /// Whether to read what is replaced, for a request that asks for it or not.
    fn previous(self, prev_kv: bool) -> Previous {
        if prev_kv && self == Answering::Wanted { Previous::Wanted } else { Previous::Ignored }
    }

    /// Whether the same is asked for and not read.
    fn spares(self, prev_kv: bool) -> bool {
        prev_kv && self == Answering::Spared
    }
}

/// Executes a put of its own.
pub(crate) fn put(
    txn: &mut LeasedTxn<'_>,
    request: &PutRequest,
    answering: Answering,
) -> Result<PutResponse, Error> {
    check_lease(request, &|id| txn.has_lease(id))?;
    put_checked(txn, request, answering)
}

fn put_checked(
    txn: &mut LeasedTxn<'_>,
    request: &PutRequest,
    answering: Answering,
) -> Result<PutResponse, Error> {
    let lease = match request.ignore_lease {
        true => LeaseChange::Keep,
        false => LeaseChange::Set(request.lease),
    };
    let is_read = request.ignore_lease || request.ignore_value;
    if answering.spares(request.prev_kv) && !is_read {
        txn.count_range();
    }
    let outcome = txn.put(PutArgs {
        key: &request.key,
        value: (!request.ignore_value).then_some(&request.value[..]),
        lease,
        previous: answering.previous(request.prev_kv),
    })?;
    let prev_kv = outcome.previous.map(range::key_value).transpose()?;
    Ok(PutResponse { header: range::header(txn.revision()), prev_kv })
}

/// Executes a delete.
pub(crate) fn delete_range(
    txn: &mut LeasedTxn<'_>,
    request: &DeleteRangeRequest,
    answering: Answering,
) -> Result<DeleteRangeResponse, Error> {
    if answering.spares(request.prev_kv) {
        txn.count_range();
    }
    let keys = KeyRange::new(request.key.clone(), request.range_end.clone());
    let outcome = txn.delete_range(keys, answering.previous(request.prev_kv))?;
    let prev_kvs = outcome.previous.into_iter().map(range::key_value);
    Ok(DeleteRangeResponse {
        header: range::header(txn.revision()),
        deleted: outcome.deleted,
        prev_kvs: prev_kvs.collect::<Result<_, _>>()?,
    })
}

/// Executes a txn: conditions and checks on the state before it, then its steps in order.
pub(crate) fn txn(
    txn: &mut LeasedTxn<'_>,
    request: &TxnRequest,
    answering: Answering,
) -> Result<TxnResponse, Error> {
    let plan = {
        let reader = txn.reader();
        let plan = Plan::of(&reader, request)?;
        plan.check(&reader, &|id| txn.has_lease(id))?;
        plan
    };
    txn.count_reads(plan.reads());
    let response = run(txn, &plan, answering)?;
    Ok(TxnResponse { header: range::header(txn.revision()), ..response })
}

/// Runs the steps of a plan. The header of the response is there and empty, as nested txns have it.
fn run(
    txn: &mut LeasedTxn<'_>,
    plan: &Plan<'_>,
    answering: Answering,
) -> Result<TxnResponse, Error> {
    let mut responses = Vec::new();
    for step in &plan.steps {
        let response = match step {
            Step::Range(_) if answering == Answering::Spared => continue,
            Step::Range(request) => {
                let result = txn.range(&range::query(request))?;
                Response::ResponseRange(range::response(result)?)
            }
            Step::Put(request) => Response::ResponsePut(put_checked(txn, request, answering)?),
            Step::DeleteRange(request) => {
                Response::ResponseDeleteRange(delete_range(txn, request, answering)?)
            }
            Step::Txn(plan) => Response::ResponseTxn(run(txn, plan, answering)?),
        };
        responses.push(ResponseOp { response: Some(response) });
    }
    let header = Some(ResponseHeader::default());
    Ok(TxnResponse { header, succeeded: plan.succeeded, responses })
}
