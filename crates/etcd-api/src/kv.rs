//! The service KV: reads and writes of keys.

use std::sync::Arc;

use etcd_apply::{Answer, Views, put_cost, txn_cost};
use etcd_auth::Identity;
use etcd_nesting::Deep;
use etcd_proto::etcdserverpb::kv_server::Kv;
use etcd_proto::etcdserverpb::{
    CompactionRequest, CompactionResponse, DeleteRangeRequest, DeleteRangeResponse,
    InternalRaftRequest, PutRequest, PutResponse, RangeRequest, RangeResponse, TxnRequest,
    TxnResponse,
};
use tokio::sync::oneshot;
use tonic::{Request, Response, Status};

use crate::caller::Caller;
use crate::check::{check_delete_range, check_put, check_range, check_txn};
use crate::deadline::Deadline;
use crate::encoded_command::EncodedCommand;
use crate::overlap::check_overlaps;
use crate::range_answer::RangeAnswer;
use crate::range_stream::{self, DecodedMessages, Messages};
use crate::reading::{is_read_only, is_serializable};
use crate::{Api, Error};

/// Answers for keys.
#[derive(Clone)]
pub(crate) struct KvService {
    api: Arc<Api>,
}

impl KvService {
    pub(crate) fn new(api: Arc<Api>) -> KvService {
        KvService { api }
    }

    fn deadline<T>(&self, request: &Request<T>) -> Deadline {
        Deadline::of(request.metadata(), self.api.limits.request_timeout)
    }

    /// A txn, however deep.
    pub(crate) async fn execute_txn(
        &self,
        request: Request<Deep<TxnRequest>>,
    ) -> Result<Response<Deep<TxnResponse>>, Status> {
        let deadline = self.deadline(&request);
        let (caller, request) = Caller::split(request);
        // That there is no room is told before anything else.
        self.api.reserve(request.visit(txn_cost), &caller, deadline).await?;
        request.visit(|request| {
            check_txn(request, self.api.limits.max_txn_ops)?;
            check_overlaps(request)
        })?;
        let mut response = if is_read_only(&request) {
            if !is_serializable(&request) {
                self.api.read_barrier(deadline).await?;
            }
            let check = |views: &Views, who: &Identity| views.check_txn(who, &request);
            let identity = self.api.permit(&caller, deadline, check).await?;
            let response = self.api.read_txn(request.into_inner()).await?;
            self.api.check_unchanged(&identity)?;
            response.into()
        } else {
            let txn = Some(request.into_inner());
            let command = InternalRaftRequest { txn, ..Default::default() };
            let command = EncodedCommand::of(&Deep::new(command));
            match self.api.propose_for(&caller, command, deadline).await? {
                Answer::Txn(response) => response,
                _ => return Err(unexpected()),
            }
        };
        response.header = self.api.complete(response.header);
        Ok(Response::new(response))
    }

    /// A range, its key-values as they are stored.
    pub(crate) async fn execute_range(
        &self,
        request: Request<RangeRequest>,
    ) -> Result<RangeAnswer, Status> {
        let deadline = self.deadline(&request);
        let (caller, request) = Caller::split(request);
        if !request.serializable && self.api.is_learner() {
            return Err(Error::NotSupportedForLearner.into());
        }
        check_range(&request)?;
        if !request.serializable {
            self.api.read_barrier(deadline).await?;
        }
        let (key, end) = (&request.key, &request.range_end);
        let identity = self.api.permit_read(&caller, deadline, key, end).await?;
        let result = self.api.read_range(request).await?;
        self.api.check_unchanged(&identity)?;
        Ok(RangeAnswer::new(self.api.header(result.revision), result))
    }

    /// The same in parts.
    pub(crate) async fn execute_range_stream(
        &self,
        request: Request<RangeRequest>,
    ) -> Result<Messages, Status> {
        let deadline = self.deadline(&request);
        let (caller, request) = Caller::split(request);
        check_range(&request)?;
        range_stream::check(&request)?;
        if !request.serializable {
            self.api.read_barrier(deadline).await?;
        }
        let (key, end) = (&request.key, &request.range_end);
        let identity = self.api.permit_read(&caller, deadline, key, end).await?;
        Ok(range_stream::start(self.api.clone(), request, identity))
    }

    /// Waits until compactions up to `revision` are carried out.
    async fn compacted(&self, revision: i64) -> Result<(), Error> {
        let (done, is_done) = oneshot::channel();
        let callback = Box::new(move || {
            // The client may be gone.
            let _ = done.send(());
        });
        self.api.views.mvcc.on_compacted(revision, callback);
        is_done.await.map_err(|_| Error::Stopped)
    }
}

#[tonic::async_trait]
impl Kv for KvService {
    type RangeStreamStream = DecodedMessages;

    async fn range(
        &self,
        request: Request<RangeRequest>,
    ) -> Result<Response<RangeResponse>, Status> {
        Ok(Response::new(self.execute_range(request).await?.decode()?))
    }

    async fn range_stream(
        &self,
        request: Request<RangeRequest>,
    ) -> Result<Response<DecodedMessages>, Status> {
        let messages = self.execute_range_stream(request).await?;
        Ok(Response::new(range_stream::decoded(messages)))
    }

    async fn put(&self, request: Request<PutRequest>) -> Result<Response<PutResponse>, Status> {
        let deadline = self.deadline(&request);
        let (caller, request) = Caller::split(request);
        self.api.reserve(put_cost(&request), &caller, deadline).await?;
        check_put(&request)?;
        let command = EncodedCommand::put(&request);
        let answer = self.api.propose_for(&caller, command, deadline).await?;
        let Answer::Put(mut response) = answer else { return Err(unexpected()) };
        response.header = self.api.complete(response.header);
        Ok(Response::new(response))
    }

    async fn delete_range(
        &self,
        request: Request<DeleteRangeRequest>,
    ) -> Result<Response<DeleteRangeResponse>, Status> {
        let deadline = self.deadline(&request);
        let (caller, request) = Caller::split(request);
        check_delete_range(&request)?;
        let delete_range = Some(request);
        let command =
            EncodedCommand::of(&InternalRaftRequest { delete_range, ..Default::default() });
        let answer = self.api.propose_for(&caller, command, deadline).await?;
        let Answer::DeleteRange(mut response) = answer else { return Err(unexpected()) };
        response.header = self.api.complete(response.header);
        Ok(Response::new(response))
    }

    async fn txn(&self, request: Request<TxnRequest>) -> Result<Response<TxnResponse>, Status> {
        let response = self.execute_txn(request.map(Deep::new)).await?;
        Ok(response.map(Deep::into_inner))
    }

    async fn compact(
        &self,
        request: Request<CompactionRequest>,
    ) -> Result<Response<CompactionResponse>, Status> {
        let deadline = self.deadline(&request);
        let (caller, CompactionRequest { revision, physical }) = Caller::split(request);
        self.api.permit_admin(&caller, deadline).await?;
        let compaction = Some(CompactionRequest { revision, physical });
        let command = EncodedCommand::of(&InternalRaftRequest { compaction, ..Default::default() });
        let answer = self.api.propose_for(&caller, command, deadline).await;
        match answer {
            Ok(_) if physical => self.compacted(revision).await?,
            // Whoever asks for what is compacted already waits for those before him all the same.
            Err(Error::Compacted) if physical => {
                self.compacted(self.api.views.mvcc.compact_revision()).await?;
            }
            _ => {}
        }
        let Answer::Compaction(mut response) = answer? else { return Err(unexpected()) };
        response.header = self.api.complete(response.header);
        Ok(Response::new(response))
    }
}

/// The applier answers each command with an answer of its kind.
pub(crate) fn unexpected() -> Status {
    Error::other("etcdserver: the reply is of another kind than the request").into()
}
