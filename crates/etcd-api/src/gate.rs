//! What every call must pass before its service sees it.

use axum::http::{HeaderMap, Request};
use tonic::Status;

use crate::require_leader::wants_leader;
use crate::{Api, Error, etiquette, time_limit};

/// Calls that a member without a vote serves. A range only if it is serializable, which the service
/// looks at.
const LEARNERS_CALLS: &[&str] = &[
    "/etcdserverpb.Maintenance/Status",
    "/etcdserverpb.Maintenance/Snapshot",
    "/etcdserverpb.KV/Range",
];

/// Lets a call through or refuses it.
pub(crate) fn check<B>(api: &Api, request: &Request<B>) -> Result<(), Status> {
    etiquette::check(request)?;
    if let Some(refusal) = time_limit::refusal(request.headers()) {
        return Err(refusal);
    }
    Ok(admit(api, request.uri().path(), request.headers())?)
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
