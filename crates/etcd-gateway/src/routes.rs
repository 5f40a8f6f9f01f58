//! Which path leads where.

use std::sync::Arc;

use axum::Router;
use axum::handler::Handler;
use axum::middleware;
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodFilter, MethodRouter, any, on};
use etcd_membership::MemberId;
use futures_util::future::BoxFuture;
use http::{HeaderValue, StatusCode, header};
use tonic::Status;

use crate::downgrade::downgrade_enabled;
use crate::hash_kv::hash_kv;
use crate::health::health;
use crate::members::members;
use crate::metrics::metrics;
use crate::probes::{livez, livez_check, readyz, readyz_check};
use crate::promote::{self, Promote};
use crate::version::version;
use crate::{Access, Facts, Gateway};
use crate::{access, debug, paths};

/// For the client listeners. Without a gateway nothing is served as JSON.
pub fn client_routes(facts: Facts, access: Access, gateway: Option<Gateway>) -> Router {
    observation()
        .route("/version", get(version))
        .merge(debug::routes(facts.profiling))
        .merge(facts.recent.clone().map(debug::remembered).unwrap_or_default())
        .merge(gateway.map(Gateway::routes).unwrap_or_default())
        .fallback(not_found)
        .layer(middleware::from_fn(paths::check))
        .layer(middleware::from_fn_with_state(access, access::check))
        .with_state(facts)
}

/// For listeners of those who only look on, in no other network than they.
pub fn metrics_routes(facts: Facts) -> Router {
    let router = observation().fallback(not_found);
    router.layer(middleware::from_fn(paths::check)).with_state(facts)
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

/// For the peer listener. `promote` makes a voter of a learner, in the name of whoever has the
/// token.
pub fn peer_routes(
    facts: Facts,
    promote: impl Fn(MemberId, Option<HeaderValue>) -> BoxFuture<'static, Result<(), Status>>
    + Send
    + Sync
    + 'static,
) -> Router {
    let promote: Promote = Arc::new(promote);
    let promoting = move |facts, id, headers| promote::promote(promote.clone(), facts, id, headers);
    Router::new()
        .route("/members/promote/{id}", post(promoting))
        .route("/downgrade/enabled", get(downgrade_enabled))
        .route("/members", get(members))
        .route("/members/hashkv", get(hash_kv))
        .route("/version", get(version))
        .fallback(not_found)
        .layer(middleware::from_fn(paths::check))
        .with_state(facts)
}

/// What etcd answers to GET and to no other method, HEAD neither.
pub(crate) fn get<T: 'static>(handler: impl Handler<T, Facts>) -> MethodRouter<Facts> {
    on(MethodFilter::GET, handler).on(MethodFilter::HEAD, not_allowed).fallback(not_allowed)
}

/// The same of POST.
fn post<T: 'static>(handler: impl Handler<T, Facts>) -> MethodRouter<Facts> {
    on(MethodFilter::POST, handler).fallback(|| async { refused_but("POST") })
}

/// Go's answer to a path that nothing serves.
pub(crate) async fn not_found() -> Response {
    text(StatusCode::NOT_FOUND, "404 page not found\n")
}

async fn not_allowed() -> Response {
    refused_but("GET")
}

fn refused_but(method: &'static str) -> Response {
    let mut response = text(StatusCode::METHOD_NOT_ALLOWED, "Method Not Allowed\n");
    response.headers_mut().insert(header::ALLOW, HeaderValue::from_static(method));
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
