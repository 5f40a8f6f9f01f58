//! Loading the stored records of many revisions.
//!
//! Storage holds records in revision order, a range wants them in key order. Asking one by one
//! reads a block of storage for each record; so the revisions are sorted first, and where they lie
//! close together, the rows between them are read in passing instead.

use bytes::{Bytes, BytesMut};
use etcd_storage::{Leap, Storage, Table};

use crate::fields::{FieldWriter, Fields, Run};
use crate::parallel::read_parts;
use crate::revision::RecordKey;
use crate::{Error, Revision};

/// Fewer revisions are always asked for one by one.
const SCAN_MIN: usize = 64;
/// Rows that are passed over to the next one that is wanted: so many cost about as much as beginning
/// anew with that one.
const PASSED_OVER: usize = 32;
/// What one beginning must yield, or else it is better to ask.
const TAKEN_MIN: usize = 8;
/// So many beginnings may yield less before that is judged: a range may begin with a few stray keys.
const POOR_MAX: usize = 4;
/// Revisions asked for at once.
const ASKED: usize = 256;
/// Records that are read in passing share allocations of this many bytes.
const SHARED_BYTES: usize = 64 << 10;
/// Revisions of a long list that one thread reads in a turn: some milliseconds.
const TURN: usize = 16 << 10;
/// Revisions that are sorted first by themselves.
const SORTED: usize = 4096;

/// A revision, and its place among those that are wanted.
type Wanted = (Revision, usize);

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
    let mut records = vec![None; revisions.len()];
    let mut buffer = BytesMut::new();
    let sorted = sorted(revisions);
    let left = scan(storage, &sorted, |(_, place), record| {
        let Some(record) = record else { return };
        if buffer.capacity() < record.len() {
            buffer.reserve(record.len().max(SHARED_BYTES));
        }
        buffer.extend_from_slice(record);
        records[place] = Some(buffer.split().freeze());
    })?;
    ask(storage, left, |(_, place), record| records[place] = record)?;
    Ok(records)
}

/// The same records as fields of an answer. They are read by several threads when they are many.
///
/// # Errors
/// `Missing` where there is none.
pub(crate) fn fields(storage: &Storage, revisions: Vec<Revision>) -> Result<Fields, Error> {
    let sorted = sorted(&revisions);
    drop(revisions);
    let turns: Vec<_> = sorted.chunks(TURN).collect();
    let runs = read_parts(&turns, |turn| runs(storage, turn))?;
    Ok(Fields::of(runs.into_iter().flatten().collect(), sorted.len()))
}

fn runs(storage: &Storage, sorted: &[Wanted]) -> Result<Vec<Run>, Error> {
    let mut writer = FieldWriter::with_capacity(sorted.len());
    let mut missing = None;
    let mut take = |(revision, place): Wanted, record: Option<&[u8]>| match record {
        Some(record) => writer.push(place, record),
        None => missing = Some(revision),
    };
    let left = scan(storage, sorted, &mut take)?;
    ask(storage, left, |wanted, record| take(wanted, record.as_deref()))?;
    match missing {
        Some(revision) => Err(Error::Missing(revision)),
        None => Ok(writer.finish()),
    }
}

/// In the order of storage.
fn sorted(revisions: &[Revision]) -> Vec<Wanted> {
    // One number is compared sooner than two. None is below zero.
    let number = |(revision, _): &Wanted| {
        (u128::from(revision.main.cast_unsigned()) << 64) | u128::from(revision.sub.cast_unsigned())
    };
    let mut sorted: Vec<_> =
        revisions.iter().enumerate().map(|(place, revision)| (*revision, place)).collect();
    // Keys are mostly put in short stretches of their order. A sort of many sees such stretches only
    // once they are joined to longer ones.
    sorted.chunks_mut(SORTED).for_each(|some| some.sort_by_key(number));
    sorted.sort_by_key(number);
    sorted
}

/// Where they lie close together, reads the rows between them in passing and shows the wanted ones.
/// Returns the revisions not reached: there are too many others between them.
fn scan<'a>(
    storage: &Storage,
    sorted: &'a [Wanted],
    mut take: impl FnMut(Wanted, Option<&[u8]>),
) -> Result<&'a [Wanted], Error> {
    let [(first, _), .., (last, _)] = sorted else { return Ok(sorted) };
    if sorted.len() < SCAN_MIN {
        return Ok(sorted);
    }
    let mut left = sorted;
    let mut wanted = first.put_key();
    let mut taken = *first;
    let (mut stretches, mut passed) = (1, 0);
    let mut is_over = false;
    let end = Revision { sub: last.sub + 1, ..*last }.put_key();
    storage.leap(Table::Key, &first.put_key()..&end, |key, value| {
        passed += 1;
        while let [next, rest @ ..] = left
            && key >= &wanted[..]
        {
            let is_there = key == &wanted[..];
            take(*next, is_there.then_some(value));
            left = rest;
            if let [(revision, _), ..] = left {
                wanted = revision.put_key();
            }
            if is_there {
                (taken, passed) = (next.0, 0);
                break;
            }
        }
        let [(ahead, _), ..] = left else {
            is_over = true;
            return Leap::End;
        };
        if passed < PASSED_OVER && (passed != 1 || rows_between(taken, key, *ahead) < PASSED_OVER) {
            return Leap::Next;
        }
        is_over = sorted.len() - left.len() + POOR_MAX * TAKEN_MIN < stretches * TAKEN_MIN;
        if is_over {
            return Leap::End;
        }
        (stretches, passed) = (stretches + 1, 0);
        Leap::To(wanted.to_vec())
    })?;
    if !is_over {
        left.iter().for_each(|absent| take(*absent, None));
        return Ok(&[]);
    }
    Ok(left)
}

/// About how many rows lie between the one with `key`, the first after the one that was `taken`, and
/// the one that is wanted next, if they lie there as between these two.
fn rows_between(taken: Revision, key: &[u8], ahead: Revision) -> usize {
    let Some(RecordKey { revision: passed, .. }) = RecordKey::decode(key) else { return 0 };
    let step = passed.main - taken.main;
    if step == 0 {
        // Nothing says how many more there are of one transaction.
        return 0;
    }
    let transactions = (ahead.main - passed.main) / step;
    usize::try_from(transactions.saturating_mul(taken.sub + 1)).unwrap_or(0)
}

/// Asks for records one by one and shows them.
fn ask(
    storage: &Storage,
    sorted: &[Wanted],
    mut take: impl FnMut(Wanted, Option<Bytes>),
) -> Result<(), Error> {
    for asked in sorted.chunks(ASKED) {
        let keys: Vec<_> = asked.iter().map(|(revision, _)| revision.put_key()).collect();
        let found = storage.get_many(Table::Key, keys.iter().map(|key| &key[..]))?;
        asked.iter().zip(found).for_each(|(wanted, record)| take(*wanted, record));
    }
    Ok(())
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
        check_fields(&storage, revisions, expected);
    }

    /// The same for the fields, when one is missing and when none is.
    fn check_fields(
        storage: &Storage,
        mut revisions: Vec<Revision>,
        mut records: Vec<Option<Bytes>>,
    ) {
        let missing = fields(storage, revisions.clone());
        assert!(matches!(missing, Err(Error::Missing(revision)) if revision.main % 2 == 1));
        revisions.retain(|revision| revision.main % 2 == 0);
        records.retain(Option::is_some);
        let mut writer = FieldWriter::with_capacity(records.len());
        records.iter().flatten().enumerate().for_each(|(place, record)| writer.push(place, record));
        let expected = Fields::of(writer.finish(), records.len());
        let fields = fields(storage, revisions).unwrap();
        assert_eq!(fields.keys, records.len());
        assert_eq!(fields.chunks.concat(), expected.chunks.concat());
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
    fn gaps_between_neighbours_are_skipped() {
        check(1, |revision| revision.main % 200 < 100);
        check(5, |revision| revision.main < 300 || revision.main % 100 == 0);
        check(40, |revision| revision.main % 30 == 0);
    }

    #[test]
    fn a_few_stray_ones_are_followed_by_neighbours() {
        check(40, |revision| match revision.main {
            ..400 => revision.main % 100 == 2 && revision.sub < 2,
            _ => revision.main < 440,
        });
    }

    #[test]
    fn the_rows_ahead_are_taken_to_lie_like_those_passed() {
        let between = |taken, passed: (i64, i64), ahead| {
            let revision = |(main, sub)| Revision { main, sub };
            let passed = revision(passed).put_key();
            rows_between(revision(taken), &passed, revision(ahead))
        };
        assert_eq!(between((5, 0), (6, 0), (106, 0)), 100, "a row in each transaction");
        assert_eq!(between((5, 127), (6, 0), (9, 0)), 384, "many rows in each");
        assert_eq!(between((5, 0), (105, 0), (1105, 0)), 10, "compaction left one in a hundred");
        assert_eq!(between((5, 0), (5, 1), (900, 0)), 0, "the same transaction");
        assert_eq!(between((5, 3), (9, 1), (9, 2)), 0, "the wanted one's own transaction");
        assert_eq!(between((1, i64::MAX - 1), (2, 0), (i64::MAX, 0)), usize::MAX >> 1);
    }

    #[test]
    fn reading_in_passing_gives_up_among_too_many_others() {
        check(40, |revision| revision.sub == 39 || revision.main < 20);
    }
}
