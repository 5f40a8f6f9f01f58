//! The leader settles the version of the cluster: what all members can speak, or what a downgrade
//! aims at.

use std::time::Duration;

use bytes::Bytes;
use etcd_apply::{Reply, Version, Views};
use etcd_proto::etcdserverpb::InternalRaftRequest;
use etcd_proto::membershippb::{ClusterVersionSetRequest, DowngradeInfoSetRequest};
use etcd_raft::Raft;
use etcd_transport::Dialer;
use prost::Message as _;
use tokio::time::Instant;

use crate::version::{CLUSTER_VERSION, ETCD_VERSION, MIN_CLUSTER_VERSION};
use crate::{Error, peers};

/// How often the leader looks at the members' versions (etcd: 4 s).
const PACE: Duration = Duration::from_secs(4);
/// How long a member may take to tell its version.
const ANSWER_LIMIT: Duration = Duration::from_secs(1);

/// Settles the version while this member leads. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Versions {
    pub(crate) raft: Raft<Reply>,
    pub(crate) views: Views,
    pub(crate) dialer: Dialer,
    /// How long a command may take.
    pub(crate) attempt: Duration,
}

/// Data of a cluster that speaks a newer version may hold what this server does not understand.
///
/// # Errors
/// It is such data. Nothing was changed.
pub(crate) fn check(views: &Views) -> Result<(), Error> {
    let own = known(CLUSTER_VERSION);
    match views.cluster().version_number() {
        Some(version) if version > own => Err(Error::Data(format!(
            "invalid downgrade; server version is lower than determined cluster version: this \
             server speaks up to {own}, and the cluster that the data is of speaks {version}: \
             start it with the newer server, and enable the downgrade there"
        ))),
        _ => Ok(()),
    }
}

impl Versions {
    /// Brings the cluster version to what all members can speak, or down to where a downgrade aims.
    pub(crate) async fn settle(self) {
        let mut pace = tokio::time::interval(PACE);
        loop {
            pace.tick().await;
            if !self.raft.status().is_leader() {
                pace.reset_after(self.leader_poll());
                continue;
            }
            let Some(wanted) = self.wanted().await else { continue };
            let from = self.views.cluster().version_number();
            let from = from.map(Version::short);
            let cluster_version_set = Some(ClusterVersionSetRequest { ver: wanted.to_string() });
            let command = InternalRaftRequest { cluster_version_set, ..Default::default() };
            let to = wanted.short();
            match self.propose(&command).await {
                Ok(()) => tracing::info!(from, to, "updated cluster version"),
                Err(error) => tracing::warn!(error, to, "failed to update cluster version"),
            }
        }
    }

    /// Ends a downgrade once all members run the version that it aims at; looks every `period`, or
    /// never.
    pub(crate) async fn end_downgrade(self, period: Duration) {
        if period.is_zero() {
            return;
        }
        loop {
            tokio::time::sleep(period).await;
            let Some(target) = self.views.cluster().downgrade.target else { continue };
            if !self.raft.status().is_leader() || !is_reached(&self.of_members().await, target) {
                continue;
            }
            tracing::info!(cluster_version = %target, "the cluster has been downgraded");
            let ended = DowngradeInfoSetRequest { enabled: false, ver: String::new() };
            let command =
                InternalRaftRequest { downgrade_info_set: Some(ended), ..Default::default() };
            if let Err(error) = self.propose(&command).await {
                tracing::warn!(error, "failed to cancel downgrade");
            }
        }
    }

    /// A fresh cluster should not stay without a version for seconds after its first election.
    fn leader_poll(&self) -> Duration {
        match self.views.cluster().version {
            None => PACE / 40,
            Some(_) => PACE,
        }
    }

    /// The cluster version to set, when it is not the one that is set.
    async fn wanted(&self) -> Option<Version> {
        let cluster = self.views.cluster();
        let (set, target) = (cluster.version_number(), cluster.downgrade.target);
        let is_newest = target.is_none() && set == Some(known(CLUSTER_VERSION));
        if is_newest || set.is_some() && set == target || cluster.members.is_empty() {
            return None;
        }
        decide(set, lowest(&self.of_members().await), target)
    }

    /// The versions of all members' servers; none of those that cannot be asked.
    async fn of_members(&self) -> Vec<Option<Version>> {
        let own = self.raft.status().member;
        let mut versions = vec![Version::parse(ETCD_VERSION)];
        let cluster = self.views.cluster();
        for member in cluster.members.iter().filter(|member| member.id != own) {
            let version = peers::version(&self.dialer, member, ANSWER_LIMIT).await;
            versions.push(version.as_deref().and_then(Version::parse));
        }
        versions
    }

    async fn propose(&self, command: &InternalRaftRequest) -> Result<(), String> {
        let command = Bytes::from(command.encode_to_vec());
        match self.raft.propose(command, Instant::now() + self.attempt).await {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(refusal)) => Err(refusal.to_string()),
            Err(error) => Err(error.to_string()),
        }
    }
}

/// One of this program's own versions.
fn known(text: &str) -> Version {
    Version::parse(text).expect("this program's own versions are versions")
}

/// The lowest of all; none if one is not known.
fn lowest(versions: &[Option<Version>]) -> Option<Version> {
    versions.iter().copied().collect::<Option<Vec<_>>>()?.into_iter().min()
}

fn is_reached(versions: &[Option<Version>], target: Version) -> bool {
    versions.iter().all(|version| *version == Some(target))
}

/// What to set, given what is set, the lowest version of the members and a downgrade's target.
fn decide(
    set: Option<Version>,
    lowest: Option<Version>,
    target: Option<Version>,
) -> Option<Version> {
    let Some(set) = set else {
        // Some member cannot be asked: the lowest version that any of them may have.
        return Some(lowest.unwrap_or_else(|| known(MIN_CLUSTER_VERSION)));
    };
    let lowest = lowest?;
    match target {
        None => (set.major == lowest.major && set < lowest).then_some(lowest),
        Some(target) if target == set => None,
        Some(target) if [set, lowest].iter().all(|from| from.below() == Some(target)) => {
            Some(target)
        }
        Some(target) => {
            tracing::error!(%target, %set, %lowest, "cannot downgrade to the target version");
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn version(text: &str) -> Option<Version> {
        Version::parse(text)
    }

    #[track_caller]
    fn check(set: &str, lowest: &str, target: &str, expected: &str) {
        let decided = decide(version(set), version(lowest), version(target));
        assert_eq!(decided, version(expected), "{set:?} {lowest:?} {target:?}");
    }

    #[test]
    fn a_cluster_speaks_what_all_its_members_can() {
        check("", "3.7.1", "", "3.7.0");
        check("", "3.6.2", "", "3.6.0");
        check("", "", "", "3.0.0");
        check("3.0.0", "", "", "");
        check("3.0.0", "3.7.1", "", "3.7.0");
        check("3.6.0", "3.7.1", "", "3.7.0");
        check("3.7.0", "3.7.1", "", "");
        check("3.7.0", "3.6.1", "", "");
        check("3.7.0", "4.0.0", "", "");
    }

    #[test]
    fn a_downgrade_goes_one_version_down_and_stays_there() {
        check("3.7.0", "3.7.1", "3.6.0", "3.6.0");
        check("3.6.0", "3.7.1", "3.6.0", "");
        check("3.6.0", "3.6.1", "3.6.0", "");
        check("3.7.0", "", "3.6.0", "");
        check("3.7.0", "3.6.1", "3.6.0", "");
        check("3.7.0", "3.7.1", "3.5.0", "");
    }

    #[test]
    fn a_downgrade_ends_when_all_members_run_its_target() {
        let target = version("3.6.0").expect("a version");
        let of = |texts: &[&str]| texts.iter().map(|text| version(text)).collect::<Vec<_>>();
        assert!(is_reached(&of(&["3.6.1", "3.6.0"]), target));
        assert!(!is_reached(&of(&["3.6.1", "3.7.1"]), target));
        assert!(!is_reached(&of(&["3.6.1", ""]), target));
        assert_eq!(lowest(&of(&["3.7.1", "3.6.1", "3.10.0"])), version("3.6.0"));
        assert_eq!(lowest(&of(&["3.7.1", ""])), None);
    }
}
