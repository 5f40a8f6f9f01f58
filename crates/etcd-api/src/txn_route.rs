//! The route of KV's Txn: the generated one has no codec for txns that are deep.

use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use axum::body::HttpBody;
use axum::http;
use bytes::Bytes;
use etcd_nesting::Deep;
use etcd_proto::etcdserverpb::{TxnRequest, TxnResponse};
use tonic::body::Body;
use tonic::codec::CompressionEncoding;
use tonic::server::{Grpc, UnaryService};
use tonic::{Response, Status};

use crate::Api;
use crate::kv::KvService;
use crate::limits::MAX_SENT_BYTES;
use crate::txn_codec::TxnCodec;

pub(crate) const PATH: &str = "/etcdserverpb.KV/Txn";

pub(crate) async fn serve<B>(
    api: Arc<Api>,
    request: http::Request<B>,
) -> Result<http::Response<Body>, Infallible>
where
    B: HttpBody<Data = Bytes> + Send + 'static,
    B::Error: Into<axum::BoxError> + Send,
{
    let mut grpc = Grpc::new(TxnCodec)
        .max_decoding_message_size(api.limits.max_message_bytes())
        .max_encoding_message_size(MAX_SENT_BYTES)
        .accept_compressed(CompressionEncoding::Gzip);
    Ok(grpc.unary(Txn(KvService::new(api)), request).await)
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
