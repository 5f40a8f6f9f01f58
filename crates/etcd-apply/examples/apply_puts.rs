//! Measures what applying a write costs a member, without network and log:
//! `cargo run --profile trial -p etcd-apply --example apply_puts [WRITES [LOAD]]`.
//!
//! It prints how long a write takes (the median of all batches, which others on the machine disturb
//! least), and the CPU time that the threads which flush and compact spend for it. Commands are made
//! beforehand, as slices of one buffer, as the log gives them.

#![allow(clippy::print_stdout, reason = "an example shows what it measures")]

use std::time::Instant;

use bytes::{Bytes, BytesMut};
use etcd_apply::{Applier, Views};
use etcd_mvcc::KeyRange;
use etcd_proto::etcdserverpb::compare::{CompareResult, CompareTarget, TargetUnion};
use etcd_proto::etcdserverpb::request_op::Request;
use etcd_proto::etcdserverpb::{
    Compare, InternalRaftRequest, PutRequest, RangeRequest, RequestOp, TxnRequest,
};
use etcd_raft::{Applied, Entry, Payload, Position, Proposal, StateMachine as _};
use etcd_storage::{Storage, StorageOptions};
use etcd_watch::{Filter, Interest};
use prost::Message as _;

/// The allocator of the server.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

/// Commands of one entry.
const BATCH: u64 = 300;
const VALUE_BYTES: usize = 256;
/// Keys of the loads that do not go upwards.
const KEYS: u64 = 1_000_000;
/// Every so many commands one has a caller on this member.
const AWAITED: u64 = 3;

type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

/// What is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Load {
    /// New keys, upwards: many clients take turns, not quite in order.
    Upwards,
    /// Keys all over the place.
    Random,
    /// Always the same key.
    Hot,
    /// Keys all over the place, with one watcher of all of them that nobody asks for news.
    Watched,
    /// A comparison, a put and a get in one.
    Txn,
}

fn main() -> Result<()> {
    let mut args = std::env::args().skip(1);
    let writes: u64 = args.next().map_or(Ok(KEYS), |count| count.parse())?;
    let only = args.next();
    let directory = tempfile::tempdir()?;
    let storage = Storage::open(&directory.path().join("state"), StorageOptions::default())?;
    let (applier, views) = Applier::open(storage)?;
    let mut member = Member { applier, views, applied: Applied::default(), numbers: 1 };
    let loads = [Load::Upwards, Load::Random, Load::Hot, Load::Watched, Load::Txn];
    for load in loads {
        if only.as_ref().is_none_or(|only| format!("{load:?}").eq_ignore_ascii_case(only)) {
            member.measure(load, writes)?;
        }
    }
    Ok(())
}

struct Member {
    applier: Applier,
    views: Views,
    applied: Applied,
    /// The state of a generator of numbers that are alike in every run.
    numbers: u64,
}

impl Member {
    fn measure(&mut self, load: Load, writes: u64) -> Result<()> {
        let mut feed = self.views.hub.feed();
        if load == Load::Watched {
            let range = KeyRange::new(b"k"[..].into(), b"l"[..].into());
            feed.watch(0, Interest { range, start_revision: 0, filter: Filter::default() })?;
        } else {
            drop(feed);
        }
        let started = (own_nanoseconds()?, all_nanoseconds()?);
        let mut batches = Vec::new();
        for first in (0..writes).step_by(BATCH as usize) {
            let entry = self.entry(load, first);
            self.applied.position = entry.position;
            let begun = Instant::now();
            self.applier.apply(&[entry], &self.applied).map_err(|error| error.to_string())?;
            batches.push(begun.elapsed());
        }
        batches.sort_unstable();
        let median = batches[batches.len() / 2];
        let own = own_nanoseconds()? - started.0;
        let others = (all_nanoseconds()? - started.1).saturating_sub(own);
        let (keys, memory) = (self.views.mvcc.indexed_keys(), resident_kibibytes()? >> 10);
        let name = format!("{load:?}");
        println!(
            "{name:9} {:5} ns a write to apply, {:5} ns of CPU on other threads; {keys} keys, {memory} MiB",
            median.as_nanos() / u128::from(BATCH),
            others / writes,
        );
        Ok(())
    }

    fn entry(&mut self, load: Load, first: u64) -> Entry {
        let mut buffer = BytesMut::new();
        let mut lengths = Vec::new();
        for number in first..first + BATCH {
            let command = self.command(load, number);
            lengths.push(command.encoded_len());
            command.encode(&mut buffer).expect("a buffer that grows has room");
        }
        let mut buffer = buffer.freeze();
        let proposals = (first..).zip(lengths).map(|(id, length)| Proposal {
            id,
            command: buffer.split_to(length),
            awaited: id % AWAITED == 0,
        });
        let payload = Payload::Commands(proposals.collect());
        let index = self.applied.position.index + 1;
        Entry { position: Position { term: 1, index }, payload }
    }

    fn command(&mut self, load: Load, number: u64) -> InternalRaftRequest {
        let key = match load {
            Load::Upwards => key(upwards(number)),
            Load::Random | Load::Watched | Load::Txn => key(self.number() % KEYS),
            Load::Hot => key(0),
        };
        let value = (0..VALUE_BYTES / 8).flat_map(|_| self.number().to_be_bytes()).collect();
        let put = PutRequest { key: key.clone(), value, ..PutRequest::default() };
        if load != Load::Txn {
            return InternalRaftRequest { put: Some(put), ..InternalRaftRequest::default() };
        }
        let operation = |request| RequestOp { request: Some(request) };
        let range = RangeRequest { key: key.clone(), ..RangeRequest::default() };
        let compare = Compare {
            result: CompareResult::Greater as i32,
            target: CompareTarget::Mod as i32,
            key,
            target_union: Some(TargetUnion::ModRevision(-1)),
            ..Compare::default()
        };
        let success =
            vec![operation(Request::RequestPut(put)), operation(Request::RequestRange(range))];
        let txn = TxnRequest { compare: vec![compare], success, failure: Vec::new() };
        InternalRaftRequest { txn: Some(txn), ..InternalRaftRequest::default() }
    }

    /// Marsaglia's xorshift.
    fn number(&mut self) -> u64 {
        self.numbers ^= self.numbers << 13;
        self.numbers ^= self.numbers >> 7;
        self.numbers ^= self.numbers << 17;
        self.numbers
    }
}

/// Another order of the same numbers: each stays in its stretch.
fn upwards(number: u64) -> u64 {
    const STRETCH: u64 = 1 << 10;
    /// Odd, so that it makes every number of a stretch once.
    const STRIDE: u64 = 389;
    number / STRETCH * STRETCH + number * STRIDE % STRETCH
}

/// A key of eight bytes; numbers and keys sort alike.
fn key(number: u64) -> Bytes {
    let mut bytes = number.to_be_bytes();
    bytes[0] = b'k';
    Bytes::copy_from_slice(&bytes)
}

/// CPU time of this thread.
fn own_nanoseconds() -> Result<u64> {
    nanoseconds("/proc/thread-self/schedstat".as_ref())
}

/// CPU time of all threads of this process.
fn all_nanoseconds() -> Result<u64> {
    let mut sum = 0;
    for task in std::fs::read_dir("/proc/self/task")? {
        sum += nanoseconds(&task?.path().join("schedstat"))?;
    }
    Ok(sum)
}

fn nanoseconds(schedstat: &std::path::Path) -> Result<u64> {
    let text = std::fs::read_to_string(schedstat)?;
    Ok(text.split(' ').next().ok_or("a file of numbers is empty")?.parse()?)
}

fn resident_kibibytes() -> Result<u64> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find(|line| line.starts_with("VmRSS")).ok_or("no memory in use")?;
    Ok(line.split_whitespace().nth(1).ok_or("no memory in use")?.parse()?)
}
