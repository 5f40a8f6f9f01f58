//! The route of KV's Put, past the generated one where the call is simple.

use std::convert::Infallible;
use std::sync::Arc;

use axum::body::HttpBody;
use axum::http::{Request, Response};
use bytes::Bytes;
use etcd_proto::etcdserverpb::PutRequest;
use etcd_proto::etcdserverpb::kv_server::KvServer;
use prost::Message as _;
use tonic::body::Body;
use tower_service::Service as _;

use crate::Api;
use crate::kv::KvService;
use crate::unary::{self, Opened};

pub(crate) const PATH: &str = "/etcdserverpb.KV/Put";

pub(crate) async fn serve<B>(
    api: Arc<Api>,
    mut generated: KvServer<KvService>,
    request: Request<B>,
) -> Result<Response<Body>, Infallible>
where
    B: HttpBody<Data = Bytes> + Send + Unpin + 'static,
    B::Error: Into<axum::BoxError> + Send + Unpin,
{
    let limit = api.limits.max_message_bytes();
    match unary::open(request, limit, |message| PutRequest::decode(message).ok()).await {
        Opened::Simple(request) => {
            let answer = KvService::new(api).execute_put(request).await;
            unary::respond(answer.and_then(|response| {
                unary::message(response.encoded_len(), |target| response.encode_raw(target))
            }))
        }
        Opened::Other(request) => generated.call(*request).await,
    }
}
