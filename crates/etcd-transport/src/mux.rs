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

/// An answer on its way.
type Answering = Pin<Box<dyn Future<Output = Result<Response<Body>, Infallible>> + Send>>;

impl Routers {
    /// Both services must always be ready, and cheap to clone.
    pub(crate) fn new<S, B>(grpc: S, http: Router) -> Routers
    where
        S: Service<Request<Incoming>, Response = Response<B>, Error = Infallible>,
        S: Clone + Send + Sync + 'static,
        S::Future: Send + 'static,
        B: HttpBody<Data = Bytes> + Send + 'static,
        B::Error: Into<BoxError>,
    {
        Routers { grpc: Box::new(move |request| answer(grpc.clone(), request)), http }
    }
}

fn answer<S, B>(mut service: S, request: Request<Incoming>) -> Answering
where
    S: Service<Request<Incoming>, Response = Response<B>, Error = Infallible>,
    S::Future: Send + 'static,
    B: HttpBody<Data = Bytes> + Send + 'static,
    B::Error: Into<BoxError>,
{
    let response = service.call(request);
    Box::pin(async { Ok(response.await?.map(Body::new)) })
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
            false => answer(self.routers.http.clone(), request),
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
