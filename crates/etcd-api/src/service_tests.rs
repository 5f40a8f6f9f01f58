//! The services as a client meets them.

use std::time::Duration;

use etcd_proto::etcdserverpb::alarm_request::AlarmAction;
use etcd_proto::etcdserverpb::request_op::Request as Operation;
use etcd_proto::etcdserverpb::response_op::Response as Answer;
use etcd_proto::etcdserverpb::{
    AlarmRequest, AlarmType, CompactionRequest, DeleteRangeRequest, HashKvRequest,
    InternalRaftRequest, MemberListRequest, PutRequest, RangeRequest, RequestHeader, RequestOp,
    StatusRequest, TxnRequest,
};
use etcd_proto::healthpb::HealthCheckRequest;
use etcd_proto::healthpb::health_client::HealthClient;
use etcd_proto::membershippb::{Attributes, ClusterMemberAttrSetRequest, ClusterVersionSetRequest};
use prost::Message as _;
use tokio::time::Instant;
use tonic::metadata::MetadataValue;
use tonic::{Code, Request, Status};

use crate::Limits;
use crate::harness::{CLUSTER, Harness, MEMBER, Start, get, put};

#[track_caller]
fn check<T: std::fmt::Debug>(result: Result<T, Status>, code: Code, text: &str) {
    let status = result.expect_err("refused");
    assert_eq!((status.code(), status.message()), (code, text));
}

fn with_metadata<T>(message: T, key: &'static str, value: &'static str) -> Request<T> {
    let mut request = Request::new(message);
    request.metadata_mut().insert(key, MetadataValue::from_static(value));
    request
}

fn limits(request_timeout: Duration) -> Limits {
    Limits { request_timeout, ..Limits::default() }
}

fn operation(request: Operation) -> RequestOp {
    RequestOp { request: Some(request) }
}

/// Proposes what no service of these tests proposes.
async fn propose(harness: &Harness, command: InternalRaftRequest) {
    let deadline = Instant::now() + Duration::from_secs(60);
    let bytes = command.encode_to_vec().into();
    harness.raft.propose(bytes, deadline).await.expect("applied").expect("accepted");
}

#[tokio::test]
async fn headers_tell_who_answers_at_which_revision_and_in_which_term() {
    let harness = Harness::alone().await;
    let put = harness.kv().put(put("a", "1")).await.expect("a put").into_inner();
    let header = put.header.expect("a header");
    assert_eq!((header.cluster_id, header.member_id), (CLUSTER.0, MEMBER.0));
    assert_eq!(header.revision, 2);
    assert_eq!(header.raft_term, harness.views.applied().term);
    assert!(header.raft_term > 0);
    let range = harness.kv().range(get("a")).await.expect("a range").into_inner();
    assert_eq!(range.header, Some(header));
    assert_eq!((range.count, range.more, &range.kvs[0].value[..]), (1, false, &b"1"[..]));
    let delete = DeleteRangeRequest { key: "a".into(), prev_kv: true, ..Default::default() };
    let delete = harness.kv().delete_range(delete).await.expect("a delete").into_inner();
    assert_eq!((delete.header.expect("a header").revision, delete.deleted), (3, 1));
    assert_eq!(&delete.prev_kvs[0].value[..], b"1");
}

#[tokio::test]
async fn malformed_requests_are_refused_before_anything_is_done() {
    use Code::InvalidArgument;
    let harness = Harness::alone().await;
    let (before, empty) = (harness.views.applied(), "etcdserver: key is not provided");
    check(harness.kv().put(put("", "1")).await, InvalidArgument, empty);
    check(harness.kv().range(get("")).await, InvalidArgument, empty);
    let delete = DeleteRangeRequest::default();
    check(harness.kv().delete_range(delete).await, InvalidArgument, empty);
    let sorted = RangeRequest { sort_order: 7, ..get("a") };
    check(harness.kv().range(sorted).await, InvalidArgument, "etcdserver: invalid sort option");
    let twice = vec![operation(Operation::RequestPut(put("a", "1"))); 2];
    let twice = TxnRequest { success: twice, ..Default::default() };
    let text = "etcdserver: duplicate key given in txn request";
    check(harness.kv().txn(twice).await, InvalidArgument, text);
    let many = vec![operation(Operation::RequestRange(get("a"))); 129];
    let many = TxnRequest { failure: many, ..Default::default() };
    let text = "etcdserver: too many operations in txn request";
    check(harness.kv().txn(many).await, InvalidArgument, text);
    assert_eq!(harness.views.applied(), before);
}

#[tokio::test]
async fn what_the_applier_refuses_comes_back_as_its_row() {
    let harness = Harness::alone().await;
    let kept = PutRequest { ignore_value: true, ..put("a", "") };
    check(harness.kv().put(kept).await, Code::InvalidArgument, "etcdserver: key not found");
    let leased = PutRequest { lease: 7, ..put("a", "1") };
    let text = "etcdserver: requested lease not found";
    check(harness.kv().put(leased).await, Code::NotFound, text);
    let future = "etcdserver: mvcc: required revision is a future revision";
    let newer = RangeRequest { revision: 9, ..get("a") };
    check(harness.kv().range(newer).await, Code::OutOfRange, future);
    let compaction = CompactionRequest { revision: 9, physical: true };
    check(harness.kv().compact(compaction).await, Code::OutOfRange, future);
}

#[tokio::test]
async fn only_a_txn_that_may_write_goes_through_the_log() {
    let harness = Harness::alone().await;
    harness.put("a", "1").await;
    let read = operation(Operation::RequestRange(get("a")));
    let applied = harness.views.applied().index;
    for serializable in [false, true] {
        let range = RangeRequest { serializable, ..get("a") };
        let range = operation(Operation::RequestRange(range));
        let txn = TxnRequest { success: vec![range], ..Default::default() };
        let response = harness.kv().txn(txn).await.expect("a txn").into_inner();
        assert!(response.succeeded);
        assert_eq!(response.header.expect("a header").revision, 2);
        let Some(Answer::ResponseRange(range)) = &response.responses[0].response else { panic!() };
        assert_eq!((range.count, range.header.expect("a header").cluster_id), (1, 0));
    }
    assert_eq!(harness.views.applied().index, applied);
    let inner = TxnRequest { success: vec![read], ..Default::default() };
    let nested = operation(Operation::RequestTxn(inner));
    let outer = TxnRequest { success: vec![nested], ..Default::default() };
    let response = harness.kv().txn(outer).await.expect("a txn").into_inner();
    assert_eq!(response.header.expect("a header").revision, 2);
    assert_eq!(harness.views.applied().index, applied + 1);
}

#[tokio::test]
async fn long_and_short_ranges_answer_alike() {
    let harness = Harness::alone().await;
    for tens in 0..3 {
        let puts = (0..100).map(|number| {
            let key = format!("k{tens}{number:03}").into();
            operation(Operation::RequestPut(PutRequest { key, ..Default::default() }))
        });
        let txn = TxnRequest { success: puts.collect(), ..Default::default() };
        harness.kv().txn(txn).await.expect("a txn");
    }
    let all = RangeRequest { range_end: "\0".into(), ..get("k") };
    let long = harness.kv().range(all.clone()).await.expect("a range").into_inner();
    assert_eq!((long.kvs.len(), long.count, long.more), (300, 300, false));
    let limited = RangeRequest { limit: 5, ..all };
    let short = harness.kv().range(limited.clone()).await.expect("a range").into_inner();
    assert_eq!((short.count, short.more), (300, true));
    assert_eq!(short.kvs, long.kvs[..5]);
    let past = RangeRequest { revision: 2, ..limited };
    let past = harness.kv().range(past).await.expect("a range").into_inner();
    assert_eq!((past.count, past.header.expect("a header").revision), (100, 4));
    let ranges =
        operation(Operation::RequestRange(RangeRequest { range_end: "\0".into(), ..get("k") }));
    let txn = TxnRequest { success: vec![ranges; 2], ..Default::default() };
    let txn = harness.kv().txn(txn).await.expect("a txn").into_inner();
    let Some(Answer::ResponseRange(range)) = &txn.responses[1].response else { panic!() };
    assert_eq!(range.kvs, long.kvs);
}

#[tokio::test]
async fn a_physical_compaction_answers_when_it_is_carried_out() {
    let harness = Harness::alone().await;
    harness.put("a", "1").await;
    harness.put("a", "2").await;
    let compaction = CompactionRequest { revision: 3, physical: true };
    let mut kv = harness.kv();
    let mut compacting = tokio::spawn(async move { kv.compact(compaction).await });
    let logical = async {
        while harness.views.mvcc.compact_revision() < 3 {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), logical).await.expect("compacted logically");
    // Nobody carries it out yet.
    let early = tokio::time::timeout(Duration::from_millis(50), &mut compacting).await;
    assert!(early.is_err());
    harness.run_compactor();
    let response = compacting.await.expect("no panic").expect("compacted").into_inner();
    assert_eq!(response.header.expect("a header").revision, 3);
    let text = "etcdserver: mvcc: required revision has been compacted";
    check(harness.kv().compact(compaction).await, Code::OutOfRange, text);
    let old = RangeRequest { revision: 2, ..get("a") };
    check(harness.kv().range(old).await, Code::OutOfRange, text);
}

#[tokio::test]
async fn a_command_may_have_as_many_bytes_as_in_etcd() {
    let limits = Limits { max_request_bytes: 1000, ..Limits::default() };
    let harness = Harness::start(Start::Alone, limits).await;
    // What etcd would marshal: its header holds an id that begins with the member's low bits.
    let header = Some(RequestHeader { id: MEMBER.0 << 48 | 1 << 47, ..Default::default() });
    let size = |value: usize| {
        let put = PutRequest { value: vec![0; value].into(), ..put("a", "") };
        let command =
            InternalRaftRequest { header: header.clone(), put: Some(put), ..Default::default() };
        command.encoded_len()
    };
    let most = (0..1000).rfind(|value| size(*value) <= 1000).expect("some value fits");
    let of = |value: usize| PutRequest { value: vec![0; value].into(), ..put("a", "") };
    harness.kv().put(of(most)).await.expect("it fits");
    let text = "etcdserver: request is too large";
    check(harness.kv().put(of(most + 1)).await, Code::InvalidArgument, text);
}

#[tokio::test]
async fn a_message_beyond_the_limit_is_refused_in_etcds_words() {
    let limits = Limits { max_request_bytes: 1000, ..Limits::default() };
    let harness = Harness::start(Start::Alone, limits).await;
    let put = PutRequest { value: vec![0; 1 << 20].into(), ..put("a", "") };
    let text = format!(
        "grpc: received message larger than max ({} vs. {})",
        put.encoded_len(),
        1000 + (512 << 10)
    );
    check(harness.kv().put(put).await, Code::ResourceExhausted, &text);
}

#[tokio::test]
async fn members_are_listed_under_a_header_without_revision() {
    let harness = Harness::alone().await;
    let client_urls = vec!["http://localhost:2379".to_owned()];
    let attributes = Attributes { name: "one".to_owned(), client_urls: client_urls.clone() };
    let publish =
        ClusterMemberAttrSetRequest { member_id: MEMBER.0, member_attributes: Some(attributes) };
    let command =
        InternalRaftRequest { cluster_member_attr_set: Some(publish), ..Default::default() };
    propose(&harness, command).await;
    for linearizable in [false, true] {
        let request = MemberListRequest { linearizable };
        let response = harness.cluster().member_list(request).await.expect("a list").into_inner();
        let header = response.header.expect("a header");
        assert_eq!((header.revision, header.member_id), (0, MEMBER.0));
        assert_eq!(header.raft_term, harness.views.applied().term);
        let [member] = &response.members[..] else { panic!("{response:?}") };
        assert_eq!((member.id, &member.name[..]), (MEMBER.0, "one"));
        assert_eq!(member.peer_urls, ["http://localhost:2380"]);
        assert_eq!(member.client_urls, client_urls);
    }
}

#[tokio::test]
async fn the_status_tells_versions_positions_and_alarms() {
    let harness = Harness::alone().await;
    harness.put("a", "1").await;
    let status = harness.maintenance().status(StatusRequest {}).await.expect("a status");
    let status = status.into_inner();
    assert_eq!((&status.version[..], &status.storage_version[..]), ("3.7.1", ""));
    assert_eq!((status.leader, status.is_learner), (MEMBER.0, false));
    let applied = harness.views.applied();
    assert_eq!((status.raft_term, status.raft_applied_index), (applied.term, applied.index));
    assert!(status.raft_index >= status.raft_applied_index);
    assert!(status.db_size > 0 && status.db_size_in_use > 0);
    assert_eq!(status.db_size_quota, 2 << 30);
    assert_eq!(status.downgrade_info, Some(Default::default()));
    assert_eq!(status.errors, Vec::<String>::new());
    assert_eq!(status.header.expect("a header").revision, 2);

    let version = ClusterVersionSetRequest { ver: "3.7.0".to_owned() };
    let command = InternalRaftRequest { cluster_version_set: Some(version), ..Default::default() };
    propose(&harness, command).await;
    let raise = AlarmRequest {
        action: AlarmAction::Activate as i32,
        member_id: 12,
        alarm: AlarmType::Corrupt as i32,
    };
    let raised = harness.maintenance().alarm(raise).await.expect("an alarm").into_inner();
    assert_eq!((raised.alarms.len(), raised.header.expect("a header").revision), (1, 2));
    let status = harness.maintenance().status(StatusRequest {}).await.expect("a status");
    let status = status.into_inner();
    assert_eq!(status.storage_version, "3.7.0");
    assert_eq!(status.errors, ["memberID:12 alarm:CORRUPT"]);
    check(harness.kv().put(put("a", "1")).await, Code::DataLoss, "etcdserver: corrupt cluster");
    harness.kv().range(get("a")).await.expect("reading goes on");
}

#[tokio::test]
async fn the_hash_of_the_keys_is_etcds() {
    let harness = Harness::alone().await;
    let hash = |revision| {
        let mut maintenance = harness.maintenance();
        async move { maintenance.hash_kv(HashKvRequest { revision }).await }
    };
    assert_eq!(hash(0).await.expect("a hash").into_inner().hash, 1_084_519_789);
    harness.put("foo", "bar").await;
    let response = hash(0).await.expect("a hash").into_inner();
    assert_eq!((response.hash, response.compact_revision), (3_305_255_506, -1));
    assert_eq!((response.hash_revision, response.header.expect("a header").revision), (2, 2));
    let text = "etcdserver: mvcc: required revision is a future revision";
    check(hash(3).await, Code::OutOfRange, text);
}

#[tokio::test]
async fn without_a_leader_writes_and_reads_run_out_of_time_differently() {
    let harness = Harness::start(Start::Leaderless, limits(Duration::from_millis(100))).await;
    let deadline = "context deadline exceeded";
    check(harness.kv().put(put("a", "1")).await, Code::DeadlineExceeded, deadline);
    let text = "etcdserver: request timed out";
    check(harness.kv().range(get("a")).await, Code::Unavailable, text);
    // The client's own limit, when it is the shorter one.
    let hurried = with_metadata(get("a"), "grpc-timeout", "10m");
    check(harness.kv().range(hurried).await, Code::DeadlineExceeded, deadline);
    let local = RangeRequest { serializable: true, ..get("a") };
    assert_eq!(harness.kv().range(local).await.expect("a range").into_inner().count, 0);
    let empty = harness.kv().txn(TxnRequest::default()).await.expect("a txn without operations");
    assert!(empty.into_inner().succeeded);
    let status = harness.maintenance().status(StatusRequest {}).await.expect("a status");
    assert_eq!(status.get_ref().leader, 0);
    assert_eq!(status.get_ref().errors, ["etcdserver: no leader"]);
}

#[tokio::test]
async fn who_requires_a_leader_is_told_at_once_that_there_is_none() {
    let harness = Harness::start(Start::Leaderless, Limits::default()).await;
    let local = RangeRequest { serializable: true, ..get("a") };
    let text = "etcdserver: no leader";
    let required = with_metadata(local.clone(), "hasleader", "true");
    check(harness.kv().range(required).await, Code::Unavailable, text);
    let indifferent = with_metadata(local, "hasleader", "false");
    harness.kv().range(indifferent).await.expect("a range");
    let led = Harness::alone().await;
    led.kv().range(with_metadata(get("a"), "hasleader", "true")).await.expect("a range");
}

#[tokio::test]
async fn the_clients_version_must_be_text() {
    let harness = Harness::alone().await;
    let mut request = Request::new(get("a"));
    let broken = axum::http::HeaderValue::from_bytes(b"3.\xff").expect("an opaque value");
    let mut headers = axum::http::HeaderMap::new();
    headers.insert("client-api-version", broken);
    *request.metadata_mut() = tonic::metadata::MetadataMap::from_headers(headers);
    let text = "etcdserver: invalid client api version";
    check(harness.kv().range(request).await, Code::InvalidArgument, text);
    let good = with_metadata(get("a"), "client-api-version", "3.7");
    harness.kv().range(good).await.expect("a range");
}

#[tokio::test]
async fn a_learner_serves_its_status_and_serializable_ranges_only() {
    let harness = Harness::start(Start::Learner, Limits::default()).await;
    let text = "etcdserver: rpc not supported for learner";
    let code = Code::FailedPrecondition;
    let local = RangeRequest { serializable: true, ..get("a") };
    harness.kv().range(local).await.expect("a range");
    let status = harness.maintenance().status(StatusRequest {}).await.expect("a status");
    assert!(status.get_ref().is_learner);
    check(harness.kv().range(get("")).await, code, text);
    check(harness.kv().put(put("a", "1")).await, code, text);
    check(harness.cluster().member_list(MemberListRequest::default()).await, code, text);
    let mut health = HealthClient::new(harness.router.clone());
    check(health.check(HealthCheckRequest::default()).await, code, text);
}

#[tokio::test]
async fn a_stopping_member_says_so() {
    let harness = Harness::start(Start::Leaderless, Limits::default()).await;
    let text = "etcdserver: server stopped";
    let mut kv = harness.kv();
    let waiting = tokio::spawn(async move { kv.put(put("a", "1")).await });
    tokio::task::yield_now().await;
    harness.raft.shutdown().await;
    check(waiting.await.expect("no panic"), Code::Unavailable, text);
    check(harness.kv().range(get("a")).await, Code::Unavailable, text);
    harness.stopping.stop();
    let local = RangeRequest { serializable: true, ..get("a") };
    check(harness.kv().range(local).await, Code::Unavailable, text);
}

#[tokio::test]
async fn unknown_services_and_methods_are_named() {
    let harness = Harness::alone().await;
    let call = |path: &'static str| {
        let mut client = tonic::client::Grpc::new(harness.router.clone());
        async move {
            client.ready().await.expect("a router is always ready");
            let codec = tonic_prost::ProstCodec::<RangeRequest, RangeRequest>::default();
            client.unary(Request::new(get("a")), path.parse().expect("a path"), codec).await
        }
    };
    let text = "unknown service etcdserverpb.Nothing";
    check(call("/etcdserverpb.Nothing/Watch").await, Code::Unimplemented, text);
    let text = "unknown method Nope for service etcdserverpb.KV";
    check(call("/etcdserverpb.KV/Nope").await, Code::Unimplemented, text);
    let text = "unknown method Nope for service etcdserverpb.Watch";
    check(call("/etcdserverpb.Watch/Nope").await, Code::Unimplemented, text);
}
