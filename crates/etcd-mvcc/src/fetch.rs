//! Loading the stored records of many revisions.
//!
//! Storage holds records in revision order, a range wants them in key order. Asking one by one
//! reads a block of storage for each record; so the revisions are sorted first, and where they lie
//! close together, all rows between them are read in passing instead.

use std::ops::ControlFlow;

use bytes::{Bytes, BytesMut};
use etcd_storage::{Storage, Table};

use crate::{Error, Revision};

/// Fewer revisions are always asked for one by one.
const SCAN_MIN: usize = 64;
/// Rows that may be passed over for each one that is wanted: so many cost about as much as asking.
const PASSED_OVER: usize = 8;
/// Revisions asked for at once.
const ASKED: usize = 256;
/// Records that are read in passing share allocations of this many bytes.
const SHARED_BYTES: usize = 64 << 10;

/// The records of puts, in the order of `revisions`; `None` where there is none.
pub(crate) fn records(
    storage: &Storage,
    revisions: &[Revision],
) -> Result<Vec<Option<Bytes>>, Error> {
    match revisions {
        [] => return Ok(Vec::new()),
        [only] => return Ok(vec![storage.get(Table::Key, &only.put_key())?]),
        _ => {}
    }
    let mut sorted: Vec<(Revision, usize)> =
        revisions.iter().enumerate().map(|(place, revision)| (*revision, place)).collect();
    sorted.sort_unstable();
    let mut records = vec![None; revisions.len()];
    let mut left = &sorted[..];
    if lies_close(revisions) {
        left = scan(storage, left, &mut records)?;
    }
    for asked in left.chunks(ASKED) {
        let keys: Vec<_> = asked.iter().map(|(revision, _)| revision.put_key()).collect();
        let found = storage.get_many(Table::Key, keys.iter().map(|key| &key[..]))?;
        for ((_, place), record) in asked.iter().zip(found) {
            records[*place] = record;
        }
    }
    Ok(records)
}

/// Whether few other records can lie between these, as far as their main revisions tell.
pub(crate) fn lies_close(revisions: &[Revision]) -> bool {
    let mains = || revisions.iter().map(|revision| revision.main);
    let (Some(first), Some(last)) = (mains().min(), mains().max()) else { return false };
    let span = last.abs_diff(first);
    revisions.len() >= SCAN_MIN && span <= (revisions.len() * PASSED_OVER) as u64
}

/// Reads all rows from the first revision on and takes the wanted ones, until too many others were
/// passed over. Returns the revisions not reached.
fn scan<'a>(
    storage: &Storage,
    sorted: &'a [(Revision, usize)],
    records: &mut [Option<Bytes>],
) -> Result<&'a [(Revision, usize)], Error> {
    let mut left = sorted;
    let mut seen = 0;
    let mut buffer = BytesMut::new();
    let [(first, _), .., (last, _)] = sorted else { return Ok(sorted) };
    let (start, end) = (first.put_key(), Revision { sub: last.sub + 1, ..*last }.put_key());
    storage.scan(Table::Key, &start..&end, |key, value| {
        seen += 1;
        while let [(revision, place), rest @ ..] = left {
            let wanted = revision.put_key();
            if key < &wanted[..] {
                break;
            }
            left = rest;
            if key == &wanted[..] {
                if buffer.capacity() < value.len() {
                    buffer.reserve(value.len().max(SHARED_BYTES));
                }
                buffer.extend_from_slice(value);
                records[*place] = Some(buffer.split().freeze());
                break;
            }
        }
        let taken = sorted.len() - left.len();
        let too_many = seen > (SCAN_MIN + taken) * PASSED_OVER;
        if left.is_empty() || too_many { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    })?;
    Ok(left)
}

#[cfg(test)]
mod tests {
    use etcd_storage::{Batch, StorageOptions};

    use super::*;

    /// Every even main revision below 1000 has `subs` records; asks for the `wanted` ones.
    fn check(subs: i64, wanted: impl Fn(Revision) -> bool) {
        let directory = tempfile::tempdir().unwrap();
        let storage = Storage::open(directory.path(), StorageOptions::default()).unwrap();
        let mut batch = Batch::new();
        let mut revisions = Vec::new();
        for main in (2..1000).step_by(2) {
            for sub in 0..subs {
                let revision = Revision { main, sub };
                batch.put(Table::Key, &revision.put_key(), revision.to_string().as_bytes());
                if wanted(revision) {
                    revisions.push(revision);
                }
            }
        }
        storage.commit(batch).unwrap();
        // Some that do not exist, and an order that is not theirs.
        revisions.extend([Revision { main: 3, sub: 0 }, Revision { main: 501, sub: 7 }]);
        revisions
            .sort_by_key(|revision| (revision.main.wrapping_mul(0x9e37_79b9) % 997, *revision));
        let expected: Vec<_> = revisions
            .iter()
            .map(|revision| (revision.main % 2 == 0).then(|| Bytes::from(revision.to_string())))
            .collect();
        assert_eq!(records(&storage, &revisions).unwrap(), expected);
    }

    #[test]
    fn neighbours_are_read_in_passing() {
        check(1, |_| true);
        check(3, |revision| revision.sub == 1);
    }

    #[test]
    fn scattered_revisions_are_asked_for() {
        check(1, |revision| revision.main % 100 == 0);
    }

    #[test]
    fn reading_in_passing_gives_up_among_too_many_others() {
        check(40, |revision| revision.sub == 39 || revision.main < 20);
    }
}
