//! Renewing a lease on the member that leads, wherever it is.

use etcd_lease::Renewal;
use etcd_membership::Member;
use etcd_proto::etcdserverpb::LeaseKeepAliveRequest;
use etcd_proto::leasepb::RenewAllRequest;
use tokio::time::Instant;

use crate::lease_leader::{Leader, Word};
use crate::renewals::{Carrier, Told};
use crate::{Api, Error};

impl Api {
    /// Renews a lease on whichever member leads: its whole time to live in seconds, or zero if
    /// there is no such lease.
    pub(crate) async fn renew_lease(&self, id: i64) -> Result<i64, Error> {
        let deadline = Instant::now() + self.limits.request_timeout;
        loop {
            let word = match self.wait_for_leader(deadline).await? {
                Leader::Here => self.renew_lease_here(id).await?,
                Leader::There(leader) => match self.renew_lease_together(id, deadline).await {
                    Told::Renewed(ttl_seconds) => Word::Known(ttl_seconds),
                    Told::AskAlone => self.renew_lease_there(&leader, id, deadline).await,
                    Told::Nothing => Word::NotPrimary,
                },
            };
            match word {
                Word::Known(ttl_seconds) => return Ok(ttl_seconds),
                Word::Gone => return Ok(0),
                Word::NotPrimary => self.pause(deadline).await?,
            }
        }
    }

    /// Renews a lease if this member leads. If it has expired, this waits for its end.
    pub(crate) async fn renew_lease_here(&self, id: i64) -> Result<Word<i64>, Error> {
        if !self.keeps_time() {
            return Ok(Word::NotPrimary);
        }
        let lessor = &self.views.lessor;
        if !(self.leases.is_fast() && lessor.contains(id)) {
            self.wait_until_applied().await?;
        }
        if self.leases.checkpoint_interval().is_some() && lessor.remaining_at_checkpoint(id) > 0 {
            // The next leader shall not think that less is left.
            self.checkpoint_leases(vec![(id, 0)]).await?;
        }
        Ok(match lessor.renew(id) {
            Ok(Renewal::Renewed { ttl_seconds }) => match self.leads() {
                true => Word::Known(ttl_seconds),
                // The process stood still meanwhile: another one may have let it expire.
                false => Word::NotPrimary,
            },
            Ok(Renewal::Expired(ending)) => {
                tokio::select! {
                    () = ending.reached() => {}
                    () = self.stopping.stopped() => return Err(Error::Stopped),
                }
                if lessor.contains(id) { Word::NotPrimary } else { Word::Gone }
            }
            Err(error) => Word::from(Err(error)),
        })
    }

    async fn renew_lease_there(&self, leader: &Member, id: i64, deadline: Instant) -> Word<i64> {
        let Some(mut client) = self.client_of(leader) else { return Word::NotPrimary };
        let request = self.to_peer(LeaseKeepAliveRequest { id });
        let answer = client.renew(request);
        match self.unless_replaced(leader, answer, deadline).await.map(|answer| answer.ttl) {
            None => Word::NotPrimary,
            Some(0) => Word::Gone,
            Some(ttl_seconds) => Word::Known(ttl_seconds),
        }
    }

    /// Renews leases if this member leads, as far as all is known of them at once; the time to live
    /// of all others is zero.
    pub(crate) fn renew_leases_here(&self, ids: &[i64]) -> Word<Vec<i64>> {
        if !self.keeps_time() {
            return Word::NotPrimary;
        }
        let lessor = &self.views.lessor;
        // Else a renewal has more to do than to set a clock.
        let is_simple = self.leases.is_fast() && self.leases.checkpoint_interval().is_none();
        let renew = |id: &i64| match is_simple.then(|| lessor.renew(*id)) {
            Some(Ok(Renewal::Renewed { ttl_seconds })) => ttl_seconds,
            _ => 0,
        };
        let ttls = ids.iter().map(renew).collect();
        match self.leads() {
            true => Word::Known(ttls),
            // As above.
            false => Word::NotPrimary,
        }
    }

    /// Renews a lease on another member, together with those that others renew.
    async fn renew_lease_together(&self, id: i64, deadline: Instant) -> Told {
        let (told, carrier) = self.leases.renewals().push(id);
        if carrier == Carrier::Wanted {
            // On a task: others rely on it when this caller goes away.
            tokio::spawn(carry(self.clone()));
        }
        match tokio::time::timeout_at(deadline, told).await {
            Ok(Ok(told)) => told,
            // The carrier ends with its member only.
            Ok(Err(_)) | Err(_) => Told::Nothing,
        }
    }

    /// Asks whoever leads now to renew these; `None` unless that is another member, and answers.
    async fn renew_leases_there(&self, ids: Vec<i64>) -> Option<Vec<Told>> {
        let Leader::There(leader) = self.find_leader()? else { return None };
        let mut client = self.client_of(&leader)?;
        let count = ids.len();
        let answer = client.renew_all(self.to_peer(RenewAllRequest { ids }));
        let deadline = Instant::now() + self.limits.request_timeout;
        let ttls = self.unless_replaced(&leader, answer, deadline).await?.ttls;
        let told = |ttl_seconds| match ttl_seconds {
            1.. => Told::Renewed(ttl_seconds),
            _ => Told::AskAlone,
        };
        (ttls.len() == count).then(|| ttls.into_iter().map(told).collect())
    }
}

/// Carries renewals to the leader, as many as wait at a time, until none waits.
async fn carry(api: Api) {
    loop {
        let waiting = api.leases.renewals().take();
        if waiting.is_empty() {
            return;
        }
        let (ids, tell): (Vec<_>, Vec<_>) = waiting.into_iter().unzip();
        let told = tokio::select! {
            told = api.renew_leases_there(ids) => told,
            // Nobody is left to carry for.
            () = api.stopping.stopped() => return,
        };
        let told = told.unwrap_or_else(|| vec![Told::Nothing; tell.len()]);
        for (tell, told) in tell.into_iter().zip(told) {
            // Who went away needs no answer.
            let _ = tell.send(told);
        }
    }
}
