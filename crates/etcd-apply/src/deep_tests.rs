//! Txns as deep as a request can be: alike on every member, whatever its stack.

use etcd_nesting::{Deep, LIMIT};
use etcd_proto::etcdserverpb::{InternalRaftRequest, TxnRequest};

use crate::harness::{Harness, Proposer, delete, nested, put, value_is};
use crate::{Answer, Refusal, Reply};

/// The most txns inside each other that a request can have.
const DEEPEST: usize = LIMIT / 2 - 1;

/// Txns that each hold the next one behind a condition, a delete and a put of their own.
fn deep(levels: usize, innermost: TxnRequest) -> Deep<TxnRequest> {
    Deep::new((1..levels).fold(innermost, |inner, _| TxnRequest {
        compare: vec![value_is("a", "1")],
        success: vec![delete("x", ""), nested(inner)],
        failure: vec![],
    }))
}

fn innermost() -> TxnRequest {
    TxnRequest { success: vec![put("b", "2")], ..TxnRequest::default() }
}

/// The reply on a thread whose stack is a fraction of what the txn takes.
fn apply_on_small_stack(harness: &mut Harness, txn: Deep<TxnRequest>, proposer: Proposer) -> Reply {
    let txn = Some(txn.into_inner());
    let command = Deep::new(InternalRaftRequest { txn, ..InternalRaftRequest::default() });
    let bytes = etcd_nesting::encode(&*command);
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new().stack_size(512 << 10);
        let applying = thread.spawn_scoped(scope, || harness.apply_bytes(&[(bytes, proposer)]));
        applying.expect("a thread").join().expect("the stack has room").remove(0)
    })
}

#[test]
fn the_deepest_txn_is_executed_on_a_small_stack() {
    let mut harness = Harness::new();
    harness.put("a", "1");
    let txn = deep(DEEPEST, innermost());
    match apply_on_small_stack(&mut harness, txn, Proposer::Here) {
        Ok(Answer::Txn(response)) => {
            assert!(response.succeeded);
            assert_eq!(response.levels(), DEEPEST);
        }
        other => panic!("{:?}", other.err()),
    }
    assert_eq!(harness.contents(), "a=1 b=2");
}

#[test]
fn a_refusal_in_the_depth_is_the_same_on_a_member_where_nobody_waits() {
    for proposer in [Proposer::Here, Proposer::Elsewhere] {
        let mut harness = Harness::new();
        harness.put("a", "1");
        let refused = TxnRequest { success: vec![crate::harness::range("a", 99)], ..innermost() };
        let reply = apply_on_small_stack(&mut harness, deep(DEEPEST, refused), proposer);
        assert_eq!(reply.err(), Some(Refusal::FutureRevision));
        assert_eq!(harness.contents(), "a=1");
    }
}
