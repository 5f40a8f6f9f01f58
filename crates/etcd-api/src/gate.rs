//! What every call must pass before its service sees it.

use axum::http::{HeaderMap, Request};
use tonic::Status;

use crate::metrics::Shape;
use crate::require_leader::wants_leader;
use crate::{Api, Error, etiquette, time_limit};

/// Calls that a member without a vote serves. A range only if it is serializable, which the service
/// looks at.
const LEARNERS_CALLS: &[&str] = &[
    "/etcdserverpb.Maintenance/Status",
    "/etcdserverpb.Maintenance/Snapshot",
    "/etcdserverpb.KV/Range",
];

/// Lets a call through or refuses it. It is counted if it has a shape, as etcd's methods do.
pub(crate) fn check<B>(
    api: &Api,
    request: &Request<B>,
    shape: Option<Shape>,
) -> Result<(), Status> {
    etiquette::check(request)?;
    if let Some(refusal) = time_limit::refusal(request.headers()) {
        return Err(refusal);
    }
    Ok(admit(api, request.uri().path(), request.headers(), shape)?)
}

/// The checks in etcd's order; the first that fails counts.
fn admit(api: &Api, path: &str, headers: &HeaderMap, shape: Option<Shape>) -> Result<(), Error> {
    if api.stopping.is_stopping() {
        return Err(Error::Stopped);
    }
    if !LEARNERS_CALLS.contains(&path) && api.is_learner() {
        return Err(Error::NotSupportedForLearner);
    }
    let version = headers.get("client-api-version").map(|version| version.as_bytes());
    let version = version.map(std::str::from_utf8).transpose();
    let version = version.map_err(|_| Error::InvalidClientApiVersion)?;
    if let Some(shape) = shape {
        api.metrics.figures().count_call(shape, version);
    }
    if wants_leader(headers) && api.raft.leader().is_none() {
        return Err(Error::NoLeader);
    }
    Ok(())
}
