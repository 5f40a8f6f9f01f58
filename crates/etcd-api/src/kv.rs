//! The service KV: reads and writes of keys.

use std::sync::Arc;

use etcd_apply::{Answer, Outcome, Views, put_cost, txn_cost};
use etcd_auth::Identity;
use etcd_nesting::Deep;
use etcd_proto::etcdserverpb::kv_server::Kv;
use etcd_proto::etcdserverpb::{
    CompactionRequest, CompactionResponse, DeleteRangeRequest, DeleteRangeResponse,
    InternalRaftRequest, PutRequest, PutResponse, RangeRequest, RangeResponse, TxnRequest,
    TxnResponse,
};
use prost::Message as _;
use tokio::sync::oneshot;
use tokio::time::Instant;
use tonic::{Request, Response, Status};

use crate::caller::Caller;
use crate::check::{check_delete_range, check_put, check_range, check_txn};
use crate::deadline::Deadline;
use crate::encoded_command::EncodedCommand;
use crate::looked_at::{self, READ_BARRIER};
use crate::metrics::Requested;
use crate::overlap::check_overlaps;
use crate::range_answer::RangeAnswer;
use crate::range_stream::{self, DecodedMessages, Messages};
use crate::reading::{is_read_only, is_serializable};
use crate::slow::{self, Asked, Sizes, Timing};
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

    fn deadline(&self, caller: &Caller) -> Deadline {
        Deadline::of(caller.metadata(), self.api.limits.request_timeout)
    }

    /// Begins to watch how long a call takes.
    fn timing<'c>(
        &self,
        deadline: Deadline,
        path: &'static str,
        caller: &'c Caller,
        asked: Asked<'c>,
    ) -> Timing<'c> {
        Timing::new(self.api.limits.slow_request, deadline.begun, path, caller, asked)
    }

    /// A put.
    pub(crate) async fn execute_put(
        &self,
        caller: &Caller,
        request: &PutRequest,
    ) -> Result<PutResponse, Status> {
        let deadline = self.deadline(caller);
        let timing = self.timing(deadline, slow::PUT, caller, Asked::Put(request));
        self.api.reserve(put_cost(request), caller, deadline).await?;
        check_put(request)?;
        let _step = self.api.step(caller, "put", || looked_at::put(request));
        let command = EncodedCommand::put(request);
        let (answer, ended) = self.api.propose_timed(caller, command, &deadline).await?;
        let Answer::Put(mut response) = answer else { return Err(unexpected()) };
        response.header = self.api.complete(response.header);
        timing.answered(ended, || Sizes { count: 0, bytes: response.encoded_len() });
        Ok(response)
    }

    /// A txn, however deep.
    pub(crate) async fn execute_txn(
        &self,
        caller: &Caller,
        request: Deep<TxnRequest>,
    ) -> Result<Deep<TxnResponse>, Status> {
        let deadline = self.deadline(caller);
        let asked = request.visit(Asked::txn);
        let timing = self.timing(deadline, slow::TXN, caller, asked);
        // That there is no room is told before anything else.
        self.api.reserve(request.visit(txn_cost), caller, deadline).await?;
        request.visit(|request| {
            check_txn(request, self.api.limits.max_txn_ops)?;
            check_overlaps(request)
        })?;
        let _step = self.api.step(caller, "txn", || request.visit(looked_at::txn));
        let (mut response, ended) = if is_read_only(&request) {
            let (response, ended) = self.read_txn(caller, request, deadline).await?;
            (response.into(), ended)
        } else {
            let txn = Some(request.into_inner());
            let command = InternalRaftRequest { txn, ..Default::default() };
            let command = EncodedCommand::of(&Deep::new(command));
            match self.api.propose_timed(caller, command, &deadline).await? {
                (Answer::Txn(response), ended) => (response, ended),
                _ => return Err(unexpected()),
            }
        };
        response.header = self.api.complete(response.header);
        let bytes = || response.visit(TxnResponse::encoded_len);
        timing.answered(ended, || Sizes { count: 0, bytes: bytes() });
        Ok(response)
    }

    /// A txn that only reads. As in etcd, its time is that after the barrier, and none without it.
    async fn read_txn(
        &self,
        caller: &Caller,
        request: Deep<TxnRequest>,
        mut deadline: Deadline,
    ) -> Result<(TxnResponse, Instant), Error> {
        if !is_serializable(&request) {
            self.read_barrier(caller, deadline).await?;
            deadline = deadline.begun_now();
        }
        let read = self.read_txn_now(caller, request, deadline).await;
        self.note_read(Requested::ReadonlyTxn, deadline, &read);
        read
    }

    async fn read_txn_now(
        &self,
        caller: &Caller,
        request: Deep<TxnRequest>,
        deadline: Deadline,
    ) -> Result<(TxnResponse, Instant), Error> {
        let check = |views: &Views, who: &Identity| views.check_txn(who, &request);
        let identity = self.api.permit(caller, deadline, check).await?;
        let read = self.api.read_txn(request.into_inner(), deadline.begun).await?;
        self.api.check_unchanged(&identity)?;
        Ok(read)
    }

    /// Notes how long a read took that was done when it says, or came to nothing now.
    fn note_read<T>(
        &self,
        requested: Requested,
        deadline: Deadline,
        read: &Result<(T, Instant), Error>,
    ) {
        let (outcome, ended) = match read {
            Ok((_, ended)) => (Outcome::Done, *ended),
            Err(_) => (Outcome::Refused, Instant::now()),
        };
        let took = ended.saturating_duration_since(deadline.begun);
        self.api.metrics.figures().note_request(requested, outcome, took);
    }

    /// A range, its key-values as they are stored.
    pub(crate) async fn execute_range(
        &self,
        caller: &Caller,
        request: &RangeRequest,
    ) -> Result<RangeAnswer, Status> {
        let deadline = self.deadline(caller);
        let timing = self.timing(deadline, slow::RANGE, caller, Asked::Range(request));
        if !request.serializable && self.api.is_learner() {
            return Err(Error::NotSupportedForLearner.into());
        }
        check_range(request)?;
        let _step = self.api.step(caller, "range", || looked_at::range(request));
        let read = self.read_range(caller, request, deadline).await;
        self.note_read(Requested::Range, deadline, &read);
        let (answer, ended) = read?;
        timing.answered(ended, || Sizes { count: answer.count, bytes: answer.encoded_len() });
        Ok(answer)
    }

    async fn read_range(
        &self,
        caller: &Caller,
        request: &RangeRequest,
        deadline: Deadline,
    ) -> Result<(RangeAnswer, Instant), Error> {
        let waits = !request.serializable || self.api.views.auth.is_enabled();
        if !request.serializable {
            self.read_barrier(caller, deadline).await?;
        }
        let (key, end) = (&request.key, &request.range_end);
        let identity = self.api.permit_read(caller, deadline, key, end).await?;
        let begun = (!waits).then_some(deadline.begun);
        let (result, ended) = self.api.read_range(request, begun).await?;
        self.api.check_unchanged(&identity)?;
        Ok((RangeAnswer::new(self.api.header(result.revision), result), ended))
    }

    /// The same in parts.
    pub(crate) async fn execute_range_stream(
        &self,
        request: Request<RangeRequest>,
    ) -> Result<Messages, Status> {
        let (caller, request) = Caller::split(request);
        let deadline = self.deadline(&caller);
        check_range(&request)?;
        range_stream::check(&request)?;
        let step = self.api.step(&caller, "range_streaming", || looked_at::range_stream(&request));
        if !request.serializable {
            self.read_barrier(&caller, deadline).await?;
        }
        let (key, end) = (&request.key, &request.range_end);
        let identity = self.api.permit_read(&caller, deadline, key, end).await?;
        Ok(range_stream::start(self.api.clone(), request, identity, step))
    }

    /// A read barrier, as a step of the request.
    async fn read_barrier(&self, caller: &Caller, deadline: Deadline) -> Result<(), Error> {
        let _step = self.api.step(caller, READ_BARRIER, Vec::new);
        self.api.read_barrier(deadline).await
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
        let (caller, request) = Caller::split(request);
        Ok(Response::new(self.execute_range(&caller, &request).await?.decode()?))
    }

    async fn range_stream(
        &self,
        request: Request<RangeRequest>,
    ) -> Result<Response<DecodedMessages>, Status> {
        let messages = self.execute_range_stream(request).await?;
        Ok(Response::new(range_stream::decoded(messages)))
    }

    async fn put(&self, request: Request<PutRequest>) -> Result<Response<PutResponse>, Status> {
        let (caller, request) = Caller::split(request);
        Ok(Response::new(self.execute_put(&caller, &request).await?))
    }

    async fn delete_range(
        &self,
        request: Request<DeleteRangeRequest>,
    ) -> Result<Response<DeleteRangeResponse>, Status> {
        let (caller, request) = Caller::split(request);
        let deadline = self.deadline(&caller);
        let asked = Asked::delete_range(&request);
        let timing = self.timing(deadline, slow::DELETE_RANGE, &caller, asked);
        check_delete_range(&request)?;
        let _step = self.api.step(&caller, "delete_range", || looked_at::delete_range(&request));
        let delete_range = Some(request);
        let command =
            EncodedCommand::of(&InternalRaftRequest { delete_range, ..Default::default() });
        let (answer, ended) = self.api.propose_timed(&caller, command, &deadline).await?;
        let Answer::DeleteRange(mut response) = answer else { return Err(unexpected()) };
        response.header = self.api.complete(response.header);
        timing.answered(ended, || Sizes { count: response.deleted, bytes: response.encoded_len() });
        Ok(Response::new(response))
    }

    async fn txn(&self, request: Request<TxnRequest>) -> Result<Response<TxnResponse>, Status> {
        let (caller, request) = Caller::split(request);
        let response = self.execute_txn(&caller, Deep::new(request)).await?;
        Ok(Response::new(response.into_inner()))
    }

    async fn compact(
        &self,
        request: Request<CompactionRequest>,
    ) -> Result<Response<CompactionResponse>, Status> {
        let (caller, request) = Caller::split(request);
        let deadline = self.deadline(&caller);
        let CompactionRequest { revision, physical } = request;
        let _step = self.api.step(&caller, "compact", || looked_at::compact(&request));
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
