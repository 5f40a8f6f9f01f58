//! The service Maintenance: a member's own affairs.

use std::sync::Arc;

use etcd_apply::Answer;
use etcd_figures::Lap;
use etcd_membership::MemberId;
use etcd_proto::etcdserverpb::alarm_request::AlarmAction;
use etcd_proto::etcdserverpb::maintenance_server::Maintenance;
use etcd_proto::etcdserverpb::{
    AlarmRequest, AlarmResponse, DefragmentRequest, DefragmentResponse, DowngradeRequest,
    DowngradeResponse, HashKvRequest, HashKvResponse, HashRequest, HashResponse,
    InternalRaftRequest, MoveLeaderRequest, MoveLeaderResponse, SnapshotRequest, StatusRequest,
    StatusResponse,
};
use etcd_raft::TransferError;
use tonic::{Request, Response, Status};

use crate::caller::Caller;
use crate::deadline::Deadline;
use crate::encoded_command::EncodedCommand;
use crate::kv::unexpected;
use crate::limits::NO_LIMIT;
use crate::status::status;
use crate::{Api, Error, snapshot};

/// Answers for the member itself.
pub(crate) struct MaintenanceService {
    api: Arc<Api>,
}

impl MaintenanceService {
    pub(crate) fn new(api: Arc<Api>) -> MaintenanceService {
        MaintenanceService { api }
    }

    /// Lets administrators alone through.
    async fn admit_admin<T>(&self, request: Request<T>) -> Result<T, Error> {
        let deadline = Deadline::of(request.metadata(), self.api.limits.request_timeout);
        let (caller, message) = Caller::split(request);
        self.api.permit_admin(&caller, deadline).await?;
        Ok(message)
    }
}

#[tonic::async_trait]
impl Maintenance for MaintenanceService {
    type SnapshotStream = snapshot::Messages;

    async fn alarm(
        &self,
        request: Request<AlarmRequest>,
    ) -> Result<Response<AlarmResponse>, Status> {
        let deadline = Deadline::of(request.metadata(), self.api.limits.request_timeout);
        let (caller, request) = Caller::split(request);
        match request.action == AlarmAction::Get as i32 {
            true => self.api.permit_somebody(&caller, deadline).await.map(drop)?,
            false => self.api.permit_admin(&caller, deadline).await?,
        }
        let alarm = Some(request);
        let command = EncodedCommand::of(&InternalRaftRequest { alarm, ..Default::default() });
        let answer = self.api.propose_for(&caller, command, deadline).await?;
        let Answer::Alarm(mut response) = answer else { return Err(unexpected()) };
        response.header = self.api.complete(response.header);
        Ok(Response::new(response))
    }

    async fn status(
        &self,
        request: Request<StatusRequest>,
    ) -> Result<Response<StatusResponse>, Status> {
        let deadline = Deadline::of(request.metadata(), self.api.limits.request_timeout);
        self.api.permit_somebody(&Caller::split(request).0, deadline).await?;
        Ok(Response::new(status(&self.api)))
    }

    async fn hash_kv(
        &self,
        request: Request<HashKvRequest>,
    ) -> Result<Response<HashKvResponse>, Status> {
        let HashKvRequest { revision } = self.admit_admin(request).await?;
        let mvcc = self.api.views.mvcc.clone();
        // It reads every record of the store.
        let hash = tokio::task::spawn_blocking(move || mvcc.hash_kv(revision)).await;
        let hash = hash.map_err(|_| Error::Stopped)?.map_err(Error::from)?;
        Ok(Response::new(HashKvResponse {
            header: Some(self.api.header(self.api.views.mvcc.revision())),
            hash: hash.hash,
            compact_revision: hash.compact_revision,
            hash_revision: hash.hash_revision,
        }))
    }

    async fn defragment(
        &self,
        request: Request<DefragmentRequest>,
    ) -> Result<Response<DefragmentResponse>, Status> {
        self.admit_admin(request).await?;
        let api = self.api.clone();
        // A client that gives up does not end it.
        let compacted = tokio::task::spawn_blocking(move || {
            let _defragmentation = api.health.begin_defragmentation();
            api.views.storage.compact()
        });
        let compacted = compacted.await;
        compacted.map_err(|_| Error::Stopped)?.map_err(Error::other)?;
        Ok(Response::new(DefragmentResponse { header: None }))
    }

    async fn hash(&self, request: Request<HashRequest>) -> Result<Response<HashResponse>, Status> {
        self.admit_admin(request).await?;
        let views = self.api.views.clone();
        let hash = move || {
            let begun = Lap::begin();
            let hash = views.buckets(|buckets| buckets.hash());
            views.figures.hashes.note_time(begun.so_far());
            hash
        };
        // It reads the whole state.
        let hash = tokio::task::spawn_blocking(hash).await;
        let hash = hash.map_err(|_| Error::Stopped)?.map_err(Error::from)?;
        let header = Some(self.api.header(self.api.views.mvcc.revision()));
        Ok(Response::new(HashResponse { header, hash }))
    }

    async fn snapshot(
        &self,
        request: Request<SnapshotRequest>,
    ) -> Result<Response<Self::SnapshotStream>, Status> {
        self.admit_admin(request).await?;
        Ok(Response::new(snapshot::start(Arc::clone(&self.api))))
    }

    async fn move_leader(
        &self,
        request: Request<MoveLeaderRequest>,
    ) -> Result<Response<MoveLeaderResponse>, Status> {
        let deadline = Deadline::of(request.metadata(), NO_LIMIT);
        let target = MemberId(self.admit_admin(request).await?.target_id);
        let moved = self.api.raft.transfer_leader(target, deadline.at).await;
        moved.map_err(|error| match error {
            TransferError::NotLeader => Error::NotLeader,
            TransferError::BadTarget => Error::BadLeaderTransferee,
            TransferError::TimedOut => Error::LeaderTransferTimeout,
            TransferError::Stopped => Error::Stopped,
        })?;
        Ok(Response::new(MoveLeaderResponse { header: None }))
    }

    async fn downgrade(
        &self,
        request: Request<DowngradeRequest>,
    ) -> Result<Response<DowngradeResponse>, Status> {
        let deadline = Deadline::of(request.metadata(), self.api.limits.request_timeout);
        let (caller, request) = Caller::split(request);
        self.api.permit_admin(&caller, deadline).await?;
        Ok(Response::new(self.api.downgrade(&caller, &request, deadline).await?))
    }
}
