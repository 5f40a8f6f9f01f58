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
use crate::kv::KvService;
use crate::terms::terms;
use crate::txn_codec::TxnCodec;
use crate::unary::{self, Opened};

pub(crate) const PATH: &str = "/etcdserverpb.KV/Txn";

pub(crate) async fn serve<B>(
    api: Arc<Api>,
    request: http::Request<B>,
) -> Result<http::Response<Body>, Infallible>
where
    B: HttpBody<Data = Bytes> + Send + Unpin + 'static,
    B::Error: Into<axum::BoxError> + Send + Unpin,
{
    let limit = api.limits.max_message_bytes();
    match unary::open(request, limit, |message| decode_txn(message).ok()).await {
        Opened::Simple(request) => {
            let answer = KvService::new(api).execute_txn(request).await;
            unary::respond(answer.and_then(|response| {
                let message = encode(&**response.get_ref());
                unary::message(message.len(), |target| target.put_slice(&message))
            }))
        }
        Opened::Other(request) => {
            let mut grpc = terms!(Grpc::new(TxnCodec), api.limits);
            Ok(grpc.unary(Txn(KvService::new(api)), *request).await)
        }
    }
}

struct Txn(KvService);

impl UnaryService<Deep<TxnRequest>> for Txn {
    type Response = Deep<TxnResponse>;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Self::Response>, Status>> + Send>>;

    fn call(&mut self, request: tonic::Request<Deep<TxnRequest>>) -> Self::Future {
        let service = self.0.clone();
        Box::pin(async move { service.execute_txn(request).await })
    }
}
