//! The routes of KV's Range and RangeStream: the generated ones would read every stored key-value
//! only to write it again.

use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use axum::body::HttpBody;
use axum::http::{self, HeaderMap, HeaderValue};
use bytes::Bytes;
use etcd_proto::etcdserverpb::RangeRequest;
use http_body_util::BodyExt as _;
use tonic::body::Body;
use tonic::server::{Grpc, ServerStreamingService, UnaryService};
use tonic::{Response, Status};

use crate::Api;
use crate::kv::KvService;
use crate::limits::MAX_SENT_BYTES;
use crate::range_answer::RangeAnswer;
use crate::range_codec::RangeCodec;
use crate::range_stream::Messages;
use crate::terms::terms;

pub(crate) const RANGE: &str = "/etcdserverpb.KV/Range";
pub(crate) const RANGE_STREAM: &str = "/etcdserverpb.KV/RangeStream";

/// Answers of more bytes leave in pieces.
const LONG_BYTES: usize = 32 << 10;

pub(crate) async fn serve_range<B>(
    api: Arc<Api>,
    request: http::Request<B>,
) -> Result<http::Response<Body>, Infallible>
where
    B: HttpBody<Data = Bytes> + Send + 'static,
    B::Error: Into<axum::BoxError> + Send,
{
    let mut grpc = terms!(Grpc::new(RangeCodec::Unary), api.limits);
    let mut response = grpc.unary(Range(KvService::new(api)), request).await;
    Ok(match response.extensions_mut().remove::<Long>() {
        Some(Long(answer)) => {
            let answer = Arc::into_inner(answer).expect("nobody else takes it");
            response.map(|_| in_pieces(answer))
        }
        None => response,
    })
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

/// A long answer on its way around the codec, which would put it into one buffer.
#[derive(Clone)]
struct Long(Arc<RangeAnswer>);

/// The body of a call that was answered, with the trailers that say so.
fn in_pieces(answer: RangeAnswer) -> Body {
    let pieces = answer.into_pieces().map(Ok::<_, Infallible>);
    let mut trailers = HeaderMap::new();
    trailers.insert(Status::GRPC_STATUS, HeaderValue::from_static("0"));
    let body = axum::body::Body::from_stream(futures_util::stream::iter(pieces));
    Body::new(body.with_trailers(std::future::ready(Some(Ok(trailers)))))
}

struct Range(KvService);

impl UnaryService<RangeRequest> for Range {
    type Response = RangeAnswer;
    type Future = Pin<Box<dyn Future<Output = Result<Response<RangeAnswer>, Status>> + Send>>;

    fn call(&mut self, request: tonic::Request<RangeRequest>) -> Self::Future {
        let service = self.0.clone();
        Box::pin(async move { bypass(service.execute_range(request).await?) })
    }
}

/// Lets a long answer pass by the codec.
fn bypass(answer: RangeAnswer) -> Result<Response<RangeAnswer>, Status> {
    let len = answer.encoded_len();
    if len > MAX_SENT_BYTES {
        return Err(too_long(len));
    }
    if len <= LONG_BYTES {
        return Ok(Response::new(answer));
    }
    let mut response = Response::new(RangeAnswer::default());
    response.extensions_mut().insert(Long(Arc::new(answer)));
    Ok(response)
}

/// The words of etcd's library.
fn too_long(len: usize) -> Status {
    Status::resource_exhausted(format!(
        "grpc: trying to send message larger than max ({len} vs. {MAX_SENT_BYTES})"
    ))
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
