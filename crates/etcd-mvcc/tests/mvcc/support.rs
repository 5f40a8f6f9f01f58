//! A store in a temporary directory, and short ways to use it.

use bytes::Bytes;
use etcd_mvcc::{
    Compactor, CompactorOptions, Content, Error, Event, Hashing, KeyRange, LeaseChange, Mvcc,
    Previous, PutArgs, RangeQuery, RangeResult, TxnOutcome, WriteTxn, Writer,
};
use etcd_proto::etcdserverpb::RangeResponse;
use etcd_proto::mvccpb::KeyValue;
use etcd_storage::{Batch, Storage, StorageOptions};
use prost::Message;
use std::time::Duration;
use tempfile::TempDir;

pub(crate) struct Bench {
    pub(crate) mvcc: Mvcc,
    pub(crate) writer: Writer,
    pub(crate) storage: Storage,
    /// Last, so that the storage is closed before its files go: else it waits for them, seconds.
    directory: TempDir,
}

impl Bench {
    pub(crate) fn new() -> Bench {
        Bench::open(TempDir::new().unwrap())
    }

    fn open(directory: TempDir) -> Bench {
        let storage = Storage::open(directory.path(), StorageOptions::default()).unwrap();
        let (mvcc, writer) = Mvcc::open(storage.clone()).unwrap();
        Bench { mvcc, writer, storage, directory }
    }

    /// Stops cleanly and starts again from what is on disk.
    pub(crate) fn restarted(self) -> Bench {
        let Bench { mvcc, writer, storage, directory } = self;
        storage.flush().unwrap();
        drop((mvcc, writer, storage));
        Bench::open(directory)
    }

    /// One transaction in a batch of its own.
    pub(crate) fn txn(&mut self, changes: impl FnOnce(&mut WriteTxn<'_>)) -> TxnOutcome {
        let mut batch = Batch::new();
        let mut txn = self.writer.begin(&mut batch);
        changes(&mut txn);
        let outcome = txn.finish();
        self.commit(batch);
        outcome
    }

    pub(crate) fn commit(&mut self, batch: Batch) {
        self.storage.commit(batch).unwrap();
        self.writer.publish();
    }

    pub(crate) fn put(&mut self, key: &str, value: &str) -> i64 {
        self.txn(|txn| drop(txn.put(put(key, value)).unwrap())).revision
    }

    /// Returns the number of deleted keys.
    pub(crate) fn delete(&mut self, key: &str, end: &str) -> i64 {
        let mut deleted = 0;
        self.txn(|txn| {
            deleted = txn.delete_range(span(key, end), Previous::Ignored).unwrap().deleted;
        });
        deleted
    }

    /// Logically only.
    pub(crate) fn compact(&mut self, revision: i64) -> Result<(), Error> {
        let mut batch = Batch::new();
        self.writer.compact(revision, &mut batch)?;
        self.commit(batch);
        Ok(())
    }

    pub(crate) fn compactor(&self) -> Compactor {
        self.mvcc.compactor(quick(Hashing::On))
    }

    /// Carries out what was compacted.
    pub(crate) fn settle(&self) {
        self.compactor().run_scheduled().unwrap();
    }

    pub(crate) fn range(&self, query: &RangeQuery) -> Result<RangeResult, Error> {
        self.mvcc.range(query)
    }

    /// `key=value` of every key of a range at a revision.
    pub(crate) fn show(&self, key: &str, end: &str, revision: i64) -> String {
        show(&self.range(&RangeQuery { revision, ..query(key, end) }).unwrap())
    }

    /// The stored rows of the key table, as hexadecimal digits.
    pub(crate) fn rows(&self) -> Vec<(String, String)> {
        let mut rows = Vec::new();
        self.storage
            .scan(etcd_storage::Table::Key, &[]..&[], |key, value| {
                rows.push((hex(key), hex(value)));
                std::ops::ControlFlow::Continue(())
            })
            .unwrap();
        rows
    }
}

pub(crate) fn quick(hashing: Hashing) -> CompactorOptions {
    CompactorOptions { batch_limit: 3, sleep_interval: Duration::ZERO, hashing }
}

pub(crate) fn bytes(text: &str) -> Bytes {
    Bytes::copy_from_slice(text.as_bytes())
}

pub(crate) fn span(key: &str, end: &str) -> KeyRange {
    KeyRange::new(bytes(key), bytes(end))
}

pub(crate) fn put<'a>(key: &'a str, value: &'a str) -> PutArgs<'a> {
    PutArgs {
        key: key.as_bytes(),
        value: Some(value.as_bytes()),
        lease: LeaseChange::Set(0),
        previous: Previous::Ignored,
    }
}

pub(crate) fn query(key: &str, end: &str) -> RangeQuery {
    RangeQuery { key: bytes(key), range_end: bytes(end), ..RangeQuery::default() }
}

pub(crate) fn all() -> RangeQuery {
    query("\0", "\0")
}

pub(crate) fn count_only(query: RangeQuery) -> RangeQuery {
    RangeQuery { content: Content::CountOnly, ..query }
}

pub(crate) fn decode(kv: &Bytes) -> KeyValue {
    KeyValue::decode(kv.clone()).unwrap()
}

/// The key-values of a page.
pub(crate) fn fields(chunks: &[Bytes]) -> Vec<KeyValue> {
    RangeResponse::decode(&chunks.concat()[..]).unwrap().kvs
}

pub(crate) fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// The answer in one line: `key=value …`, then `+` if there is more, then the count.
pub(crate) fn show(result: &RangeResult) -> String {
    let mut words: Vec<_> = result
        .kvs
        .iter()
        .map(decode)
        .map(|kv| format!("{}={}", text(&kv.key), text(&kv.value)))
        .collect();
    if result.more {
        words.push("+".into());
    }
    words.push(format!("of {}", result.count));
    words.join(" ")
}

pub(crate) fn show_events(events: &[Event]) -> String {
    let word = |event: &Event| {
        let kv = decode(&event.record);
        let value = match event.kind {
            etcd_mvcc::Kind::Put => format!("={}", text(&kv.value)),
            etcd_mvcc::Kind::Tombstone => "-".into(),
        };
        assert_eq!(event.key, kv.key);
        format!("{}:{}{value}", event.revision, text(&event.key))
    };
    events.iter().map(word).collect::<Vec<_>>().join(" ")
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
