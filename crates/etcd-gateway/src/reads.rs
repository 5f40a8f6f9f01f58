//! The two reads that show whether a member serves, and the cluster's word that comes before one.

use etcd_proto::etcdserverpb::RangeRequest;
use etcd_raft::ReadError;
use tokio::time::Instant;

use crate::Facts;

impl Facts {
    /// Reads what this member has applied; the error is in etcd's words.
    pub(crate) fn read_serializable(&self) -> Result<(), String> {
        // An empty key matches nothing: the read shows that the state answers.
        let range = RangeRequest { limit: 1, keys_only: true, ..RangeRequest::default() };
        self.views.range(&range).map(drop).map_err(|error| error.to_string())
    }

    /// Reads what the cluster has committed; the error is in etcd's words.
    pub(crate) async fn read_linearizable(&self) -> Result<(), String> {
        self.confirm().await?;
        self.read_serializable()
    }

    /// Waits until this member's state is as new as what the cluster has committed; the error is in
    /// etcd's words.
    pub(crate) async fn confirm(&self) -> Result<(), String> {
        let confirmed = self.raft.read_barrier(Instant::now() + self.request_timeout).await;
        confirmed.map_err(|error| {
            let text = match error {
                ReadError::TimedOut => "etcdserver: request timed out",
                ReadError::LeaderChanged => "etcdserver: leader changed",
                ReadError::Stopped => "etcdserver: server stopped",
            };
            text.to_owned()
        })
    }
}
