//! The routes of KV's Range and RangeStream: the generated ones would read every stored key-value
//! only to write it again.

use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use axum::body::HttpBody;
use axum::http;
use bytes::Bytes;
use etcd_proto::etcdserverpb::RangeRequest;
use http_body_util::BodyExt as _;
use prost::Message as _;
use tonic::body::Body;
use tonic::server::{Grpc, ServerStreamingService, UnaryService};
use tonic::{Response, Status};

use crate::Api;
use crate::caller::Caller;
use crate::kv::KvService;
use crate::range_answer::RangeAnswer;
use crate::range_codec::RangeCodec;
use crate::range_stream::Messages;
use crate::terms::terms;
use crate::unary;

pub(crate) const RANGE: &str = "/etcdserverpb.KV/Range";
pub(crate) const RANGE_STREAM: &str = "/etcdserverpb.KV/RangeStream";

/// Answers of more bytes leave in pieces.
const LONG_BYTES: usize = 32 << 10;

// As of a put.
#[allow(clippy::manual_async_fn, reason = "holds its arguments once")]
pub(crate) fn serve_range<B>(
    api: Arc<Api>,
    mut request: http::Request<B>,
) -> impl Future<Output = Result<http::Response<Body>, Infallible>> + Send
where
    B: HttpBody<Data = Bytes> + Send + Unpin + 'static,
    B::Error: Into<axum::BoxError> + Send + Unpin,
{
    async move {
        let limit = api.limits.max_message_bytes();
        let decode = |message| RangeRequest::decode(message).ok();
        match unary::open(&mut request, limit, decode).await {
            Ok(message) => {
                let caller = Caller::of(&mut request);
                let answer = KvService::new(api).execute_range(&caller, &message).await;
                match answer.and_then(sendable) {
                    Ok((answer, len)) if len > LONG_BYTES => Ok(in_pieces(answer)),
                    answer => unary::respond(answer.and_then(|(answer, len)| {
                        unary::message(len, |target| answer.encode(target))
                    })),
                }
            }
            Err(seen) => {
                let mut grpc = terms!(Grpc::new(RangeCodec::Unary), api.limits);
                let service = Range(KvService::new(api));
                Ok(Box::pin(grpc.unary(service, seen.before(request))).await)
            }
        }
    }
}

pub(crate) async fn serve_range_stream<B>(
    api: Arc<Api>,
    request: http::Request<B>,
) -> Result<http::Response<Body>, Infallible>
where
    B: HttpBody<Data = Bytes> + Send + 'static,
    B::Error: Into<axum::BoxError> + Send,
{
    let mut grpc = terms!(Grpc::new(RangeCodec::Stream), api.limits);
    let service = RangeStream(KvService::new(api));
    Ok(grpc.server_streaming(service, request).await)
}

/// A long answer, which never lies in one buffer.
fn in_pieces(answer: RangeAnswer) -> http::Response<Body> {
    let pieces = answer.into_pieces().map(Ok::<_, Infallible>);
    let body = axum::body::Body::from_stream(futures_util::stream::iter(pieces));
    let trailers = std::future::ready(Some(Ok(unary::well())));
    unary::response(Body::new(body.with_trailers(trailers)))
}

struct Range(KvService);

impl UnaryService<RangeRequest> for Range {
    type Response = RangeAnswer;
    type Future = Pin<Box<dyn Future<Output = Result<Response<RangeAnswer>, Status>> + Send>>;

    fn call(&mut self, request: tonic::Request<RangeRequest>) -> Self::Future {
        let service = self.0.clone();
        Box::pin(async move {
            let (caller, request) = Caller::split(request);
            let (answer, _) = sendable(service.execute_range(&caller, &request).await?)?;
            Ok(Response::new(answer))
        })
    }
}

/// An answer and its bytes, if it is not longer than any may be.
fn sendable(answer: RangeAnswer) -> Result<(RangeAnswer, usize), Status> {
    let len = answer.encoded_len();
    unary::check_len(len)?;
    Ok((answer, len))
}

struct RangeStream(KvService);

impl ServerStreamingService<RangeRequest> for RangeStream {
    type Response = RangeAnswer;
    type ResponseStream = Messages;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Messages>, Status>> + Send>>;

    fn call(&mut self, request: tonic::Request<RangeRequest>) -> Self::Future {
        let service = self.0.clone();
        Box::pin(async move { Ok(Response::new(service.execute_range_stream(request).await?)) })
    }
}
