//! A member tells the cluster who it is, and waits until it counts.

use std::time::Duration;

use bytes::Bytes;
use etcd_apply::Reply;
use etcd_membership::MemberId;
use etcd_proto::etcdserverpb::InternalRaftRequest;
use etcd_proto::membershippb::{Attributes, ClusterMemberAttrSetRequest};
use etcd_raft::Raft;
use prost::Message as _;
use tokio::time::Instant;

/// Proposes the member's name and client URLs until they are applied.
pub(crate) async fn attributes(
    raft: &Raft<Reply>,
    member: MemberId,
    name: String,
    client_urls: Vec<String>,
    attempt: Duration,
) {
    let request = InternalRaftRequest {
        cluster_member_attr_set: Some(ClusterMemberAttrSetRequest {
            member_id: member.0,
            member_attributes: Some(Attributes { name, client_urls }),
        }),
        ..InternalRaftRequest::default()
    };
    let command = Bytes::from(request.encode_to_vec());
    loop {
        match raft.propose(command.clone(), Instant::now() + attempt).await {
            Ok(Ok(_)) => {
                tracing::info!(local_member_id = %member, "published local member to cluster through raft");
                return;
            }
            Ok(Err(refusal)) => {
                tracing::warn!(%refusal, "failed to publish local member to cluster through raft");
            }
            Err(error) => {
                tracing::warn!(%error, "failed to publish local member to cluster through raft");
            }
        }
    }
}

/// Waits until a member that was added takes part in decisions. Whoever hears that it serves may
/// rely on it, and stop another one.
pub(crate) async fn vote(raft: &Raft<Reply>) {
    if raft.awaits_vote() {
        tracing::info!(
            "waiting for the vote, which a member that was added gets when it has caught up"
        );
        raft.vote_given().await;
    }
}
