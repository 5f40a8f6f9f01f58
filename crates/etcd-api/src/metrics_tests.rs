//! What is counted, asked of the registry after calls.

use etcd_proto::etcdserverpb::{
    LeaseLeasesRequest, RangeRequest, RangeResponse, WatchCreateRequest, WatchRequest,
    watch_request,
};
use prometheus::TextEncoder;
use tokio_stream::{once, pending};
use tonic::Code;

use crate::harness::{Harness, Start, get};
use crate::{Detail, Limits, Metrics};

/// The lines above zero about one method, as "started 1" or "handled OK 1", in their order.
fn counted(harness: &Harness, method: &str) -> Vec<String> {
    let text = TextEncoder::new().encode_to_string(&harness.registry.gather()).expect("text");
    let lines = text.lines().filter(|line| !line.starts_with('#') && !line.ends_with(" 0"));
    let lines = lines.filter(|line| line.contains(&format!("grpc_method=\"{method}\"")));
    let short = |line: &str| {
        let (name, labels) = line.split_once('{').expect("labels");
        let name = name.trim_start_matches("grpc_server_").trim_end_matches("_total");
        let code = labels.strip_prefix("grpc_code=\"").and_then(|rest| rest.split('"').next());
        let count = line.rsplit(' ').next().expect("a count");
        [Some(name), code, Some(count)].into_iter().flatten().collect::<Vec<_>>().join(" ")
    };
    lines.map(short).collect()
}

#[test]
fn before_any_call_all_but_locks_and_elections_are_at_zero() {
    let registry = prometheus::Registry::new();
    let _metrics = Metrics::new(&registry, Detail::Basic);
    let text = TextEncoder::new().encode_to_string(&registry.gather()).expect("text");
    let count = |name: &str| text.lines().filter(|line| line.starts_with(name)).count();
    assert_eq!(count("grpc_server_started_total{"), 45);
    assert_eq!(count("grpc_server_handled_total{"), 45 * 17);
    assert_eq!(count("grpc_server_msg_received_total{"), 45);
    assert_eq!(count("grpc_server_msg_sent_total{"), 45);
    assert!(!text.contains("v3lockpb") && !text.contains("v3electionpb"), "{text}");
    assert!(text.lines().all(|line| line.starts_with('#') || line.ends_with("} 0")), "{text}");
    let line = "grpc_server_handled_total{grpc_code=\"OK\",grpc_method=\"Put\",\
                grpc_service=\"etcdserverpb.KV\",grpc_type=\"unary\"} 0";
    assert!(text.lines().any(|found| found == line), "{text}");
}

#[tokio::test]
async fn a_call_and_a_refused_call_are_counted_by_their_codes() {
    let harness = Harness::alone().await;
    harness.kv().range(get("a")).await.expect("an answer");
    let one = ["handled OK 1", "msg_received 1", "msg_sent 1", "started 1"];
    assert_eq!(counted(&harness, "Range"), one);
    harness.kv().range(RangeRequest::default()).await.expect_err("a range needs a key");
    let both = ["handled InvalidArgument 1", "handled OK 1", "msg_received 2", "msg_sent 2"];
    assert_eq!(counted(&harness, "Range"), [&both[..], &["started 2"]].concat());
}

#[tokio::test]
async fn a_stream_is_counted_when_it_ends_and_with_its_status() {
    let harness = Harness::alone().await;
    let refused = harness.kv().range_stream(RangeRequest::default()).await;
    match refused {
        Err(_) => {}
        Ok(answer) => {
            answer.into_inner().message().await.expect_err("a range needs a key");
        }
    }
    let expected = ["handled InvalidArgument 1", "msg_received 1", "started 1"];
    assert_eq!(counted(&harness, "RangeStream"), expected);
    let mut stream = harness.kv().range_stream(get("a")).await.expect("a stream").into_inner();
    while stream.message().await.expect("an answer").is_some() {}
    assert!(counted(&harness, "RangeStream").contains(&"handled OK 1".to_owned()));
}

#[tokio::test]
async fn a_watch_that_its_client_drops_is_cancelled() {
    let harness = Harness::alone().await;
    let create = WatchCreateRequest { key: "a".into(), ..WatchCreateRequest::default() };
    let create = watch_request::RequestUnion::CreateRequest(create);
    let create = WatchRequest { request_union: Some(create) };
    let requests = tokio_stream::StreamExt::chain(once(create), pending());
    let mut stream = harness.watch().watch(requests).await.expect("a stream").into_inner();
    stream.message().await.expect("an answer").expect("the watch is there");
    assert_eq!(counted(&harness, "Watch"), ["msg_received 1", "msg_sent 1", "started 1"]);
    drop(stream);
    let ended = ["handled Canceled 1", "msg_received 2", "msg_sent 1", "started 1"];
    while counted(&harness, "Watch") != ended {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn what_the_gate_refuses_is_not_counted() {
    let harness = Harness::start(Start::Learner, Limits::default()).await;
    let refused = harness.lease().lease_leases(LeaseLeasesRequest {}).await;
    assert_eq!(refused.expect_err("a learner refuses").code(), Code::FailedPrecondition);
    assert_eq!(counted(&harness, "LeaseLeases"), [] as [&str; 0]);
}

#[tokio::test]
async fn what_nothing_serves_is_not_counted() {
    let harness = Harness::alone().await;
    let before = harness.registry.gather();
    let mut client = tonic::client::Grpc::new(harness.router.clone());
    client.ready().await.expect("the router is ready");
    let path = "/etcdserverpb.KV/Nothing".parse().expect("a path");
    let codec = tonic_prost::ProstCodec::<RangeRequest, RangeResponse>::default();
    let answer = client.unary(tonic::Request::new(get("a")), path, codec).await;
    assert_eq!(answer.expect_err("nothing is there").code(), Code::Unimplemented);
    assert_eq!(harness.registry.gather(), before);
}
