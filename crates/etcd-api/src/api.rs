//! What the services need, in one place.

use etcd_apply::{Reply, Views};
use etcd_membership::{ClusterId, MemberId};
use etcd_proto::etcdserverpb::ResponseHeader;
use etcd_raft::Raft;
use etcd_spans::Spans;

use crate::{Alarming, Authentication, Health, Leases, Limits, Metrics, Reconfiguration, Stopping};

/// A member as its clients reach it.
#[derive(Clone)]
pub struct Api {
    /// Where commands and read barriers go.
    pub raft: Raft<Reply>,
    /// What this member has applied.
    pub views: Views,
    /// The cluster, for headers.
    pub cluster_id: ClusterId,
    /// This member, for headers.
    pub member_id: MemberId,
    /// What a client may ask.
    pub limits: Limits,
    /// What this member says of itself.
    pub versions: Versions,
    /// How clients prove who they are.
    pub authentication: Authentication,
    /// Its part in leases.
    pub leases: Leases,
    /// How it deals with changes of the members.
    pub reconfiguration: Reconfiguration,
    /// Its turns at raising alarms.
    pub alarming: Alarming,
    /// What it says of its health.
    pub health: Health,
    /// Where its calls are counted.
    pub metrics: Metrics,
    /// Where its requests are looked at, if somebody wants to.
    pub spans: Option<Spans>,
    /// Set when the member ends.
    pub stopping: Stopping,
}

/// Versions as clients see them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Versions {
    /// Of the server, as "3.7.1".
    pub server: &'static str,
}

impl std::fmt::Debug for Api {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Api")
            .field("cluster_id", &self.cluster_id)
            .field("member_id", &self.member_id)
            .field("limits", &self.limits)
            .finish_non_exhaustive()
    }
}

impl Api {
    /// The header of an answer at `revision`. Its term is that of the last applied entry, not
    /// raft's current one.
    pub(crate) fn header(&self, revision: i64) -> ResponseHeader {
        ResponseHeader {
            cluster_id: self.cluster_id.0,
            member_id: self.member_id.0,
            revision,
            raft_term: self.views.applied().term,
        }
    }

    /// Completes the header that came with an answer from below: it knows the revision only.
    pub(crate) fn complete(&self, header: Option<ResponseHeader>) -> Option<ResponseHeader> {
        let revision = match header {
            Some(ResponseHeader { revision, .. }) if revision != 0 => revision,
            _ => self.views.mvcc.revision(),
        };
        Some(self.header(revision))
    }

    /// Whether this member is known to the cluster as one without a vote.
    pub(crate) fn is_learner(&self) -> bool {
        self.views.is_learner(self.member_id)
    }
}
