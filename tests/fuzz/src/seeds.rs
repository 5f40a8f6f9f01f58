//! Inputs to begin with: well-formed requests of every kind, and the oddities that are known.

use bytes::Bytes;
use etcd_proto::etcdserverpb::compare::{CompareResult, CompareTarget, TargetUnion};
use etcd_proto::etcdserverpb::request_op;
use etcd_proto::etcdserverpb::watch_request::RequestUnion;
use etcd_proto::etcdserverpb::{
    AlarmRequest, CompactionRequest, Compare, DeleteRangeRequest, InternalRaftRequest,
    LeaseGrantRequest, LeaseRevokeRequest, PutRequest, RangeRequest, RequestOp, TxnRequest,
    WatchCancelRequest, WatchCreateRequest, WatchProgressRequest, WatchRequest,
};
use prost::Message;

use crate::input::{Kind, Request, input};

/// Every seed with its name.
pub fn seeds() -> Vec<(String, Vec<u8>)> {
    let mut seeds = vec![
        ("puts", input(&[put("a", "1"), put("a", "2"), put("b", ""), range("a", "c")])),
        ("deletes", input(&[put("a", "1"), delete("a", ""), delete("a", "\0"), range("\0", "\0")])),
        ("compaction", input(&[put("a", "1"), put("a", "2"), compact(2), compact(3), at("a", 2)])),
        ("read-only txns", input(&[put("a", "1"), txn(&reading()), txn(&TxnRequest::default())])),
        (
            "writing txns",
            input(&[put("a", "1"), txn(&writing()), txn(&nested(3)), range("a", "z")]),
        ),
        ("deep txns", input(&[put("a", "1"), txn(&nested(60)), txn(&nested(140))])),
        ("compares", input(&[put("a", "1"), txn(&comparing())])),
        ("kept values", input(&[put("a", "1"), kept(true, false), kept(false, true)])),
        (
            "watches",
            input(&[&watches()[..1], &[put("a", "1"), delete("a", "")], &watches()[1..]].concat()),
        ),
    ];
    seeds.push(("commands", input(&commands())));
    seeds.into_iter().map(|(name, input)| (name.replace(' ', "-"), input)).collect()
}

fn request(kind: Kind, message: &impl Message) -> Request {
    Request { kind, message: message.encode_to_vec().into() }
}

fn put(key: &'static str, value: &'static str) -> Request {
    request(Kind::Put, &put_of(key, value))
}

fn put_of(key: &'static str, value: &'static str) -> PutRequest {
    PutRequest { key: key.into(), value: value.into(), prev_kv: true, ..PutRequest::default() }
}

fn kept(ignore_value: bool, ignore_lease: bool) -> Request {
    let put = PutRequest { key: "a".into(), ignore_value, ignore_lease, ..PutRequest::default() };
    request(Kind::Put, &put)
}

fn range(key: &'static str, range_end: &'static str) -> Request {
    request(Kind::Range, &range_of(key, range_end))
}

fn range_of(key: &'static str, range_end: &'static str) -> RangeRequest {
    let (limit, sort_order, sort_target) = (2, 2, 3);
    let range =
        RangeRequest { key: key.into(), range_end: range_end.into(), limit, ..Default::default() };
    RangeRequest { sort_order, sort_target, min_mod_revision: 1, max_create_revision: 9, ..range }
}

fn at(key: &'static str, revision: i64) -> Request {
    request(Kind::Range, &RangeRequest { revision, ..range_of(key, "\0") })
}

fn delete(key: &'static str, range_end: &'static str) -> Request {
    request(Kind::DeleteRange, &delete_of(key, range_end))
}

fn delete_of(key: &'static str, range_end: &'static str) -> DeleteRangeRequest {
    DeleteRangeRequest { key: key.into(), range_end: range_end.into(), prev_kv: true }
}

fn compact(revision: i64) -> Request {
    request(Kind::Compaction, &CompactionRequest { revision, physical: true })
}

fn txn(txn: &TxnRequest) -> Request {
    request(Kind::Txn, txn)
}

fn operation(request: request_op::Request) -> RequestOp {
    RequestOp { request: Some(request) }
}

fn reading() -> TxnRequest {
    let read = |key, end| operation(request_op::Request::RequestRange(range_of(key, end)));
    TxnRequest {
        compare: vec![],
        success: vec![read("a", ""), read("a", "c")],
        failure: vec![read("b", "\0")],
    }
}

fn writing() -> TxnRequest {
    let success = vec![
        operation(request_op::Request::RequestPut(put_of("b", "2"))),
        operation(request_op::Request::RequestDeleteRange(delete_of("a", ""))),
        operation(request_op::Request::RequestRange(range_of("a", "c"))),
    ];
    TxnRequest { success: success.clone(), failure: success, ..reading() }
}

fn nested(levels: usize) -> TxnRequest {
    (1..levels).fold(writing(), |inner, _| TxnRequest {
        success: vec![operation(request_op::Request::RequestTxn(inner))],
        ..TxnRequest::default()
    })
}

fn comparing() -> TxnRequest {
    let compare = |target: CompareTarget, result: CompareResult, with| Compare {
        result: result as i32,
        target: target as i32,
        key: "a".into(),
        range_end: Bytes::new(),
        target_union: Some(with),
    };
    let value = TargetUnion::Value("1".into());
    let mut compares = vec![
        compare(CompareTarget::Version, CompareResult::Equal, TargetUnion::Version(1)),
        compare(CompareTarget::Create, CompareResult::Less, TargetUnion::CreateRevision(9)),
        compare(CompareTarget::Mod, CompareResult::Greater, TargetUnion::ModRevision(1)),
        compare(CompareTarget::Value, CompareResult::NotEqual, value),
        compare(CompareTarget::Lease, CompareResult::Equal, TargetUnion::Lease(0)),
    ];
    compares[1].range_end = "\0".into();
    TxnRequest { compare: compares, ..writing() }
}

fn watches() -> Vec<Request> {
    let create = WatchCreateRequest {
        key: "a".into(),
        range_end: "b".into(),
        start_revision: 1,
        progress_notify: true,
        filters: vec![0, 1],
        prev_kv: true,
        watch_id: 5,
        fragment: true,
    };
    let unions = [
        RequestUnion::CreateRequest(create),
        RequestUnion::CancelRequest(WatchCancelRequest { watch_id: 5 }),
        RequestUnion::ProgressRequest(WatchProgressRequest {}),
    ];
    let requests =
        unions.map(|union| request(Kind::Watch, &WatchRequest { request_union: Some(union) }));
    requests.into()
}

fn commands() -> Vec<Request> {
    let commands = [
        InternalRaftRequest { put: Some(put_of("a", "1")), ..Default::default() },
        InternalRaftRequest { txn: Some(comparing()), ..Default::default() },
        InternalRaftRequest { delete_range: Some(delete_of("a", "")), ..Default::default() },
        InternalRaftRequest {
            compaction: Some(CompactionRequest { revision: 2, physical: false }),
            ..Default::default()
        },
        InternalRaftRequest {
            alarm: Some(AlarmRequest { action: 1, member_id: 1, alarm: 1 }),
            ..Default::default()
        },
        InternalRaftRequest {
            lease_grant: Some(LeaseGrantRequest { id: 7, ttl: 60 }),
            ..Default::default()
        },
        InternalRaftRequest {
            put: Some(PutRequest { lease: 7, ..put_of("l", "1") }),
            ..Default::default()
        },
        InternalRaftRequest {
            lease_revoke: Some(LeaseRevokeRequest { id: 7 }),
            ..Default::default()
        },
    ];
    commands.iter().map(|command| request(Kind::Command, command)).collect()
}
