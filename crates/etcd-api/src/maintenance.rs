//! The service Maintenance: a member's own affairs.

use std::pin::Pin;
use std::sync::Arc;

use etcd_apply::Answer;
use etcd_proto::etcdserverpb::maintenance_server::Maintenance;
use etcd_proto::etcdserverpb::{
    AlarmRequest, AlarmResponse, DefragmentRequest, DefragmentResponse, DowngradeRequest,
    DowngradeResponse, HashKvRequest, HashKvResponse, HashRequest, HashResponse,
    InternalRaftRequest, MoveLeaderRequest, MoveLeaderResponse, SnapshotRequest, SnapshotResponse,
    StatusRequest, StatusResponse,
};
use tokio_stream::Stream;
use tonic::{Request, Response, Status};

use crate::deadline::Deadline;
use crate::kv::unexpected;
use crate::status::status;
use crate::{Api, Error};

/// Answers for the member itself.
pub(crate) struct MaintenanceService {
    api: Arc<Api>,
}

impl MaintenanceService {
    pub(crate) fn new(api: Arc<Api>) -> MaintenanceService {
        MaintenanceService { api }
    }
}

#[tonic::async_trait]
impl Maintenance for MaintenanceService {
    type SnapshotStream = Pin<Box<dyn Stream<Item = Result<SnapshotResponse, Status>> + Send>>;

    async fn alarm(
        &self,
        request: Request<AlarmRequest>,
    ) -> Result<Response<AlarmResponse>, Status> {
        let deadline = Deadline::of(request.metadata(), self.api.limits.request_timeout);
        let alarm = Some(request.into_inner());
        let command = InternalRaftRequest { alarm, ..Default::default() };
        let Answer::Alarm(mut response) = self.api.propose(&command, deadline).await? else {
            return Err(unexpected());
        };
        response.header = self.api.complete(response.header);
        Ok(Response::new(response))
    }

    async fn status(&self, _: Request<StatusRequest>) -> Result<Response<StatusResponse>, Status> {
        Ok(Response::new(status(&self.api)))
    }

    async fn hash_kv(
        &self,
        request: Request<HashKvRequest>,
    ) -> Result<Response<HashKvResponse>, Status> {
        let revision = request.into_inner().revision;
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
        _: Request<DefragmentRequest>,
    ) -> Result<Response<DefragmentResponse>, Status> {
        Err(not_built("Defragment"))
    }

    async fn hash(&self, _: Request<HashRequest>) -> Result<Response<HashResponse>, Status> {
        Err(not_built("Hash"))
    }

    async fn snapshot(
        &self,
        _: Request<SnapshotRequest>,
    ) -> Result<Response<Self::SnapshotStream>, Status> {
        Err(not_built("Snapshot"))
    }

    async fn move_leader(
        &self,
        _: Request<MoveLeaderRequest>,
    ) -> Result<Response<MoveLeaderResponse>, Status> {
        Err(not_built("MoveLeader"))
    }

    async fn downgrade(
        &self,
        _: Request<DowngradeRequest>,
    ) -> Result<Response<DowngradeResponse>, Status> {
        Err(not_built("Downgrade"))
    }
}

fn not_built(method: &str) -> Status {
    Status::unimplemented(format!("unknown method {method} for service etcdserverpb.Maintenance"))
}
