//! Which path leads where.

use axum::Router;
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodFilter, any, on};
use http::{StatusCode, header};

use crate::Facts;
use crate::health::health;
use crate::members::members;
use crate::metrics::metrics;
use crate::version::version;

/// For the client listeners.
pub fn client_routes(facts: Facts) -> Router {
    Router::new()
        .route("/health", on(MethodFilter::GET, health).fallback(not_allowed))
        .route("/metrics", any(metrics))
        .route("/version", on(MethodFilter::GET, version).fallback(not_allowed))
        .fallback(not_found)
        .with_state(facts)
}

/// For the peer listener.
pub fn peer_routes(facts: Facts) -> Router {
    Router::new()
        .route("/members", on(MethodFilter::GET, members).fallback(not_allowed))
        .route("/version", on(MethodFilter::GET, version).fallback(not_allowed))
        .fallback(not_found)
        .with_state(facts)
}

/// Go's answer to a path that nothing serves.
async fn not_found() -> Response {
    text(StatusCode::NOT_FOUND, "404 page not found\n")
}

async fn not_allowed() -> Response {
    let mut response = text(StatusCode::METHOD_NOT_ALLOWED, "Method Not Allowed\n");
    response.headers_mut().insert(header::ALLOW, http::HeaderValue::from_static("GET"));
    response
}

fn text(status: StatusCode, body: &'static str) -> Response {
    let headers = [
        (header::CONTENT_TYPE, "text/plain; charset=utf-8"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    ];
    (status, headers, body).into_response()
}
