//! The shape of requests: what is refused before anything is read or proposed.

use etcd_proto::etcdserverpb::range_request::{SortOrder, SortTarget};
use etcd_proto::etcdserverpb::request_op::Request;
use etcd_proto::etcdserverpb::{
    DeleteRangeRequest, PutRequest, RangeRequest, RequestOp, TxnRequest,
};

use crate::Error;

/// A range names a key, and a sorting that exists.
pub(crate) fn check_range(request: &RangeRequest) -> Result<(), Error> {
    check_key(&request.key)?;
    let order = SortOrder::try_from(request.sort_order);
    let target = SortTarget::try_from(request.sort_target);
    if order.is_err() || target.is_err() {
        return Err(Error::InvalidSortOption);
    }
    Ok(())
}

/// A put names a key, and brings no value or lease when it keeps the stored one.
pub(crate) fn check_put(request: &PutRequest) -> Result<(), Error> {
    check_key(&request.key)?;
    if request.ignore_value && !request.value.is_empty() {
        return Err(Error::ValueProvided);
    }
    if request.ignore_lease && request.lease != 0 {
        return Err(Error::LeaseProvided);
    }
    Ok(())
}

/// A delete names a key.
pub(crate) fn check_delete_range(request: &DeleteRangeRequest) -> Result<(), Error> {
    check_key(&request.key)
}

/// A txn has at most `budget` compares and operations in each list, and all of them are well
/// formed; a nested txn's budget is what this one leaves.
pub(crate) fn check_txn(request: &TxnRequest, budget: usize) -> Result<(), Error> {
    let operations = request.compare.len().max(request.success.len()).max(request.failure.len());
    let rest = budget.checked_sub(operations).ok_or(Error::TooManyOps)?;
    for compare in &request.compare {
        check_key(&compare.key)?;
    }
    for operation in request.success.iter().chain(&request.failure) {
        check_operation(operation, rest)?;
    }
    Ok(())
}

fn check_operation(operation: &RequestOp, budget: usize) -> Result<(), Error> {
    match &operation.request {
        Some(Request::RequestRange(range)) => check_range(range),
        Some(Request::RequestPut(put)) => check_put(put),
        Some(Request::RequestDeleteRange(delete)) => check_delete_range(delete),
        Some(Request::RequestTxn(txn)) => check_txn(txn, budget),
        // Odd, but it is what etcd answers.
        None => Err(Error::KeyNotFound),
    }
}

fn check_key(key: &[u8]) -> Result<(), Error> {
    if key.is_empty() { Err(Error::EmptyKey) } else { Ok(()) }
}

#[cfg(test)]
#[path = "check_tests.rs"]
mod tests;
