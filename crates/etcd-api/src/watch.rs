//! The route of Watch: changes of keys, as they happen and as they happened. The generated one would
//! write each change once for every watcher.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;

use axum::body::HttpBody;
use axum::http;
use bytes::Bytes;
use etcd_proto::etcdserverpb::WatchRequest;
use futures_util::stream;
use tokio_stream::Stream;
use tonic::body::Body;
use tonic::server::{Grpc, StreamingService};
use tonic::{Request, Response, Status, Streaming};

use crate::Api;
use crate::caller::Caller;
use crate::terms::terms;
use crate::watch_answer::WatchAnswer;
use crate::watch_codec::WatchCodec;
use crate::watch_stream::WatchStream;

pub(crate) const PATH: &str = "/etcdserverpb.Watch/Watch";

/// What a call of Watch answers with.
type Answers = Pin<Box<dyn Stream<Item = Result<WatchAnswer, Status>> + Send>>;

pub(crate) async fn serve<B>(
    api: Arc<Api>,
    request: http::Request<B>,
) -> Result<http::Response<Body>, Infallible>
where
    B: HttpBody<Data = Bytes> + Send + 'static,
    B::Error: Into<axum::BoxError> + Send,
{
    let mut grpc = terms!(Grpc::new(WatchCodec), api.limits);
    Ok(grpc.streaming(Watch(api), request).await)
}

struct Watch(Arc<Api>);

impl StreamingService<WatchRequest> for Watch {
    type Response = WatchAnswer;
    type ResponseStream = Answers;
    type Future = std::future::Ready<Result<Response<Answers>, Status>>;

    /// The stream has no task of its own: it goes on as the client takes its answers, and is gone
    /// with the call.
    fn call(&mut self, request: Request<Streaming<WatchRequest>>) -> Self::Future {
        let ending = self.0.ending(request.metadata().as_ref());
        let (caller, requests) = Caller::split(request);
        // It moves with every answer: boxed, that is a pointer.
        let watch = Box::new(WatchStream::new(self.0.clone(), caller, requests, ending));
        let answers = stream::unfold(Some(watch), async |watch| {
            let mut watch = watch?;
            match watch.next().await {
                Ok(answer) => Some((Ok(answer), Some(watch))),
                Err(status) => Some((Err(status), None)),
            }
        });
        std::future::ready(Ok(Response::new(Box::pin(answers))))
    }
}
