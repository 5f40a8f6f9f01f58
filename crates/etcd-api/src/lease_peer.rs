//! What this member tells others of leases while it leads.

use std::sync::Arc;

use etcd_proto::etcdserverpb::{LeaseKeepAliveRequest, LeaseKeepAliveResponse};
use etcd_proto::leasepb::leader_server::{Leader, LeaderServer};
use etcd_proto::leasepb::{
    LeaseInternalRequest, LeaseInternalResponse, RenewAllRequest, RenewAllResponse,
};
use tonic::service::Routes;
use tonic::{Request, Response, Status};

use crate::lease_leader::{CLUSTER, Word};
use crate::limits::MAX_SENT_BYTES;
use crate::{Api, Error};

/// Adds what other members ask of this one to the services of the peer listener.
pub fn add_peer_routes(api: Api, routes: Routes) -> Routes {
    let leader = LeaderServer::new(LeaderService { api: Arc::new(api) });
    routes.add_service(leader.max_encoding_message_size(MAX_SENT_BYTES))
}

struct LeaderService {
    api: Arc<Api>,
}

impl LeaderService {
    /// Only members of this cluster are told anything: leases of others are others' leases.
    fn admit<T>(&self, request: &Request<T>) -> Result<(), Status> {
        let cluster = request.metadata().get(CLUSTER).and_then(|id| id.to_str().ok());
        match cluster == Some(&self.api.cluster_id.to_string()) {
            true => Ok(()),
            false => Err(Status::failed_precondition("cluster ID mismatch")),
        }
    }
}

#[tonic::async_trait]
impl Leader for LeaderService {
    async fn renew(
        &self,
        request: Request<LeaseKeepAliveRequest>,
    ) -> Result<Response<LeaseKeepAliveResponse>, Status> {
        self.admit(&request)?;
        let id = request.into_inner().id;
        let ttl = match self.api.renew_lease_here(id).await? {
            Word::Known(ttl_seconds) => ttl_seconds,
            Word::Gone => 0,
            Word::NotPrimary => return Err(Error::NotLeader.into()),
        };
        Ok(Response::new(LeaseKeepAliveResponse { header: None, id, ttl }))
    }

    async fn renew_all(
        &self,
        request: Request<RenewAllRequest>,
    ) -> Result<Response<RenewAllResponse>, Status> {
        self.admit(&request)?;
        match self.api.renew_leases_here(&request.into_inner().ids) {
            Word::Known(ttls) => Ok(Response::new(RenewAllResponse { ttls })),
            Word::Gone | Word::NotPrimary => Err(Error::NotLeader.into()),
        }
    }

    async fn time_to_live(
        &self,
        request: Request<LeaseInternalRequest>,
    ) -> Result<Response<LeaseInternalResponse>, Status> {
        self.admit(&request)?;
        let request = request.into_inner().lease_time_to_live_request.unwrap_or_default();
        let lease_time_to_live_response = match self.api.lease_time_to_live_here(&request).await? {
            Word::Known(response) => Some(response),
            Word::Gone => None,
            Word::NotPrimary => return Err(Error::NotLeader.into()),
        };
        Ok(Response::new(LeaseInternalResponse { lease_time_to_live_response }))
    }
}
