//! What every call must pass before its service sees it, and where calls are counted.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::HeaderMap;
use axum::middleware::Next;
use axum::response::Response;
use tonic::Status;

use crate::require_leader::wants_leader;
use crate::{Api, Error, etiquette, rewording, time_limit};

/// Calls that a member without a vote serves. A range only if it is serializable, which the service
/// looks at.
const LEARNERS_CALLS: &[&str] = &[
    "/etcdserverpb.Maintenance/Status",
    "/etcdserverpb.Maintenance/Snapshot",
    "/etcdserverpb.KV/Range",
];

/// Lets a call through or refuses it, and puts refusals of the gRPC library into etcd's words. As in
/// etcd, what is refused here is not counted.
pub(crate) async fn gate(State(api): State<Arc<Api>>, request: Request, next: Next) -> Response {
    if let Err(refusal) = etiquette::check(&request) {
        return refusal.into_http();
    }
    if let Some(refusal) = time_limit::refusal(request.headers()) {
        return refusal.into_http();
    }
    if let Err(error) = admit(&api, request.uri().path(), request.headers()) {
        return Status::from(error).into_http();
    }
    let uri = request.uri().clone();
    let (call, request) = api.metrics.start(request);
    let response = rewording::reword(next.run(request).await, uri.path());
    match call {
        Some(call) => call.answer(response),
        None => response,
    }
}

/// The checks in etcd's order; the first that fails counts.
fn admit(api: &Api, path: &str, headers: &HeaderMap) -> Result<(), Error> {
    if api.stopping.is_stopping() {
        return Err(Error::Stopped);
    }
    if !LEARNERS_CALLS.contains(&path) && api.is_learner() {
        return Err(Error::NotSupportedForLearner);
    }
    if let Some(version) = headers.get("client-api-version")
        && std::str::from_utf8(version.as_bytes()).is_err()
    {
        return Err(Error::InvalidClientApiVersion);
    }
    if wants_leader(headers) && api.raft.leader().is_none() {
        return Err(Error::NoLeader);
    }
    Ok(())
}
