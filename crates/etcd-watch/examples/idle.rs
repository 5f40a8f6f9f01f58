//! What watchers that have nothing to tell take in memory, and what they cost a put.
//!
//! `cargo run --release -p etcd-watch --example idle`

use std::error::Error;
use std::time::Instant;

use etcd_mvcc::{KeyRange, LeaseChange, Mvcc, Previous, PutArgs, Writer};
use etcd_storage::{Batch, Storage, StorageOptions};
use etcd_watch::{Feed, Filter, Hub, Interest};

/// Watchers of a measurement, each of a feed of its own.
const WATCHERS: usize = 10_000;
/// Puts of a measurement, and how many of them share a batch.
const PUTS: usize = 50_000;
const BATCH: usize = 50;

#[expect(clippy::print_stdout, reason = "it is a program for people")]
fn main() -> Result<(), Box<dyn Error>> {
    let directory = tempfile::tempdir()?;
    let storage = Storage::open(&directory.path().join("state"), StorageOptions::default())?;
    let (mvcc, mut writer) = Mvcc::open(storage.clone())?;
    let hub = Hub::new(mvcc);
    // What the store itself takes for its first puts shall not count.
    measure(&storage, &mut writer, &hub)?;
    println!("none:           {:>7.0} puts/s", measure(&storage, &mut writer, &hub)?);
    let mut feeds = Vec::new();
    for (name, range, count) in [
        ("1 on a key", one as fn(usize) -> KeyRange, 1),
        ("more on keys", one, WATCHERS),
        ("more on ranges", span, WATCHERS),
    ] {
        let before = resident_bytes()?;
        for number in 0..count {
            feeds.push(idle(&hub, range(number))?);
        }
        let each = resident_bytes()?.saturating_sub(before) / count;
        let puts = measure(&storage, &mut writer, &hub)?;
        println!("{name:<14}: {puts:>7.0} puts/s, {each} bytes each");
    }
    Ok(())
}

/// A feed with a watcher on keys that nobody puts.
fn idle(hub: &Hub, range: KeyRange) -> Result<Feed, etcd_watch::Error> {
    let mut feed = hub.feed();
    feed.watch(0, Interest { range, start_revision: 0, filter: Filter::default() })?;
    Ok(feed)
}

fn one(number: usize) -> KeyRange {
    KeyRange::One(format!("idle/{number:08}").into())
}

fn span(number: usize) -> KeyRange {
    let (start, end) = (format!("idle/{number:08}/"), format!("idle/{number:08}0"));
    KeyRange::Span(start.into(), end.into())
}

/// Puts a second, as the applier does them.
fn measure(storage: &Storage, writer: &mut Writer, hub: &Hub) -> Result<f64, Box<dyn Error>> {
    let begin = Instant::now();
    for number in 0..PUTS / BATCH {
        let mut news = hub.news();
        let mut batch = Batch::new();
        for place in 0..BATCH {
            let mut txn = writer.begin(&mut batch);
            if !news.is_wanted() {
                txn.spare_events();
            }
            txn.put(PutArgs {
                key: format!("busy/{}", (number * BATCH + place) % 1000).as_bytes(),
                value: Some(&[7; 256]),
                lease: LeaseChange::Set(0),
                previous: Previous::Ignored,
            })?;
            news.add(txn.finish().events);
        }
        storage.commit(batch)?;
        writer.publish();
        hub.publish(news, writer.revision());
    }
    Ok(PUTS as f64 / begin.elapsed().as_secs_f64())
}

fn resident_bytes() -> Result<usize, Box<dyn Error>> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = line.and_then(|line| line.split_whitespace().next()).ok_or("no VmRSS")?;
    Ok(kib.parse::<usize>()? << 10)
}
