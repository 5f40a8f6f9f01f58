//! Sends each request to the gRPC router or to the HTTP router.

use std::convert::Infallible;
use std::sync::Arc;

use axum::Router;
use axum::response::Response;
use axum::routing::future::RouteFuture;
use http::{HeaderMap, Request, Version, header};
use hyper::body::Incoming;
use tower::Service;

use crate::Connection;

/// The two routers of a door.
///
/// They are not merged into one: each has its own answer to an unknown path.
pub(crate) struct Routers {
    pub(crate) grpc: Router,
    pub(crate) http: Router,
}

/// The service of one connection.
pub(crate) struct Mux {
    pub(crate) routers: Arc<Routers>,
    pub(crate) connection: Connection,
}

impl hyper::service::Service<Request<Incoming>> for Mux {
    type Response = Response;
    type Error = Infallible;
    type Future = RouteFuture<Infallible>;

    fn call(&self, mut request: Request<Incoming>) -> Self::Future {
        request.extensions_mut().insert(self.connection.clone());
        let router = match is_grpc(request.version(), request.headers()) {
            true => &self.routers.grpc,
            false => &self.routers.http,
        };
        // A router is always ready, and a clone of it is one more reference.
        router.clone().call(request)
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
