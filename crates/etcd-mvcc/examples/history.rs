//! Writes, reads the past, compacts: `cargo run -p etcd-mvcc --example history`.

#![allow(clippy::print_stdout, reason = "an example shows what it does")]

use bytes::Bytes;
use etcd_mvcc::{
    CompactorOptions, Error, HistoryLimits, KeyRange, LeaseChange, Mvcc, Previous, PutArgs,
    RangeQuery, Writer,
};
use etcd_proto::mvccpb::KeyValue;
use etcd_storage::{Batch, Storage, StorageOptions};
use prost::Message;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let directory = tempfile::tempdir()?;
    let storage = Storage::open(directory.path(), StorageOptions::default())?;
    let (mvcc, mut writer) = Mvcc::open(storage.clone())?;

    put(&storage, &mut writer, "boat", "rows")?;
    put(&storage, &mut writer, "boat", "sails")?;
    let mut batch = Batch::new();
    let mut txn = writer.begin(&mut batch);
    txn.delete_range(KeyRange::One("boat".into()), Previous::Ignored)?;
    txn.finish();
    storage.commit(batch)?;
    writer.publish();

    for revision in 1..=mvcc.revision() {
        println!("at revision {revision}: {}", show(&mvcc, revision)?);
    }
    for event in mvcc.history(1, &|_| true, HistoryLimits::default())?.events {
        println!("{:?} of {:?} made revision {}", event.kind, event.key, event.revision.main);
    }

    let mut batch = Batch::new();
    writer.compact(3, &mut batch)?;
    storage.commit(batch)?;
    writer.publish();
    mvcc.compactor(CompactorOptions::default()).run_scheduled()?;
    match show(&mvcc, 2) {
        Err(Error::Compacted) => println!("after the compaction at 3, revision 2 is gone"),
        other => println!("unexpected: {other:?}"),
    }
    Ok(())
}

fn put(
    storage: &Storage,
    writer: &mut Writer,
    key: &'static str,
    value: &'static str,
) -> Result<(), Error> {
    let mut batch = Batch::new();
    let mut txn = writer.begin(&mut batch);
    txn.put(PutArgs {
        key: key.as_bytes(),
        value: Some(value.as_bytes()),
        lease: LeaseChange::Set(0),
        previous: Previous::Ignored,
    })?;
    txn.finish();
    storage.commit(batch)?;
    writer.publish();
    Ok(())
}

fn show(mvcc: &Mvcc, revision: i64) -> Result<String, Error> {
    let query = RangeQuery { key: Bytes::from("boat"), revision, ..RangeQuery::default() };
    let answer = mvcc.range(&query)?;
    Ok(match answer.kvs.first() {
        None => "no boat".into(),
        Some(kv) => format!("{:?}", KeyValue::decode(kv.clone())),
    })
}
