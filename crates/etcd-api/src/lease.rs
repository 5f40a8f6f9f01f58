//! The service Lease: how long keys live.

use std::sync::Arc;

use etcd_apply::{Answer, LEASE_COST};
use etcd_proto::etcdserverpb::lease_server::Lease;
use etcd_proto::etcdserverpb::{
    InternalRaftRequest, LeaseGrantRequest, LeaseGrantResponse, LeaseKeepAliveRequest,
    LeaseLeasesRequest, LeaseLeasesResponse, LeaseRevokeRequest, LeaseRevokeResponse, LeaseStatus,
    LeaseTimeToLiveRequest, LeaseTimeToLiveResponse,
};
use tonic::{Request, Response, Status, Streaming};

use crate::caller::Caller;
use crate::deadline::Deadline;
use crate::encoded_command::EncodedCommand;
use crate::kv::unexpected;
use crate::lease_stream::{self, Responses};
use crate::looked_at;
use crate::{Api, Error};

/// The time to live of a lease that is not there.
const NO_TTL: i64 = -1;

/// Answers for leases.
pub(crate) struct LeaseService {
    api: Arc<Api>,
}

impl LeaseService {
    pub(crate) fn new(api: Arc<Api>) -> LeaseService {
        LeaseService { api }
    }

    fn deadline<T>(&self, request: &Request<T>) -> Deadline {
        Deadline::of(request.metadata(), self.api.limits.request_timeout)
    }
}

impl Api {
    /// Grants a lease: with an id of this member's making unless the request has one, and for no
    /// shorter time than a lease must live.
    pub(crate) async fn grant_lease(
        &self,
        caller: &Caller,
        mut request: LeaseGrantRequest,
        deadline: Deadline,
    ) -> Result<LeaseGrantResponse, Status> {
        self.reserve(LEASE_COST, caller, deadline).await?;
        self.permit_somebody(caller, deadline).await?;
        if request.id == 0 {
            request.id = self.leases.next_id();
        }
        let _step = self.step(caller, "lease_grant", || looked_at::lease_grant(&request));
        request.ttl = request.ttl.max(self.leases.min_ttl_seconds());
        let lease_grant = Some(request);
        let command =
            EncodedCommand::of(&InternalRaftRequest { lease_grant, ..Default::default() });
        let answer = self.propose_for(caller, command, deadline).await?;
        let Answer::LeaseGrant(mut response) = answer else { return Err(unexpected()) };
        response.header = self.complete(response.header);
        Ok(response)
    }
}

#[tonic::async_trait]
impl Lease for LeaseService {
    type LeaseKeepAliveStream = Responses;

    async fn lease_grant(
        &self,
        request: Request<LeaseGrantRequest>,
    ) -> Result<Response<LeaseGrantResponse>, Status> {
        let deadline = self.deadline(&request);
        let (caller, request) = Caller::split(request);
        let response = self.api.grant_lease(&caller, request, deadline).await?;
        Ok(Response::new(response))
    }

    async fn lease_revoke(
        &self,
        request: Request<LeaseRevokeRequest>,
    ) -> Result<Response<LeaseRevokeResponse>, Status> {
        let deadline = self.deadline(&request);
        let (caller, request) = Caller::split(request);
        let _step = self.api.step(&caller, "lease_revoke", || looked_at::lease(request.id));
        self.api.permit_somebody(&caller, deadline).await?;
        let lease_revoke = Some(request);
        let command =
            EncodedCommand::of(&InternalRaftRequest { lease_revoke, ..Default::default() });
        let answer = self.api.propose_for(&caller, command, deadline).await?;
        let Answer::LeaseRevoke(mut response) = answer else { return Err(unexpected()) };
        response.header = self.api.complete(response.header);
        Ok(Response::new(response))
    }

    async fn lease_keep_alive(
        &self,
        request: Request<Streaming<LeaseKeepAliveRequest>>,
    ) -> Result<Response<Responses>, Status> {
        let ending = self.api.ending(request.metadata().as_ref());
        let (caller, requests) = Caller::split(request);
        let responses = lease_stream::responses(self.api.clone(), caller, requests, ending);
        Ok(Response::new(responses))
    }

    async fn lease_time_to_live(
        &self,
        request: Request<LeaseTimeToLiveRequest>,
    ) -> Result<Response<LeaseTimeToLiveResponse>, Status> {
        let deadline = self.deadline(&request);
        let (caller, request) = Caller::split(request);
        let identity = self.api.permit_somebody(&caller, deadline).await?;
        let id = request.id;
        let known = self.api.lease_time_to_live(request, deadline.at).await?;
        // The leader knows the keys best: those that it names are those that must be readable.
        let keys = known.as_ref().map_or(&[][..], |response| &response.keys[..]);
        if !keys.is_empty() {
            self.api.views.check_lease_keys(&identity, keys).map_err(Error::from)?;
        }
        let mut response = known.unwrap_or_else(|| LeaseTimeToLiveResponse {
            id,
            ttl: NO_TTL,
            ..LeaseTimeToLiveResponse::default()
        });
        response.header = Some(self.api.header(self.api.views.mvcc.revision()));
        Ok(Response::new(response))
    }

    async fn lease_leases(
        &self,
        request: Request<LeaseLeasesRequest>,
    ) -> Result<Response<LeaseLeasesResponse>, Status> {
        let deadline = self.deadline(&request);
        let (caller, _) = Caller::split(request);
        let identity = self.api.permit_somebody(&caller, deadline).await?;
        let views = self.api.views.clone();
        // There may be a million.
        let ids = tokio::task::spawn_blocking(move || {
            if views.auth.is_enabled() {
                views.check_leases(&identity)?;
            }
            Ok::<_, Error>(views.lessor.ids())
        });
        let ids = ids.await.map_err(|_| Error::Stopped)??;
        Ok(Response::new(LeaseLeasesResponse {
            header: Some(self.api.header(self.api.views.mvcc.revision())),
            leases: ids.into_iter().map(|id| LeaseStatus { id }).collect(),
        }))
    }
}
