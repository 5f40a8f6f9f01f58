//! Hash, snapshot, defragment and the hand-over of leadership as a client meets them.

use std::io::Write as _;
use std::time::Duration;

use etcd_bolt::{BoltReader, Content};
use etcd_proto::etcdserverpb::{
    CompactionRequest, DefragmentRequest, HashRequest, InternalRaftRequest, MoveLeaderRequest,
    PutRequest, SnapshotRequest, SnapshotResponse, StatusRequest, StatusResponse,
};
use etcd_proto::membershippb::ClusterVersionSetRequest;
use prost::Message as _;
use sha2::{Digest as _, Sha256};
use tokio::time::Instant;
use tonic::{Code, Status, Streaming};

use crate::Limits;
use crate::harness::{Harness, MEMBER, Start};

const CHUNK: usize = 32 << 10;

#[track_caller]
fn check<T: std::fmt::Debug>(result: Result<T, Status>, code: Code, text: &str) {
    let status = result.expect_err("refused");
    assert_eq!((status.code(), status.message()), (code, text));
}

async fn set_version(harness: &Harness, version: &str) {
    let cluster_version_set = Some(ClusterVersionSetRequest { ver: version.to_owned() });
    let command = InternalRaftRequest { cluster_version_set, ..Default::default() };
    let deadline = Instant::now() + Duration::from_secs(60);
    let applied = harness.raft.propose(command.encode_to_vec().into(), deadline).await;
    applied.expect("applied").expect("accepted");
}

async fn snapshot(harness: &Harness) -> Streaming<SnapshotResponse> {
    let response = harness.maintenance().snapshot(SnapshotRequest {}).await;
    response.expect("a stream").into_inner()
}

async fn hash(harness: &Harness) -> u32 {
    let response = harness.maintenance().hash(HashRequest {}).await.expect("a hash").into_inner();
    let revision = harness.views.mvcc.revision();
    assert_eq!(response.header.expect("a header").revision, revision);
    response.hash
}

async fn status(harness: &Harness) -> StatusResponse {
    harness.maintenance().status(StatusRequest {}).await.expect("a status").into_inner()
}

/// Puts values that do not compress, one after the other under the same key.
async fn put_values(harness: &Harness, count: u32, bytes: u32) {
    for n in 0..count {
        let byte = |i: u32| (i.wrapping_mul(2_654_435_761).wrapping_add(n) >> 13).to_le_bytes()[0];
        let value: Vec<u8> = (0..bytes).map(byte).collect();
        let put = PutRequest { key: "k".into(), value: value.into(), ..PutRequest::default() };
        harness.kv().put(put).await.expect("a put");
    }
}

#[tokio::test]
async fn a_snapshot_comes_in_chunks_with_its_digest_last() {
    let harness = Harness::alone().await;
    set_version(&harness, "3.7.0").await;
    put_values(&harness, 10, 10_000).await;
    let mut stream = snapshot(&harness).await;
    let mut messages = Vec::new();
    while let Some(message) = stream.message().await.expect("it goes on") {
        messages.push(message);
    }
    assert!(messages.iter().all(|message| message.header.is_none()));
    assert!(messages.iter().all(|message| message.version == "3.7.0"));
    let digest = messages.pop().expect("a last message");
    assert_eq!(digest.remaining_bytes, 0);
    let (last, chunks) = messages.split_last().expect("more than the digest");
    assert!(chunks.len() > 2 && chunks.iter().all(|chunk| chunk.blob.len() == CHUNK));
    assert!((1..=CHUNK).contains(&last.blob.len()));
    let mut left: u64 = messages.iter().map(|message| message.blob.len() as u64).sum();
    let mut file = tempfile::tempfile().expect("a temporary file");
    for message in &messages {
        left -= message.blob.len() as u64;
        assert_eq!(message.remaining_bytes, left);
        file.write_all(&message.blob).expect("the disk has room");
    }
    let mut sha256 = Sha256::new();
    messages.iter().for_each(|message| sha256.update(&message.blob));
    assert_eq!(digest.blob.as_ref(), sha256.finalize().as_slice());

    let reader = BoltReader::of(file).expect("a whole file");
    let mut buckets = reader.entries(&reader.root()).map(|bucket| bucket.expect("a whole file"));
    let keys = buckets.find(|bucket| bucket.key == "key").expect("the bucket of keys");
    let Content::Bucket(keys) = keys.content else { panic!("{keys:?}") };
    assert_eq!(reader.entries(&keys).count(), 10);
}

#[tokio::test]
async fn writes_go_on_while_a_client_reads_its_snapshot_slowly() {
    let harness = Harness::alone().await;
    put_values(&harness, 30, 20_000).await;
    let mut stream = snapshot(&harness).await;
    let first = stream.message().await.expect("it goes on").expect("a first message");
    put_values(&harness, 30, 20_000).await;
    let mut bytes = first.blob.len() as u64;
    while let Some(message) = stream.message().await.expect("it goes on") {
        bytes += message.blob.len() as u64;
    }
    // What was put meanwhile is not in it.
    assert_eq!(bytes, first.blob.len() as u64 + first.remaining_bytes + 32);
}

#[tokio::test]
async fn a_learner_sends_snapshots() {
    let harness = Harness::start(Start::Learner, Limits::default()).await;
    let mut stream = snapshot(&harness).await;
    let first = stream.message().await.expect("it goes on").expect("a first message");
    assert_eq!(first.version, "", "the cluster has agreed on no version");
}

#[tokio::test]
async fn the_hash_changes_with_the_data_only() {
    let harness = Harness::alone().await;
    let empty = hash(&harness).await;
    set_version(&harness, "3.7.0").await;
    let versioned = hash(&harness).await;
    assert_ne!(versioned, empty);
    set_version(&harness, "3.7.0").await;
    assert_eq!(hash(&harness).await, versioned);
    harness.put("a", "1").await;
    assert_ne!(hash(&harness).await, versioned);
}

#[tokio::test]
async fn compaction_frees_and_defragmentation_shrinks() {
    const PUT: i64 = 20 * 10_000;
    let harness = Harness::alone().await;
    put_values(&harness, 20, 10_000).await;
    let full = status(&harness).await;
    assert!((PUT..2 * PUT).contains(&full.db_size) && full.db_size_in_use >= PUT, "{full:?}");
    harness.run_compactor();
    let compaction = CompactionRequest { revision: 21, physical: true };
    harness.kv().compact(compaction).await.expect("revision 21 is there");
    let compacted = status(&harness).await;
    assert!(compacted.db_size >= PUT && compacted.db_size_in_use < PUT / 5, "{compacted:?}");
    let response = harness.maintenance().defragment(DefragmentRequest {}).await;
    assert_eq!(response.expect("it succeeds").into_inner().header, None);
    let shrunk = status(&harness).await;
    assert!(shrunk.db_size < PUT / 10 && shrunk.db_size_in_use >= 10_000, "{shrunk:?}");
    assert!(shrunk.db_size_in_use <= shrunk.db_size, "{shrunk:?}");
}

#[tokio::test]
async fn only_a_leader_hands_over_and_only_to_a_voter() {
    let harness = Harness::alone().await;
    let mut maintenance = harness.maintenance();
    let mut to = async |target_id| maintenance.move_leader(MoveLeaderRequest { target_id }).await;
    let response = to(MEMBER.0).await.expect("it leads already").into_inner();
    assert_eq!(response.header, None);
    let text = "etcdserver: bad leader transferee";
    check(to(MEMBER.0 + 1).await, Code::FailedPrecondition, text);

    let follower = Harness::start(Start::Leaderless, Limits::default()).await;
    let request = MoveLeaderRequest { target_id: MEMBER.0 };
    let refused = follower.maintenance().move_leader(request).await;
    check(refused, Code::FailedPrecondition, "etcdserver: not leader");
}
