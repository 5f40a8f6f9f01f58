//! A long replay of the past for a watcher whose server is killed in the middle of it.

use etcd_proto::etcdserverpb as pb;
use etcd_proto::mvccpb::Event;
use etcd_tests::{Cluster, Plan};
use pb::watch_client::WatchClient;
use pb::watch_request::RequestUnion;
use std::time::Duration;
use tokio_stream::StreamExt as _;
use tonic::transport::Endpoint;

use crate::{check_equal, kill_all};

/// More than what the buffers between a server and a client hold.
const REVISIONS: i64 = 1_200;
const VALUE_BYTES: usize = 40_000;
/// A server is killed when this many more events were received.
const STEP: i64 = 100;
/// How often it is killed in the middle, at least.
const KILLS: usize = 3;
const ANSWER: Duration = Duration::from_secs(30);

#[test]
fn a_watcher_that_resumes_behind_what_it_saw_misses_nothing_and_sees_nothing_twice() {
    let mut cluster = Cluster::start(&Plan::loopback(1));
    let client = cluster.members[0].client();
    for number in 2..=REVISIONS {
        assert_eq!(client.put("watched/key", &value(number)), Ok(number));
    }
    let mut seen: Vec<i64> = Vec::new();
    let mut kills = 0;
    while seen.last() != Some(&REVISIONS) {
        let next = seen.last().map_or(2, |last| last + 1);
        let url = cluster.members[0].client_url.clone();
        let enough = (next + STEP).min(REVISIONS);
        let received = watch(&url, next, enough, || kill_all(&mut cluster));
        if received.last() != Some(&REVISIONS) {
            kills += 1;
        }
        seen.extend(received);
        cluster.start_all();
    }
    assert!(kills >= KILLS, "the replay was interrupted {kills} times only");
    assert_eq!(seen, (2..=REVISIONS).collect::<Vec<i64>>());
    check_equal(&cluster);
}

fn value(number: i64) -> String {
    format!("{number:0VALUE_BYTES$}")
}

/// The revisions of the events from `start` on, all that come until the stream breaks. The server
/// is killed when the event of revision `enough` has come; the stream has more to say then, unless
/// it was the last.
fn watch(url: &str, start: i64, enough: i64, kill: impl FnOnce()) -> Vec<i64> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.expect("a runtime").block_on(async {
        let endpoint = Endpoint::from_shared(url.to_owned()).expect("a URL");
        let channel = endpoint.connect().await.expect("it serves");
        let mut client = WatchClient::new(channel).max_decoding_message_size(usize::MAX);
        let create = pb::WatchCreateRequest {
            key: "watched/".into(),
            range_end: "watched0".into(),
            start_revision: start,
            // Else etcd answers with a thousand revisions at once.
            fragment: true,
            ..Default::default()
        };
        let request = pb::WatchRequest { request_union: Some(RequestUnion::CreateRequest(create)) };
        let requests = tokio_stream::once(request).chain(tokio_stream::pending());
        let mut answers = client.watch(requests).await.expect("a stream").into_inner();
        let mut seen = Vec::new();
        while seen.last().is_none_or(|last| *last < enough) {
            let answer = tokio::time::timeout(ANSWER, answers.next()).await;
            let answer = answer.expect("more events").expect("an open stream").expect("no error");
            assert!(!answer.canceled, "{}", answer.cancel_reason);
            seen.extend(answer.events.iter().map(revision));
        }
        kill();
        // What is in the buffers comes still, and then the end.
        while let Ok(Some(Ok(answer))) = tokio::time::timeout(ANSWER, answers.next()).await {
            seen.extend(answer.events.iter().map(revision));
        }
        seen
    })
}

/// The revision of an event, whose value must be the one that was put then.
fn revision(event: &Event) -> i64 {
    let kv = event.kv.as_ref().expect("an event has a key");
    assert!(kv.value == value(kv.mod_revision), "revision {}", kv.mod_revision);
    kv.mod_revision
}
