//! Downgrade as an administrator meets it.

use std::time::Duration;

use etcd_proto::etcdserverpb::downgrade_request::DowngradeAction;
use etcd_proto::etcdserverpb::{
    DowngradeInfo, DowngradeRequest, InternalRaftRequest, StatusRequest,
};
use etcd_proto::membershippb::ClusterVersionSetRequest;
use prost::Message as _;
use tokio::time::Instant;
use tonic::{Code, Status};

use crate::harness::Harness;

async fn ask(harness: &Harness, action: i32, version: &str) -> Result<String, Status> {
    let request = DowngradeRequest { action, version: version.to_owned() };
    let response = harness.maintenance().downgrade(request).await?.into_inner();
    let header = response.header.expect("a header");
    assert_eq!(header.revision, harness.views.mvcc.revision());
    Ok(response.version)
}

async fn check(harness: &Harness, action: DowngradeAction, version: &str, expected: &str) {
    let answer = match ask(harness, action as i32, version).await {
        Ok(version) => version,
        Err(status) => format!("{:?}: {}", status.code(), status.message()),
    };
    assert_eq!(answer, expected, "{action:?} {version:?}");
}

async fn set_version(harness: &Harness, version: &str) {
    let cluster_version_set = Some(ClusterVersionSetRequest { ver: version.to_owned() });
    let command = InternalRaftRequest { cluster_version_set, ..Default::default() };
    let deadline = Instant::now() + Duration::from_secs(60);
    let applied = harness.raft.propose(command.encode_to_vec().into(), deadline).await;
    applied.expect("applied").expect("accepted");
}

async fn status(harness: &Harness) -> (String, DowngradeInfo) {
    let status = harness.maintenance().status(StatusRequest {}).await.expect("a status");
    let status = status.into_inner();
    (status.storage_version, status.downgrade_info.expect("it is always there"))
}

const FORMAT: &str = "InvalidArgument: etcdserver: wrong downgrade target version format";
const TARGET: &str = "InvalidArgument: etcdserver: invalid downgrade target version";
const IN_PROCESS: &str = "FailedPrecondition: etcdserver: cluster has a downgrade job in progress";
const UNAVAILABLE: &str =
    "FailedPrecondition: etcdserver: cluster version not found during downgrade";

#[tokio::test]
async fn one_minor_version_down_and_back() {
    use DowngradeAction::{Cancel, Enable, Validate};
    let harness = Harness::alone().await;
    check(&harness, Validate, "3.6", UNAVAILABLE).await;
    check(&harness, Enable, "3.6", UNAVAILABLE).await;
    check(&harness, Validate, "", FORMAT).await;
    set_version(&harness, "3.7.0").await;
    for action in [Validate, Enable] {
        check(&harness, action, "3", FORMAT).await;
        for version in ["3.5", "3.7", "3.8", "2.6"] {
            check(&harness, action, version, TARGET).await;
        }
    }
    check(&harness, Validate, "3.6.4", "3.7").await;
    assert_eq!(status(&harness).await, ("3.7.0".to_owned(), DowngradeInfo::default()));
    check(&harness, Enable, "3.6", "3.7").await;
    let enabled = DowngradeInfo { enabled: true, target_version: "3.6.0".to_owned() };
    assert_eq!(status(&harness).await, ("3.7.0".to_owned(), enabled.clone()));
    check(&harness, Validate, "3.6", IN_PROCESS).await;
    check(&harness, Enable, "3.6", IN_PROCESS).await;
    check(&harness, Validate, "3.5", TARGET).await;
    set_version(&harness, "3.6.0").await;
    assert_eq!(status(&harness).await, ("3.6.0".to_owned(), enabled));
    check(&harness, Validate, "3.5", IN_PROCESS).await;
    check(&harness, Cancel, "", "3.6").await;
    assert_eq!(status(&harness).await, ("3.6.0".to_owned(), DowngradeInfo::default()));
    // Whoever cancels what is not there hears nothing of it.
    check(&harness, Cancel, "x", "3.6").await;
}

#[tokio::test]
async fn other_actions_are_unknown() {
    let harness = Harness::alone().await;
    let refused = ask(&harness, 3, "3.6").await.expect_err("refused");
    assert_eq!((refused.code(), refused.message()), (Code::Unknown, "etcdserver: unknown method"));
}
