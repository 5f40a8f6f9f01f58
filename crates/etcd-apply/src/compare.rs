//! The conditions of a txn.

use std::cmp::Ordering;

use bytes::Bytes;
use etcd_mvcc::{KeyRange, KeyState, Reader};
use etcd_proto::etcdserverpb::Compare;
use etcd_proto::etcdserverpb::compare::{CompareResult, CompareTarget, TargetUnion};

use crate::Error;

/// Whether all conditions hold in what `reader` sees, and how many of them were looked at.
pub(crate) fn all_hold(reader: &Reader<'_>, compares: &[Compare]) -> Result<(bool, u64), Error> {
    for (looked_at, compare) in (1..).zip(compares) {
        if !holds(reader, compare)? {
            return Ok((false, looked_at));
        }
    }
    Ok((true, compares.len() as u64))
}

/// Whether a condition holds for every live key that it names; for none at all, see
/// [`holds_for_absent`].
fn holds(reader: &Reader<'_>, compare: &Compare) -> Result<bool, Error> {
    if compare.range_end.is_empty() {
        return match reader.state(&compare.key)? {
            Some(state) => holds_for(reader, &state, compare),
            None => Ok(holds_for_absent(compare)),
        };
    }
    let mut is_absent = true;
    for state in reader.states(KeyRange::new(compare.key.clone(), compare.range_end.clone())) {
        is_absent = false;
        if !holds_for(reader, &state?, compare)? {
            return Ok(false);
        }
    }
    Ok(!is_absent || holds_for_absent(compare))
}

/// An absent key has no value to compare; its numbers count as zero.
fn holds_for_absent(compare: &Compare) -> bool {
    match CompareTarget::try_from(compare.target) {
        Ok(CompareTarget::Value) => false,
        Ok(_) => is_wanted(0.cmp(&number(compare)), compare),
        Err(_) => is_wanted(Ordering::Equal, compare),
    }
}

fn holds_for(reader: &Reader<'_>, state: &KeyState, compare: &Compare) -> Result<bool, Error> {
    let order = match CompareTarget::try_from(compare.target) {
        Ok(CompareTarget::Version) => state.version.cmp(&number(compare)),
        Ok(CompareTarget::Create) => state.create_revision.cmp(&number(compare)),
        Ok(CompareTarget::Mod) => state.revision.main.cmp(&number(compare)),
        Ok(CompareTarget::Lease) => reader.lease(state)?.cmp(&number(compare)),
        Ok(CompareTarget::Value) => reader.value(state)?.cmp(&value(compare)),
        Err(_) => Ordering::Equal,
    };
    Ok(is_wanted(order, compare))
}

/// Whether `order`, of the stored to the given, is what the condition wants. An unknown wish is
/// always met, as in etcd.
fn is_wanted(order: Ordering, compare: &Compare) -> bool {
    match CompareResult::try_from(compare.result) {
        Ok(CompareResult::Equal) => order.is_eq(),
        Ok(CompareResult::NotEqual) => order.is_ne(),
        Ok(CompareResult::Greater) => order.is_gt(),
        Ok(CompareResult::Less) => order.is_lt(),
        Err(_) => true,
    }
}

/// The given number; zero when none is given, or one for another target.
fn number(compare: &Compare) -> i64 {
    match (CompareTarget::try_from(compare.target), &compare.target_union) {
        (Ok(CompareTarget::Version), Some(TargetUnion::Version(number)))
        | (Ok(CompareTarget::Create), Some(TargetUnion::CreateRevision(number)))
        | (Ok(CompareTarget::Mod), Some(TargetUnion::ModRevision(number)))
        | (Ok(CompareTarget::Lease), Some(TargetUnion::Lease(number))) => *number,
        _ => 0,
    }
}

/// The given value; empty when none is given.
fn value(compare: &Compare) -> Bytes {
    match &compare.target_union {
        Some(TargetUnion::Value(value)) => value.clone(),
        _ => Bytes::new(),
    }
}
