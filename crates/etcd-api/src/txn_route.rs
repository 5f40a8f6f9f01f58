//! The route of KV's Txn: the generated one has no codec for txns that are deep.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use axum::Router;
use axum::extract::{Request, State};
use axum::routing::any;
use etcd_nesting::Deep;
use etcd_proto::etcdserverpb::{TxnRequest, TxnResponse};
use tonic::codec::CompressionEncoding;
use tonic::server::{Grpc, UnaryService};
use tonic::{Response, Status};

use crate::Api;
use crate::kv::KvService;
use crate::limits::MAX_SENT_BYTES;
use crate::txn_codec::TxnCodec;

const PATH: &str = "/etcdserverpb.KV/Txn";

/// A router with this route alone. Beside the generated routes it goes first, as it is the more
/// exact one.
pub(crate) fn txn_route(api: Arc<Api>) -> Router {
    Router::new().route(PATH, any(serve)).with_state(api)
}

async fn serve(State(api): State<Arc<Api>>, request: Request) -> axum::response::Response {
    let received = api.limits.max_message_bytes();
    let mut grpc = Grpc::new(TxnCodec)
        .max_decoding_message_size(received)
        .max_encoding_message_size(MAX_SENT_BYTES)
        .accept_compressed(CompressionEncoding::Gzip);
    grpc.unary(Txn(KvService::new(api)), request).await.map(axum::body::Body::new)
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
