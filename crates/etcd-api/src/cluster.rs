//! The service Cluster: its members.

use std::sync::Arc;

use etcd_membership::{Change, MemberId};
use etcd_proto::etcdserverpb::cluster_server::Cluster;
use etcd_proto::etcdserverpb::{
    Member, MemberAddRequest, MemberAddResponse, MemberListRequest, MemberListResponse,
    MemberPromoteRequest, MemberPromoteResponse, MemberRemoveRequest, MemberRemoveResponse,
    MemberUpdateRequest, MemberUpdateResponse, ResponseHeader,
};
use tonic::{Request, Response, Status};

use crate::Api;
use crate::caller::Caller;
use crate::deadline::Deadline;
use crate::limits::NO_LIMIT;
use crate::reconfiguring::newcomer;

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

    /// The header of an answer, and every member that this one knows, by ascending id.
    fn answer(&self) -> (Option<ResponseHeader>, Vec<Member>) {
        let cluster = self.api.views.cluster();
        (Some(self.api.header(NO_REVISION)), cluster.members.iter().map(to_proto).collect())
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
        let (header, members) = self.answer();
        Ok(Response::new(MemberListResponse { header, members }))
    }

    async fn member_add(
        &self,
        request: Request<MemberAddRequest>,
    ) -> Result<Response<MemberAddResponse>, Status> {
        let deadline = deadline(&request);
        let (caller, request) = Caller::split(request);
        let member = newcomer(&request.peer_urls, request.is_learner)?;
        self.api.permit_admin(&caller, deadline).await?;
        self.api.may_add(&member)?;
        self.api.change_members(Change::Add(member.clone()), deadline).await?;
        let (header, members) = self.answer();
        Ok(Response::new(MemberAddResponse { header, member: Some(to_proto(&member)), members }))
    }

    async fn member_remove(
        &self,
        request: Request<MemberRemoveRequest>,
    ) -> Result<Response<MemberRemoveResponse>, Status> {
        let deadline = deadline(&request);
        let (caller, request) = Caller::split(request);
        let id = MemberId(request.id);
        self.api.permit_admin(&caller, deadline).await?;
        self.api.may_remove(id)?;
        self.api.change_members(Change::Remove(id), deadline).await?;
        let (header, mut members) = self.answer();
        // Whoever removes itself may not get to see it.
        members.retain(|member| member.id != id.0);
        Ok(Response::new(MemberRemoveResponse { header, members }))
    }

    async fn member_update(
        &self,
        request: Request<MemberUpdateRequest>,
    ) -> Result<Response<MemberUpdateResponse>, Status> {
        let deadline = deadline(&request);
        let (caller, request) = Caller::split(request);
        self.api.permit_admin(&caller, deadline).await?;
        let change = Change::UpdatePeerUrls(MemberId(request.id), request.peer_urls);
        self.api.change_members(change, deadline).await?;
        let (header, members) = self.answer();
        Ok(Response::new(MemberUpdateResponse { header, members }))
    }

    async fn member_promote(
        &self,
        request: Request<MemberPromoteRequest>,
    ) -> Result<Response<MemberPromoteResponse>, Status> {
        let deadline = deadline(&request);
        let (caller, request) = Caller::split(request);
        self.api.promote(&caller, MemberId(request.id), deadline).await?;
        let (header, members) = self.answer();
        Ok(Response::new(MemberPromoteResponse { header, members }))
    }
}

/// The client's limit is the only one: a change of the members takes as long as a quorum needs.
fn deadline<T>(request: &Request<T>) -> Deadline {
    Deadline::of(request.metadata(), NO_LIMIT)
}

fn to_proto(member: &etcd_membership::Member) -> Member {
    Member {
        id: member.id.0,
        name: member.name.clone(),
        peer_urls: member.peer_urls.clone(),
        client_urls: member.client_urls.clone(),
        is_learner: member.is_learner,
    }
}
