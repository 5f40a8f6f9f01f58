//! One member: the state machine as raft would drive it.

use bytes::Bytes;
use etcd_apply::{Applier, Reply, Views};
use etcd_membership::MemberId;
use etcd_raft::{
    Applied, Entry, Membership, Payload, Position, Proposal, RaftMember, StateMachine as _,
};
use etcd_storage::{Batch, Storage, StorageOptions, Table};
use std::ops::ControlFlow;
use tempfile::TempDir;

/// The rows of a table, of which each member must have the same.
type Row = (Table, Vec<u8>, Vec<u8>);

pub(crate) struct Member {
    storage: Storage,
    applier: Applier,
    pub(crate) views: Views,
    applied: Applied,
    /// Last, so that the storage is closed before its files go: else it waits for them, seconds.
    _home: TempDir,
}

impl Member {
    pub(crate) fn new() -> Member {
        let home = TempDir::with_prefix("etcd-fuzz-").expect("a temporary folder");
        let storage = Storage::open(&home.path().join("state"), StorageOptions::default())
            .expect("an empty storage");
        let (applier, views) = Applier::open(storage.clone()).expect("an empty state");
        let mut member =
            Member { _home: home, storage, applier, views, applied: Applied::default() };
        member.join();
        member
    }

    /// Back to no keys, faster than with another storage. Rows go one by one: deleted ranges would
    /// make every later read slower.
    pub(crate) fn clear(&mut self) {
        let mut batch = Batch::new();
        for table in Table::ALL {
            for key in self.keys(table) {
                batch.delete(table, &key);
            }
        }
        self.storage.commit(batch).expect("the storage works");
        self.applied = Applied::default();
        (self.applier, self.views) = Applier::open(self.storage.clone()).expect("an empty state");
        self.join();
    }

    /// The log begins with the members.
    fn join(&mut self) {
        let member =
            RaftMember { peer_urls: vec!["http://a:1".to_owned()], ..RaftMember::default() };
        let members = [(MemberId(1), member)].into_iter().collect();
        let membership = Membership { position: self.next(), members };
        self.applied.membership = membership.clone();
        self.apply(Payload::Membership(membership));
    }

    fn next(&self) -> Position {
        Position { term: 1, index: self.applied.position.index + 1 }
    }

    fn apply(&mut self, payload: Payload) -> Vec<Reply> {
        self.applied.position = self.next();
        let entry = Entry { position: self.applied.position, payload };
        let replies = self.applier.apply(&[entry], &self.applied);
        replies.expect("no command stops a member")
    }

    /// Executes a command, whose caller may be on another member.
    pub(crate) fn execute(&mut self, command: Bytes, awaited: bool) -> Reply {
        let proposal = Proposal { id: self.applied.position.index, command, awaited };
        let mut replies = self.apply(Payload::Commands(vec![proposal]));
        replies.pop().expect("each command has a reply")
    }

    fn keys(&self, table: Table) -> Vec<Vec<u8>> {
        let mut keys = Vec::new();
        let scanned = self.storage.scan(table, &[]..&[], |key, _| {
            keys.push(key.to_vec());
            ControlFlow::Continue(())
        });
        scanned.expect("the storage works");
        keys
    }

    /// Every row but raft's own.
    pub(crate) fn rows(&self) -> Vec<Row> {
        let mut rows = Vec::new();
        for table in Table::ALL.into_iter().filter(|table| *table != Table::Raft) {
            let scanned = self.storage.scan(table, &[]..&[], |key, value| {
                rows.push((table, key.to_vec(), value.to_vec()));
                ControlFlow::Continue(())
            });
            scanned.expect("the storage works");
        }
        rows
    }
}
