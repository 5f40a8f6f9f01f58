//! Whether a txn writes a key twice: refused, since the order of the two would matter.

use std::collections::{BTreeMap, HashSet};

use etcd_proto::etcdserverpb::request_op::Request;
use etcd_proto::etcdserverpb::{RequestOp, TxnRequest};

use crate::Error;

/// No list of the txn, nor of the ones nested in it, puts a key twice or puts a key that it
/// deletes. Deletes may overlap, and the two lists of a nested txn may write the same, since only
/// one of them runs.
pub(crate) fn check_overlaps(request: &TxnRequest) -> Result<(), Error> {
    Writes::of(&request.success)?;
    Writes::of(&request.failure)?;
    Ok(())
}

/// What a list of operations writes, those of nested txns included.
#[derive(Default)]
struct Writes<'a> {
    puts: HashSet<&'a [u8]>,
    deletes: Intervals<'a>,
}

impl<'a> Writes<'a> {
    fn of(operations: &'a [RequestOp]) -> Result<Writes<'a>, Error> {
        let mut writes = Writes::default();
        // The order of the operations does not count: deletes of this list come first, then nested
        // txns in their order, then puts of this list.
        for operation in operations {
            if let Some(Request::RequestDeleteRange(delete)) = &operation.request {
                writes.deletes.insert(&delete.key, &delete.range_end);
            }
        }
        for operation in operations {
            if let Some(Request::RequestTxn(txn)) = &operation.request {
                writes.add_nested(Writes::of(&txn.success)?, Writes::of(&txn.failure)?)?;
            }
        }
        for operation in operations {
            if let Some(Request::RequestPut(put)) = &operation.request {
                writes.check_free(&put.key)?;
                writes.puts.insert(&put.key);
            }
        }
        Ok(writes)
    }

    fn add_nested(&mut self, then: Writes<'a>, otherwise: Writes<'a>) -> Result<(), Error> {
        let mut puts = then.puts;
        absorb(&mut puts, otherwise.puts);
        for key in &puts {
            self.check_free(key)?;
        }
        absorb(&mut self.puts, puts);
        self.deletes.absorb(then.deletes);
        self.deletes.absorb(otherwise.deletes);
        Ok(())
    }

    fn check_free(&self, key: &[u8]) -> Result<(), Error> {
        if self.puts.contains(key) || self.deletes.contains(key) {
            return Err(Error::DuplicateKey);
        }
        Ok(())
    }
}

/// Moves the smaller set into the larger, so that deep nesting does not move keys at every level.
fn absorb<'a>(set: &mut HashSet<&'a [u8]>, mut other: HashSet<&'a [u8]>) {
    if set.len() < other.len() {
        std::mem::swap(set, &mut other);
    }
    set.extend(other);
}

/// Deleted keys: intervals that neither overlap nor touch, each from its start to its end.
#[derive(Default)]
struct Intervals<'a> {
    ends: BTreeMap<&'a [u8], End<'a>>,
}

/// Where an interval ends.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum End<'a> {
    /// Before this key.
    Before(&'a [u8]),
    /// Right after this key.
    After(&'a [u8]),
}

impl<'a> Intervals<'a> {
    /// Adds the keys that a delete names. One zero byte as end names nothing here, though the
    /// delete itself then reaches to the last key: etcd compares it as the low end that it is.
    fn insert(&mut self, key: &'a [u8], range_end: &'a [u8]) {
        if range_end.is_empty() {
            self.add(key, End::After(key));
        } else if key < range_end {
            self.add(key, End::Before(range_end));
        }
    }

    fn absorb(&mut self, mut other: Intervals<'a>) {
        if self.ends.len() < other.ends.len() {
            std::mem::swap(self, &mut other);
        }
        for (start, end) in other.ends {
            self.add(start, end);
        }
    }

    fn add(&mut self, mut start: &'a [u8], mut end: End<'a>) {
        while let Some((other_start, other_end)) = self.last_starting_by(end) {
            if !other_end.is_beyond(start) {
                break;
            }
            self.ends.remove(other_start);
            start = start.min(other_start);
            end = other_end.latest(end);
        }
        self.ends.insert(start, end);
    }

    fn contains(&self, key: &[u8]) -> bool {
        let below = self.ends.range::<&[u8], _>(..=key).next_back();
        below.is_some_and(|(_, end)| end.is_beyond(key))
    }

    /// The last interval that starts before `end`.
    fn last_starting_by(&self, end: End<'a>) -> Option<(&'a [u8], End<'a>)> {
        let below = match end {
            End::Before(key) => self.ends.range::<&[u8], _>(..key).next_back(),
            End::After(key) => self.ends.range::<&[u8], _>(..=key).next_back(),
        };
        below.map(|(start, end)| (*start, *end))
    }
}

impl<'a> End<'a> {
    /// Whether `key`, which is not below the interval's start, lies in it.
    fn is_beyond(self, key: &[u8]) -> bool {
        match self {
            End::Before(end) => key < end,
            End::After(last) => key <= last,
        }
    }

    /// The later of two ends. `After(k)` is just behind `Before(k)`, and no key of a request lies
    /// between `After(k)` and `Before(k + "\0")`.
    fn latest(self, other: End<'a>) -> End<'a> {
        let place = |end: End<'a>| match end {
            End::Before(key) => (key, 0),
            End::After(key) => (key, 1),
        };
        if place(self) < place(other) { other } else { self }
    }
}

#[cfg(test)]
#[path = "overlap_tests.rs"]
mod tests;
