//! A storage that outgrows its quota stops writes in the whole cluster, until somebody makes room.

use etcd_proto::etcdserverpb::alarm_request::AlarmAction;
use etcd_proto::etcdserverpb::request_op::Request;
use etcd_proto::etcdserverpb::{
    AlarmMember, AlarmRequest, AlarmType, CompactionRequest, DeleteRangeRequest, PutRequest,
    RequestOp, TxnRequest,
};
use etcd_tests::client::Consistency;
use etcd_tests::cluster::eventually;
use etcd_tests::{Call, Client, Cluster, Etcdctl, Failure, Member, Plan, Raw, Signal};
use prost::Message as _;
use std::time::Duration;
use tonic::Code;

/// Sixteen pages of an etcd, of which a new one takes five.
const SMALL_BYTES: usize = 16 * 4096;
/// Thirteen pages: with this etcd's own tests fill a storage.
const TINY_BYTES: i64 = 13 * 4096;
/// Within this time a member that finds itself without room has told the others.
const RAISED: Duration = Duration::from_secs(10);

fn alarm(client: &Client, action: AlarmAction, member_id: u64) -> Vec<AlarmMember> {
    let request = AlarmRequest { action: action as i32, member_id, alarm: 1 };
    client.alarm(request).expect("alarms are told and changed at any time").alarms
}

fn alarms(client: &Client) -> Vec<AlarmMember> {
    alarm(client, AlarmAction::Get, 0)
}

#[track_caller]
fn wait_for_alarm(client: &Client, member_id: u64) {
    let raised = eventually(RAISED, "an alarm", || {
        let raised = alarms(client);
        (!raised.is_empty()).then_some(raised)
    });
    assert_eq!(raised, [AlarmMember { member_id, alarm: AlarmType::Nospace as i32 }]);
}

#[track_caller]
fn assert_no_space<T: std::fmt::Debug>(result: Result<T, Failure>) {
    let failure = result.expect_err("there is no room");
    assert_eq!(failure.code, Code::ResourceExhausted);
    assert_eq!(failure.message, "etcdserver: mvcc: database space exceeded");
}

fn value(bytes: usize) -> String {
    "v".repeat(bytes)
}

fn clients(cluster: &Cluster) -> Vec<Client> {
    cluster.members.iter().map(Member::client).collect()
}

/// Three members, of which one has a quota that the others' puts will burst.
fn with_a_small_member(at: usize) -> Cluster {
    let mut cluster = Cluster::prepare(&Plan::loopback(3));
    cluster.members[at].set_flag("--quota-backend-bytes", &SMALL_BYTES.to_string());
    cluster.start_all();
    cluster
}

fn txn(operation: Request) -> TxnRequest {
    let operation = RequestOp { request: Some(operation) };
    TxnRequest { failure: vec![operation], ..TxnRequest::default() }
}

#[test]
fn one_member_without_room_stops_writes_through_all() {
    let mut cluster = with_a_small_member(2);
    let all = clients(&cluster);
    let (small, _) = cluster.members[2].role().expect("it runs");
    for client in &all {
        client.put("small", &value(1024)).expect("there is room");
    }
    assert_eq!(alarms(&all[0]), []);
    // The member that answers has room for it, and so has it in the end everywhere.
    all[0].put("large", &value(SMALL_BYTES)).expect("no quota here");
    wait_for_alarm(&all[0], small);
    for client in &all {
        assert_no_space(client.put("another", ""));
        assert_no_space(client.grant(0, 60));
        assert_no_space(client.txn(txn(Request::RequestPut(PutRequest {
            key: "another".into(),
            ..PutRequest::default()
        }))));
        let large = client.get("large", Consistency::Linearizable).expect("reads go on");
        assert_eq!(large.expect("it is there").value.len(), SMALL_BYTES);
        let deletion = DeleteRangeRequest { key: "another".into(), ..Default::default() };
        client.txn(txn(Request::RequestDeleteRange(deletion))).expect("deletes go on");
        client.delete_prefix("small").expect("deletes go on");
    }
    let revision = cluster.wait_until_level();
    let hashes: Vec<u32> =
        all.iter().map(|client| client.hash_kv(revision).expect("a hash").hash).collect();
    assert!(hashes.iter().all(|&hash| hash == hashes[0]), "{hashes:?}");

    // It stands when everybody was killed, and also when there is room again.
    for member in &mut cluster.members {
        member.end(Signal::KILL);
    }
    cluster.members[2].set_flag("--quota-backend-bytes", "0");
    cluster.start_all();
    let all = clients(&cluster);
    assert_eq!(alarms(&all[1]).len(), 1);
    for client in &all {
        assert_no_space(client.put("another", ""));
    }
    assert_eq!(alarm(&all[1], AlarmAction::Deactivate, small).len(), 1);
    for client in &all {
        eventually(RAISED, "a put", || client.put("another", "").ok());
    }
}

#[test]
fn an_alarm_that_was_silenced_too_early_comes_back_with_the_next_put() {
    let cluster = with_a_small_member(0);
    let all = clients(&cluster);
    let (small, _) = cluster.members[0].role().expect("it runs");
    all[1].put("large", &value(SMALL_BYTES)).expect("no quota here");
    wait_for_alarm(&all[1], small);
    for _ in 0..3 {
        alarm(&all[1], AlarmAction::Deactivate, small);
        all[1].delete_prefix("l").expect("deletes need no room");
        assert_eq!(alarms(&all[1]), [], "nor do they raise it");
        all[1].put("a", "").expect("no quota here");
        wait_for_alarm(&all[1], small);
    }
    // Its own clients are refused before anything is in the log.
    alarm(&all[1], AlarmAction::Deactivate, small);
    assert_no_space(all[0].put("b", ""));
    wait_for_alarm(&all[1], small);
    let written = all[1].get("b", Consistency::Linearizable).expect("reads go on");
    assert_eq!(written, None);
}

/// Puts as whoever shows these tokens, and returns what he is told.
fn put_with(member: &Member, tokens: &[&str]) -> String {
    let put = PutRequest { key: "a".into(), ..PutRequest::default() }.encode_to_vec();
    let call = Call::new("KV/Put").message(&put);
    let call = tokens.iter().fold(call, |call, token| call.header("token", token.as_bytes()));
    Raw::connect(&member.client_url).send(call).to_string()
}

#[test]
fn whose_put_it_is_matters_to_the_alarm_only_when_he_lies() {
    let plan = Plan::loopback(1).flag("--quota-backend-bytes=1").flag("--bcrypt-cost=4");
    let cluster = Cluster::start(&plan);
    let member = &cluster.members[0];
    let etcdctl = Etcdctl::newest().with_endpoints(&[&member.client_url]);
    etcdctl.succeed(&["user", "add", "root:root"]);
    etcdctl.succeed(&["user", "add", "ann:ann"]);
    etcdctl.succeed(&["auth", "enable"]);
    let no_space = "ResourceExhausted: etcdserver: mvcc: database space exceeded";
    let as_root =
        |arguments: &[&str]| etcdctl.succeed(&[&["--user=root:root"], arguments].concat());
    let was_raised = || !as_root(&["alarm", "disarm"]).is_empty();
    // That there is no room is all that anybody hears.
    assert_eq!(put_with(member, &["forged.1"]), no_space);
    assert!(!was_raised(), "by a forged token");
    assert_eq!(put_with(member, &[]), no_space);
    assert!(was_raised(), "by nobody");
    let put = etcdctl.fail(&["--user=ann:ann", "put", "not-hers", "1"]);
    assert!(put.contains("etcdserver: mvcc: database space exceeded"), "{put}");
    assert!(was_raised(), "by a user without any right");
    assert_eq!(put_with(member, &["forged.1"]), no_space);
    assert!(!was_raised(), "by a forged token again");
}

#[test]
fn compaction_and_defragmentation_make_room_in_a_tiny_storage() {
    let flag = format!("--quota-backend-bytes={TINY_BYTES}");
    let cluster = Cluster::start(&Plan::loopback(3).flag(&flag));
    let all = clients(&cluster);
    let status = || all[0].status().expect("it runs");
    let fresh = status();
    assert_eq!(fresh.db_size_quota, TINY_BYTES);
    assert!(fresh.db_size_in_use <= fresh.db_size && fresh.db_size < TINY_BYTES / 2, "{fresh:?}");
    all[0].put("first", &value(64)).expect("there is room");
    let refused = (0..100).find_map(|_| all[0].put("second", &value(4096)).err());
    assert_no_space::<()>(Err(refused.expect("the storage is full some time")));
    let full = status();
    assert!(full.errors.iter().any(|error| error.contains("NOSPACE")), "{full:?}");
    assert_no_space(all[0].put("third", ""));

    let etcdctl = Etcdctl::newest().with_endpoints(&cluster.client_urls());
    assert!(etcdctl.succeed(&["alarm", "list"]).contains("alarm:NOSPACE"));
    assert!(etcdctl.fail(&["endpoint", "health"]).contains("Active Alarm(s): NOSPACE"));
    let revision = full.header.expect("a header").revision;
    all[0].compact(CompactionRequest { revision, physical: true }).expect("it shrinks");
    etcdctl.succeed(&["defrag"]);
    for client in &all {
        let status = client.status().expect("it runs");
        assert!(status.db_size < TINY_BYTES * 3 / 4, "{status:?}");
    }
    assert_no_space(all[0].put("third", ""));
    eventually(RAISED, "the end of all alarms", || {
        etcdctl.succeed(&["alarm", "disarm"]);
        etcdctl.succeed(&["alarm", "list"]).is_empty().then_some(())
    });
    for client in &all {
        eventually(RAISED, "a put", || client.put("fourth", &value(64)).ok());
    }
    assert_eq!(alarms(&all[0]), []);
    etcdctl.succeed(&["endpoint", "health"]);
}
