//! Which path leads where.

use axum::Router;
use axum::handler::Handler;
use axum::middleware;
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodFilter, MethodRouter, any, on};
use http::{StatusCode, header};

use crate::hash_kv::hash_kv;
use crate::health::health;
use crate::members::members;
use crate::metrics::metrics;
use crate::probes::{livez, livez_check, readyz, readyz_check};
use crate::version::version;
use crate::{Access, Facts, Gateway};
use crate::{access, debug};

/// For the client listeners. Without a gateway nothing is served as JSON.
pub fn client_routes(facts: Facts, access: Access, gateway: Option<Gateway>) -> Router {
    observation()
        .route("/version", get(version))
        .merge(debug::routes(facts.profiling))
        .merge(gateway.map(Gateway::routes).unwrap_or_default())
        .fallback(not_found)
        .layer(middleware::from_fn_with_state(access, access::check))
        .with_state(facts)
}

/// For listeners of those who only look on, in no other network than they.
pub fn metrics_routes(facts: Facts) -> Router {
    observation().fallback(not_found).with_state(facts)
}

fn observation() -> Router<Facts> {
    Router::new()
        .route("/health", get(health))
        .route("/livez", get(livez))
        .route("/livez/{check}", get(livez_check))
        .route("/metrics", any(metrics))
        .route("/readyz", get(readyz))
        .route("/readyz/{check}", get(readyz_check))
}

/// For the peer listener.
pub fn peer_routes(facts: Facts) -> Router {
    Router::new()
        .route("/members", get(members))
        .route("/members/hashkv", get(hash_kv))
        .route("/version", get(version))
        .fallback(not_found)
        .with_state(facts)
}

/// What etcd answers to GET and to no other method, HEAD neither.
pub(crate) fn get<T: 'static>(handler: impl Handler<T, Facts>) -> MethodRouter<Facts> {
    on(MethodFilter::GET, handler).on(MethodFilter::HEAD, not_allowed).fallback(not_allowed)
}

/// Go's answer to a path that nothing serves.
pub(crate) async fn not_found() -> Response {
    text(StatusCode::NOT_FOUND, "404 page not found\n")
}

async fn not_allowed() -> Response {
    let mut response = text(StatusCode::METHOD_NOT_ALLOWED, "Method Not Allowed\n");
    response.headers_mut().insert(header::ALLOW, http::HeaderValue::from_static("GET"));
    response
}

/// An answer in text, as Go's `http.Error` makes it.
pub(crate) fn text(status: StatusCode, body: impl IntoResponse) -> Response {
    let headers = [
        (header::CONTENT_TYPE, "text/plain; charset=utf-8"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    ];
    (status, headers, body).into_response()
}
