//! Measures many leases: `cargo run --release -p etcd-lease --example million DIRECTORY`.
//!
//! A second argument is the number of leases, else it is a million.

#![allow(clippy::print_stdout, reason = "an example shows what it measures")]

use std::time::{Duration, Instant};

use etcd_lease::{Clock, Leadership, Lessor, Renewal, Writer};
use etcd_storage::{Batch, Storage, StorageOptions};

/// Leases of one batch, as an applier groups them.
const BATCH: u64 = 200;
const TTL_SECONDS: i64 = 60;
/// What a leader looks for twice a second.
const ROUND: usize = 500;
const RETRY: Duration = Duration::from_secs(7);

type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

fn main() -> Result<()> {
    let directory = std::env::args().nth(1).ok_or("the directory is missing")?;
    let leases: u64 = std::env::args().nth(2).map_or(Ok(1_000_000), |leases| leases.parse())?;
    let storage = Storage::open(directory.as_ref(), StorageOptions::default())?;
    let clock = Clock::by_hand();
    let (lessor, mut writer) = Lessor::open(&storage, [], clock.clone())?;
    let before = resident();
    timed("grant, with one key each", leases, || grant(&storage, &mut writer, leases))?;
    println!("{:28} {:7.1} bytes a lease", "", (resident() - before) / leases as f64);
    let extension = Duration::from_secs(1);
    timed("begin to lead", 1, || {
        lessor.lead(Leadership { term: 1, extension, checkpoint_interval: None });
        Ok(())
    })?;
    timed("first look for due ones", 1, || {
        assert!(lessor.due(ROUND, RETRY).ids.is_empty());
        Ok(())
    })?;
    println!("{:28} {:7.1} bytes a lease", "", (resident() - before) / leases as f64);
    timed("renew", leases, || {
        for id in ids(leases) {
            assert!(matches!(lessor.renew(id)?, Renewal::Renewed { .. }));
        }
        Ok(())
    })?;
    timed("look for due ones", 1000, || {
        for _ in 0..1000 {
            assert!(lessor.due(ROUND, RETRY).ids.is_empty());
        }
        Ok(())
    })?;
    timed("list all ids", leases, || {
        assert_eq!(lessor.ids().len() as u64, leases);
        Ok(())
    })?;
    clock.advance(Duration::from_secs(TTL_SECONDS as u64));
    let mut revoked = 0;
    let mut longest = Duration::ZERO;
    timed("expire and revoke", leases, || {
        while revoked < leases {
            let start = Instant::now();
            let due = lessor.due(ROUND, RETRY);
            longest = longest.max(start.elapsed());
            let mut batch = Batch::new();
            for id in due.ids {
                assert_eq!(writer.revoke(id, &mut batch)?.len(), 1);
                revoked += 1;
            }
            storage.commit(batch)?;
        }
        Ok(())
    })?;
    println!("{:28} {longest:?} for one round", "at most");
    Ok(())
}

fn grant(storage: &Storage, writer: &mut Writer, leases: u64) -> Result<()> {
    let mut batch = Batch::new();
    for (number, id) in (1..).zip(ids(leases)) {
        writer.grant(id, TTL_SECONDS, &mut batch)?;
        writer.attach(id, format!("/registry/events/{number:016x}").as_bytes());
        if number % BATCH == 0 || number == leases {
            storage.commit(std::mem::take(&mut batch))?;
        }
    }
    Ok(())
}

/// Ids as members make them: ascending, with gaps.
fn ids(leases: u64) -> impl Iterator<Item = i64> {
    (0..leases).map(|number| (1i64 << 48) + (number as i64) * 3)
}

fn timed<T>(what: &str, times: u64, work: impl FnOnce() -> Result<T>) -> Result<T> {
    let start = Instant::now();
    let result = work()?;
    let took = start.elapsed().as_secs_f64();
    println!("{what:28} {took:7.3} s, {:9.3} µs each", took * 1e6 / times as f64);
    Ok(result)
}

/// Resident memory of this process, in bytes.
fn resident() -> f64 {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    let pages: u64 = statm.split(' ').nth(1).and_then(|pages| pages.parse().ok()).unwrap_or(0);
    pages as f64 * 4096.0
}
