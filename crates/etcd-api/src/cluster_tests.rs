//! The service Cluster: members are added, moved, promoted and removed.

use std::time::Duration;

use etcd_membership::MemberId;
use etcd_proto::etcdserverpb::{
    AuthEnableRequest, AuthRoleAddRequest, AuthUserAddRequest, AuthUserGrantRoleRequest,
    InternalRaftRequest, MemberAddRequest, MemberAddResponse, MemberPromoteRequest,
    MemberRemoveRequest, MemberUpdateRequest,
};
use etcd_proto::membershippb::{Attributes, ClusterMemberAttrSetRequest};
use prost::Message as _;
use tokio::time::Instant;
use tonic::{Code, Response, Status};

use crate::harness::{Harness, MEMBER};

const NOT_ENOUGH: &str = "etcdserver: re-configuration failed due to not enough started members";
const NOT_FOUND: &str = "etcdserver: member not found";

fn addition(url: &str, is_learner: bool) -> MemberAddRequest {
    MemberAddRequest { peer_urls: vec![url.to_owned()], is_learner }
}

/// The only member tells its name, and counts as started.
async fn publish(harness: &Harness) {
    let attributes = Attributes { name: "one".to_owned(), client_urls: Vec::new() };
    let publish =
        ClusterMemberAttrSetRequest { member_id: MEMBER.0, member_attributes: Some(attributes) };
    let command =
        InternalRaftRequest { cluster_member_attr_set: Some(publish), ..Default::default() };
    let deadline = Instant::now() + Duration::from_secs(10);
    let reply = harness.raft.propose(command.encode_to_vec().into(), deadline).await;
    reply.expect("a leader").expect("done");
}

async fn add(
    harness: &Harness,
    url: &str,
    is_learner: bool,
) -> Result<Response<MemberAddResponse>, Status> {
    harness.cluster().member_add(addition(url, is_learner)).await
}

#[track_caller]
fn check<T: std::fmt::Debug>(answer: Result<T, Status>, code: Code, text: &str) {
    let status = answer.expect_err("a refusal");
    assert_eq!((status.code(), status.message()), (code, text));
}

#[tokio::test]
async fn a_learner_comes_moves_and_goes() {
    let harness = Harness::alone().await;
    publish(&harness).await;
    let added = add(&harness, "http://b:1", true).await.expect("added").into_inner();
    let header = added.header.expect("a header");
    assert_eq!((header.revision, header.member_id), (0, MEMBER.0));
    let member = added.member.expect("the new one");
    assert!(member.is_learner && member.name.is_empty() && member.client_urls.is_empty());
    assert_eq!(added.members.len(), 2);
    assert!(added.members.is_sorted_by_key(|member| member.id));

    let text = "etcdserver: too many learner members in cluster";
    check(add(&harness, "http://c:1", true).await, Code::FailedPrecondition, text);
    let text = "etcdserver: Peer URLs already exists";
    check(add(&harness, "http://localhost:2380", true).await, Code::FailedPrecondition, text);

    let peer_urls = vec!["whatever".to_owned()];
    let moved = MemberUpdateRequest { id: member.id, peer_urls: peer_urls.clone() };
    let moved = harness.cluster().member_update(moved).await.expect("moved").into_inner();
    let there = moved.members.iter().find(|other| other.id == member.id).expect("it is there");
    assert_eq!((&there.peer_urls, there.is_learner), (&peer_urls, true));

    let text = "etcdserver: can only promote a learner member which is in sync with leader";
    let promoted = harness.cluster().member_promote(MemberPromoteRequest { id: member.id }).await;
    check(promoted, Code::FailedPrecondition, text);

    let gone = MemberRemoveRequest { id: member.id };
    let removed = harness.cluster().member_remove(gone).await.expect("removed").into_inner();
    assert_eq!(removed.members.len(), 1);
    assert!(harness.views.cluster().members.is_removed(MemberId(member.id)));
    check(harness.cluster().member_remove(gone).await, Code::NotFound, NOT_FOUND);
}

#[tokio::test]
async fn what_could_cost_the_quorum_is_refused() {
    let harness = Harness::alone().await;
    // The only member has not told its name yet: it does not count as started.
    check(add(&harness, "http://b:1", false).await, Code::Unknown, NOT_ENOUGH);
    publish(&harness).await;
    add(&harness, "http://b:1", false).await.expect("one may grow to two");
    check(add(&harness, "http://c:1", false).await, Code::Unknown, NOT_ENOUGH);
    let own = harness.cluster().member_remove(MemberRemoveRequest { id: MEMBER.0 }).await;
    check(own, Code::Unknown, NOT_ENOUGH);
}

#[tokio::test]
async fn urls_are_looked_at_before_anything_else_of_an_addition() {
    let harness = Harness::alone().await;
    let text = "etcdserver: given member URLs are invalid";
    check(add(&harness, "b:1", false).await, Code::InvalidArgument, text);
    check(add(&harness, "http://b:1/path", true).await, Code::InvalidArgument, text);
    enable_auth(&harness).await;
    check(add(&harness, "b:1", false).await, Code::InvalidArgument, text);
    let text = "etcdserver: user name is empty";
    check(add(&harness, "http://b:1", true).await, Code::InvalidArgument, text);
    // Whoever may not change members learns nothing of them.
    let mut cluster = harness.cluster();
    let removed = cluster.member_remove(MemberRemoveRequest { id: 1 }).await;
    check(removed, Code::InvalidArgument, text);
    let moved = cluster.member_update(MemberUpdateRequest { id: 1, peer_urls: Vec::new() }).await;
    check(moved, Code::InvalidArgument, text);
    let promoted = cluster.member_promote(MemberPromoteRequest { id: 1 }).await;
    check(promoted, Code::InvalidArgument, text);
}

async fn enable_auth(harness: &Harness) {
    let mut auth = harness.auth();
    let (name, password) = ("root".to_owned(), "secret".to_owned());
    let user = AuthUserAddRequest { name: name.clone(), password, ..Default::default() };
    auth.user_add(user).await.expect("a user");
    auth.role_add(AuthRoleAddRequest { name: name.clone() }).await.expect("a role");
    let grant = AuthUserGrantRoleRequest { user: name.clone(), role: name };
    auth.user_grant_role(grant).await.expect("granted");
    auth.auth_enable(AuthEnableRequest {}).await.expect("enabled");
}

#[tokio::test]
async fn promotions_that_fail_are_counted_by_their_reason() {
    let harness = Harness::alone().await;
    publish(&harness).await;
    crate::Metrics::show(&harness.registry, &harness.api, Vec::new());
    let mut cluster = harness.cluster();
    for (id, code, text) in [
        (1, Code::NotFound, NOT_FOUND),
        (2, Code::NotFound, NOT_FOUND),
        (MEMBER.0, Code::FailedPrecondition, "etcdserver: can only promote a learner member"),
    ] {
        check(cluster.member_promote(MemberPromoteRequest { id }).await, code, text);
    }
    let families = harness.registry.gather();
    let name = "etcd_server_learner_promote_failures";
    let family = families.iter().find(|family| family.name() == name).expect("there are some");
    let failures: Vec<_> = family
        .get_metric()
        .iter()
        .map(|metric| (metric.get_label()[0].value(), metric.get_counter().get_value()))
        .collect();
    let expected =
        [("membership: ID not found", 2.0), ("membership: can only promote a learner member", 1.0)];
    assert_eq!(failures, expected);
}
