//! OpenTelemetry: which spans a collector gets of which calls.

mod caller;
mod collector;
mod calls;

use caller::Caller;
use collector::{Collector, Seen};
use etcd_tests::process::server_is_ours;
use etcd_tests::{Member, Scene, Signal, ports};
use std::net::TcpListener;
use std::time::{Duration, Instant};

/// How often a member exports, in milliseconds, where a test does not want to wait.
const DELAY: &str = "100";
/// Trace and span of a caller.
const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
const SPAN: &str = "b7ad6b7169203331";

/// A member that exports to a collector on this port.
fn member(scene: &Scene, port: u16, samples_per_million: u32) -> Member {
    let mut member = scene.member(&[
        "--enable-distributed-tracing",
        &format!("--distributed-tracing-address=127.0.0.1:{port}"),
        &format!("--distributed-tracing-sampling-rate={samples_per_million}"),
        "--distributed-tracing-service-name=the service",
        "--distributed-tracing-instance-id=the instance",
    ]);
    member.environment.push(("OTEL_BSP_SCHEDULE_DELAY".to_owned(), DELAY.to_owned()));
    member
}

fn start(scene: &Scene, port: u16, samples_per_million: u32) -> Member {
    let mut member = member(scene, port, samples_per_million);
    member.start();
    member.wait_until_ready();
    member
}

/// Finds the span of a put of this key.
fn put_of(spans: &[Seen], key: &str) -> Option<Seen> {
    let is_it = |span: &&Seen| span.name == "put" && span.attributes["key"] == key;
    let put = spans.iter().find(is_it)?;
    spans.iter().find(|span| span.id == put.parent).cloned()
}

#[test]
fn a_sampled_caller_is_followed_and_another_is_not() {
    let scene = Scene::new();
    let port = ports::free();
    let collector = Collector::listen(port);
    let member = start(&scene, port, 0);
    let mut caller = Caller::new(&member.client_url);
    caller.put("of nobody").expect("it serves");
    caller.within(TRACE, SPAN, "00");
    caller.put("unsampled").expect("it serves");
    caller.within(TRACE, "nonsense", "01");
    caller.put("senseless").expect("it serves");
    caller.within(TRACE, SPAN, "01");
    caller.state = Some("vendor=opaque,other=1");
    caller.put("sampled").expect("it serves");
    let call = collector.wait_for_child(SPAN);
    assert_eq!((call.trace.as_str(), call.name.as_str()), (TRACE, "etcdserverpb.KV/Put"));
    assert_eq!(call.state, "vendor=opaque,other=1");
    for span in collector.spans() {
        assert_eq!(span.trace, TRACE, "{span:?}");
    }
    for key in ["of nobody", "unsampled", "senseless"] {
        assert!(put_of(&collector.spans(), key).is_none(), "{key}");
    }
}

#[test]
fn all_are_followed_but_those_whose_caller_is_not() {
    let scene = Scene::new();
    let port = ports::free();
    let collector = Collector::listen(port);
    let member = start(&scene, port, 1_000_000);
    let mut caller = Caller::new(&member.client_url);
    caller.within(TRACE, SPAN, "00");
    caller.put("unsampled").expect("it serves");
    caller.parent = None;
    caller.put("of nobody").expect("it serves");
    let call = collector.wait("put of nobody", |spans| put_of(spans, "of nobody"));
    assert_eq!(call.parent, "");
    assert!(call.trace != TRACE && call.trace.len() == 32, "{call:?}");
    assert!(put_of(&collector.spans(), "unsampled").is_none());
}

#[test]
fn what_waits_is_exported_before_the_end() {
    let scene = Scene::new();
    let port = ports::free();
    let collector = Collector::listen(port);
    let mut member = member(&scene, port, 1_000_000);
    member.environment = vec![("OTEL_BSP_SCHEDULE_DELAY".to_owned(), "3600000".to_owned())];
    member.start();
    member.wait_until_ready();
    Caller::new(&member.client_url).put("the last").expect("it serves");
    assert!(put_of(&collector.spans(), "the last").is_none(), "it waits");
    member.end(Signal::TERM);
    collector.wait("last put", |spans| put_of(spans, "the last"));
}

#[test]
fn a_collector_that_is_away_harms_no_request() {
    let scene = Scene::new();
    let mut member = start(&scene, ports::free(), 1_000_000);
    let caller = Caller::new(&member.client_url);
    for number in 0..3000 {
        caller.put(&format!("key {number}")).expect("it serves");
    }
    // A real etcd tries to export the rest for half a minute.
    if server_is_ours() {
        let begun = Instant::now();
        member.end(Signal::TERM);
        assert!(begun.elapsed() < Duration::from_secs(3), "{:?}", begun.elapsed());
    }
}

#[test]
fn a_collector_that_never_answers_harms_no_request() {
    let scene = Scene::new();
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let port = listener.local_addr().expect("it listens").port();
    let mut member = start(&scene, port, 1_000_000);
    let caller = Caller::new(&member.client_url);
    let (_connection, _) = (0..)
        .find_map(|number| {
            caller.put(&format!("key {number}")).expect("it serves");
            listener.set_nonblocking(true).expect("a listener");
            listener.accept().ok()
        })
        .expect("it is dialled");
    caller.put("k").expect("it serves");
    if server_is_ours() {
        let begun = Instant::now();
        member.end(Signal::TERM);
        assert!(begun.elapsed() < Duration::from_secs(3), "{:?}", begun.elapsed());
    }
}

#[test]
fn a_collector_may_go_and_come_back() {
    let scene = Scene::new();
    let port = ports::free();
    let member = start(&scene, port, 1_000_000);
    let caller = Caller::new(&member.client_url);
    for key in ["before", "between", "after"] {
        let collector = Collector::listen(port);
        caller.put(key).expect("it serves");
        collector.wait(key, |spans| put_of(spans, key));
        drop(collector);
        caller.put("nobody listens").expect("it serves");
        if server_is_ours() && key == "before" {
            member.process().wait_for_line("spans cannot be exported", Duration::from_secs(20));
        }
    }
}

#[test]
fn the_way_of_a_command_and_of_a_read_is_told_in_steps() {
    if !server_is_ours() {
        return;
    }
    let scene = Scene::new();
    let port = ports::free();
    let collector = Collector::listen(port);
    let member = start(&scene, port, 1_000_000);
    let caller = Caller::new(&member.client_url);
    caller.put("k").expect("it serves");
    let steps = |name: &'static str| {
        collector.wait(name, |spans| {
            let step = spans.iter().find(|span| span.name == name)?;
            let parent = spans.iter().find(|span| span.id == step.parent)?;
            Some((step.clone(), parent.clone()))
        })
    };
    let ((commit, of_commit), (apply, of_apply)) = (steps("commit"), steps("apply"));
    assert_eq!((of_commit.name.as_str(), of_apply.name.as_str()), ("put", "put"));
    let times = [of_commit.nanos.0, commit.nanos.0, commit.nanos.1, apply.nanos.1];
    assert!(times.is_sorted() && apply.nanos.1 <= of_apply.nanos.1, "{times:?}");
    assert_eq!(commit.nanos.1, apply.nanos.0);
    caller.range(Default::default()).expect_err("no key");
    let request = etcd_proto::etcdserverpb::RangeRequest { key: "k".into(), ..Default::default() };
    caller.range(request).expect("it serves");
    assert_eq!(steps("read_barrier").1.name, "range");
}
