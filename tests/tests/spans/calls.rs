//! What the span of each call and its steps say.

use crate::caller::Caller;
use crate::collector::{Collector, Seen};
use crate::start;
use etcd_proto::etcdserverpb as pb;
use etcd_tests::{Member, Scene, ports, web};
use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use std::fmt::Write as _;
use tonic::Code;

/// Steps that only this server tells of.
const OWN_STEPS: [&str; 3] = ["commit", "apply", "read_barrier"];
const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
/// The header by which gRPC's metadata comes with JSON.
const METADATA: &str = "Grpc-Metadata-traceparent";

/// Calls with spans of their own as parents, one after the other.
struct Told {
    collector: Collector,
    caller: Caller,
    calls: u64,
    member: Member,
}

impl Told {
    fn start(scene: &Scene) -> Told {
        let port = ports::free();
        let collector = Collector::listen(port);
        // Only what has a parent is sampled.
        let member = start(scene, port, 0);
        Told { collector, caller: Caller::new(&member.client_url), calls: 0, member }
    }

    /// What is told of one call and its steps; of the steps, those that etcd has.
    #[track_caller]
    fn check<T>(&mut self, call: impl FnOnce(&Caller) -> Result<T, Code>, expected: &str) {
        self.calls += 1;
        let parent = format!("{:016x}", self.calls);
        self.caller.within(TRACE, &parent, "01");
        let code = call(&self.caller).err();
        let call = self.collector.wait_for_child(&parent);
        assert_eq!((call.trace.as_str(), call.kind), (TRACE, SpanKind::Server), "{call:?}");
        assert_eq!(call.resource["service.name"], "the service");
        assert_eq!(call.resource["service.instance.id"], "the instance");
        assert_eq!(call.resource.len(), 2);
        let mut text = line(&call);
        // They have ended before their call.
        for step in self.collector.spans().iter().filter(|step| step.parent == call.id) {
            if !OWN_STEPS.contains(&step.name.as_str()) {
                assert_eq!(step.kind, SpanKind::Internal, "{step:?}");
                write!(text, "\n  {}", line(step)).expect("room");
            }
        }
        if let Some(code) = code {
            write!(text, "\n= {code:?}").expect("room");
        }
        assert_eq!(text, expected);
    }
}

/// A span as text, without what is the same of all calls or differs from run to run.
fn line(span: &Seen) -> String {
    let Seen { name, events, status, .. } = span;
    let mut attributes = span.attributes.clone();
    if span.kind == SpanKind::Server {
        assert_eq!(attributes.remove("rpc.system.name").as_deref(), Some("grpc"));
        assert_eq!(attributes.remove("rpc.method").as_ref(), Some(name));
        assert_eq!(attributes.remove("server.address").as_deref(), Some("127.0.0.1"));
        assert!(attributes.remove("server.port").is_some_and(|port| port.parse::<u16>().is_ok()));
    }
    let mut line = name.clone();
    for (name, value) in attributes {
        write!(line, " {name}={value}").expect("room");
    }
    if !events.is_empty() {
        write!(line, ": {}", events.join(", ")).expect("room");
    }
    if *status != 0 {
        write!(line, " status {status}").expect("room");
    }
    line
}

fn key(key: &'static str) -> pb::RangeRequest {
    pb::RangeRequest { key: key.into(), ..Default::default() }
}

fn put(key: &'static str, lease: i64) -> pb::RequestOp {
    let put = pb::PutRequest { key: key.into(), lease, ..Default::default() };
    pb::RequestOp { request: Some(pb::request_op::Request::RequestPut(put)) }
}

#[test]
fn reads_are_told_with_what_they_ask() {
    let scene = Scene::new();
    let mut told = Told::start(&scene);
    told.check(
        |caller| caller.range(key("k")),
        "etcdserverpb.KV/Range rpc.response.status_code=OK\n  \
         range count_only=false keys_only=false limit=0 range_begin=k range_end= rev=0",
    );
    let request = pb::RangeRequest { range_end: "z".into(), limit: 3, keys_only: true, ..key("k") };
    told.check(
        |caller| caller.range(pb::RangeRequest { serializable: true, ..request }),
        "etcdserverpb.KV/Range rpc.response.status_code=OK\n  \
         range count_only=false keys_only=true limit=3 range_begin=k range_end=z rev=0",
    );
    told.check(
        |caller| caller.range(pb::RangeRequest { revision: 1000, ..key("k") }),
        "etcdserverpb.KV/Range rpc.response.status_code=OUT_OF_RANGE\n  \
         range count_only=false keys_only=false limit=0 range_begin=k range_end= rev=1000\n\
         = OutOfRange",
    );
    told.check(
        |caller| caller.range_stream(key("k")),
        "etcdserverpb.KV/RangeStream rpc.response.status_code=OK\n  \
         range_streaming count_only=false limit=0 range_begin=k range_end= rev=0",
    );
    told.check(
        |caller| caller.txn(pb::TxnRequest::default()),
        "etcdserverpb.KV/Txn rpc.response.status_code=OK\n  \
         txn compare_first_key= compare_len=0 failure_len=0 read_only=true success_first_key= \
         success_first_lease=-1 success_first_type= success_len=0",
    );
}

#[test]
fn writes_are_told_with_what_they_change() {
    let scene = Scene::new();
    let mut told = Told::start(&scene);
    told.check(
        |caller| caller.put("k"),
        "etcdserverpb.KV/Put rpc.response.status_code=OK\n  \
         put key=k: Send raft proposal, Receive raft result",
    );
    told.check(
        |caller| caller.put(""),
        "etcdserverpb.KV/Put rpc.response.status_code=INVALID_ARGUMENT\n= InvalidArgument",
    );
    told.check(
        |caller| caller.put_bytes("k", 1_700_000),
        "etcdserverpb.KV/Put rpc.response.status_code=INVALID_ARGUMENT\n  \
         put key=k: exception\n= InvalidArgument",
    );
    let request = pb::TxnRequest {
        compare: vec![pb::Compare { key: "c".into(), ..Default::default() }],
        success: vec![put("p", 0)],
        failure: vec![put("f", 0), put("g", 0)],
    };
    told.check(
        |caller| caller.txn(request),
        "etcdserverpb.KV/Txn rpc.response.status_code=OK\n  \
         txn compare_first_key=c compare_len=1 failure_len=2 read_only=false success_first_key=p \
         success_first_lease=0 success_first_type=put success_len=1: \
         Send raft proposal, Receive raft result",
    );
    told.check(
        |caller| caller.delete("k", "l"),
        "etcdserverpb.KV/DeleteRange rpc.response.status_code=OK\n  \
         delete_range range_begin=k range_end=l: Send raft proposal, Receive raft result",
    );
    told.check(
        |caller| caller.compact(2),
        "etcdserverpb.KV/Compact rpc.response.status_code=OK\n  \
         compact is_physical=true rev=2: Send raft proposal, Receive raft result",
    );
    told.check(
        |caller| caller.compact(2),
        "etcdserverpb.KV/Compact rpc.response.status_code=OUT_OF_RANGE\n  \
         compact is_physical=true rev=2: Send raft proposal, Receive raft result\n\
         = OutOfRange",
    );
}

#[test]
fn leases_are_told_by_their_ids() {
    let scene = Scene::new();
    let mut told = Told::start(&scene);
    told.check(
        |caller| caller.grant(7, 600),
        "etcdserverpb.Lease/LeaseGrant rpc.response.status_code=OK\n  \
         lease_grant id=7 ttl=600: Send raft proposal, Receive raft result",
    );
    told.check(
        |caller| caller.renew(7),
        "etcdserverpb.Lease/LeaseKeepAlive rpc.response.status_code=OK\n  lease_renew id=7",
    );
    told.check(
        |caller| caller.time_to_live(7),
        "etcdserverpb.Lease/LeaseTimeToLive rpc.response.status_code=OK",
    );
    told.check(
        |caller| caller.revoke(7),
        "etcdserverpb.Lease/LeaseRevoke rpc.response.status_code=OK\n  \
         lease_revoke id=7: Send raft proposal, Receive raft result",
    );
    told.check(
        |caller| caller.revoke(7),
        "etcdserverpb.Lease/LeaseRevoke rpc.response.status_code=NOT_FOUND\n  \
         lease_revoke id=7: Send raft proposal, Receive raft result\n\
         = NotFound",
    );
}

#[test]
fn a_watcher_is_told_when_it_ends_and_its_call_after_it() {
    let scene = Scene::new();
    let mut told = Told::start(&scene);
    let Told { caller, collector, .. } = &mut told;
    caller.within(TRACE, "00000000000000ff", "01");
    let mut watching = caller.watch("a").expect("it serves");
    assert!(watching.create("", 0) && !watching.create("c", -1));
    watching.cancel(0);
    let step = |key: &str| {
        collector.wait("watch", |spans| {
            let is_it = |span: &&Seen| span.name == "watch" && span.attributes["key"] == key;
            spans.iter().find(is_it).cloned()
        })
    };
    let watch = step("a");
    assert_eq!(
        line(&watch),
        "watch fragment=false key=a prev_kv=false progress_notify=false range_end= start_rev=0"
    );
    assert_eq!(collector.spans().len(), 1, "the others go on");
    drop(watching);
    let call = collector.wait_for_child("00000000000000ff");
    assert_eq!(line(&call), "etcdserverpb.Watch/Watch rpc.response.status_code=CANCELLED");
    assert_eq!((step("a").parent, step("\0").parent), (call.id.clone(), call.id));
    let steps = collector.spans().iter().filter(|span| span.name == "watch").count();
    assert_eq!(steps, 2, "a watcher that was refused is none");
}

#[test]
fn what_a_lock_does_is_told_in_its_steps() {
    let scene = Scene::new();
    let mut told = Told::start(&scene);
    let Told { caller, collector, .. } = &mut told;
    caller.within(TRACE, "00000000000000ff", "01");
    caller.lock("l").expect("it serves");
    let call = collector.wait_for_child("00000000000000ff");
    assert_eq!(line(&call), "v3lockpb.Lock/Lock rpc.response.status_code=OK");
    let spans = collector.spans();
    let steps = spans.iter().filter(|span| span.parent == call.id);
    let names: Vec<&str> = steps.map(|span| span.name.as_str()).collect();
    assert!(names.starts_with(&["lease_grant", "txn"]), "{names:?}");
}

#[test]
fn of_a_method_that_nobody_knows_nothing_is_told() {
    let scene = Scene::new();
    let mut told = Told::start(&scene);
    let Told { caller, collector, .. } = &mut told;
    caller.within(TRACE, "00000000000000fe", "01");
    assert_eq!(caller.unknown(), Err(Code::Unimplemented));
    caller.within(TRACE, "00000000000000ff", "01");
    caller.put("k").expect("it serves");
    collector.wait_for_child("00000000000000ff");
    assert!(!collector.spans().iter().any(|span| span.parent == "00000000000000fe"));
}

#[test]
fn a_call_as_json_names_its_parent_among_grpcs_metadata_only() {
    let scene = Scene::new();
    let told = Told::start(&scene);
    for (header, key, parent) in [("traceparent", "YQ==", "aa"), (METADATA, "Yg==", "bb")] {
        let parent = format!("00-{TRACE}-00000000000000{parent}-01");
        let url = format!("{}/v3/kv/put", told.member.client_url);
        let body = format!("{{\"key\":\"{key}\"}}");
        let answer = web::send("POST", &url, &[(header, &parent)], body.as_bytes());
        assert_eq!(answer.map(|answer| answer.status), Some(200));
    }
    let call = told.collector.wait_for_child("00000000000000bb");
    assert_eq!((call.trace.as_str(), call.name.as_str()), (TRACE, "etcdserverpb.KV/Put"));
    assert!(!told.collector.spans().iter().any(|span| span.parent == "00000000000000aa"));
}
