//! A client that says to which span its calls belong.

use etcd_proto::etcdserverpb as pb;
use etcd_proto::v3lockpb::lock_client::LockClient;
use etcd_proto::v3lockpb::{LockRequest, LockResponse};
use http::uri::PathAndQuery;
use pb::kv_client::KvClient;
use pb::lease_client::LeaseClient;
use pb::watch_client::WatchClient;
use pb::watch_request::RequestUnion;
use std::future::Future;
use std::time::Duration;
use tokio::runtime::{Builder, Runtime};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Request, Response, Status, Streaming};
use tonic_prost::ProstCodec;

const DEADLINE: Duration = Duration::from_secs(12);

/// A connection to a member.
pub(crate) struct Caller {
    runtime: Runtime,
    channel: Channel,
    /// The metadata `traceparent`, if it says so.
    pub(crate) parent: Option<String>,
    /// The metadata `tracestate`.
    pub(crate) state: Option<&'static str>,
}

impl Caller {
    pub(crate) fn new(url: &str) -> Caller {
        // Its thread goes on when no call waits: that a call is given up must be sent, too.
        let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build();
        let runtime = runtime.expect("a runtime");
        let guard = runtime.enter();
        let channel = Endpoint::from_shared(url.to_owned()).expect("a URL").connect_lazy();
        drop(guard);
        Caller { runtime, channel, parent: None, state: None }
    }

    /// The caller's span from now on: its trace and its id, and whether it is sampled.
    pub(crate) fn within(&mut self, trace: &str, id: &str, flags: &str) {
        self.parent = Some(format!("00-{trace}-{id}-{flags}"));
    }

    pub(crate) fn put(&self, key: &str) -> Result<pb::PutResponse, Code> {
        self.put_bytes(key, 1)
    }

    /// Puts so many bytes.
    pub(crate) fn put_bytes(&self, key: &str, bytes: usize) -> Result<pb::PutResponse, Code> {
        let (key, value) = (key.to_owned().into(), vec![b'v'; bytes].into());
        let request = pb::PutRequest { key, value, ..Default::default() };
        self.call(self.kv().put(self.request(request)))
    }

    pub(crate) fn range(&self, request: pb::RangeRequest) -> Result<pb::RangeResponse, Code> {
        self.call(self.kv().range(self.request(request)))
    }

    pub(crate) fn range_stream(&self, request: pb::RangeRequest) -> Result<(), Code> {
        let mut kv = self.kv();
        self.call(async {
            let mut parts = kv.range_stream(self.request(request)).await?.into_inner();
            while parts.message().await?.is_some() {}
            Ok(Response::new(()))
        })
    }

    pub(crate) fn txn(&self, request: pb::TxnRequest) -> Result<pb::TxnResponse, Code> {
        self.call(self.kv().txn(self.request(request)))
    }

    pub(crate) fn delete(&self, key: &str, end: &str) -> Result<pb::DeleteRangeResponse, Code> {
        let (key, range_end) = (key.to_owned().into(), end.to_owned().into());
        let request = pb::DeleteRangeRequest { key, range_end, prev_kv: false };
        self.call(self.kv().delete_range(self.request(request)))
    }

    pub(crate) fn compact(&self, revision: i64) -> Result<pb::CompactionResponse, Code> {
        let request = pb::CompactionRequest { revision, physical: true };
        self.call(self.kv().compact(self.request(request)))
    }

    pub(crate) fn grant(&self, id: i64, ttl: i64) -> Result<pb::LeaseGrantResponse, Code> {
        let request = pb::LeaseGrantRequest { id, ttl };
        self.call(self.lease().lease_grant(self.request(request)))
    }

    pub(crate) fn revoke(&self, id: i64) -> Result<pb::LeaseRevokeResponse, Code> {
        let request = pb::LeaseRevokeRequest { id };
        self.call(self.lease().lease_revoke(self.request(request)))
    }

    pub(crate) fn time_to_live(&self, id: i64) -> Result<pb::LeaseTimeToLiveResponse, Code> {
        let request = pb::LeaseTimeToLiveRequest { id, keys: true };
        self.call(self.lease().lease_time_to_live(self.request(request)))
    }

    /// Renews a lease once.
    pub(crate) fn renew(&self, id: i64) -> Result<i64, Code> {
        let requests = tokio_stream::iter([pb::LeaseKeepAliveRequest { id }]);
        let mut lease = self.lease();
        self.call(async {
            let mut stream = lease.lease_keep_alive(self.request(requests)).await?.into_inner();
            let ttl = stream.message().await?.map_or(0, |response| response.ttl);
            // The call ends when the server has ended it.
            while stream.message().await?.is_some() {}
            Ok(Response::new(ttl))
        })
    }

    /// A call of Watch with a watcher of this key, which is given up when what is returned is
    /// dropped.
    pub(crate) fn watch(&self, key: &str) -> Result<Watching<'_>, Code> {
        let (requests, receiver) = mpsc::channel(8);
        requests.try_send(create(key, 0)).expect("there is room");
        let mut watch = WatchClient::new(self.channel.clone());
        let responses = self.call(watch.watch(self.request(ReceiverStream::new(receiver))))?;
        let mut watching = Watching { caller: self, requests, responses };
        assert!(watching.next().created);
        Ok(watching)
    }

    pub(crate) fn lock(&self, name: &str) -> Result<LockResponse, Code> {
        let request = LockRequest { name: name.to_owned().into(), lease: 0 };
        self.call(LockClient::new(self.channel.clone()).lock(self.request(request)))
    }

    /// Calls a method that is not there.
    pub(crate) fn unknown(&self) -> Result<(), Code> {
        let mut grpc = tonic::client::Grpc::new(self.channel.clone());
        let path = PathAndQuery::from_static("/etcdserverpb.KV/Nothing");
        let codec = ProstCodec::<pb::PutRequest, pb::PutResponse>::default();
        self.call(async {
            grpc.ready().await.expect("it listens");
            let answer = grpc.unary(self.request(pb::PutRequest::default()), path, codec).await;
            answer.map(|response| response.map(|_| ()))
        })
    }

    fn kv(&self) -> KvClient<Channel> {
        KvClient::new(self.channel.clone())
    }

    fn lease(&self) -> LeaseClient<Channel> {
        LeaseClient::new(self.channel.clone())
    }

    fn request<T>(&self, message: T) -> Request<T> {
        let mut request = Request::new(message);
        if let Some(parent) = &self.parent {
            request.metadata_mut().insert("traceparent", parent.parse().expect("visible letters"));
        }
        if let Some(state) = self.state {
            request.metadata_mut().insert("tracestate", state.parse().expect("visible letters"));
        }
        request
    }

    fn call<T>(&self, call: impl Future<Output = Result<Response<T>, Status>>) -> Result<T, Code> {
        let answer = self.runtime.block_on(async {
            tokio::time::timeout(DEADLINE, call).await.expect("an answer in time")
        });
        answer.map(Response::into_inner).map_err(|status| status.code())
    }
}

/// A call of Watch under way.
pub(crate) struct Watching<'c> {
    caller: &'c Caller,
    requests: mpsc::Sender<pb::WatchRequest>,
    responses: Streaming<pb::WatchResponse>,
}

impl Watching<'_> {
    /// Whether a watcher is made.
    pub(crate) fn create(&mut self, key: &str, start_revision: i64) -> bool {
        self.requests.try_send(create(key, start_revision)).expect("there is room");
        !self.next().canceled
    }

    pub(crate) fn cancel(&mut self, watch_id: i64) {
        let cancel = RequestUnion::CancelRequest(pb::WatchCancelRequest { watch_id });
        let request = pb::WatchRequest { request_union: Some(cancel) };
        self.requests.try_send(request).expect("there is room");
        assert!(self.next().canceled);
    }

    fn next(&mut self) -> pb::WatchResponse {
        let answer = self.caller.call(async { Ok(Response::new(self.responses.message().await?)) });
        answer.ok().flatten().expect("the call goes on")
    }
}

fn create(key: &str, start_revision: i64) -> pb::WatchRequest {
    let key = key.to_owned().into();
    let create = pb::WatchCreateRequest { key, start_revision, ..Default::default() };
    pb::WatchRequest { request_union: Some(RequestUnion::CreateRequest(create)) }
}
