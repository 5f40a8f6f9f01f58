//! The route of KV's Txn: the generated one has no codec for txns that are deep.

use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use axum::body::HttpBody;
use axum::http;
use bytes::{BufMut as _, Bytes};
use etcd_nesting::{Deep, decode_txn, encode};
use etcd_proto::etcdserverpb::{TxnRequest, TxnResponse};
use tonic::body::Body;
use tonic::server::{Grpc, UnaryService};
use tonic::{Response, Status};

use crate::Api;
use crate::caller::Caller;
use crate::kv::KvService;
use crate::terms::terms;
use crate::txn_codec::TxnCodec;
use crate::unary;

pub(crate) const PATH: &str = "/etcdserverpb.KV/Txn";

// As of a put.
#[allow(clippy::manual_async_fn, reason = "holds its arguments once")]
pub(crate) fn serve<B>(
    api: Arc<Api>,
    mut request: http::Request<B>,
) -> impl Future<Output = Result<http::Response<Body>, Infallible>> + Send
where
    B: HttpBody<Data = Bytes> + Send + Unpin + 'static,
    B::Error: Into<axum::BoxError> + Send + Unpin,
{
    async move {
        let limit = api.limits.max_message_bytes();
        match unary::open(&mut request, limit, |message| decode_txn(message).ok()).await {
            Ok(message) => {
                let caller = Caller::of(&mut request);
                let answer = KvService::new(api).execute_txn(&caller, message).await;
                unary::respond(answer.and_then(|response| {
                    let message = encode(&*response);
                    unary::message(message.len(), |target| target.put_slice(&message))
                }))
            }
            Err(seen) => {
                let mut grpc = terms!(Grpc::new(TxnCodec), api.limits);
                let service = Txn(KvService::new(api));
                Ok(Box::pin(grpc.unary(service, seen.before(request))).await)
            }
        }
    }
}

struct Txn(KvService);

impl UnaryService<Deep<TxnRequest>> for Txn {
    type Response = Deep<TxnResponse>;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Self::Response>, Status>> + Send>>;

    fn call(&mut self, request: tonic::Request<Deep<TxnRequest>>) -> Self::Future {
        let service = self.0.clone();
        Box::pin(async move {
            let (caller, request) = Caller::split(request);
            service.execute_txn(&caller, request).await.map(Response::new)
        })
    }
}
