//! Work for a member, of every kind that metrics tell apart.

use etcd_proto::etcdserverpb as pb;
use etcd_tests::client::Consistency;
use etcd_tests::{Client, Member, web};
use pb::compare::{CompareResult, CompareTarget, TargetUnion};
use pb::maintenance_client::MaintenanceClient;
use pb::request_op::Request;
use pb::watch_client::WatchClient;
use pb::watch_request::RequestUnion;
use tokio::runtime::{Builder, Runtime};
use tonic::Streaming;
use tonic::transport::{Channel, Endpoint};

/// A put for a txn.
pub(crate) fn put(key: &str, value: &str) -> Request {
    let (key, value) = (key.to_owned().into(), value.to_owned().into());
    Request::RequestPut(pb::PutRequest { key, value, ..pb::PutRequest::default() })
}

/// A range of one key for a txn.
pub(crate) fn get(key: &str) -> Request {
    let key = key.to_owned().into();
    Request::RequestRange(pb::RangeRequest { key, ..pb::RangeRequest::default() })
}

/// A delete of one key for a txn.
pub(crate) fn delete(key: &str) -> Request {
    let key = key.to_owned().into();
    Request::RequestDeleteRange(pb::DeleteRangeRequest { key, ..Default::default() })
}

/// The condition that a key is there.
pub(crate) fn exists(key: &str) -> pb::Compare {
    pb::Compare {
        result: CompareResult::Greater as i32,
        target: CompareTarget::Version as i32,
        key: key.to_owned().into(),
        target_union: Some(TargetUnion::Version(0)),
        ..pb::Compare::default()
    }
}

/// Executes a txn whose conditions must hold.
pub(crate) fn txn(client: &Client, compare: Vec<pb::Compare>, success: Vec<Request>) {
    let success = success.into_iter().map(|request| pb::RequestOp { request: Some(request) });
    let request = pb::TxnRequest { compare, success: success.collect(), failure: Vec::new() };
    assert!(client.txn(request).expect("a txn").succeeded);
}

async fn channel(url: String) -> Channel {
    let endpoint = Endpoint::from_shared(url).expect("a URL");
    endpoint.connect().await.expect("a connection")
}

/// A stream of watch responses. Dropping it ends it.
pub(crate) struct Watching {
    runtime: Runtime,
    responses: Streaming<pb::WatchResponse>,
}

impl Watching {
    /// Watches all keys from a revision on; zero is now. It has begun when this returns.
    pub(crate) fn start(member: &Member, start_revision: i64) -> Watching {
        let runtime = Builder::new_current_thread().enable_all().build().expect("a runtime");
        let create = pb::WatchCreateRequest {
            key: b"\0".to_vec().into(),
            range_end: b"\0".to_vec().into(),
            start_revision,
            ..pb::WatchCreateRequest::default()
        };
        let create = pb::WatchRequest { request_union: Some(RequestUnion::CreateRequest(create)) };
        let url = member.client_url.clone();
        let responses = runtime.block_on(async {
            let mut client = WatchClient::new(channel(url).await);
            let requests =
                tokio_stream::StreamExt::chain(tokio_stream::once(create), tokio_stream::pending());
            let mut responses = client.watch(requests).await.expect("a stream").into_inner();
            let created = responses.message().await.expect("an answer").expect("a word");
            assert!(created.created && !created.canceled, "{created:?}");
            responses
        });
        Watching { runtime, responses }
    }

    /// Waits for so many events.
    pub(crate) fn expect(&mut self, events: usize) {
        self.runtime.block_on(async {
            let mut seen = 0;
            while seen < events {
                let response = self.responses.message().await.expect("an answer");
                seen += response.expect("it goes on").events.len();
            }
            assert_eq!(seen, events);
        });
    }
}

/// Takes a snapshot to its end, and defragments.
pub(crate) fn maintain(member: &Member) {
    let runtime = Builder::new_current_thread().enable_all().build().expect("a runtime");
    let url = member.client_url.clone();
    runtime.block_on(async {
        let mut client = MaintenanceClient::new(channel(url).await);
        let mut parts =
            client.snapshot(pb::SnapshotRequest {}).await.expect("a stream").into_inner();
        while parts.message().await.expect("a part").is_some() {}
        client.defragment(pb::DefragmentRequest {}).await.expect("defragmented");
    });
}

/// Makes another member the leader.
pub(crate) fn move_leader(member: &Member, target_id: u64) {
    let runtime = Builder::new_current_thread().enable_all().build().expect("a runtime");
    let url = member.client_url.clone();
    runtime.block_on(async {
        let mut client = MaintenanceClient::new(channel(url).await);
        client.move_leader(pb::MoveLeaderRequest { target_id }).await.expect("moved");
    });
}

/// A bit of everything, so that every metric has something to show.
pub(crate) fn everything(member: &Member) {
    let client = member.client();
    let mut watching = Watching::start(member, 0);
    for number in 0..10 {
        client.put(&format!("key{number}"), "value").expect("a put");
    }
    client.get("key1", Consistency::Linearizable).expect("a get");
    client.get("key1", Consistency::Serializable).expect("a get");
    txn(&client, vec![exists("key1")], vec![put("key1", "other"), get("key1"), delete("key2")]);
    txn(&client, vec![], vec![get("key1"), get("key3")]);
    let deleted = client.delete_prefix("key").expect("a delete");
    watching.expect(10 + 2 + usize::try_from(deleted).expect("some"));
    drop(watching);
    let lease = client.grant(0, 1000).expect("a lease");
    client.put_leased("leased", "value", lease).expect("a put");
    client.keep_alive(lease).expect("a renewal");
    client.revoke(lease).expect("an end");
    let revision = client.put("last", "value").expect("a put");
    let request = pb::CompactionRequest { revision, physical: true };
    client.compact(request).expect("a compaction");
    client.hash().expect("a hash");
    client.hash_kv(0).expect("a hash");
    client.status().expect("a status");
    client.txn(pb::TxnRequest::default()).expect("an empty txn");
    maintain(member);
    for path in ["/health", "/livez", "/readyz"] {
        let answer = web::ask("GET", &format!("{}{path}", member.client_url), &[]);
        assert_eq!(answer.expect("an answer").status, 200, "{path}");
    }
}
