//! Measures a store of many keys: `cargo run --release -p etcd-mvcc --example million DIRECTORY`.
//!
//! The first run fills the directory with a million keys (or as many as a second argument says),
//! the next ones only open and read it.

#![allow(clippy::print_stdout, reason = "an example shows what it measures")]

use std::time::Instant;

use bytes::Bytes;
use etcd_mvcc::{
    CompactorOptions, Content, Hashing, LeaseChange, Mvcc, Previous, PutArgs, RangeQuery, Writer,
};
use etcd_storage::{Batch, Storage, StorageOptions};

const VALUE: &[u8] = &[b'v'; 256];
/// Transactions of one batch, as an applier groups them.
const BATCH: usize = 200;

type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

fn main() -> Result<()> {
    let directory = std::env::args().nth(1).ok_or("the directory is missing")?;
    let keys: u64 = std::env::args().nth(2).map_or(Ok(1_000_000), |keys| keys.parse())?;
    report_memory("at the start");
    let storage = Storage::open(directory.as_ref(), StorageOptions::default())?;
    let (mvcc, mut writer) = timed("open", keys, || Ok(Mvcc::open(storage.clone())?))?;
    report_memory("opened");
    if mvcc.revision() > 1 {
        return read(&mvcc, mvcc.indexed_keys() as u64);
    }
    timed("put every key once", keys, || write(&storage, &mut writer, keys))?;
    report_memory("after writing");
    read(&mvcc, keys)?;
    timed("put every key again", keys, || write(&storage, &mut writer, keys))?;
    report_memory("with two revisions of each");

    let mut batch = Batch::new();
    writer.compact(mvcc.revision(), &mut batch)?;
    storage.commit(batch)?;
    writer.publish();
    let options = CompactorOptions {
        sleep_interval: std::time::Duration::ZERO,
        hashing: Hashing::Off,
        ..CompactorOptions::default()
    };
    timed("compact", keys, || Ok(mvcc.compactor(options).run_scheduled()?))?;
    report_memory("compacted");
    storage.flush()?;
    Ok(())
}

fn write(storage: &Storage, writer: &mut Writer, keys: u64) -> Result<()> {
    let mut batch = Batch::new();
    for number in 0..keys {
        let mut txn = writer.begin(&mut batch);
        txn.put(PutArgs {
            key: &key(number),
            value: Some(VALUE),
            lease: LeaseChange::Set(0),
            previous: Previous::Ignored,
        })?;
        txn.finish();
        if number as usize % BATCH == BATCH - 1 || number + 1 == keys {
            storage.commit(std::mem::take(&mut batch))?;
            writer.publish();
        }
    }
    Ok(())
}

fn read(mvcc: &Mvcc, keys: u64) -> Result<()> {
    let all = RangeQuery {
        key: Bytes::from_static(b"\0"),
        range_end: Bytes::from_static(b"\0"),
        ..RangeQuery::default()
    };
    let gets = keys.min(200_000);
    timed("get one key", gets, || {
        for number in 0..gets {
            let query = RangeQuery { key: key(number), ..RangeQuery::default() };
            assert_eq!(mvcc.range(&query)?.kvs.len(), 1);
        }
        Ok(())
    })?;
    let pages = 1000;
    for content in [Content::KeysOnly, Content::Full] {
        timed("page of 500 with its count", pages, || {
            for number in 0..pages {
                let query = RangeQuery { key: key(number), limit: 500, content, ..all.clone() };
                assert!(mvcc.range(&query)?.count > 0);
            }
            Ok(())
        })?;
    }
    timed("key of a list in pages", keys, || {
        let mut listing = mvcc.list(&all)?;
        while listing.next_page(10_000)?.keys > 0 {}
        Ok(())
    })?;
    timed("key of a whole list", keys, || {
        assert_eq!(mvcc.range(&all)?.kvs.len() as u64, keys);
        Ok(())
    })?;
    timed("key of a whole list, packed", keys, || {
        assert_eq!(mvcc.long_range(&all)?.kvs.len() as u64, keys);
        Ok(())
    })?;
    timed("key of a list of keys only", keys, || {
        let query = RangeQuery { content: Content::KeysOnly, ..all.clone() };
        assert_eq!(mvcc.range(&query)?.kvs.len() as u64, keys);
        Ok(())
    })
}

/// A key whose place in key order has nothing to do with its place in time.
fn key(number: u64) -> Bytes {
    let mixed = number.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let scattered = (mixed ^ mixed >> 29).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    Bytes::from(format!("/registry/pods/{scattered:016x}"))
}

fn timed<T>(what: &str, times: u64, work: impl FnOnce() -> Result<T>) -> Result<T> {
    let (start, cpu) = (Instant::now(), cpu_seconds());
    let result = work()?;
    let (took, cpu) = (start.elapsed().as_secs_f64(), cpu_seconds() - cpu);
    let each = |seconds: f64| seconds * 1e6 / times as f64;
    println!("{what:28} {took:7.3} s, {:8.3} µs each, {:8.3} µs CPU", each(took), each(cpu));
    Ok(result)
}

/// What this thread used of a processor.
fn cpu_seconds() -> f64 {
    let stat = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    let nanoseconds = stat.split(' ').next().and_then(|number| number.parse().ok());
    nanoseconds.map_or(0.0, |nanoseconds: f64| nanoseconds / 1e9)
}

/// Resident memory of this process.
fn report_memory(when: &str) {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    let pages: u64 = statm.split(' ').nth(1).and_then(|pages| pages.parse().ok()).unwrap_or(0);
    println!("{when:28} {:7.1} MiB resident", pages as f64 * 4096.0 / f64::from(1 << 20));
}
