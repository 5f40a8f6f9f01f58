//! What only the leader knows of leases, asked of it wherever it is.

use std::time::Duration;

use etcd_apply::Views;
use etcd_lease::Leadership;
use etcd_membership::Member;
use etcd_proto::etcdserverpb::{LeaseTimeToLiveRequest, LeaseTimeToLiveResponse};
use etcd_proto::leasepb::LeaseInternalRequest;
use etcd_raft::ReadError;
use tokio::time::Instant;
use tonic::{Request, Status};

use crate::{Api, Error};

/// How long a leader waits until it has applied what is committed (etcd: 1 s).
const APPLY_LIMIT: Duration = Duration::from_secs(1);
/// How long until a leader is looked for again, or asked again (etcd: 50 ms).
const RETRY_PACE: Duration = Duration::from_millis(50);
/// The metadata that says of which cluster the asking member is.
pub(crate) const CLUSTER: &str = "x-etcd-cluster-id";

/// Who leads.
pub(crate) enum Leader {
    /// This member.
    Here,
    /// Another one.
    There(Member),
}

/// What this member can say of a lease.
pub(crate) enum Word<T> {
    /// It knows.
    Known(T),
    /// There is no such lease.
    Gone,
    /// It does not lead, or not any more.
    NotPrimary,
}

impl<T> From<Result<T, etcd_lease::Error>> for Word<T> {
    fn from(result: Result<T, etcd_lease::Error>) -> Word<T> {
        match result {
            Ok(known) => Word::Known(known),
            Err(etcd_lease::Error::NotFound) => Word::Gone,
            Err(_) => Word::NotPrimary,
        }
    }
}

impl Api {
    /// Lets the leases' clocks follow raft, and says whether they run here. They start once this
    /// member has applied an entry of its own term, and with it everything of earlier ones.
    pub(crate) fn keeps_time(&self) -> bool {
        let status = self.raft.status();
        let lessor = &self.views.lessor;
        let is_over = |term| {
            // A leader that nobody has confirmed lately may still be one: its clocks go on.
            let is_other = status.leader.is_some_and(|leader| leader != status.member);
            term < status.term || (term == status.term && is_other)
        };
        if lessor.term().is_some_and(is_over) {
            lessor.step_down();
        }
        if !status.is_leader() || status.applied.term != status.term {
            return false;
        }
        lessor.lead(Leadership {
            term: status.term,
            extension: self.leases.election_timeout(),
            checkpoint_interval: self.leases.checkpoint_interval(),
        });
        true
    }

    /// How long a lease lives, and with which keys, from whichever member leads; `None` if there is
    /// no such lease.
    pub(crate) async fn lease_time_to_live(
        &self,
        request: LeaseTimeToLiveRequest,
        deadline: Instant,
    ) -> Result<Option<LeaseTimeToLiveResponse>, Error> {
        loop {
            let word = match self.wait_for_leader(deadline).await? {
                Leader::Here => self.lease_time_to_live_here(&request).await?,
                Leader::There(leader) => {
                    self.lease_time_to_live_there(&leader, &request, deadline).await
                }
            };
            match word {
                Word::Known(response) => return Ok(Some(response)),
                Word::Gone => return Ok(None),
                Word::NotPrimary => self.pause(deadline).await?,
            }
        }
    }

    /// How long a lease lives, if this member leads.
    pub(crate) async fn lease_time_to_live_here(
        &self,
        request: &LeaseTimeToLiveRequest,
    ) -> Result<Word<LeaseTimeToLiveResponse>, Error> {
        if !self.keeps_time() {
            return Ok(Word::NotPrimary);
        }
        self.wait_until_applied().await?;
        let time = match self.views.lessor.time_to_live(request.id).into() {
            Word::Known(time) => time,
            Word::Gone => return Ok(Word::Gone),
            Word::NotPrimary => return Ok(Word::NotPrimary),
        };
        let keys = match request.keys {
            true => keys(&self.views, request.id).await?,
            false => Vec::new(),
        };
        if !self.leads() {
            return Ok(Word::NotPrimary);
        }
        Ok(Word::Known(LeaseTimeToLiveResponse {
            header: None,
            id: request.id,
            ttl: time.left_seconds,
            granted_ttl: time.granted_seconds,
            keys,
        }))
    }

    async fn lease_time_to_live_there(
        &self,
        leader: &Member,
        request: &LeaseTimeToLiveRequest,
        deadline: Instant,
    ) -> Word<LeaseTimeToLiveResponse> {
        let Some(mut client) = self.client_of(leader) else { return Word::NotPrimary };
        let request = LeaseInternalRequest { lease_time_to_live_request: Some(*request) };
        let answer = client.time_to_live(self.to_peer(request));
        match self.unless_replaced(leader, answer, deadline).await {
            None => Word::NotPrimary,
            Some(answer) => match answer.lease_time_to_live_response {
                Some(response) => Word::Known(response),
                None => Word::Gone,
            },
        }
    }

    pub(crate) fn client_of(
        &self,
        leader: &Member,
    ) -> Option<etcd_proto::leasepb::leader_client::LeaderClient<tonic::transport::Channel>> {
        let client = self.leases.client(&leader.peer_urls);
        client.map_err(|reason| tracing::debug!(%reason, "the leader's URLs cannot be used")).ok()
    }

    pub(crate) fn to_peer<T>(&self, message: T) -> Request<T> {
        let mut request = Request::new(message);
        let cluster = self.cluster_id.to_string();
        request.metadata_mut().insert(CLUSTER, cluster.parse().expect("an id is ASCII"));
        request
    }

    /// Waits for the leader's answer, as long as it is the leader: one that is gone would keep the
    /// caller until its connection breaks.
    pub(crate) async fn unless_replaced<T>(
        &self,
        leader: &Member,
        answer: impl Future<Output = Result<tonic::Response<T>, Status>>,
        deadline: Instant,
    ) -> Option<T> {
        let replaced = async {
            while self.raft.leader() == Some(leader.id) && Instant::now() < deadline {
                tokio::time::sleep(RETRY_PACE).await;
            }
        };
        let answer = tokio::select! {
            answer = answer => answer,
            () = replaced => return None,
        };
        match answer {
            Ok(answer) => Some(answer.into_inner()),
            Err(status) => {
                tracing::debug!(%status, leader = %leader.id, "the leader gave no answer");
                if status.code() == tonic::Code::Unavailable {
                    self.leases.disconnect();
                }
                None
            }
        }
    }

    pub(crate) fn leads(&self) -> bool {
        self.raft.leader() == Some(self.member_id)
    }

    /// The leader, if there is one.
    pub(crate) fn find_leader(&self) -> Option<Leader> {
        let leader = self.raft.leader()?;
        if leader == self.member_id {
            return Some(Leader::Here);
        }
        self.views.cluster().members.get(leader).cloned().map(Leader::There)
    }

    /// The leader, as soon as there is one.
    pub(crate) async fn wait_for_leader(&self, deadline: Instant) -> Result<Leader, Error> {
        loop {
            if self.stopping.is_stopping() {
                return Err(Error::Stopped);
            }
            if let Some(leader) = self.find_leader() {
                return Ok(leader);
            }
            if Instant::now() >= deadline {
                return Err(Error::NoLeader);
            }
            tokio::time::sleep(RETRY_PACE).await;
        }
    }

    /// Waits before the next try, if there is time for one.
    pub(crate) async fn pause(&self, deadline: Instant) -> Result<(), Error> {
        if Instant::now() + RETRY_PACE >= deadline {
            return Err(Error::Timeout);
        }
        tokio::time::sleep(RETRY_PACE).await;
        Ok(())
    }

    pub(crate) async fn wait_until_applied(&self) -> Result<(), Error> {
        let applied = self.raft.caught_up(Instant::now() + APPLY_LIMIT).await;
        applied.map_err(|error| match error {
            ReadError::Stopped => Error::Stopped,
            ReadError::TimedOut | ReadError::LeaderChanged => Error::TimeoutWaitAppliedIndex,
        })
    }
}

/// The keys of a lease; there may be a million.
async fn keys(views: &Views, id: i64) -> Result<Vec<bytes::Bytes>, Error> {
    let lessor = views.lessor.clone();
    let keys = tokio::task::spawn_blocking(move || lessor.keys(id)).await;
    // It does not panic; its runtime may end under it.
    keys.map_err(|_| Error::Stopped)
}
