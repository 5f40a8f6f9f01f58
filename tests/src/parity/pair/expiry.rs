//! Leases that live for seconds only.
//!
//! There is one at a time, and it is renewed on both servers before it can end, however slow they
//! are: so it ends only where an operation says so, on both, and what comes before and after it is
//! the same.

use super::{Caller, Operation, Pair, To};
use crate::parity::answer::Answer;
use crate::parity::call::Call;
use crate::parity::difference::Difference;
use crate::parity::told::Told;
use etcd_proto::etcdserverpb as pb;
use std::time::Duration;
use tokio::time::Instant;

/// Leases of fewer seconds end within a run. Others outlive it.
const SHORT_SECONDS: i64 = 100;

/// After so much time it is renewed. The shortest has two seconds.
const RENEWAL: Duration = Duration::from_millis(600);

/// How long after its end a lease may still be there, on a slow machine.
const LATE: Duration = Duration::from_secs(15);

/// A key by which its end is seen, even if it has no other.
const KEY: &str = "y";

/// Such a lease.
pub(super) struct Short {
    id: i64,
    ttl: i64,
    /// Not later than when it was last renewed.
    renewed: Instant,
}

impl Pair {
    /// Grants a lease, unless it would be a second short one.
    pub(super) async fn grant(
        &mut self,
        grant: &pb::LeaseGrantRequest,
        to: To,
    ) -> Result<(), Difference> {
        let asked = Instant::now();
        let is_short = grant.ttl < SHORT_SECONDS;
        if is_short && self.short.is_some() {
            self.counts.left_out("lease_grant");
            return Ok(());
        }
        self.call(&Operation::Call(Call::LeaseGrant(*grant)), to).await?;
        if let Some(short) = &mut self.short {
            short.renewed = short.renewed.min(asked);
        }
        Ok(())
    }

    /// Takes notice of a short lease that is granted or revoked.
    pub(super) fn short_answered(&mut self, operation: &Operation, answer: &Answer) {
        match (operation, answer) {
            (Operation::Call(Call::LeaseGrant(_)), Answer::Told(Told::LeaseGrant(response)))
                if response.ttl < SHORT_SECONDS =>
            {
                let (id, ttl) = (response.id, response.ttl);
                self.short = Some(Short { id, ttl, renewed: Instant::now() });
            }
            (Operation::Call(Call::LeaseRevoke(request)), Answer::Told(_)) => {
                self.short.take_if(|short| short.id == request.id);
            }
            _ => {}
        }
    }

    /// Its id, if there is one.
    pub(super) fn short_id(&self) -> Option<i64> {
        self.short.as_ref().map(|short| short.id)
    }

    /// Renews it, if it is time. What both say is nothing to compare.
    pub(super) async fn renew_short(&mut self) {
        let now = Instant::now();
        let Some(short) = &mut self.short else { return };
        if now - short.renewed < RENEWAL {
            return;
        }
        let renewal = Call::LeaseKeepAlive(pb::LeaseKeepAliveRequest { id: short.id });
        let renewal = Operation::Call(renewal);
        tokio::join!(
            self.reference.ask(0, Caller::Keeper, &renewal),
            self.subject.ask(0, Caller::Keeper, &renewal)
        );
        short.renewed = now;
    }

    /// Lets it end, and waits for that.
    pub(super) async fn expire(&mut self) -> Result<(), Difference> {
        // Under an alarm nothing may be put, or nothing ends.
        if self.short.is_none() || self.has_alarms().await {
            self.counts.left_out("expire");
            return Ok(());
        }
        self.settle().await?;
        let short = self.short.take().expect("it was looked for");
        self.script.push_str(&format!("# until lease {} has ended\n", short.id));
        let (id, keeper) = (short.id, (0, Caller::Keeper));
        let put = pb::PutRequest { key: KEY.into(), lease: id, ..Default::default() };
        self.call(&Operation::Put(put), keeper).await?;
        self.settle().await?;
        // All its keys go at once.
        self.store.position.newest += 1;
        let patience = Duration::from_secs(short.ttl.unsigned_abs()) + LATE;
        let names = [&self.reference.names, &self.subject.names];
        self.recorder.catch_up_in(patience, &mut self.store, names).await?;
        self.subject.fall_behind();
        self.settle().await?;
        self.counts.happened("expire");
        let range = pb::RangeRequest { key: KEY.into(), ..Default::default() };
        self.call(&Operation::Range(range), keeper).await?;
        let left = pb::LeaseTimeToLiveRequest { id, keys: true };
        self.call(&Operation::Call(Call::LeaseTimeToLive(left)), keeper).await
    }
}
