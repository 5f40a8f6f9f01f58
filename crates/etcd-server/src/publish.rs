//! A member tells the cluster its name and client URLs, and the leader settles the cluster version.

use std::time::Duration;

use bytes::Bytes;
use etcd_apply::{Reply, Views};
use etcd_membership::MemberId;
use etcd_proto::etcdserverpb::InternalRaftRequest;
use etcd_proto::membershippb::{Attributes, ClusterMemberAttrSetRequest, ClusterVersionSetRequest};
use etcd_raft::Raft;
use etcd_transport::Dialer;
use prost::Message as _;
use tokio::time::Instant;

use crate::peers;
use crate::version::{CLUSTER_VERSION, ETCD_VERSION, MIN_CLUSTER_VERSION};

/// How often the leader looks at the members' versions (etcd: 4 s).
const VERSION_PACE: Duration = Duration::from_secs(4);
/// How long a member may take to tell its version.
const VERSION_LIMIT: Duration = Duration::from_secs(1);

/// Proposes the member's attributes until they are applied.
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

/// While this member leads: brings the cluster version to what all members can speak.
pub(crate) async fn cluster_version(
    raft: Raft<Reply>,
    views: Views,
    dialer: Dialer,
    attempt: Duration,
) {
    let mut pace = tokio::time::interval(VERSION_PACE);
    loop {
        pace.tick().await;
        if !raft.status().is_leader() {
            pace.reset_after(leader_poll(&views));
            continue;
        }
        let Some(wanted) = wanted_version(&raft, &views, &dialer).await else { continue };
        let request = InternalRaftRequest {
            cluster_version_set: Some(ClusterVersionSetRequest { ver: wanted.clone() }),
            ..InternalRaftRequest::default()
        };
        let command = Bytes::from(request.encode_to_vec());
        match raft.propose(command, Instant::now() + attempt).await {
            Ok(_) => tracing::info!(cluster_version = wanted, "updated cluster version"),
            Err(error) => tracing::warn!(%error, "failed to update cluster version"),
        }
    }
}

/// A fresh cluster should not stay without a version for seconds after its first election.
fn leader_poll(views: &Views) -> Duration {
    match views.cluster().version {
        None => VERSION_PACE / 40,
        Some(_) => VERSION_PACE,
    }
}

/// The cluster version to set, when it is not the one that is set.
async fn wanted_version(raft: &Raft<Reply>, views: &Views, dialer: &Dialer) -> Option<String> {
    let cluster = views.cluster();
    if cluster.version.as_deref() == Some(CLUSTER_VERSION) || cluster.members.is_empty() {
        return None;
    }
    let own = raft.status().member;
    let mut lowest = minor(ETCD_VERSION);
    let mut all_known = true;
    for member in cluster.members.iter().filter(|member| member.id != own) {
        match peers::version(dialer, member, VERSION_LIMIT).await {
            Some(version) => lowest = lowest.min(minor(&version)),
            None => all_known = false,
        }
    }
    let wanted = match (all_known, &cluster.version) {
        (true, _) => format!("{}.{}.0", lowest.0, lowest.1),
        // Some member cannot be asked: the lowest version that any of them may have.
        (false, None) => MIN_CLUSTER_VERSION.to_owned(),
        (false, Some(_)) => return None,
    };
    let higher = cluster.version.as_ref().is_none_or(|set| minor(&wanted) > minor(set));
    higher.then_some(wanted)
}

/// Major and minor number of a version text; 0.0 for what is none.
fn minor(version: &str) -> (u32, u32) {
    let mut numbers = version.split('.').map(|number| number.parse().unwrap_or(0));
    (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::minor;

    #[test]
    fn versions_compare_by_major_and_minor_number() {
        assert!(minor("3.10.0") > minor("3.7.1"));
        assert_eq!(minor("3.7.1"), minor("3.7.0"));
        assert_eq!(minor("nonsense"), (0, 0));
    }
}
