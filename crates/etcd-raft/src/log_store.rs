//! The log as openraft sees it: entries in memory at once, on disk by the log's writer thread.

use std::collections::VecDeque;
use std::fmt::Debug;
use std::io;
use std::ops::{Bound, Range, RangeBounds};
use std::sync::{Arc, Weak};

use bytes::Bytes;
use etcd_proto::raftpb::{self, EntryType, MembershipRecord};
use etcd_storage::{Log, LogOperation};
use futures_util::{Stream, stream};
use openraft::storage::{IOFlushed, LogState, RaftLogReader, RaftLogStorage};
use parking_lot::Mutex;
use prost::Message as _;
use tokio::sync::{Notify, oneshot};

use crate::failure::Failure;
use crate::openraft_types::{
    Commands, LogId, Membership as OpenraftMembership, RaftEntry, RaftPayload, TypeConfig, Vote,
};
use crate::reservation::Reservations;
use crate::tasks::Hold;
use crate::{Error, LogFacts, Membership, Position};

/// Bytes of recent entries kept in memory for replication and apply.
const TAIL_BYTES: usize = 16 << 20;
/// Bytes of entries that one replication message carries at most, unless a single entry is larger.
const MESSAGE_BYTES: usize = 1 << 20;
/// Entries read at once for apply.
const READ_ENTRIES: u64 = 64;
/// Bytes appended since the last snapshot after which the next one is due: it bounds what a start
/// has to apply again, and the log's files.
const SNAPSHOT_BYTES: u64 = 32 << 20;
/// What an entry takes in memory beside its data, roughly.
const ENTRY_OVERHEAD: usize = 64;

const VOTE: &str = "vote";
const PURGED: &str = "purged";
const COMMITTED: &str = "committed";

/// The raft log of this member. Cheap to clone; every clone is the same log.
#[derive(Clone)]
pub(crate) struct LogStore {
    shared: Arc<Shared>,
}

/// A look at a log that does not keep it open. Cheap to clone.
#[derive(Clone)]
pub(crate) struct LogView {
    shared: Weak<Shared>,
}

impl LogView {
    /// The log as it is; nothing once it is closed.
    pub(crate) fn facts(&self) -> Option<LogFacts> {
        let Shared { log, tail, .. } = &*self.shared.upgrade()?;
        let tail = tail.lock();
        let (entries_in_memory, bytes_in_memory) = (tail.entries.len(), tail.bytes);
        let (purged, last) = (Position::of(tail.purged).index, Position::of(tail.last).index);
        drop(tail);
        Some(LogFacts {
            groups: log.figures().groups.distribution(),
            syncs: log.figures().syncs.distribution(),
            written_bytes: log.figures().bytes.get(),
            queue: log.queue_len() as u64,
            first: if last > purged { purged + 1 } else { 0 },
            last: if last > purged { last } else { 0 },
            entries_in_memory: entries_in_memory as u64,
            bytes_in_memory: bytes_in_memory as u64,
            segments: log.segments() as u64,
        })
    }
}

struct Shared {
    log: Log,
    /// Shared with the writer thread, which must never be the one to close the log.
    tail: Arc<Mutex<Tail>>,
    reservations: Reservations,
    snapshot_due: Notify,
    failure: Failure,
    _hold: Hold,
}

/// The recent end of the log.
#[derive(Default)]
struct Tail {
    /// Invariant: consecutive indexes, the last of which is the log's last.
    entries: VecDeque<RaftEntry>,
    bytes: usize,
    /// The index after the last entry that is on disk: only entries before it may leave the tail.
    written: u64,
    /// Counts truncations: a write from before one says nothing about what came after it.
    truncations: u64,
    last: Option<LogId>,
    purged: Option<LogId>,
    vote: Option<Vote>,
    appended_since_snapshot: u64,
    /// Whether entries left memory because it was full: those before it are many bytes.
    overflowed: bool,
}

impl LogStore {
    pub(crate) fn open(log: Log, failure: Failure, hold: Hold) -> Result<LogStore, Error> {
        let indexes = log.indexes();
        let purged = purged_of(&log)?;
        let first = purged.map_or(0, |log_id| log_id.index + 1);
        if !indexes.is_empty() && indexes.start > first {
            let message = format!(
                "{}: entries {} to {} are missing from the raft log",
                path(&log),
                first + 1,
                indexes.start
            );
            return Err(Error::Damaged(message));
        }
        let vote = log.mark(VOTE).map(|bytes| decode_vote(&bytes)).transpose()?;
        let last = last_of(&log)?;
        let tail = Tail { written: indexes.end, last, purged, vote, ..Tail::default() };
        let shared = Shared {
            log,
            tail: Arc::new(Mutex::new(tail)),
            reservations: Reservations::default(),
            snapshot_due: Notify::new(),
            failure,
            _hold: hold,
        };
        Ok(LogStore { shared: Arc::new(shared) })
    }

    /// For those who look on.
    pub(crate) fn view(&self) -> LogView {
        LogView { shared: Arc::downgrade(&self.shared) }
    }

    /// Whether nothing was ever written: no entry, no vote.
    pub(crate) fn is_fresh(&self) -> bool {
        let tail = self.shared.tail.lock();
        tail.last.is_none() && tail.vote.is_none()
    }

    /// The last entry removed from the start of the log.
    pub(crate) fn purged(&self) -> Position {
        Position::of(self.shared.tail.lock().purged)
    }

    /// What is kept of it for snapshots on their way.
    pub(crate) fn reservations(&self) -> &Reservations {
        &self.shared.reservations
    }

    /// Resolves when enough bytes were appended that a snapshot should be taken.
    pub(crate) async fn snapshot_due(&self) {
        self.shared.snapshot_due.notified().await;
    }

    /// Starts counting towards the next [`LogStore::snapshot_due`].
    pub(crate) fn snapshot_taken(&self) {
        self.shared.tail.lock().appended_since_snapshot = 0;
    }

    /// The first index such that the entries from it on hold at most `bytes`, as far as that is
    /// known: right after a start nothing is in memory, and no entry counts as too much.
    pub(crate) fn index_within(&self, bytes: usize) -> u64 {
        let tail = self.shared.tail.lock();
        let mut held = 0;
        for entry in tail.entries.iter().rev() {
            held += entry_bytes(entry);
            if held > bytes {
                return entry.log_id.index + 1;
            }
        }
        let front = tail.entries.front().filter(|_| tail.overflowed);
        front.map_or(0, |entry| entry.log_id.index)
    }

    fn read(&self, range: Range<u64>, limit_bytes: usize) -> Result<Vec<RaftEntry>, io::Error> {
        let (mut entries, from_tail) = {
            let tail = self.shared.tail.lock();
            let end = tail.last.map_or(0, |last| last.index + 1).min(range.end);
            let first_in_tail = tail.entries.front().map_or(end, |entry| entry.log_id.index);
            if range.start >= first_in_tail {
                let skipped = usize::try_from(range.start - first_in_tail).unwrap_or(usize::MAX);
                let wanted = usize::try_from(end.saturating_sub(range.start)).unwrap_or(0);
                let entries = tail.entries.iter().skip(skipped).take(wanted);
                return Ok(take_bytes(entries.cloned(), limit_bytes));
            }
            (Vec::new(), first_in_tail.min(end))
        };
        let mut start = range.start;
        let mut bytes = 0;
        while start < from_tail && bytes < limit_bytes {
            let end = from_tail.min(start + READ_ENTRIES);
            for record in self.shared.log.read(start..end)? {
                let entry = decode_entry(record).map_err(io::Error::other)?;
                bytes += entry_bytes(&entry);
                entries.push(entry);
            }
            start = end;
        }
        if bytes < limit_bytes && start < range.end {
            entries.extend(self.read(start..range.end, limit_bytes - bytes)?);
        }
        Ok(take_bytes(entries.into_iter(), limit_bytes))
    }

    fn submit_synced(&self, operation: LogOperation) -> oneshot::Receiver<io::Result<()>> {
        let (done, result) = oneshot::channel();
        let failure = self.shared.failure.clone();
        let done = Box::new(move |written: Result<(), etcd_storage::Error>| {
            // The caller may be gone: raft is stopping.
            let _ = done.send(written.map_err(|error| failure.note(error)));
        });
        self.shared.log.submit(vec![operation], Some(done));
        result
    }
}

impl RaftLogReader<TypeConfig> for LogStore {
    async fn entries_stream<RB>(
        &mut self,
        range: RB,
    ) -> impl Stream<Item = Result<RaftEntry, io::Error>> + Send
    where
        RB: RangeBounds<u64> + Clone + Debug + Send,
    {
        let store = self.clone();
        let batches = stream::unfold(bounds(&range), move |range| {
            let read = (!range.is_empty()).then(|| {
                store.read(range.start..range.end.min(range.start + READ_ENTRIES), MESSAGE_BYTES)
            });
            let next = read
                .filter(|read| read.as_ref().is_ok_and(|read| !read.is_empty()) || read.is_err());
            async move {
                next.map(|read| match read {
                    Ok(entries) => {
                        let rest = range.start + entries.len() as u64..range.end;
                        (entries.into_iter().map(Ok).collect::<Vec<_>>(), rest)
                    }
                    Err(error) => (vec![Err(error)], 0..0),
                })
            }
        });
        Box::pin(futures_util::StreamExt::flat_map(batches, stream::iter))
    }

    async fn try_get_log_entries<RB: RangeBounds<u64> + Clone + Debug + Send>(
        &mut self,
        range: RB,
    ) -> Result<Vec<RaftEntry>, io::Error> {
        self.read(bounds(&range), usize::MAX)
    }

    async fn read_vote(&mut self) -> Result<Option<Vote>, io::Error> {
        Ok(self.shared.tail.lock().vote)
    }

    async fn limited_get_log_entries(
        &mut self,
        start: u64,
        end: u64,
    ) -> Result<Vec<RaftEntry>, io::Error> {
        self.read(start..end, MESSAGE_BYTES)
    }
}

impl RaftLogStorage<TypeConfig> for LogStore {
    type LogReader = LogStore;

    async fn get_log_state(&mut self) -> Result<LogState<TypeConfig>, io::Error> {
        let tail = self.shared.tail.lock();
        Ok(LogState { last_purged_log_id: tail.purged, last_log_id: tail.last })
    }

    async fn get_log_reader(&mut self) -> LogStore {
        self.clone()
    }

    async fn save_vote(&mut self, vote: &Vote) -> Result<(), io::Error> {
        let value = Bytes::from(encode_vote(vote));
        let written = self.submit_synced(LogOperation::Mark { name: VOTE, value });
        written.await.map_err(|_| io::Error::other("the log closed"))??;
        self.shared.tail.lock().vote = Some(*vote);
        Ok(())
    }

    async fn save_committed(&mut self, committed: Option<LogId>) -> Result<(), io::Error> {
        let value = Bytes::copy_from_slice(&Position::of(committed).to_bytes());
        self.shared.log.submit(vec![LogOperation::Mark { name: COMMITTED, value }], None);
        Ok(())
    }

    async fn read_committed(&mut self) -> Result<Option<LogId>, io::Error> {
        let bytes = self.shared.log.mark(COMMITTED);
        let position = bytes.and_then(|bytes| Position::from_bytes(&bytes)).unwrap_or_default();
        // The mark is not synced, so it may be ahead of nothing but never of the log: an entry is on
        // disk before it is committed. Only a purge or truncation could have removed it since.
        let last = self.shared.tail.lock().last;
        Ok(position.log_id().min(last))
    }

    async fn append<I>(
        &mut self,
        entries: I,
        callback: IOFlushed<TypeConfig>,
    ) -> Result<(), io::Error>
    where
        I: IntoIterator<Item = RaftEntry> + Send,
        I::IntoIter: Send,
    {
        let mut records = Vec::new();
        let mut first_index = None;
        let mut end = 0;
        let truncations;
        {
            let mut tail = self.shared.tail.lock();
            truncations = tail.truncations;
            let before = tail.appended_since_snapshot;
            for entry in entries {
                first_index.get_or_insert(entry.log_id.index);
                end = entry.log_id.index + 1;
                records.push(encode_entry(&entry));
                tail.push(entry);
            }
            let appended = tail.appended_since_snapshot - before;
            self.shared.reservations.note_appended(appended);
            if tail.appended_since_snapshot >= SNAPSHOT_BYTES {
                tail.appended_since_snapshot = 0;
                self.shared.snapshot_due.notify_one();
            }
        }
        let Some(first_index) = first_index else {
            callback.io_completed(Ok(()));
            return Ok(());
        };
        let (tail, failure) = (self.shared.tail.clone(), self.shared.failure.clone());
        let done = Box::new(move |written: Result<(), etcd_storage::Error>| {
            if written.is_ok() {
                tail.lock().written_up_to(end, truncations);
            }
            callback.io_completed(written.map_err(|error| failure.note(error)));
        });
        self.shared.log.submit(vec![LogOperation::Append { first_index, records }], Some(done));
        Ok(())
    }

    async fn truncate_after(&mut self, last: Option<LogId>) -> Result<(), io::Error> {
        let keep = last.map_or(0, |log_id| log_id.index + 1);
        self.shared.tail.lock().truncate(keep, last);
        self.shared.log.submit(vec![LogOperation::TruncateFrom(keep)], None);
        Ok(())
    }

    async fn purge(&mut self, log_id: LogId) -> Result<(), io::Error> {
        self.shared.tail.lock().purge(log_id);
        self.shared.log.submit(purge_operations(log_id).into(), None);
        Ok(())
    }
}

impl Tail {
    fn push(&mut self, entry: RaftEntry) {
        let bytes = entry_bytes(&entry);
        self.bytes += bytes;
        self.appended_since_snapshot += bytes as u64;
        self.last = Some(entry.log_id);
        self.entries.push_back(entry);
    }

    fn written_up_to(&mut self, end: u64, truncations: u64) {
        if truncations != self.truncations {
            return;
        }
        self.written = self.written.max(end);
        while self.bytes > TAIL_BYTES {
            match self.entries.front() {
                Some(entry) if entry.log_id.index < self.written => {
                    self.overflowed = true;
                    self.pop_front();
                }
                _ => return,
            }
        }
    }

    fn pop_front(&mut self) {
        if let Some(entry) = self.entries.pop_front() {
            self.bytes -= entry_bytes(&entry);
        }
    }

    fn truncate(&mut self, keep: u64, last: Option<LogId>) {
        while let Some(entry) = self.entries.back().filter(|entry| entry.log_id.index >= keep) {
            self.bytes -= entry_bytes(entry);
            self.entries.pop_back();
        }
        self.written = self.written.min(keep);
        self.truncations += 1;
        self.last = last;
    }

    fn purge(&mut self, log_id: LogId) {
        while self.entries.front().is_some_and(|entry| entry.log_id.index <= log_id.index) {
            self.pop_front();
        }
        self.purged = Some(log_id);
        self.last = self.last.max(Some(log_id));
        self.written = self.written.max(log_id.index + 1);
    }
}

fn path(log: &Log) -> std::path::Display<'_> {
    log.path().display()
}

fn bounds(range: &impl RangeBounds<u64>) -> Range<u64> {
    let start = match range.start_bound() {
        Bound::Included(start) => *start,
        Bound::Excluded(start) => start + 1,
        Bound::Unbounded => 0,
    };
    let end = match range.end_bound() {
        Bound::Included(end) => end + 1,
        Bound::Excluded(end) => *end,
        Bound::Unbounded => u64::MAX,
    };
    start..end
}

/// As many entries as fit into `limit` bytes, but at least one.
fn take_bytes(entries: impl Iterator<Item = RaftEntry>, limit: usize) -> Vec<RaftEntry> {
    let mut held = 0;
    let mut taken = Vec::new();
    for entry in entries {
        held += entry_bytes(&entry);
        if held > limit && !taken.is_empty() {
            break;
        }
        taken.push(entry);
    }
    taken
}

fn entry_bytes(entry: &RaftEntry) -> usize {
    match &entry.payload {
        RaftPayload::Normal(Commands(data)) => data.len() + ENTRY_OVERHEAD,
        RaftPayload::Blank | RaftPayload::Membership(_) => ENTRY_OVERHEAD,
    }
}

/// The entry as it goes to disk and to other members.
pub(crate) fn entry_to_wire(entry: &RaftEntry) -> raftpb::Entry {
    let position = Position::of(Some(entry.log_id));
    let (kind, data) = match &entry.payload {
        RaftPayload::Blank => (EntryType::EntryNormal, Bytes::new()),
        RaftPayload::Normal(Commands(data)) => (EntryType::EntryNormal, data.clone()),
        RaftPayload::Membership(membership) => {
            let record = Membership::from_openraft(position, membership).record();
            (EntryType::EntryConfChangeV2, Bytes::from(record.encode_to_vec()))
        }
    };
    raftpb::Entry { r#type: kind.into(), term: position.term, index: position.index, data }
}

/// The reverse of [`entry_to_wire`].
pub(crate) fn entry_from_wire(entry: raftpb::Entry) -> Result<RaftEntry, Error> {
    let position = Position { term: entry.term, index: entry.index };
    let damaged = |what: &str| Error::Damaged(format!("log entry {position}: {what}"));
    let payload = match EntryType::try_from(entry.r#type) {
        Ok(EntryType::EntryNormal) if entry.data.is_empty() => RaftPayload::Blank,
        Ok(EntryType::EntryNormal) => RaftPayload::Normal(Commands(entry.data)),
        Ok(EntryType::EntryConfChangeV2) => {
            let record = MembershipRecord::decode(entry.data)
                .map_err(|_| damaged("unreadable membership"))?;
            let membership: OpenraftMembership = Membership::from_record(record).to_openraft();
            RaftPayload::Membership(membership)
        }
        Ok(EntryType::EntryConfChange) | Err(_) => return Err(damaged("unknown kind")),
    };
    let log_id = position.log_id().ok_or_else(|| damaged("no index"))?;
    Ok(RaftEntry { log_id, payload })
}

/// The last entry removed from the start of a log.
fn purged_of(log: &Log) -> Result<Option<LogId>, Error> {
    let Some(bytes) = log.mark(PURGED) else { return Ok(None) };
    let damaged = || Error::Damaged(format!("{}: unreadable mark {PURGED}", path(log)));
    Ok(Position::from_bytes(&bytes).ok_or_else(damaged)?.log_id())
}

/// The last entry of a log, which may be removed from its start.
pub(crate) fn last_of(log: &Log) -> Result<Option<LogId>, Error> {
    let indexes = log.indexes();
    if indexes.is_empty() {
        return purged_of(log);
    }
    let records = log.read(indexes.end - 1..indexes.end)?;
    Ok(Some(decode_entry(records[0].clone())?.log_id))
}

/// What a log must be told to let go of all entries up to this one.
pub(crate) fn purge_operations(log_id: LogId) -> [LogOperation; 2] {
    let value = Bytes::copy_from_slice(&Position::of(Some(log_id)).to_bytes());
    [LogOperation::Mark { name: PURGED, value }, LogOperation::PurgeThrough(log_id.index)]
}

/// The end of a log that is not in use, and the last membership in it.
pub(crate) struct Recorded {
    pub(crate) last: LogId,
    pub(crate) membership: Option<Membership>,
}

impl Recorded {
    /// Nothing if nothing was ever written.
    pub(crate) fn read(log: &Log) -> Result<Option<Recorded>, Error> {
        let mut last = purged_of(log)?;
        let mut membership = None;
        let Range { mut start, end } = log.indexes();
        while start < end {
            let next = end.min(start + READ_ENTRIES);
            for record in log.read(start..next)? {
                let entry = decode_entry(record)?;
                last = Some(entry.log_id);
                if let RaftPayload::Membership(found) = &entry.payload {
                    let position = Position::of(last);
                    membership = Some(Membership::from_openraft(position, found));
                }
            }
            start = next;
        }
        Ok(last.map(|last| Recorded { last, membership }))
    }
}

pub(crate) fn encode_entry(entry: &RaftEntry) -> Bytes {
    Bytes::from(entry_to_wire(entry).encode_to_vec())
}

fn decode_entry(record: Bytes) -> Result<RaftEntry, Error> {
    let entry = raftpb::Entry::decode(record)
        .map_err(|error| Error::Damaged(format!("unreadable log entry: {error}")))?;
    entry_from_wire(entry)
}

fn encode_vote(vote: &Vote) -> Vec<u8> {
    let mut bytes = vote.leader_id.term.to_be_bytes().to_vec();
    bytes.extend_from_slice(&vote.leader_id.voted_for.to_be_bytes());
    bytes.push(u8::from(vote.committed));
    bytes
}

fn decode_vote(bytes: &[u8]) -> Result<Vote, Error> {
    let damaged = || Error::Damaged("unreadable vote in the raft log".to_owned());
    let (numbers, committed) = bytes.split_at_checked(16).ok_or_else(damaged)?;
    // A position has the same shape: two numbers.
    let numbers = Position::from_bytes(numbers).ok_or_else(damaged)?;
    let mut vote = Vote::new(numbers.term, numbers.index);
    vote.committed = committed == [1];
    Ok(vote)
}
