//! The service Watch as a client meets it.

use std::time::Duration;

use etcd_proto::etcdserverpb::request_op::Request as Operation;
use etcd_proto::etcdserverpb::watch_create_request::FilterType;
use etcd_proto::etcdserverpb::watch_request::RequestUnion;
use etcd_proto::etcdserverpb::{
    CompactionRequest, DeleteRangeRequest, RequestOp, TxnRequest, WatchCancelRequest,
    WatchCreateRequest, WatchProgressRequest, WatchRequest, WatchResponse,
};
use etcd_proto::mvccpb::Event;
use futures_util::FutureExt as _;
use tokio::sync::mpsc;
use tokio_stream::wrappers::UnboundedReceiverStream;
use tonic::{Code, Streaming};

use crate::Limits;
use crate::harness::{CLUSTER, Harness, MEMBER, Start, put};

/// A client's stream.
struct Client {
    requests: mpsc::UnboundedSender<WatchRequest>,
    responses: Streaming<WatchResponse>,
}

impl Client {
    async fn open(harness: &Harness) -> Client {
        let (requests, receiver) = mpsc::unbounded_channel();
        let stream = UnboundedReceiverStream::new(receiver);
        let responses = harness.watch().watch(stream).await.expect("a stream").into_inner();
        Client { requests, responses }
    }

    fn ask(&self, request: RequestUnion) {
        let request = WatchRequest { request_union: Some(request) };
        self.requests.send(request).expect("the stream is open");
    }

    fn create(&self, request: WatchCreateRequest) {
        self.ask(RequestUnion::CreateRequest(request));
    }

    fn cancel(&self, watch_id: i64) {
        self.ask(RequestUnion::CancelRequest(WatchCancelRequest { watch_id }));
    }

    fn request_progress(&self) {
        self.ask(RequestUnion::ProgressRequest(WatchProgressRequest {}));
    }

    async fn next(&mut self) -> WatchResponse {
        self.responses.message().await.expect("no error").expect("no end")
    }

    /// The next response as text, all of it but who answers.
    async fn text(&mut self) -> String {
        let response = self.next().await;
        let header = response.header.expect("a header");
        assert_eq!((header.cluster_id, header.member_id), (CLUSTER.0, MEMBER.0));
        assert!(header.raft_term > 0);
        let mut words = vec![format!("{} @{}", response.watch_id, header.revision)];
        words.extend(response.created.then(|| "created".to_owned()));
        words.extend(response.canceled.then(|| "canceled".to_owned()));
        let compact_revision = response.compact_revision;
        words.extend((compact_revision != 0).then(|| format!("compacted {compact_revision}")));
        let reason = response.cancel_reason;
        words.extend((!reason.is_empty()).then(|| format!("({reason})")));
        words.extend(response.fragment.then(|| "fragment".to_owned()));
        words.extend(response.events.iter().map(show));
        words.join(" ")
    }

    fn assert_silent(&mut self) {
        if let Some(response) = self.responses.message().now_or_never() {
            panic!("{response:?}");
        }
    }
}

/// A change, and in brackets what was before.
fn show(event: &Event) -> String {
    let kv = event.kv.as_ref().expect("a key-value");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let before = event.prev_kv.as_ref().map(|kv| format!("[{}]", text(&kv.value)));
    let (key, value, revision) = (text(&kv.key), text(&kv.value), kv.mod_revision);
    let kind = if event.r#type == 0 { "=" } else { "-" };
    format!("{revision}:{key}{kind}{value}{}", before.unwrap_or_default())
}

fn on(key: &'static str) -> WatchCreateRequest {
    WatchCreateRequest { key: key.into(), ..WatchCreateRequest::default() }
}

fn from(key: &'static str, start_revision: i64) -> WatchCreateRequest {
    WatchCreateRequest { start_revision, ..on(key) }
}

async fn delete(harness: &Harness, key: &'static str) {
    let request = DeleteRangeRequest { key: key.into(), ..DeleteRangeRequest::default() };
    harness.kv().delete_range(request).await.expect("a delete");
}

async fn compact(harness: &Harness, revision: i64) {
    let request = CompactionRequest { revision, physical: false };
    harness.kv().compact(request).await.expect("a compaction");
}

#[tokio::test]
async fn a_watcher_is_created_told_and_cancelled() {
    let harness = Harness::alone().await;
    harness.put("a", "1").await;
    let mut client = Client::open(&harness).await;
    client.create(on("a"));
    assert_eq!(client.text().await, "0 @2 created");
    harness.put("a", "2").await;
    harness.put("b", "2").await;
    delete(&harness, "a").await;
    assert_eq!(client.text().await, "0 @3 3:a=2");
    assert_eq!(client.text().await, "0 @5 5:a-");
    client.cancel(7);
    client.cancel(0);
    assert_eq!(client.text().await, "0 @5 canceled");
    harness.put("a", "3").await;
    client.assert_silent();
}

#[tokio::test]
async fn the_past_is_told_with_the_present_revision_and_previous_values() {
    let harness = Harness::alone().await;
    harness.put("a", "1").await;
    harness.put("a", "2").await;
    let operation = |request| RequestOp { request: Some(request) };
    let delete = DeleteRangeRequest { key: "a".into(), ..DeleteRangeRequest::default() };
    let success = vec![
        operation(Operation::RequestPut(put("b", "3"))),
        operation(Operation::RequestDeleteRange(delete)),
    ];
    harness.kv().txn(TxnRequest { success, ..TxnRequest::default() }).await.expect("a txn");
    harness.put("c", "4").await;
    let mut client = Client::open(&harness).await;
    let all = WatchCreateRequest { range_end: "\0".into(), prev_kv: true, ..from("", 3) };
    client.create(all.clone());
    assert_eq!(client.text().await, "0 @5 created");
    assert_eq!(client.text().await, "0 @5 3:a=2[1] 4:b=3 4:a-[2] 5:c=4");
    let filters = vec![FilterType::Noput as i32, 7];
    client.create(WatchCreateRequest { filters, ..all });
    assert_eq!(client.text().await, "1 @5 created");
    assert_eq!(client.text().await, "1 @5 4:a-[2]");
}

#[tokio::test]
async fn previous_values_of_a_long_past_are_looked_up_elsewhere() {
    let harness = Harness::alone().await;
    for _ in 0..100 {
        harness.put("a", "1").await;
    }
    let mut client = Client::open(&harness).await;
    client.create(WatchCreateRequest { prev_kv: true, ..from("a", 1) });
    assert_eq!(client.text().await, "0 @101 created");
    let events = client.next().await.events;
    assert_eq!(events.len(), 100);
    assert_eq!(events.iter().filter(|event| event.prev_kv.is_some()).count(), 99);
}

#[tokio::test]
async fn what_cannot_be_watched_is_refused_within_the_stream() {
    let harness = Harness::alone().await;
    let mut client = Client::open(&harness).await;
    client.create(WatchCreateRequest { watch_id: 5, ..on("a") });
    assert_eq!(client.text().await, "5 @1 created");
    let taken = WatchCreateRequest { watch_id: 5, ..on("a") };
    let empty = WatchCreateRequest { range_end: "a".into(), ..taken.clone() };
    let negative = WatchCreateRequest { start_revision: -1, ..empty.clone() };
    let reasons = [
        (negative, "etcdserver: mvcc: required revision has been compacted"),
        (empty, "mvcc: watcher range is empty"),
        (taken, "mvcc: duplicate watch ID provided on the WatchStream"),
    ];
    for (request, reason) in reasons {
        client.create(request);
        assert_eq!(client.text().await, format!("-1 @1 created canceled ({reason})"));
    }
    client.requests.send(WatchRequest::default()).expect("the stream is open");
    client.create(on(""));
    assert_eq!(client.text().await, "0 @1 created");
}

#[tokio::test]
async fn a_start_that_is_compacted_is_cancelled_after_its_creation() {
    let harness = Harness::alone().await;
    for value in ["1", "2", "3"] {
        harness.put("a", value).await;
    }
    compact(&harness, 4).await;
    let mut client = Client::open(&harness).await;
    client.create(from("a", 3));
    assert_eq!(client.text().await, "0 @4 created");
    assert_eq!(client.text().await, "0 @0 canceled compacted 4");
    client.create(from("a", 4));
    assert_eq!(client.text().await, "1 @4 created");
    assert_eq!(client.text().await, "1 @4 4:a=3");
    client.request_progress();
    client.cancel(0);
    assert_eq!(client.text().await, "0 @4 canceled");
    client.request_progress();
    assert_eq!(client.text().await, "-1 @4");
}

#[tokio::test]
async fn a_client_that_asks_no_more_is_still_told() {
    let harness = Harness::alone().await;
    let client = Client::open(&harness).await;
    client.create(on("a"));
    let Client { requests, responses } = client;
    drop(requests);
    let mut client = Client { requests: mpsc::unbounded_channel().0, responses };
    assert_eq!(client.text().await, "0 @1 created");
    harness.put("a", "1").await;
    assert_eq!(client.text().await, "0 @2 2:a=1");
    assert!(harness.views.hub.news().is_wanted());
    drop(client);
    assert!(!harness.views.hub.news().is_wanted(), "nothing is left of a stream that is gone");
}

#[tokio::test]
async fn progress_comes_now_and_then_unless_there_was_something_to_tell() {
    let period = Duration::from_millis(100);
    let limits = Limits { watch_progress_interval: period, ..Limits::default() };
    let harness = Harness::start(Start::Alone, limits).await;
    let mut client = Client::open(&harness).await;
    client.create(WatchCreateRequest { progress_notify: true, ..on("a") });
    client.create(WatchCreateRequest { watch_id: 9, ..on("b") });
    assert_eq!(client.text().await, "0 @1 created");
    assert_eq!(client.text().await, "9 @1 created");
    assert_eq!(client.text().await, "0 @1");
    harness.put("b", "1").await;
    assert_eq!(client.text().await, "9 @2 2:b=1");
    assert_eq!(client.text().await, "0 @2");
}

#[tokio::test]
async fn a_progress_request_is_answered_before_what_is_asked_after_it() {
    let harness = Harness::alone().await;
    let mut client = Client::open(&harness).await;
    client.create(on("a"));
    assert_eq!(client.text().await, "0 @1 created");
    harness.put("a", "1").await;
    assert_eq!(client.text().await, "0 @2 2:a=1");
    client.request_progress();
    client.request_progress();
    client.create(from("a", 1));
    assert_eq!(client.text().await, "-1 @2");
    assert_eq!(client.text().await, "-1 @2");
    assert_eq!(client.text().await, "1 @2 created");
    assert_eq!(client.text().await, "1 @2 2:a=1");
}

#[tokio::test]
async fn long_responses_come_in_parts_for_whoever_asks_for_them() {
    let limits = Limits { max_request_bytes: 700_000, ..Limits::default() };
    let harness = Harness::start(Start::Alone, limits).await;
    for _ in 0..2 {
        let value = vec![7; 650_000].into();
        harness.kv().put(put("a", "")).await.expect("a put");
        let large = etcd_proto::etcdserverpb::PutRequest { value, ..put("a", "") };
        harness.kv().put(large).await.expect("a put");
    }
    let mut client = Client::open(&harness).await;
    client.create(WatchCreateRequest { fragment: true, ..from("a", 1) });
    client.create(from("a", 1));
    let mut parts = Vec::new();
    while parts.len() < 5 {
        let response = client.next().await;
        parts.push((response.watch_id, response.fragment, response.events.len()));
    }
    parts.sort_unstable();
    let expected = [(0, false, 0), (0, false, 1), (0, true, 3), (1, false, 0), (1, false, 4)];
    assert_eq!(parts, expected);
}

#[tokio::test]
async fn a_request_that_cannot_be_read_ends_the_stream_in_etcds_words() {
    let limits = Limits { max_request_bytes: 1000, ..Limits::default() };
    let harness = Harness::start(Start::Alone, limits).await;
    let mut client = Client::open(&harness).await;
    client.create(WatchCreateRequest { key: vec![b'k'; 600_000].into(), ..on("") });
    let status = client.responses.message().await.expect_err("refused");
    assert_eq!(status.code(), Code::ResourceExhausted);
    let text = "grpc: received message larger than max (600008 vs. 525288)";
    assert_eq!(status.message(), text);
}

#[tokio::test]
async fn streams_end_with_the_member() {
    let harness = Harness::alone().await;
    let mut client = Client::open(&harness).await;
    client.create(on("a"));
    assert_eq!(client.text().await, "0 @1 created");
    client.assert_silent();
    harness.stopping.stop();
    let status = client.responses.message().await.expect_err("ended");
    assert_eq!(
        (status.code(), status.message()),
        (Code::Unavailable, "etcdserver: server stopped")
    );
}
