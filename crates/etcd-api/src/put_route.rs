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
use crate::caller::Caller;
use crate::kv::KvService;
use crate::terms::terms;
use crate::unary;

pub(crate) const PATH: &str = "/etcdserverpb.KV/Put";

// An async fn would hold its arguments twice, and each answer under way has its own room for all.
#[allow(clippy::manual_async_fn, reason = "holds its arguments once")]
pub(crate) fn serve<B>(
    api: Arc<Api>,
    mut request: Request<B>,
) -> impl Future<Output = Result<Response<Body>, Infallible>> + Send
where
    B: HttpBody<Data = Bytes> + Send + Unpin + 'static,
    B::Error: Into<axum::BoxError> + Send + Unpin,
{
    async move {
        let limit = api.limits.max_message_bytes();
        let decode = |message| PutRequest::decode(message).ok();
        match unary::open(&mut request, limit, decode).await {
            Ok(message) => {
                let caller = Caller::of(&mut request);
                let answer = KvService::new(api).execute_put(&caller, &message).await;
                unary::respond(answer.and_then(|response| {
                    unary::message(response.encoded_len(), |target| response.encode_raw(target))
                }))
            }
            Err(seen) => {
                let limits = &api.limits;
                let mut generated = terms!(KvServer::new(KvService::new(api.clone())), limits);
                generated.call(seen.before(request)).await
            }
        }
    }
}
