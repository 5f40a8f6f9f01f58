//! Answers in a form that two servers can be compared by.

use etcd_proto::etcdserverpb::kv_client::KvClient;
use etcd_proto::etcdserverpb::maintenance_client::MaintenanceClient;
use etcd_proto::etcdserverpb::{
    CompactionResponse, DeleteRangeResponse, HashKvRequest, HashKvResponse, PutResponse,
    RangeResponse, ResponseHeader, TxnResponse,
};
use tonic::body::Body;
use tonic::client::GrpcService;
use tonic::codegen::StdError;
use tonic::{Code, Response, Status};

use crate::requests::Request;

/// What a client gets.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Answer {
    Range(RangeResponse),
    Put(PutResponse),
    DeleteRange(DeleteRangeResponse),
    Txn(TxnResponse),
    Compaction(CompactionResponse),
    HashKv(HashKvResponse),
    Refused(Code, String),
}

impl Answer {
    /// Sends a request; the identity of the server is taken out of what comes back.
    pub(crate) async fn to<C>(request: Request, channel: C) -> Answer
    where
        C: GrpcService<Body> + Clone,
        C::Error: Into<StdError>,
        C::ResponseBody: axum::body::HttpBody<Data = bytes::Bytes> + Send + 'static,
        <C::ResponseBody as axum::body::HttpBody>::Error: Into<StdError> + Send,
    {
        let mut kv = KvClient::new(channel.clone());
        let mut answer = match request {
            Request::Range(request) => of(kv.range(request).await, Answer::Range),
            Request::Put(request) => of(kv.put(request).await, Answer::Put),
            Request::DeleteRange(request) => {
                of(kv.delete_range(request).await, Answer::DeleteRange)
            }
            Request::Txn(request) => of(kv.txn(request).await, Answer::Txn),
            Request::Compaction(request) => of(kv.compact(request).await, Answer::Compaction),
            Request::HashKv(revision) => {
                let mut maintenance = MaintenanceClient::new(channel);
                of(maintenance.hash_kv(HashKvRequest { revision }).await, Answer::HashKv)
            }
        };
        if let Some(header) = answer.header() {
            // Who answers and in which term differs, but not that it is told.
            header.cluster_id = u64::from(header.cluster_id != 0);
            header.member_id = u64::from(header.member_id != 0);
            header.raft_term = u64::from(header.raft_term != 0);
        }
        answer
    }

    pub(crate) fn header(&mut self) -> Option<&mut ResponseHeader> {
        match self {
            Answer::Range(response) => response.header.as_mut(),
            Answer::Put(response) => response.header.as_mut(),
            Answer::DeleteRange(response) => response.header.as_mut(),
            Answer::Txn(response) => response.header.as_mut(),
            Answer::Compaction(response) => response.header.as_mut(),
            Answer::HashKv(response) => response.header.as_mut(),
            Answer::Refused(..) => None,
        }
    }
}

fn of<T>(result: Result<Response<T>, Status>, answer: impl FnOnce(T) -> Answer) -> Answer {
    match result {
        Ok(response) => answer(response.into_inner()),
        Err(status) => Answer::Refused(status.code(), status.message().to_owned()),
    }
}
