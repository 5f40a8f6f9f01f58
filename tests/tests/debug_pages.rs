//! The pages on requests and events, which are there when all lines of the log are.

use etcd_proto::etcdserverpb as pb;
use etcd_tests::process::server_is_ours;
use etcd_tests::{Scene, web};
use pb::watch_client::WatchClient;
use tokio::runtime::Builder;
use tonic::transport::Endpoint;

const KV: &str = "grpc.Recv.etcdserverpb.KV";

/// A page that is there.
#[track_caller]
fn page(url: &str, path: &str) -> String {
    let answer = web::ask("GET", &format!("{url}{path}"), &[]).expect("it serves");
    assert_eq!(answer.status, 200, "{path}: {}", answer.body);
    assert_eq!(answer.header("content-type"), "text/html; charset=utf-8", "{path}");
    answer.body
}

#[test]
fn the_pages_are_there_with_all_lines_only() {
    let scene = Scene::new();
    let member = scene.start(&[]);
    for path in ["/debug/requests", "/debug/events"] {
        let answer = web::ask("GET", &format!("{}{path}", member.client_url), &[]);
        assert_eq!(answer.expect("it serves").status, 404, "{path}");
    }
}

#[test]
fn requests_are_shown_by_family_and_by_how_long_they_took() {
    let scene = Scene::new();
    let member = scene.start(&["--log-level=debug"]);
    let url = member.client_url.as_str();
    member.client().put("some key", "a value").expect("it serves");
    member.client().put("", "a value").expect_err("it has no key");
    let all = page(url, "/debug/requests");
    assert!(all.contains(KV), "{all}");
    let place = |place: i64| page(url, &format!("/debug/requests?fam={KV}&b={place}&exp=1"));
    // All that are over, and those that took very long.
    let over = place(0);
    assert!(over.contains("/etcdserverpb.KV/Put") && over.contains("127.0.0.1"), "{over}");
    assert!(!place(7).contains("/etcdserverpb.KV/Put"));
    let failed = place(8);
    assert!(failed.contains("etcdserver: key is not provided"), "{failed}");
    // A real etcd shows the whole requests, and none of their steps.
    if server_is_ours() {
        for text in ["some key", "Send raft proposal", "read_barrier"] {
            assert_eq!(over.contains(text), text != "read_barrier", "{text}: {over}");
        }
        assert!(!over.contains("a value"), "values are nobody's business: {over}");
        assert!(place(9).contains("2 requests"));
    }
    let nothing = page(url, "/debug/requests?fam=%3Cb%3Enone%3C/b%3E&b=0");
    assert!(!nothing.contains("<b>none"), "{nothing}");
    page(url, "/debug/requests?fam=x&b=y&exp=z");
}

#[test]
fn a_stream_under_way_is_shown_as_active() {
    let scene = Scene::new();
    let member = scene.start(&["--log-level=debug"]);
    let url = member.client_url.as_str();
    let runtime = Builder::new_current_thread().enable_all().build().expect("a runtime");
    let _watch = runtime.block_on(async {
        let create = pb::WatchCreateRequest { key: "k".into(), ..Default::default() };
        let create = pb::watch_request::RequestUnion::CreateRequest(create);
        let requests = tokio_stream::iter([pb::WatchRequest { request_union: Some(create) }]);
        let channel = Endpoint::from_shared(member.client_url.clone()).expect("a URL");
        let mut client = WatchClient::new(channel.connect().await.expect("it listens"));
        let mut watch = client.watch(requests).await.expect("it serves").into_inner();
        assert!(watch.message().await.expect("it goes on").is_some_and(|told| told.created));
        watch
    });
    let active = page(url, "/debug/requests?fam=grpc.Recv.etcdserverpb.Watch&b=-1&exp=1");
    assert!(active.contains("/etcdserverpb.Watch/Watch"), "{active}");
}

#[test]
fn events_are_shown_to_whoever_asks() {
    let scene = Scene::new();
    let member = scene.start(&["--log-level=debug"]);
    let url = member.client_url.as_str();
    let all = page(url, "/debug/events");
    assert!(all.contains("grpc.Server"), "{all}");
    let events = page(url, "/debug/events?fam=grpc.Server&b=0&exp=1");
    if server_is_ours() {
        assert!(events.contains("ready to serve client requests"), "{events}");
    }
    page(url, "/debug/events?fam=grpc.Server&b=100");
}
