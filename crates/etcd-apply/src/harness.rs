//! An applier on a temporary directory, for this crate's tests: it stands where raft would.

use bytes::Bytes;
use etcd_membership::MemberId;
use etcd_mvcc::KeyRange;
use etcd_proto::etcdserverpb::compare::{CompareResult, CompareTarget, TargetUnion};
use etcd_proto::etcdserverpb::request_op::Request;
use etcd_proto::etcdserverpb::{
    Compare, DeleteRangeRequest, InternalRaftRequest, PutRequest, RangeRequest, RequestOp,
    TxnRequest,
};
use etcd_raft::{
    Applied, Entry, Membership, Payload, Position, Proposal, RaftMember, StateMachine as _,
};
use etcd_storage::{Batch, Storage, StorageOptions, Table};
use prost::Message as _;
use std::ops::ControlFlow;
use tempfile::TempDir;

use crate::{Answer, Applier, Reply, Views};

pub(crate) struct Harness {
    storage: Storage,
    pub(crate) applier: Applier,
    pub(crate) views: Views,
    applied: Applied,
    /// Last, so that the storage is closed before its files go: else it waits for them, seconds.
    _directory: TempDir,
}

/// What the applier is told of whoever proposed a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Proposer {
    Here,
    Elsewhere,
}

impl Harness {
    pub(crate) fn new() -> Harness {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let storage = Storage::open(&directory.path().join("state"), StorageOptions::default())
            .expect("an empty storage");
        let (applier, views) = Applier::open(storage.clone()).expect("an empty state");
        let applied = Applied::default();
        let mut harness = Harness { _directory: directory, storage, applier, views, applied };
        // Raft's log begins with the members.
        harness.apply_membership(&[(1, "http://a:1", false)]);
        harness
    }

    /// Back to an empty state in the same storage, which is faster than opening another.
    pub(crate) fn clear(&mut self) {
        let mut batch = Batch::new();
        for table in Table::ALL {
            batch.delete_range(table, &[]..&[]);
        }
        self.storage.commit(batch).expect("the storage works");
        self.applied = Applied::default();
        self.reopen();
        self.apply_membership(&[(1, "http://a:1", false)]);
    }

    /// The same state read again from storage, as after a restart.
    pub(crate) fn reopen(&mut self) {
        let (applier, views) = Applier::open(self.storage.clone()).expect("the state");
        self.applier = applier;
        self.views = views;
    }

    pub(crate) fn apply(&mut self, request: InternalRaftRequest) -> Reply {
        self.apply_bytes(&[(request.encode_to_vec().into(), Proposer::Here)]).remove(0)
    }

    /// Applies commands as one entry in one batch.
    pub(crate) fn apply_bytes(&mut self, commands: &[(Bytes, Proposer)]) -> Vec<Reply> {
        let proposals = commands.iter().enumerate().map(|(id, (command, proposer))| Proposal {
            id: id as u64,
            command: command.clone(),
            awaited: *proposer == Proposer::Here,
        });
        self.apply_payload(Payload::Commands(proposals.collect()))
    }

    /// Applies a membership: ids, peer URLs, and who learns.
    pub(crate) fn apply_membership(&mut self, members: &[(u64, &str, bool)]) {
        let member = |&(id, url, is_learner): &(u64, &str, bool)| {
            let peer_urls = vec![url.to_owned()];
            (MemberId(id), RaftMember { peer_urls, is_learner, ..RaftMember::default() })
        };
        let members = members.iter().map(member).collect();
        let membership = Membership { position: self.next_position(), members };
        self.applied.membership = membership.clone();
        self.apply_payload(Payload::Membership(membership));
    }

    fn next_position(&self) -> Position {
        Position { term: 2, index: self.applied.position.index + 1 }
    }

    fn apply_payload(&mut self, payload: Payload) -> Vec<Reply> {
        self.applied.position = self.next_position();
        let entry = Entry { position: self.applied.position, payload };
        self.applier.apply(&[entry], &self.applied).expect("the storage works")
    }

    pub(crate) fn put(&mut self, key: &'static str, value: &'static str) -> i64 {
        let put = put_request(key, value);
        match self.apply(InternalRaftRequest { put: Some(put), ..Default::default() }) {
            Ok(Answer::Put(response)) => response.header.expect("a header").revision,
            other => panic!("{other:?}"),
        }
    }

    pub(crate) fn txn(&mut self, txn: TxnRequest) -> Reply {
        self.apply(InternalRaftRequest { txn: Some(txn), ..Default::default() })
    }

    /// The keys and values of now, as "key=value" text.
    pub(crate) fn contents(&self) -> String {
        let all = RangeRequest { key: "\0".into(), range_end: "\0".into(), ..Default::default() };
        let response = self.views.range(&all).expect("a range");
        let text = |bytes: &Bytes| String::from_utf8_lossy(bytes).into_owned();
        let pair =
            |kv: &etcd_proto::mvccpb::KeyValue| format!("{}={}", text(&kv.key), text(&kv.value));
        response.kvs.iter().map(pair).collect::<Vec<_>>().join(" ")
    }

    /// Every row of every table but raft's own: what must be equal on all members.
    pub(crate) fn rows(&self) -> Vec<(Table, Vec<u8>, Vec<u8>)> {
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

    /// Takes the rows of all leases away, as a snapshot may that is installed.
    pub(crate) fn lose_leases(&self) {
        let mut batch = Batch::new();
        batch.delete_range(Table::Lease, &[]..&[]);
        self.storage.commit(batch).expect("the storage works");
    }

    pub(crate) fn has(&self, key: &'static str) -> bool {
        let keys = KeyRange::new(key.into(), Bytes::new());
        self.views.mvcc.reader().states(keys).next().is_some()
    }
}

pub(crate) fn put_request(key: &'static str, value: &'static str) -> PutRequest {
    PutRequest { key: key.into(), value: value.into(), ..PutRequest::default() }
}

pub(crate) fn operation(request: Request) -> RequestOp {
    RequestOp { request: Some(request) }
}

pub(crate) fn put(key: &'static str, value: &'static str) -> RequestOp {
    operation(Request::RequestPut(put_request(key, value)))
}

pub(crate) fn delete(key: &'static str, range_end: &'static str) -> RequestOp {
    let (key, range_end) = (key.into(), range_end.into());
    operation(Request::RequestDeleteRange(DeleteRangeRequest { key, range_end, prev_kv: true }))
}

pub(crate) fn range(key: &'static str, revision: i64) -> RequestOp {
    let range = RangeRequest { key: key.into(), revision, ..RangeRequest::default() };
    operation(Request::RequestRange(range))
}

pub(crate) fn nested(txn: TxnRequest) -> RequestOp {
    operation(Request::RequestTxn(txn))
}

pub(crate) fn compare(
    key: &'static str,
    target: CompareTarget,
    result: CompareResult,
    with: TargetUnion,
) -> Compare {
    Compare {
        result: result as i32,
        target: target as i32,
        key: key.into(),
        range_end: Bytes::new(),
        target_union: Some(with),
    }
}

pub(crate) fn value_is(key: &'static str, value: &'static str) -> Compare {
    compare(key, CompareTarget::Value, CompareResult::Equal, TargetUnion::Value(value.into()))
}
