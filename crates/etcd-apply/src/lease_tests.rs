//! Commands on leases, and what other commands do to the keys of leases.

use bytes::Bytes;
use etcd_proto::etcdserverpb::compare::{CompareResult, CompareTarget, TargetUnion};
use etcd_proto::etcdserverpb::request_op::Request;
use etcd_proto::etcdserverpb::{
    DeleteRangeRequest, InternalRaftRequest, LeaseCheckpoint, LeaseCheckpointRequest,
    LeaseExpireRequest, LeaseGrantRequest, LeaseRevokeRequest, PutRequest, TxnRequest,
};

use crate::harness::{Harness, compare, delete, operation, put, put_request};
use crate::{Answer, Refusal, Reply};

fn grant(harness: &mut Harness, id: i64, ttl: i64) -> Reply {
    let lease_grant = Some(LeaseGrantRequest { ttl, id });
    harness.apply(InternalRaftRequest { lease_grant, ..Default::default() })
}

fn granted(harness: &mut Harness, id: i64) {
    assert!(grant(harness, id, 10).is_ok());
}

fn revoke(harness: &mut Harness, id: i64) -> Result<i64, Refusal> {
    let lease_revoke = Some(LeaseRevokeRequest { id });
    revision_of(harness.apply(InternalRaftRequest { lease_revoke, ..Default::default() }))
}

fn expire(harness: &mut Harness, id: i64, term: u64) -> Result<i64, Refusal> {
    let lease_expire = Some(LeaseExpireRequest { id, term });
    revision_of(harness.apply(InternalRaftRequest { lease_expire, ..Default::default() }))
}

fn revision_of(reply: Reply) -> Result<i64, Refusal> {
    reply.map(|answer| match answer {
        Answer::LeaseRevoke(response) => response.header.expect("a header").revision,
        other => panic!("{other:?}"),
    })
}

fn leased(key: &'static str, lease: i64) -> PutRequest {
    PutRequest { lease, ..put_request(key, "1") }
}

fn put_leased(harness: &mut Harness, key: &'static str, lease: i64) -> Reply {
    harness.apply(InternalRaftRequest { put: Some(leased(key, lease)), ..Default::default() })
}

fn keys(harness: &Harness, lease: i64) -> String {
    let keys = harness.views.lessor.keys(lease);
    let text = |key: &Bytes| String::from_utf8_lossy(key).into_owned();
    keys.iter().map(text).collect::<Vec<_>>().join(" ")
}

#[test]
fn a_grant_answers_id_and_time_and_leaves_the_revision() {
    let mut harness = Harness::new();
    let Ok(Answer::LeaseGrant(response)) = grant(&mut harness, -7, 10) else { panic!() };
    assert_eq!((response.id, response.ttl, response.error.as_str()), (-7, 10, ""));
    assert_eq!(response.header.expect("a header").revision, 1);
    assert_eq!(grant(&mut harness, -7, 20), Err(Refusal::LeaseExists));
    assert_eq!(grant(&mut harness, 7, 9_000_000_001), Err(Refusal::LeaseTtlTooLarge));
    assert_eq!(grant(&mut harness, 0, 10), Err(Refusal::LeaseNotFound));
    assert_eq!(harness.views.lessor.ids(), [-7]);
}

#[test]
fn a_revoked_lease_takes_its_keys_along_in_one_revision_and_in_key_order() {
    let mut harness = Harness::new();
    granted(&mut harness, 7);
    for key in ["c", "a", "b"] {
        assert!(put_leased(&mut harness, key, 7).is_ok());
    }
    harness.put("other", "1");
    assert_eq!(harness.views.mvcc.revision(), 5);
    assert_eq!(revoke(&mut harness, 7), Ok(6));
    assert_eq!(harness.contents(), "other=1");
    let history = harness
        .views
        .mvcc
        .history(6, &|_| true, etcd_mvcc::HistoryLimits::default())
        .expect("the past");
    let told: Vec<_> =
        history.events.iter().map(|event| (event.revision.sub, event.key.clone())).collect();
    assert_eq!(told, [(0, "a".into()), (1, "b".into()), (2, "c".into())]);
    assert_eq!(revoke(&mut harness, 7), Err(Refusal::LeaseNotFound));
}

#[test]
fn a_lease_without_keys_ends_without_a_revision() {
    let mut harness = Harness::new();
    granted(&mut harness, 7);
    assert_eq!(revoke(&mut harness, 7), Ok(1));
    assert!(put_leased(&mut harness, "a", 7).is_err());
}

#[test]
fn a_lease_expires_only_by_the_word_of_the_leader_whose_entry_it_is() {
    let mut harness = Harness::new();
    granted(&mut harness, 7);
    assert!(put_leased(&mut harness, "a", 7).is_ok());
    // The harness writes its entries in term 2.
    assert_eq!(expire(&mut harness, 7, 1), Err(Refusal::LeaderChanged));
    assert_eq!(expire(&mut harness, 7, 3), Err(Refusal::LeaderChanged));
    assert!(harness.has("a"));
    assert_eq!(expire(&mut harness, 7, 2), Ok(3));
    assert!(!harness.has("a"));
    assert_eq!(expire(&mut harness, 7, 2), Err(Refusal::LeaseNotFound));
}

#[test]
fn a_put_needs_its_lease_and_leaves_the_one_before() {
    let mut harness = Harness::new();
    granted(&mut harness, 7);
    granted(&mut harness, 8);
    assert_eq!(put_leased(&mut harness, "a", 9), Err(Refusal::LeaseNotFound));
    let kept = |key, ignore_lease, ignore_value| InternalRaftRequest {
        put: Some(PutRequest {
            ignore_lease,
            ignore_value,
            ..put_request(key, if ignore_value { "" } else { "2" })
        }),
        ..Default::default()
    };
    assert!(put_leased(&mut harness, "a", 7).is_ok());
    assert!(put_leased(&mut harness, "b", 7).is_ok());
    assert_eq!(keys(&harness, 7), "a b");
    assert!(harness.apply(kept("a", true, false)).is_ok());
    assert_eq!(keys(&harness, 7), "a b", "it keeps its lease");
    assert!(put_leased(&mut harness, "a", 8).is_ok());
    assert_eq!((keys(&harness, 7), keys(&harness, 8)), ("b".into(), "a".into()));
    assert!(harness.apply(kept("a", false, true)).is_ok());
    assert_eq!(keys(&harness, 8), "", "a put without a lease loosens the key");
    assert_eq!(revoke(&mut harness, 8), Ok(harness.views.mvcc.revision()));
    assert_eq!(harness.contents(), "a=1 b=1");
}

#[test]
fn a_deleted_key_belongs_to_no_lease() {
    let mut harness = Harness::new();
    granted(&mut harness, 7);
    for key in ["a", "b", "c"] {
        assert!(put_leased(&mut harness, key, 7).is_ok());
    }
    let request = DeleteRangeRequest { key: "a".into(), range_end: "c".into(), prev_kv: false };
    let request = InternalRaftRequest { delete_range: Some(request), ..Default::default() };
    assert!(harness.apply(request).is_ok());
    assert_eq!(keys(&harness, 7), "c");
    harness.put("a", "mine");
    assert!(revoke(&mut harness, 7).is_ok());
    assert_eq!(harness.contents(), "a=mine");
}

#[test]
fn a_txn_ties_and_loosens_keys_in_its_order_or_not_at_all() {
    let mut harness = Harness::new();
    granted(&mut harness, 7);
    let tie = |key, lease| operation(Request::RequestPut(leased(key, lease)));
    let refused = TxnRequest { success: vec![tie("a", 7), tie("b", 8)], ..Default::default() };
    assert_eq!(harness.txn(refused), Err(Refusal::LeaseNotFound));
    assert_eq!((keys(&harness, 7), harness.contents()), (String::new(), String::new()));
    // Overlaps like these pass only by the check's leave for deletes up to the last key.
    let txn = TxnRequest { success: vec![tie("a", 7), delete("a", "\0")], ..Default::default() };
    assert!(harness.txn(txn).is_ok());
    assert_eq!(keys(&harness, 7), "");
    let txn = TxnRequest { success: vec![delete("a", "\0"), tie("a", 7)], ..Default::default() };
    assert!(harness.txn(txn).is_ok());
    assert_eq!(keys(&harness, 7), "a");
    let is_leased =
        |lease| compare("a", CompareTarget::Lease, CompareResult::Equal, TargetUnion::Lease(lease));
    let txn = TxnRequest {
        compare: vec![is_leased(7)],
        success: vec![put("leased", "yes")],
        failure: vec![],
    };
    assert!(harness.txn(txn).is_ok());
    assert!(harness.has("leased"));
}

#[test]
fn leases_and_their_keys_survive_a_restart() {
    let mut harness = Harness::new();
    granted(&mut harness, 7);
    granted(&mut harness, 8);
    assert!(put_leased(&mut harness, "b", 7).is_ok());
    assert!(put_leased(&mut harness, "a", 7).is_ok());
    assert!(put_leased(&mut harness, "c", 8).is_ok());
    harness.put("c", "loose");
    let checkpoints = vec![LeaseCheckpoint { id: 7, remaining_ttl: 4 }];
    let lease_checkpoint = Some(LeaseCheckpointRequest { checkpoints });
    assert!(harness.apply(InternalRaftRequest { lease_checkpoint, ..Default::default() }).is_ok());
    harness.reopen();
    assert_eq!((keys(&harness, 7), keys(&harness, 8)), ("a b".into(), String::new()));
    assert_eq!(harness.views.lessor.remaining_at_checkpoint(7), 4);
    assert!(revoke(&mut harness, 7).is_ok());
    assert_eq!(harness.contents(), "c=loose");
    harness.reopen();
    assert_eq!(harness.views.lessor.ids(), [8]);
}

#[test]
fn leases_are_those_of_the_storage_after_a_snapshot() {
    use etcd_raft::StateMachine as _;
    let mut harness = Harness::new();
    granted(&mut harness, 7);
    assert!(put_leased(&mut harness, "a", 7).is_ok());
    harness.lose_leases();
    harness.applier.reload().expect("the state");
    assert_eq!(harness.views.lessor.ids(), [] as [i64; 0]);
    // A key of a lease that is gone lives on.
    assert_eq!(revoke(&mut harness, 7), Err(Refusal::LeaseNotFound));
    assert!(harness.has("a"));
}
