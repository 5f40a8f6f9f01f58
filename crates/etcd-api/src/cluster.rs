//! The service Cluster: its members.

use std::sync::Arc;

use etcd_proto::etcdserverpb::cluster_server::Cluster;
use etcd_proto::etcdserverpb::{
    Member, MemberAddRequest, MemberAddResponse, MemberListRequest, MemberListResponse,
    MemberPromoteRequest, MemberPromoteResponse, MemberRemoveRequest, MemberRemoveResponse,
    MemberUpdateRequest, MemberUpdateResponse,
};
use tonic::{Request, Response, Status};

use crate::caller::Caller;
use crate::deadline::Deadline;
use crate::{Api, Error};

/// The revision in the headers of this service's answers: it has none to tell.
const NO_REVISION: i64 = 0;

/// Answers for members.
pub(crate) struct ClusterService {
    api: Arc<Api>,
}

impl ClusterService {
    pub(crate) fn new(api: Arc<Api>) -> ClusterService {
        ClusterService { api }
    }

    /// Lets administrators alone through.
    async fn admit_admin<T>(&self, request: Request<T>) -> Result<T, Error> {
        let deadline = Deadline::of(request.metadata(), self.api.limits.request_timeout);
        let (caller, message) = Caller::split(request);
        self.api.permit_admin(&caller, deadline).await?;
        Ok(message)
    }

    /// Every member that this one knows, by ascending id.
    fn members(&self) -> Vec<Member> {
        let cluster = self.api.views.cluster();
        let member = |member: &etcd_membership::Member| Member {
            id: member.id.0,
            name: member.name.clone(),
            peer_urls: member.peer_urls.clone(),
            client_urls: member.client_urls.clone(),
            is_learner: member.is_learner,
        };
        cluster.members.iter().map(member).collect()
    }
}

#[tonic::async_trait]
impl Cluster for ClusterService {
    async fn member_list(
        &self,
        request: Request<MemberListRequest>,
    ) -> Result<Response<MemberListResponse>, Status> {
        let deadline = Deadline::of(request.metadata(), self.api.limits.request_timeout);
        let (caller, request) = Caller::split(request);
        if request.linearizable {
            self.api.read_barrier(deadline).await?;
        }
        self.api.permit_somebody(&caller, deadline).await?;
        let header = Some(self.api.header(NO_REVISION));
        Ok(Response::new(MemberListResponse { header, members: self.members() }))
    }

    async fn member_add(
        &self,
        request: Request<MemberAddRequest>,
    ) -> Result<Response<MemberAddResponse>, Status> {
        self.admit_admin(request).await?;
        Err(not_built("MemberAdd"))
    }

    async fn member_remove(
        &self,
        request: Request<MemberRemoveRequest>,
    ) -> Result<Response<MemberRemoveResponse>, Status> {
        self.admit_admin(request).await?;
        Err(not_built("MemberRemove"))
    }

    async fn member_update(
        &self,
        request: Request<MemberUpdateRequest>,
    ) -> Result<Response<MemberUpdateResponse>, Status> {
        self.admit_admin(request).await?;
        Err(not_built("MemberUpdate"))
    }

    async fn member_promote(
        &self,
        request: Request<MemberPromoteRequest>,
    ) -> Result<Response<MemberPromoteResponse>, Status> {
        self.admit_admin(request).await?;
        Err(not_built("MemberPromote"))
    }
}

fn not_built(method: &str) -> Status {
    Status::unimplemented(format!("unknown method {method} for service etcdserverpb.Cluster"))
}
