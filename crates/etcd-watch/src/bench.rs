//! A store with a hub, changed as the applier changes it.

use bytes::Bytes;
use etcd_mvcc::{KeyRange, Kind, LeaseChange, Mvcc, Previous, PutArgs, WriteTxn, Writer};
use etcd_storage::{Batch, Storage, StorageOptions};
use tempfile::TempDir;

use crate::{Changed, Feed, Filter, Hub, Interest, Told};

pub(crate) struct Bench {
    storage: Storage,
    pub(crate) mvcc: Mvcc,
    pub(crate) writer: Writer,
    pub(crate) hub: Hub,
    /// Last, so that the storage is closed before its files go: else it waits for them, seconds.
    _directory: TempDir,
}

/// What a transaction does, in order: put a value, or delete.
pub(crate) type Steps = Vec<(Bytes, Option<Bytes>)>;

impl Bench {
    pub(crate) fn new() -> Bench {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let storage = Storage::open(&directory.path().join("state"), StorageOptions::default())
            .expect("an empty storage");
        let (mvcc, writer) = Mvcc::open(storage.clone()).expect("an empty store");
        let hub = Hub::new(mvcc.clone());
        Bench { _directory: directory, storage, mvcc, writer, hub }
    }

    /// Executes transactions in one batch; `before` is called before anybody is told of it.
    pub(crate) fn batch(&mut self, txns: Vec<Steps>, before: impl FnOnce(i64)) {
        let mut news = self.hub.news();
        let mut batch = Batch::new();
        for steps in txns {
            let mut txn = self.writer.begin(&mut batch);
            if !news.is_wanted() {
                txn.spare_events();
            }
            steps.into_iter().for_each(|step| execute(&mut txn, step));
            news.add(txn.finish().events);
        }
        self.storage.commit(batch).expect("the storage works");
        before(self.writer.revision());
        self.writer.publish();
        self.hub.publish(news, self.writer.revision());
    }

    pub(crate) fn put(&mut self, key: &'static str, value: impl Into<Bytes>) -> i64 {
        self.batch(vec![vec![(key.into(), Some(value.into()))]], |_| {});
        self.writer.revision()
    }

    pub(crate) fn delete(&mut self, key: &'static str) -> i64 {
        self.batch(vec![vec![(key.into(), None)]], |_| {});
        self.writer.revision()
    }

    pub(crate) fn compact(&mut self, revision: i64) {
        let mut batch = Batch::new();
        self.writer.compact(revision, &mut batch).expect("a revision to compact at");
        self.storage.commit(batch).expect("the storage works");
        self.writer.publish();
    }
}

fn execute(txn: &mut WriteTxn<'_>, (key, value): (Bytes, Option<Bytes>)) {
    let (lease, previous) = (LeaseChange::Set(0), Previous::Ignored);
    let done = match value {
        Some(value) => {
            let args = PutArgs { key: &key, value: Some(&value), lease, previous };
            txn.put(args).map(drop)
        }
        None => txn.delete_range(KeyRange::One(key), previous).map(drop),
    };
    done.expect("the storage works");
}

/// An interest in everything about some keys.
pub(crate) fn interest(key: &'static str, end: &'static str, start_revision: i64) -> Interest {
    let range = KeyRange::new(key.into(), end.into());
    Interest { range, start_revision, filter: Filter::default() }
}

/// The next word as text: "id@revision: change change", or what else it is.
pub(crate) async fn next(feed: &mut Feed) -> String {
    show(feed.next().await.expect("the storage works"))
}

pub(crate) fn show(told: Told) -> String {
    match told {
        Told::Changed(changed) => {
            let Changed { id, revision, .. } = changed;
            let changes = changed.iter().map(|change| {
                let key = String::from_utf8_lossy(&change.kv.key);
                let revision = change.kv.mod_revision;
                match change.kind {
                    Kind::Put => format!(" {revision}:{key}+"),
                    Kind::Tombstone => format!(" {revision}:{key}-"),
                }
            });
            format!("{id}@{revision}:{}", changes.collect::<String>())
        }
        Told::Compacted { id, compact_revision } => format!("{id} compacted {compact_revision}"),
        Told::Progress { id: Some(id), revision } => format!("{id} progress {revision}"),
        Told::Progress { id: None, revision } => format!("all progress {revision}"),
    }
}
