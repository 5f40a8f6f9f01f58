//! The leader's round: expired leases are revoked, and what is left of long ones is noted.

use std::time::Duration;

use etcd_lease::Due;
use etcd_proto::etcdserverpb::{
    InternalRaftRequest, LeaseCheckpoint, LeaseCheckpointRequest, LeaseExpireRequest,
};
use futures_util::StreamExt;
use futures_util::stream::{self, FuturesUnordered};
use tokio::time::{Instant, MissedTickBehavior, interval};

use crate::deadline::{Deadline, SetBy};
use crate::{Api, Error};

/// How often a leader looks for leases that have expired (etcd: 500 ms).
const ROUND: Duration = Duration::from_millis(500);
/// How often a member looks whether it leads: a lease that is granted before it has looked lives
/// for as much longer as those that its predecessor left.
const LOOK: Duration = Duration::from_millis(50);
/// The most leases that are revoked in a round: 1000 in a second, so that a mass of them leaves
/// room for everybody else's commands (etcd's number).
const REVOKED_IN_ROUND: usize = 500;
/// How many leases of a round are being revoked at the same time (etcd's number).
const REVOKED_AT_ONCE: usize = 16;
/// Rounds that may be under way when commands take long; then no new one begins.
const ROUNDS_AT_ONCE: usize = 8;
/// The most checkpoints in a command, and in a round (etcd's numbers).
const CHECKPOINTS_IN_COMMAND: usize = 1000;
const CHECKPOINT_COMMANDS_IN_ROUND: usize = 500;

/// Revokes leases when they expire, while this member leads; on any other it only watches. Runs
/// until it is dropped.
pub async fn expire_leases(api: Api) {
    let mut looks = interval(LOOK);
    looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut next_round = Instant::now();
    let mut under_way = FuturesUnordered::new();
    loop {
        tokio::select! {
            now = looks.tick() => {
                if api.keeps_time() && now >= next_round && under_way.len() < ROUNDS_AT_ONCE {
                    next_round = now + ROUND;
                    under_way.push(api.lease_round());
                }
            }
            Some(()) = under_way.next(), if !under_way.is_empty() => {}
        }
    }
}

impl Api {
    async fn lease_round(&self) {
        let due = self.expired_leases().await;
        futures_util::join!(self.revoke_expired(due), self.checkpoint_due_leases());
    }

    async fn expired_leases(&self) -> Due {
        let lessor = self.views.lessor.clone();
        let retry = self.limits.request_timeout;
        // After an election it looks at every lease.
        let due = tokio::task::spawn_blocking(move || lessor.due(REVOKED_IN_ROUND, retry)).await;
        // It does not panic; the runtime may end under it.
        due.unwrap_or_default()
    }

    async fn revoke_expired(&self, due: Due) {
        let Due { term, ids } = due;
        let mut failures = stream::iter(ids)
            .map(|id| async move { self.revoke_expired_lease(id, term).await.err() })
            .buffer_unordered(REVOKED_AT_ONCE)
            .filter_map(std::future::ready)
            .boxed();
        let Some(first) = failures.next().await else { return };
        let others = failures.count().await;
        tracing::warn!(error = %first, leases = others + 1, "failed to revoke expired leases");
    }

    async fn revoke_expired_lease(&self, id: i64, term: u64) -> Result<(), Error> {
        let lease_expire = Some(LeaseExpireRequest { id, term });
        let command = InternalRaftRequest { lease_expire, ..Default::default() };
        match self.propose(&command, self.own_deadline()).await {
            // A client was faster.
            Ok(_) | Err(Error::LeaseNotFound) => Ok(()),
            Err(error) => Err(error),
        }
    }

    async fn checkpoint_due_leases(&self) {
        for _ in 0..CHECKPOINT_COMMANDS_IN_ROUND {
            let due = self.views.lessor.due_checkpoints(CHECKPOINTS_IN_COMMAND);
            if due.is_empty() {
                return;
            }
            if let Err(error) = self.checkpoint_leases(due).await {
                tracing::warn!(%error, "failed to checkpoint leases");
                return;
            }
        }
    }

    /// Replicates what leases have left, in seconds; zero is the whole.
    pub(crate) async fn checkpoint_leases(&self, left: Vec<(i64, i64)>) -> Result<(), Error> {
        let left = left.into_iter();
        let checkpoints = left.map(|(id, remaining_ttl)| LeaseCheckpoint { id, remaining_ttl });
        let lease_checkpoint = Some(LeaseCheckpointRequest { checkpoints: checkpoints.collect() });
        let command = InternalRaftRequest { lease_checkpoint, ..Default::default() };
        self.propose(&command, self.own_deadline()).await.map(drop)
    }

    /// The end of what this member does for itself.
    fn own_deadline(&self) -> Deadline {
        Deadline { at: Instant::now() + self.limits.request_timeout, set_by: SetBy::Member }
    }
}
