//! Sends each request to the gRPC service or to the HTTP router.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;

use axum::{BoxError, Router};
use bytes::Bytes;
use http::{HeaderMap, Request, Response, Version, header};
use hyper::body::{Body as HttpBody, Incoming};
use tonic::body::Body;
use tower::Service;

use crate::Connection;

/// What serves a door.
///
/// They are not merged into one: each has its own answer to an unknown path.
pub(crate) struct Routers {
    grpc: Box<dyn Fn(Request<Incoming>) -> Answering + Send + Sync>,
    http: Router,
}

impl Routers {
    pub(crate) fn new(grpc: impl Answers, http: Router) -> Routers {
        Routers { grpc: Box::new(move |request| grpc.clone().answer(request)), http }
    }
}

/// An answer on its way.
pub type Answering = Pin<Box<dyn Future<Output = Result<Response<Body>, Infallible>> + Send>>;

/// A service as doors need it: always ready, cheap to clone, and without errors of its own.
pub trait Answers: Clone + Send + Sync + 'static {
    /// Answers one request.
    fn answer(self, request: Request<Incoming>) -> Answering;
}

impl<S, B> Answers for S
where
    S: Service<Request<Incoming>, Response = Response<B>, Error = Infallible>,
    S: Clone + Send + Sync + 'static,
    S::Future: Send + 'static,
    B: HttpBody<Data = Bytes> + Send + 'static,
    B::Error: Into<BoxError>,
{
    fn answer(mut self, request: Request<Incoming>) -> Answering {
        let response = self.call(request);
        Box::pin(async { Ok(response.await?.map(Body::new)) })
    }
}

/// The service of one connection.
pub(crate) struct Mux {
    pub(crate) routers: Arc<Routers>,
    pub(crate) connection: Connection,
}

impl hyper::service::Service<Request<Incoming>> for Mux {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Answering;

    fn call(&self, mut request: Request<Incoming>) -> Self::Future {
        request.extensions_mut().insert(self.connection.clone());
        match is_grpc(request.version(), request.headers()) {
            true => (self.routers.grpc)(request),
            false => self.routers.http.clone().answer(request),
        }
    }
}

/// etcd's rule: HTTP/2 with a content type that begins with `application/grpc`.
fn is_grpc(version: Version, headers: &HeaderMap) -> bool {
    version == Version::HTTP_2
        && headers
            .get(header::CONTENT_TYPE)
            .is_some_and(|kind| kind.as_bytes().starts_with(b"application/grpc"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(version: Version, kind: &'static str) -> bool {
        let mut headers = HeaderMap::new();
        headers.insert(header::CONTENT_TYPE, http::HeaderValue::from_static(kind));
        is_grpc(version, &headers)
    }

    #[test]
    fn only_http2_with_a_grpc_content_type_is_grpc() {
        assert!(check(Version::HTTP_2, "application/grpc"));
        assert!(check(Version::HTTP_2, "application/grpc+proto"));
        assert!(!check(Version::HTTP_2, "application/json"));
        assert!(!check(Version::HTTP_11, "application/grpc"));
        assert!(!is_grpc(Version::HTTP_2, &HeaderMap::new()));
    }
}
