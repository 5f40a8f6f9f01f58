//! gRPC's health service as a client meets it.

use std::time::Duration;

use etcd_proto::healthpb::health_check_response::ServingStatus;
use etcd_proto::healthpb::health_client::HealthClient;
use etcd_proto::healthpb::{HealthCheckRequest, HealthCheckResponse, HealthListRequest};
use tonic::{Code, Streaming};

use crate::harness::Harness;
use crate::{Defragmenting, Health, Services};

/// Longer than anything here takes.
const LIMIT: Duration = Duration::from_secs(20);

fn client(harness: &Harness) -> HealthClient<Services> {
    HealthClient::new(harness.router.clone())
}

fn of(service: &str) -> HealthCheckRequest {
    HealthCheckRequest { service: service.to_owned() }
}

async fn next(stream: &mut Streaming<HealthCheckResponse>) -> ServingStatus {
    let message = tokio::time::timeout(LIMIT, stream.message()).await.expect("in time");
    message.expect("it goes on").expect("a status").status()
}

#[tokio::test]
async fn the_server_serves_and_nothing_else_is_known() {
    let harness = Harness::alone().await;
    let checked = client(&harness).check(of("")).await.expect("a status").into_inner();
    assert_eq!(checked.status(), ServingStatus::Serving);
    let unknown = client(&harness).check(of("etcdserverpb.KV")).await.expect_err("refused");
    assert_eq!((unknown.code(), unknown.message()), (Code::NotFound, "unknown service"));
    let list = client(&harness).list(HealthListRequest {}).await.expect("a list").into_inner();
    let [(name, status)] = &list.statuses.into_iter().collect::<Vec<_>>()[..] else {
        panic!("one service")
    };
    assert_eq!((&name[..], status.status()), ("", ServingStatus::Serving));
}

#[tokio::test]
async fn a_watch_tells_of_every_defragmentation_and_ends_with_the_member() {
    let harness = Harness::alone().await;
    let mut known = client(&harness).watch(of("")).await.expect("a stream").into_inner();
    let mut unknown = client(&harness).watch(of("x")).await.expect("a stream").into_inner();
    assert_eq!(next(&mut known).await, ServingStatus::Serving);
    assert_eq!(next(&mut unknown).await, ServingStatus::ServiceUnknown);
    let defragmentation = harness.api.health.begin_defragmentation();
    assert_eq!(next(&mut known).await, ServingStatus::NotServing);
    let checked = client(&harness).check(of("")).await.expect("a status").into_inner();
    assert_eq!(checked.status(), ServingStatus::NotServing);
    drop(defragmentation);
    assert_eq!(next(&mut known).await, ServingStatus::Serving);
    harness.stopping.stop();
    for stream in [&mut known, &mut unknown] {
        let ended = stream.message().await.expect_err("it ends");
        assert_eq!(ended.code(), Code::Unavailable);
    }
}

#[tokio::test]
async fn without_the_gate_a_member_serves_while_it_defragments() {
    let health = Health::new(Defragmenting::Serving);
    let harness = Harness::alone().await;
    let mut api = harness.api.clone();
    api.health = health.clone();
    let mut client = HealthClient::new(crate::routes(api));
    let _defragmentation = health.begin_defragmentation();
    let checked = client.check(of("")).await.expect("a status").into_inner();
    assert_eq!(checked.status(), ServingStatus::Serving);
}
