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
    let mut rounds = Rounds { next: Instant::now() };
    let mut under_way = FuturesUnordered::new();
    loop {
        tokio::select! {
            now = looks.tick() => {
                if api.keeps_time() && rounds.begins(now, under_way.len()) {
                    under_way.push(api.lease_round());
                }
            }
            Some(()) = under_way.next(), if !under_way.is_empty() => {}
        }
    }
}

/// The pace of the rounds.
struct Rounds {
    /// No round begins before.
    next: Instant,
}

impl Rounds {
    /// Whether a round begins now, while so many are under way. One that could not is not made up
    /// for later.
    fn begins(&mut self, now: Instant, under_way: usize) -> bool {
        let begins = now >= self.next && under_way < ROUNDS_AT_ONCE;
        if begins {
            self.next = now + ROUND;
        }
        begins
    }
}

impl Api {
    async fn lease_round(&self) {
        let due = self.expired_leases().await;
        futures_util::join!(self.revoke_expired(due), self.checkpoint_due_leases());
    }

    pub(crate) async fn expired_leases(&self) -> Due {
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
            Ok(_) => {
                self.metrics.figures().leases_expired.raise();
                Ok(())
            }
            // A client was faster.
            Err(Error::LeaseNotFound) => Ok(()),
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
    pub(crate) fn own_deadline(&self) -> Deadline {
        let begun = Instant::now();
        Deadline { begun, at: begun + self.limits.request_timeout, set_by: SetBy::Member }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Looks so long, with so many rounds under way at each moment, and says when rounds began.
    fn rounds(start: Instant, time: Duration, under_way: impl Fn(Duration) -> usize) -> Vec<f64> {
        let mut rounds = Rounds { next: start };
        let mut begun = Vec::new();
        let mut at = Duration::ZERO;
        while at < time {
            if rounds.begins(start + at, under_way(at)) {
                begun.push(at.as_secs_f64());
            }
            at += LOOK;
        }
        begun
    }

    #[test]
    fn no_more_than_a_thousand_leases_are_revoked_in_a_second() {
        let begun = rounds(Instant::now(), Duration::from_secs(100), |_| 0);
        assert_eq!(begun.len() * REVOKED_IN_ROUND, 100 * 1000);
        assert!(begun.windows(2).all(|pair| pair[1] - pair[0] >= ROUND.as_secs_f64()));
    }

    #[test]
    fn rounds_that_find_others_still_at_work_are_left_out_for_good() {
        let (stall, end) = (Duration::from_secs(2), Duration::from_secs(10));
        let busy = |at: Duration| if at < stall || at >= end { 0 } else { ROUNDS_AT_ONCE };
        let begun = rounds(Instant::now(), Duration::from_secs(12), busy);
        assert_eq!(begun, [0.0, 0.5, 1.0, 1.5, 10.0, 10.5, 11.0, 11.5]);
    }
}
