//! gRPC's health service: what load balancers and Kubernetes hear of a member.

use etcd_proto::etcdserverpb as pb;
use etcd_proto::etcdserverpb::alarm_request::AlarmAction;
use etcd_proto::etcdserverpb::maintenance_client::MaintenanceClient;
use etcd_proto::healthpb::health_check_response::ServingStatus;
use etcd_proto::healthpb::health_client::HealthClient;
use etcd_proto::healthpb::{HealthCheckRequest, HealthCheckResponse, HealthListRequest};
use etcd_tests::{Cluster, Member, Plan, Scene, Signal};
use std::time::Duration;
use tokio::runtime::{Builder, Runtime};
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Status, Streaming};

/// Longer than anything here takes.
const LIMIT: Duration = Duration::from_secs(30);
/// How long a stream is watched that must not say anything.
const A_WHILE: Duration = Duration::from_millis(300);

/// Somebody who asks a member for its health.
struct Asker {
    runtime: Runtime,
    channel: Channel,
}

impl Asker {
    fn of(member: &Member) -> Asker {
        let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build();
        let runtime = runtime.expect("a runtime");
        let endpoint = Endpoint::from_shared(member.client_url.clone()).expect("a URL");
        let guard = runtime.enter();
        let channel = endpoint.connect_lazy();
        drop(guard);
        Asker { runtime, channel }
    }

    fn check(&self, service: &str) -> Result<ServingStatus, Status> {
        let mut client = HealthClient::new(self.channel.clone());
        let answer = self.runtime.block_on(client.check(of(service)))?;
        Ok(answer.into_inner().status())
    }

    fn watch(&self, service: &str) -> Streaming<HealthCheckResponse> {
        let mut client = HealthClient::new(self.channel.clone());
        self.runtime.block_on(client.watch(of(service))).expect("a stream").into_inner()
    }

    /// The next status of a stream, or none within this time.
    fn next(
        &self,
        stream: &mut Streaming<HealthCheckResponse>,
        limit: Duration,
    ) -> Option<ServingStatus> {
        let message = async { tokio::time::timeout(limit, stream.message()).await };
        let message = self.runtime.block_on(message).ok()?;
        Some(message.expect("it goes on").expect("a status").status())
    }

    fn defragment(&self) {
        let mut client = MaintenanceClient::new(self.channel.clone());
        let defragmented = self.runtime.block_on(client.defragment(pb::DefragmentRequest {}));
        defragmented.expect("it is done");
    }
}

fn of(service: &str) -> HealthCheckRequest {
    HealthCheckRequest { service: service.to_owned() }
}

#[test]
fn a_member_serves_as_a_whole_and_its_services_are_not_named() {
    let scene = Scene::new();
    let member = scene.start(&[]);
    let asker = Asker::of(&member);
    assert_eq!(asker.check("").expect("a status"), ServingStatus::Serving);
    for service in ["etcdserverpb.KV", "grpc.health.v1.Health", "x"] {
        let refused = asker.check(service).expect_err("refused");
        assert_eq!((refused.code(), refused.message()), (Code::NotFound, "unknown service"));
        let mut stream = asker.watch(service);
        assert_eq!(asker.next(&mut stream, LIMIT), Some(ServingStatus::ServiceUnknown));
        assert_eq!(asker.next(&mut stream, A_WHILE), None);
    }
    let mut client = HealthClient::new(asker.channel.clone());
    let list = asker.runtime.block_on(client.list(HealthListRequest {})).expect("a list");
    let statuses = list.into_inner().statuses;
    let listed = statuses.iter().map(|(name, status)| (&name[..], status.status()));
    assert_eq!(listed.collect::<Vec<_>>(), [("", ServingStatus::Serving)]);
}

#[test]
fn alarms_are_no_concern_of_it() {
    let scene = Scene::new();
    let member = scene.start(&[]);
    let asker = Asker::of(&member);
    for alarm in [pb::AlarmType::Nospace, pb::AlarmType::Corrupt] {
        let action = AlarmAction::Activate as i32;
        let request = pb::AlarmRequest { action, member_id: 1, alarm: alarm as i32 };
        member.client().alarm(request).expect("alarms are changed at any time");
        assert_eq!(asker.check("").expect("a status"), ServingStatus::Serving, "{alarm:?}");
    }
}

#[test]
fn a_lost_quorum_is_no_concern_of_it() {
    let mut cluster = Cluster::start(&Plan::loopback(3));
    for lost in [1, 2] {
        cluster.members[lost].end(Signal::KILL);
    }
    let member = &cluster.members[0];
    member.client().put("k", "v").expect_err("there is no quorum");
    assert_eq!(Asker::of(member).check("").expect("a status"), ServingStatus::Serving);
}

/// Enough for a defragmentation that cannot be overlooked.
fn fill(member: &Member) {
    let client = member.client();
    let value = "v".repeat(500_000);
    for number in 0..40 {
        client.put(&format!("k{number}"), &value).expect("a put");
    }
}

#[test]
fn a_member_does_not_serve_while_it_defragments_if_that_is_wanted() {
    let scene = Scene::new();
    let member = scene.start(&["--feature-gates=StopGRPCServiceOnDefrag=true"]);
    fill(&member);
    let asker = Asker::of(&member);
    let mut stream = asker.watch("");
    assert_eq!(asker.next(&mut stream, LIMIT), Some(ServingStatus::Serving));
    asker.defragment();
    assert_eq!(asker.next(&mut stream, LIMIT), Some(ServingStatus::NotServing));
    assert_eq!(asker.next(&mut stream, LIMIT), Some(ServingStatus::Serving));
    assert_eq!(asker.check("").expect("a status"), ServingStatus::Serving);
}

#[test]
fn a_member_serves_while_it_defragments_if_nothing_else_is_wanted() {
    let scene = Scene::new();
    let member = scene.start(&[]);
    fill(&member);
    let asker = Asker::of(&member);
    let mut stream = asker.watch("");
    assert_eq!(asker.next(&mut stream, LIMIT), Some(ServingStatus::Serving));
    asker.defragment();
    assert_eq!(asker.next(&mut stream, A_WHILE), None);
}
