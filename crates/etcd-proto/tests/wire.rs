//! The messages on the wire: numbers and names that other programs rely on.

use etcd_proto::{etcdserverpb as pb, mvccpb, raftpb, v3electionpb, v3lockpb};
use prost::Message;

/// The field numbers of an encoded message, in the order they stand in it.
fn numbers(mut bytes: &[u8]) -> Vec<u32> {
    let mut numbers = Vec::new();
    while !bytes.is_empty() {
        let (number, kind) = prost::encoding::decode_key(&mut bytes).expect("a field's key");
        let context = prost::encoding::DecodeContext::default();
        prost::encoding::skip_field(kind, number, &mut bytes, context).expect("a field's value");
        numbers.push(number);
    }
    numbers
}

fn raft_message() -> raftpb::Message {
    raftpb::Message {
        r#type: raftpb::MessageType::MsgApp.into(),
        to: 1,
        from: 2,
        term: 3,
        log_term: 4,
        index: 5,
        entries: vec![raftpb::Entry::default()],
        commit: 6,
        snapshot: Some(raftpb::Snapshot::default()),
        reject: true,
        reject_hint: 7,
        context: "context".into(),
        ..Default::default()
    }
}

#[test]
fn a_raft_message_has_the_twelve_fields_of_etcds_raft() {
    assert_eq!(numbers(&raft_message().encode_to_vec()), (1..=12).collect::<Vec<_>>());
}

#[test]
fn what_a_raft_message_has_beside_them_starts_at_twenty() {
    let message = raftpb::Message {
        sequence: 1,
        vote_term: 2,
        vote_for: 3,
        vote_committed: true,
        commit_term: 4,
        members: vec![raftpb::MemberRecord::default()],
        ..Default::default()
    };
    assert_eq!(numbers(&message.encode_to_vec()), [20, 21, 22, 23, 24, 25]);
}

#[test]
fn raft_message_types_have_etcds_numbers() {
    use raftpb::MessageType as Type;
    let types = [
        Type::MsgHup,
        Type::MsgBeat,
        Type::MsgProp,
        Type::MsgApp,
        Type::MsgAppResp,
        Type::MsgVote,
        Type::MsgVoteResp,
        Type::MsgSnap,
        Type::MsgHeartbeat,
        Type::MsgHeartbeatResp,
        Type::MsgUnreachable,
        Type::MsgSnapStatus,
        Type::MsgCheckQuorum,
        Type::MsgTransferLeader,
        Type::MsgTimeoutNow,
        Type::MsgReadIndex,
        Type::MsgReadIndexResp,
        Type::MsgPreVote,
        Type::MsgPreVoteResp,
    ];
    assert!((0..).zip(types).all(|(number, kind)| kind as i32 == number));
    assert_eq!((Type::MsgPropResp as i32, Type::MsgSnapResp as i32), (64, 65));
}

#[test]
fn a_stored_key_value_has_the_bytes_that_etcd_stores() {
    let kv = mvccpb::KeyValue {
        key: "k".into(),
        create_revision: 2,
        mod_revision: 3,
        version: 2,
        value: "v".into(),
        lease: 0,
    };
    let bytes = [0x0a, 1, b'k', 0x10, 2, 0x18, 3, 0x20, 2, 0x2a, 1, b'v'];
    assert_eq!(kv.encode_to_vec(), bytes);
    assert_eq!(mvccpb::KeyValue::decode(&bytes[..]), Ok(kv));
}

#[test]
fn the_commands_header_stands_behind_every_request_it_is_for() {
    let command = pb::InternalRaftRequest {
        header: Some(pb::RequestHeader::default()),
        id: 1,
        put: Some(pb::PutRequest::default()),
        txn: Some(pb::TxnRequest::default()),
        lease_checkpoint: Some(pb::LeaseCheckpointRequest::default()),
        authenticate: Some(pb::InternalAuthenticateRequest::default()),
        downgrade_info_set: Some(Default::default()),
        ..Default::default()
    };
    let mut found = numbers(&command.encode_to_vec());
    found.sort_unstable();
    assert_eq!(found, [1, 4, 6, 11, 100, 1012, 1302]);
}

#[test]
fn watch_events_and_ranges_of_a_comparison_keep_their_odd_numbers() {
    let response = pb::WatchResponse { events: vec![Default::default()], ..Default::default() };
    assert_eq!(numbers(&response.encode_to_vec()), [11]);
    let compare = pb::Compare { range_end: "z".into(), ..Default::default() };
    assert_eq!(numbers(&compare.encode_to_vec()), [64]);
}

#[test]
fn services_have_the_names_that_clients_call() {
    let names = [
        pb::kv_server::SERVICE_NAME,
        pb::watch_server::SERVICE_NAME,
        pb::lease_server::SERVICE_NAME,
        pb::cluster_server::SERVICE_NAME,
        pb::maintenance_server::SERVICE_NAME,
        pb::auth_server::SERVICE_NAME,
        v3lockpb::lock_server::SERVICE_NAME,
        v3electionpb::election_server::SERVICE_NAME,
    ];
    let expected = [
        "etcdserverpb.KV",
        "etcdserverpb.Watch",
        "etcdserverpb.Lease",
        "etcdserverpb.Cluster",
        "etcdserverpb.Maintenance",
        "etcdserverpb.Auth",
        "v3lockpb.Lock",
        "v3electionpb.Election",
    ];
    assert_eq!(names, expected);
}
