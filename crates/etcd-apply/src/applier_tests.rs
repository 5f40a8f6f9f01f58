//! Commands, one by one and in batches.

use bytes::Bytes;
use etcd_membership::MemberId;
use etcd_proto::etcdserverpb::alarm_request::AlarmAction;
use etcd_proto::etcdserverpb::request_op::Request;
use etcd_proto::etcdserverpb::{
    AlarmRequest, AlarmType, CompactionRequest, DeleteRangeRequest, InternalRaftRequest,
    LeaseExpireRequest, LeaseGrantRequest, PutRequest, RequestHeader, RequestOp, TxnRequest,
};
use etcd_proto::membershippb::{Attributes, ClusterMemberAttrSetRequest, ClusterVersionSetRequest};
use etcd_raft::Position;
use futures_util::FutureExt as _;
use proptest::prelude::*;
use proptest::test_runner::TestRunner;
use prost::Message as _;
use std::cell::RefCell;

use super::*;
use crate::harness::{Harness, Proposer, delete, nested, put, put_request, value_is};

fn command(put: PutRequest) -> InternalRaftRequest {
    InternalRaftRequest { put: Some(put), ..Default::default() }
}

fn compaction(revision: i64) -> InternalRaftRequest {
    let compaction = Some(CompactionRequest { revision, physical: false });
    InternalRaftRequest { compaction, ..Default::default() }
}

fn alarm(action: AlarmAction, member_id: u64, alarm: AlarmType) -> InternalRaftRequest {
    let request = AlarmRequest { action: action as i32, member_id, alarm: alarm as i32 };
    InternalRaftRequest { alarm: Some(request), ..Default::default() }
}

fn publish(member_id: u64, name: &str) -> InternalRaftRequest {
    let client_urls = vec![format!("http://{name}:2379")];
    let member_attributes = Some(Attributes { name: name.to_owned(), client_urls });
    let request = ClusterMemberAttrSetRequest { member_id, member_attributes };
    InternalRaftRequest { cluster_member_attr_set: Some(request), ..Default::default() }
}

#[test]
fn a_put_answers_its_revision_and_what_was_there_if_asked() {
    let mut harness = Harness::new();
    assert_eq!(harness.put("a", "1"), 2);
    let put = PutRequest { prev_kv: true, ..put_request("a", "2") };
    let Ok(Answer::Put(response)) = harness.apply(command(put)) else { panic!() };
    assert_eq!(response.header.unwrap().revision, 3);
    let previous = response.prev_kv.expect("the previous");
    assert_eq!((&previous.value[..], previous.mod_revision), (&b"1"[..], 2));
}

#[test]
fn a_put_is_brief_in_whosever_name_and_nothing_else_is() {
    let harness = Harness::new();
    let is_brief =
        |command: InternalRaftRequest| harness.applier.is_brief(&etcd_nesting::encode(&command));
    let named = |command: InternalRaftRequest| {
        let header = RequestHeader { username: "alice".to_owned(), auth_revision: 3, id: 0 };
        InternalRaftRequest { header: Some(header), ..command }
    };
    assert!(is_brief(command(put_request("a", "1"))));
    assert!(is_brief(named(command(put_request("a", "1")))));
    let all = DeleteRangeRequest { key: "a".into(), range_end: "z".into(), prev_kv: false };
    let deletion = InternalRaftRequest { delete_range: Some(all), ..Default::default() };
    let txn = TxnRequest { success: vec![delete("a", "z")], ..Default::default() };
    let txn = InternalRaftRequest { txn: Some(txn), ..Default::default() };
    let alarm = alarm(AlarmAction::Activate, 1, AlarmType::Nospace);
    for long in [deletion, txn, compaction(5), alarm] {
        assert!(!is_brief(long.clone()), "{long:?}");
        assert!(!is_brief(named(long.clone())), "{long:?}");
    }
    assert!(!harness.applier.is_brief(b""));
}

#[test]
fn the_lease_of_a_put_is_looked_for_before_its_key() {
    let mut harness = Harness::new();
    let put = PutRequest { lease: 5, ignore_value: true, ..put_request("a", "") };
    assert_eq!(harness.apply(command(put)), Err(Refusal::LeaseNotFound));
    let put = PutRequest { ignore_value: true, ..put_request("a", "") };
    assert_eq!(harness.apply(command(put)), Err(Refusal::KeyNotFound));
    assert_eq!(harness.views.mvcc.revision(), 1);
}

#[test]
fn a_delete_answers_how_many_went_and_which() {
    let mut harness = Harness::new();
    harness.put("a", "1");
    harness.put("b", "2");
    let request = DeleteRangeRequest { key: "a".into(), range_end: "\0".into(), prev_kv: true };
    let request = InternalRaftRequest { delete_range: Some(request), ..Default::default() };
    let Ok(Answer::DeleteRange(first)) = harness.apply(request.clone()) else { panic!() };
    assert_eq!((first.deleted, first.header.unwrap().revision), (2, 4));
    let values: Vec<&[u8]> = first.prev_kvs.iter().map(|kv| &kv.value[..]).collect();
    assert_eq!(values, [b"1", b"2"]);
    let Ok(Answer::DeleteRange(second)) = harness.apply(request) else { panic!() };
    assert_eq!((second.deleted, second.header.unwrap().revision), (0, 4));
}

#[test]
fn a_compaction_hides_the_past_at_once_and_cannot_go_back() {
    let mut harness = Harness::new();
    harness.put("a", "1");
    assert!(harness.apply(compaction(0)).is_ok(), "a first compaction at 0 is allowed");
    assert_eq!(harness.apply(compaction(0)), Err(Refusal::Compacted));
    assert_eq!(harness.apply(compaction(3)), Err(Refusal::FutureRevision));
    let Ok(Answer::Compaction(response)) = harness.apply(compaction(2)) else { panic!() };
    assert_eq!(response.header.unwrap().revision, 2);
    assert_eq!(harness.views.mvcc.compact_revision(), 2);
}

fn grant(id: i64) -> InternalRaftRequest {
    let lease_grant = Some(LeaseGrantRequest { id, ttl: 60 });
    InternalRaftRequest { lease_grant, ..Default::default() }
}

#[test]
fn what_the_quota_has_no_room_for_is_done_all_the_same() {
    let mut harness = Harness::new();
    harness.views.quota.limit_to(1);
    let refused = Err(Refusal::NoSpace);
    assert_eq!(harness.apply(command(put_request("a", "1"))), refused);
    let inner = TxnRequest { success: vec![put("b", "1")], ..Default::default() };
    let txn = TxnRequest { success: vec![nested(inner)], ..Default::default() };
    let txn = InternalRaftRequest { txn: Some(txn), ..Default::default() };
    assert_eq!(harness.apply(txn), refused);
    assert_eq!(harness.apply(grant(7)), refused);
    assert_eq!(harness.views.mvcc.revision(), 3);
    assert!(harness.views.lessor.contains(7));
    // What fails for another reason has failed, and what costs nothing is not looked at.
    assert_eq!(harness.apply(grant(7)), Err(Refusal::LeaseExists));
    let lost = PutRequest { lease: 404, ..put_request("a", "1") };
    assert_eq!(harness.apply(command(lost)), Err(Refusal::LeaseNotFound));
    let all = DeleteRangeRequest { key: "a".into(), range_end: "z".into(), prev_kv: false };
    let deletion = InternalRaftRequest { delete_range: Some(all), ..Default::default() };
    assert!(harness.apply(deletion).is_ok());
    assert!(harness.apply(compaction(4)).is_ok());
    harness.views.quota.limit_to(1 << 30);
    assert_eq!(harness.put("a", "2"), 5);
}

#[test]
fn an_overrun_is_told_whoever_proposed_until_an_alarm_stands() {
    let mut harness = Harness::new();
    harness.views.quota.limit_to(1);
    let is_told = |harness: &Harness| harness.views.quota.overrun().now_or_never().is_some();
    for proposer in [Proposer::Here, Proposer::Elsewhere] {
        assert!(!is_told(&harness));
        harness.apply_bytes(&[(command(put_request("a", "1")).encode_to_vec().into(), proposer)]);
        assert!(is_told(&harness), "{proposer:?}");
    }
    harness.apply(alarm(AlarmAction::Activate, 9, AlarmType::Nospace)).expect("raised");
    assert_eq!(harness.apply(command(put_request("a", "2"))), Err(Refusal::NoSpace));
    assert!(!is_told(&harness));
    assert_eq!(harness.views.mvcc.revision(), 3, "the alarm's gate lets nothing through");
}

#[test]
fn alarms_close_the_gates_and_survive_a_restart() {
    let mut harness = Harness::new();
    let raised = harness.apply(alarm(AlarmAction::Activate, 9, AlarmType::Nospace));
    let Ok(Answer::Alarm(response)) = raised else { panic!() };
    assert_eq!(response.alarms.len(), 1);
    assert_eq!(harness.apply(command(put_request("a", "1"))), Err(Refusal::NoSpace));
    harness.reopen();
    assert_eq!(harness.apply(command(put_request("a", "1"))), Err(Refusal::NoSpace));
    let listed: Vec<_> = harness.views.cluster().alarms.iter().collect();
    assert_eq!(listed, response.alarms);
    harness.apply(alarm(AlarmAction::Deactivate, 9, AlarmType::Nospace)).expect("cleared");
    assert_eq!(harness.put("a", "1"), 2);
    harness.reopen();
    assert_eq!(harness.views.cluster().alarms.iter().count(), 0);
}

#[test]
fn what_cannot_be_read_or_is_not_built_is_refused_and_the_rest_goes_on() {
    let mut harness = Harness::new();
    let question = InternalRaftRequest { range: Some(Default::default()), ..Default::default() };
    let put = command(put_request("a", "1")).encode_to_vec();
    let here = |bytes: Bytes| (bytes, Proposer::Here);
    let replies = harness.apply_bytes(&[
        here(Bytes::from_static(b"\xff\xff\xff")),
        here(Bytes::new()),
        here(question.encode_to_vec().into()),
        here(put.into()),
    ]);
    assert_eq!(replies[..2], [Err(Refusal::Malformed), Err(Refusal::Malformed)]);
    assert_eq!(replies[2], Err(Refusal::Unsupported("range")));
    assert!(matches!(replies[3], Ok(Answer::Put(_))));
    assert_eq!(harness.contents(), "a=1");
}

#[test]
fn members_follow_rafts_membership_and_keep_what_they_published() {
    let mut harness = Harness::new();
    harness.apply_membership(&[(1, "http://a:1", false), (2, "http://b:1", false)]);
    assert_eq!(harness.apply(publish(1, "a")), Ok(Answer::Done));
    // One goes, one comes as a learner, and the one that stays moves.
    harness.apply_membership(&[(1, "http://a:2", false), (3, "http://c:1", true)]);
    assert_eq!(harness.apply(publish(2, "b")), Ok(Answer::Done), "the removed one speaks in vain");
    assert_eq!(harness.apply(publish(4, "d")), Err(Refusal::MemberNotFound));
    for _ in 0..2 {
        let members = harness.views.cluster().members.clone();
        let listed: Vec<_> = members
            .iter()
            .map(|member| {
                (member.id.0, &member.peer_urls[0][..], &member.name[..], member.is_learner)
            })
            .collect();
        let expected = [(1, "http://a:2", "a", false), (3, "http://c:1", "", true)];
        assert_eq!(listed, expected);
        assert!(members.is_removed(MemberId(2)));
        harness.reopen();
    }
    // Promotion, and a removed id that tries to come back.
    harness.apply_membership(&[
        (1, "http://a:2", false),
        (2, "http://b:1", false),
        (3, "http://c:1", false),
    ]);
    let members = harness.views.cluster().members.clone();
    assert_eq!(members.voters().map(|member| member.id.0).collect::<Vec<_>>(), [1, 3]);
    harness.reopen();
    assert_eq!(harness.views.cluster().members, members);
}

#[test]
fn the_clusters_version_is_remembered() {
    let mut harness = Harness::new();
    assert_eq!(harness.views.cluster().version, None);
    let request = ClusterVersionSetRequest { ver: "3.7.0".to_owned() };
    let request = InternalRaftRequest { cluster_version_set: Some(request), ..Default::default() };
    assert_eq!(harness.apply(request), Ok(Answer::Done));
    assert_eq!(harness.views.cluster().version.as_deref(), Some("3.7.0"));
    harness.reopen();
    assert_eq!(harness.views.cluster().version.as_deref(), Some("3.7.0"));
}

#[test]
fn the_views_know_the_position_of_what_they_show() {
    let mut harness = Harness::new();
    assert_eq!(harness.views.applied(), Position { term: 2, index: 1 });
    harness.put("a", "1");
    assert_eq!(harness.views.applied(), Position { term: 2, index: 2 });
    harness.reopen();
    assert_eq!(harness.views.applied(), Position { term: 2, index: 2 });
}

/// Any command, well formed or not.
fn commands() -> impl Strategy<Value = InternalRaftRequest> {
    let key = || prop::sample::select(vec!["a", "b", "c", "\0"]);
    let put = move || {
        let value = prop::sample::select(vec!["", "1", "2"]);
        let lease = prop::sample::select(vec![0, 0, 7, 8]);
        (key(), value, lease, any::<(bool, bool, bool)>()).prop_map(
            |(key, value, lease, (prev_kv, ignore_value, ignore_lease))| PutRequest {
                lease,
                prev_kv,
                ignore_value,
                ignore_lease,
                ..put_request(key, value)
            },
        )
    };
    let leaf = prop_oneof![
        put().prop_map(|put| RequestOp { request: Some(Request::RequestPut(put)) }),
        (key(), key()).prop_map(|(key, end)| delete(key, end)),
        (key(), -1..4i64).prop_map(|(key, revision)| crate::harness::range(key, revision)),
    ];
    let operation = leaf.prop_recursive(2, 8, 3, move |inner| {
        let list = || prop::collection::vec(inner.clone(), 0..3);
        (list(), list(), key()).prop_map(|(success, failure, key)| {
            nested(TxnRequest { compare: vec![value_is(key, "1")], success, failure })
        })
    });
    prop_oneof![
        4 => put().prop_map(command),
        4 => prop::collection::vec(operation, 0..4).prop_map(|success| {
            let txn = TxnRequest { success, ..TxnRequest::default() };
            InternalRaftRequest { txn: Some(txn), ..Default::default() }
        }),
        1 => (0..6i64).prop_map(compaction),
        2 => (7..9i64).prop_map(|id| InternalRaftRequest {
            lease_grant: Some(LeaseGrantRequest { ttl: 10, id }),
            ..Default::default()
        }),
        1 => (7..9i64, 1..3u64).prop_map(|(id, term)| InternalRaftRequest {
            lease_expire: Some(LeaseExpireRequest { id, term }),
            ..Default::default()
        }),
        1 => Just(alarm(AlarmAction::Activate, 1, AlarmType::Nospace)),
        1 => Just(alarm(AlarmAction::Deactivate, 1, AlarmType::Nospace)),
        1 => Just(InternalRaftRequest::default()),
    ]
}

type Commands = Vec<(InternalRaftRequest, Proposer)>;

fn histories() -> impl Strategy<Value = (Commands, usize)> {
    let proposer = prop::sample::select(vec![Proposer::Here, Proposer::Elsewhere]);
    (prop::collection::vec((commands(), proposer), 1..24), 1..9usize)
}

#[test]
fn the_same_commands_leave_the_same_state_in_whatever_batches_and_for_whomever() {
    let config = ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(256) };
    let mut runner = TestRunner::new(config);
    let proposing = RefCell::new(Harness::new());
    let following = RefCell::new(Harness::new());
    let checked = runner.run(&histories(), |(commands, batch)| {
        check_history(&mut proposing.borrow_mut(), &mut following.borrow_mut(), &commands, batch)
    });
    if let Err(error) = checked {
        panic!("{error}");
    }
}

/// Applies the commands one by one for the proposer's own answers, and in batches with mixed
/// proposers; compares what is stored, what is answered, and what a restart finds.
fn check_history(
    proposing: &mut Harness,
    following: &mut Harness,
    commands: &Commands,
    batch: usize,
) -> Result<(), TestCaseError> {
    proposing.clear();
    following.clear();
    let commands: Vec<(Bytes, Proposer)> = commands
        .iter()
        .map(|(request, proposer)| (request.encode_to_vec().into(), *proposer))
        .collect();
    let mut expected = Vec::new();
    for (command, _) in &commands {
        expected.extend(proposing.apply_bytes(&[(command.clone(), Proposer::Here)]));
    }
    let batches = commands.chunks(batch);
    let replies: Vec<Reply> = batches.flat_map(|batch| following.apply_bytes(batch)).collect();
    prop_assert_eq!(following.rows(), proposing.rows());
    prop_assert_eq!(replies.len(), expected.len());
    for ((reply, expected), (_, proposer)) in replies.iter().zip(&expected).zip(&commands) {
        match proposer {
            Proposer::Here => prop_assert_eq!(reply, expected),
            Proposer::Elsewhere => {
                prop_assert_eq!(reply.is_ok(), expected.is_ok());
                prop_assert!(!matches!(reply, Ok(answer) if *answer != Answer::Done));
            }
        }
    }
    let keys = |harness: &Harness| [7, 8].map(|id| harness.views.lessor.keys(id));
    prop_assert_eq!(keys(following), keys(proposing));
    let (contents, cluster) = (following.contents(), following.views.cluster());
    following.reopen();
    prop_assert_eq!(keys(following), keys(proposing));
    prop_assert_eq!(following.contents(), contents);
    prop_assert_eq!(following.views.cluster(), cluster);
    Ok(())
}
