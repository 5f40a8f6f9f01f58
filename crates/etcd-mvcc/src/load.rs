//! Building the index from storage when a member starts or installs a snapshot.

use std::ops::{ControlFlow, Range};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::available_parallelism;

use etcd_storage::{Storage, Table};

use crate::index::{Change, Index};
use crate::record::Record;
use crate::revision::{Kind, RecordKey};
use crate::{Error, Revision};

/// Where the newest scheduled compaction is marked (a record key with sub 0).
pub(crate) const SCHEDULED: &[u8] = b"scheduledCompactRev";
/// Where the newest physically finished compaction is marked.
pub(crate) const FINISHED: &[u8] = b"finishedCompactRev";

/// Rows sorted together before they go into the index. They come in revision order, which for the
/// tree is no order at all: every insert would wait for memory.
const RUN_ROWS: usize = 1 << 15;
/// About how much of the storage a reader takes at a time: little enough that the other readers,
/// who read what comes behind it, are not held up.
const PART_BYTES: u64 = 8 << 20;
/// Most parts.
const PARTS_MAX: u64 = 4096;
/// Most threads that read.
const READERS_MAX: usize = 4;
/// Most runs that each of them is ahead.
const RUNS_AHEAD: usize = 2;

/// What storage says about keys and revisions.
#[derive(Debug)]
pub(crate) struct Loaded {
    pub(crate) index: Index,
    /// The current main revision.
    pub(crate) revision: i64,
    /// The compact revision; -1 never.
    pub(crate) compacted: i64,
    /// The compact revision up to which nothing old is left; -1 never.
    pub(crate) finished: i64,
}

impl Loaded {
    /// Reads everything, on several threads.
    ///
    /// A compaction that was scheduled but not finished counts at once. The current revision is the
    /// greatest that left any trace: a compaction may have removed the last record.
    pub(crate) fn read(storage: &Storage) -> Result<Loaded, Error> {
        let finished = mark(storage, FINISHED)?.unwrap_or(-1);
        let scheduled = mark(storage, SCHEDULED)?.unwrap_or(-1);
        let parts = (storage.sizes().total / PART_BYTES).clamp(1, PARTS_MAX);
        let (mut index, last) = read_parts(storage, parts.cast_signed())?;
        let revision = last.max(finished).max(scheduled).max(1);
        index.loaded(revision);
        Ok(Loaded { index, revision, compacted: finished.max(scheduled), finished })
    }
}

/// The bounds of a part as rows' keys; an empty one is none.
type Part = Range<Vec<u8>>;
/// A run of the part that a reader is at; none at its end.
type Sent = Result<Option<Run>, Error>;

/// Makes the index of all records, which it reads in at most `count` parts, and several of these at
/// a time. Answers the last main revision too.
fn read_parts(storage: &Storage, count: i64) -> Result<(Index, i64), Error> {
    let mut index = Index::default();
    let Some((last, _)) = storage.last(Table::Key)? else { return Ok((index, 0)) };
    let last = RecordKey::decode(&last)
        .ok_or_else(|| Error::damaged(&last, "its key is no revision"))?
        .revision
        .main;
    let parts = &parts(last, count)[..];
    let readers = available_parallelism().map_or(1, usize::from).min(READERS_MAX).min(parts.len());
    std::thread::scope(|scope| {
        let start = |reader| {
            let (runs, received) = sync_channel(RUNS_AHEAD);
            scope.spawn(move || {
                let mut mine = parts.iter().skip(reader).step_by(readers);
                // Whoever takes the runs may give up.
                let _ = mine.try_for_each(|part| read_part(storage, part, &runs));
            });
            received
        };
        let received: Vec<Receiver<Sent>> = (0..readers).map(start).collect();
        for part in 0..parts.len() {
            let runs = &received[part % readers];
            while let Some(run) = runs.recv().expect("a reader ends each of its parts")? {
                run.load(&mut index);
            }
        }
        Ok((index, last))
    })
}

/// Cuts the revisions up to `last` into at most `count` parts of about the same number.
fn parts(last: i64, count: i64) -> Vec<Part> {
    let step = (last / count).saturating_add(1);
    let bound = |number: i64| Revision::first_of(number * step).put_key().to_vec();
    let part = |number: i64| {
        // The first and the last one have no bound, so that nothing is left out.
        let start = if number == 0 { Vec::new() } else { bound(number) };
        let end = if number == last / step { Vec::new() } else { bound(number + 1) };
        start..end
    };
    (0..=last / step).map(part).collect()
}

/// Sends the runs of a part. Breaks when nobody takes them.
fn read_part(storage: &Storage, part: &Part, runs: &SyncSender<Sent>) -> ControlFlow<()> {
    let send = |sent| match runs.send(sent) {
        Ok(()) => ControlFlow::Continue(()),
        Err(_) => ControlFlow::Break(()),
    };
    let mut run = Run::default();
    let mut is_taken = ControlFlow::Continue(());
    let scanned = storage.scan(Table::Key, &part.start..&part.end, |key, value| {
        if let Err(reason) = run.push(key, value) {
            is_taken = send(Err(Error::damaged(key, reason)));
            return ControlFlow::Break(());
        }
        if run.rows.len() == RUN_ROWS {
            is_taken = send(Ok(Some(std::mem::take(&mut run).sorted())));
        }
        is_taken
    });
    is_taken?;
    if let Err(error) = scanned {
        send(Err(error.into()))?;
    }
    send(Ok(Some(run.sorted())))?;
    send(Ok(None))
}

/// Rows that go into the index together.
#[derive(Default)]
struct Run {
    /// The keys of the rows, end to end.
    keys: Vec<u8>,
    rows: Vec<Row>,
}

struct Row {
    key: Range<usize>,
    revision: Revision,
    change: Change,
}

impl Run {
    fn push(&mut self, key: &[u8], value: &[u8]) -> Result<(), &'static str> {
        let RecordKey { revision, kind } =
            RecordKey::decode(key).ok_or("its key is no revision")?;
        if u32::try_from(revision.sub).is_err() {
            return Err("its sub revision is out of range");
        }
        let Record { key, create_revision, version, lease, .. } = Record::parse(value)?;
        let change = match kind {
            Kind::Put => Change::Load { create_revision, version, lease },
            Kind::Tombstone => Change::Tombstone,
        };
        let start = self.keys.len();
        self.keys.extend_from_slice(key);
        self.rows.push(Row { key: start..self.keys.len(), revision, change });
        Ok(())
    }

    fn sorted(mut self) -> Run {
        let Run { keys, rows } = &mut self;
        // A stable sort: the changes of one key stay in revision order.
        rows.sort_by(|a, b| keys[a.key.clone()].cmp(&keys[b.key.clone()]));
        self
    }

    fn load(self, index: &mut Index) {
        for Row { key, revision, change } in self.rows {
            index.load(&self.keys[key], revision, change);
        }
    }
}

/// The main revision of a compaction mark.
fn mark(storage: &Storage, name: &[u8]) -> Result<Option<i64>, Error> {
    let Some(bytes) = storage.get(Table::Meta, name)? else { return Ok(None) };
    match RecordKey::decode(&bytes) {
        Some(mark) => Ok(Some(mark.revision.main)),
        None => Err(Error::damaged(name, "the compaction mark is no revision")),
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use etcd_storage::{Batch, StorageOptions};

    use super::*;
    use crate::KeyRange;
    use crate::index::KeyState;

    /// Fifty keys, each put every 50 revisions, and deleted every 300. In place of one there may be a
    /// row that is none.
    fn filled(directory: &Path, damaged: Option<i64>) -> Storage {
        let storage = Storage::open(directory, StorageOptions::default()).unwrap();
        let mut batch = Batch::new();
        for main in (0..2000).chain([i64::MAX]) {
            if damaged == Some(main) {
                let row = [&Revision::first_of(main).put_key()[..], b"?"].concat();
                batch.put(Table::Key, &row, b"");
            }
            if damaged == Some(main) || !(2..2000).contains(&main) {
                continue;
            }
            let key = format!("k{}", main * 7 % 50);
            let kind = if main % 6 == 0 { Kind::Tombstone } else { Kind::Put };
            let row = RecordKey { revision: Revision::first_of(main), kind }.encode();
            let mut record = Vec::new();
            crate::record::encode(
                &Record {
                    key: key.as_bytes(),
                    mod_revision: main,
                    version: 1,
                    ..Record::default()
                },
                &mut record,
            );
            batch.put(Table::Key, &row, &record);
        }
        storage.commit(batch).unwrap();
        storage
    }

    fn states(index: &Index) -> Vec<(Vec<u8>, Vec<Option<KeyState>>)> {
        let mut states = Vec::new();
        index.walk(&KeyRange::everything(), b"", |key, life| {
            let at = |main| life.at(main);
            states.push((key.to_vec(), (0..2001).map(at).collect()));
            ControlFlow::Continue(())
        });
        states
    }

    #[test]
    fn the_index_is_the_same_however_many_parts_were_read() {
        let directory = tempfile::tempdir().unwrap();
        let storage = filled(directory.path(), None);
        let (whole, last) = read_parts(&storage, 1).unwrap();
        assert_eq!((whole.keys(), last), (50, 1999));
        for count in [2, 7, 1998, 5000] {
            let (index, last) = read_parts(&storage, count).unwrap();
            assert_eq!(last, 1999);
            assert_eq!(states(&index), states(&whole), "{count} parts");
        }
    }

    #[test]
    fn damage_in_any_part_is_told() {
        for main in [0, 2, 1000, 1999, i64::MAX] {
            let directory = tempfile::tempdir().unwrap();
            let storage = filled(directory.path(), Some(main));
            let error = read_parts(&storage, 9).unwrap_err();
            assert!(matches!(error, Error::Damaged { .. }), "{error}");
        }
    }

    #[test]
    fn parts_follow_each_other_without_a_gap() {
        for (last, count) in [(1, 1), (1, 9), (100, 3), (i64::MAX, 4096)] {
            let parts = parts(last, count);
            assert!(parts.len() <= usize::try_from(count).unwrap());
            assert!(parts[0].start.is_empty() && parts[parts.len() - 1].end.is_empty());
            assert!(parts.windows(2).all(|pair| pair[0].end == pair[1].start));
            assert!(parts.iter().skip(1).all(|part| !part.start.is_empty()));
        }
    }
}
