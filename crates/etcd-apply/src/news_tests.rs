//! What watchers hear of commands.

use etcd_mvcc::KeyRange;
use etcd_proto::etcdserverpb::InternalRaftRequest;
use etcd_raft::StateMachine as _;
use etcd_watch::{Feed, Filter, Interest, Told};
use futures_util::FutureExt as _;
use prost::Message as _;

use crate::harness::{Harness, Proposer, delete, put, put_request, value_is};

/// A feed that is told of everything from a revision on; zero is the next.
fn everything(harness: &Harness, start_revision: i64) -> Feed {
    let range = KeyRange::From(b"\0"[..].into());
    let mut feed = harness.views.hub.feed();
    let interest = Interest { range, start_revision, filter: Filter::default() };
    feed.watch(0, interest).expect("a watcher");
    feed
}

/// What a feed has to tell now, as "revision: key key", one for each word.
fn told(feed: &mut Feed) -> Vec<String> {
    let words = std::iter::from_fn(|| feed.next().now_or_never());
    let words = words.map(|told| match told.expect("a readable store") {
        Told::Changed(changed) => {
            let keys = changed.iter().map(|change| String::from_utf8_lossy(&change.kv.key));
            format!("{}: {}", changed.revision, keys.collect::<Vec<_>>().join(" "))
        }
        other => panic!("{other:?}"),
    });
    words.collect()
}

#[test]
fn watchers_are_told_when_a_command_is_answered() {
    let mut harness = Harness::new();
    let mut feed = everything(&harness, 0);
    harness.put("a", "1");
    assert_eq!(told(&mut feed), ["2: a"]);
    let commands = ["b", "c"].map(|key| {
        let put = Some(put_request(key, "1"));
        let request = InternalRaftRequest { put, ..InternalRaftRequest::default() };
        (request.encode_to_vec().into(), Proposer::Elsewhere)
    });
    harness.apply_bytes(&commands);
    assert_eq!(told(&mut feed), ["3: b", "4: c"]);
}

#[test]
fn a_txn_is_told_as_one_and_a_refused_one_not_at_all() {
    let mut harness = Harness::new();
    let mut feed = everything(&harness, 0);
    let txn = |success, failure| etcd_proto::etcdserverpb::TxnRequest {
        compare: vec![value_is("a", "1")],
        success,
        failure,
    };
    let first = txn(vec![], vec![put("a", "1"), put("b", "1")]);
    harness.txn(first).expect("a txn");
    assert_eq!(told(&mut feed), ["2: a b"]);
    harness.txn(txn(vec![delete("b", ""), delete("x", "")], vec![])).expect("a txn");
    harness.txn(txn(vec![delete("x", "")], vec![])).expect("a txn");
    let leased = etcd_proto::etcdserverpb::PutRequest { lease: 9, ..put_request("c", "1") };
    let operation = etcd_proto::etcdserverpb::request_op::Request::RequestPut(leased);
    let refused = txn(vec![put("d", "1"), crate::harness::operation(operation)], vec![]);
    harness.txn(refused).expect_err("no such lease");
    assert_eq!(told(&mut feed), ["3: b"]);
}

#[test]
fn after_a_snapshot_watchers_are_told_what_they_missed() {
    let mut harness = Harness::new();
    let mut feed = everything(&harness, 0);
    harness.put("a", "1");
    harness.applier.reload().expect("a readable state");
    assert_eq!(told(&mut feed), ["2: a"]);
    harness.put("b", "1");
    assert_eq!(told(&mut feed), ["3: b"]);
}
