//! `/members/promote/ID` on the peer listener: a follower asks the leader to make a voter of a learner.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use etcd_membership::MemberId;
use futures_util::future::BoxFuture;
use http::{HeaderMap, HeaderValue, StatusCode, header};
use serde_json::json;
use tonic::{Code, Status};

use crate::Facts;
use crate::members::{CLUSTER_ID, members};
use crate::routes::text;

/// Promotes a member in the name of whoever has the token.
pub(crate) type Promote = Arc<
    dyn Fn(MemberId, Option<HeaderValue>) -> BoxFuture<'static, Result<(), Status>> + Send + Sync,
>;

/// What etcd's members say to each other of an id that is none of theirs.
const NO_MEMBER: &str = "membership: ID not found";
/// The same of a member that is no learner.
const NO_LEARNER: &str = "membership: can only promote a learner member";

pub(crate) async fn promote(
    promote: Promote,
    facts: State<Facts>,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Response {
    let cluster = facts.cluster.to_string();
    // In decimal, and nothing else that Rust would read as a number.
    let number = id.parse().ok().filter(|_| id.bytes().all(|byte| byte.is_ascii_digit()));
    let response = match number {
        None => text(StatusCode::NOT_FOUND, format!("member {id} not found in cluster\n")),
        Some(number) => {
            let token = headers.get(header::AUTHORIZATION).cloned();
            match promote(MemberId(number), token).await {
                Ok(()) => return members(facts).await,
                Err(status) => refusal(&status),
            }
        }
    };
    ([(CLUSTER_ID, cluster)], response).into_response()
}

fn refusal(status: &Status) -> Response {
    let message = status.message();
    match status.code() {
        Code::NotFound => text(StatusCode::NOT_FOUND, format!("{NO_MEMBER}\n")),
        Code::FailedPrecondition if message.ends_with("promote a learner member") => {
            text(StatusCode::PRECONDITION_FAILED, format!("{NO_LEARNER}\n"))
        }
        Code::FailedPrecondition if message.contains("promote a learner member") => {
            text(StatusCode::PRECONDITION_FAILED, format!("{message}\n"))
        }
        _ => {
            let body = Json(json!({ "message": "Internal Server Error" }));
            (StatusCode::INTERNAL_SERVER_ERROR, body).into_response()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refusals_have_etcds_statuses() {
        for (code, message, status) in [
            (Code::NotFound, "etcdserver: member not found", 404),
            (Code::FailedPrecondition, "etcdserver: can only promote a learner member", 412),
            (
                Code::FailedPrecondition,
                "etcdserver: can only promote a learner member which is in sync with leader",
                412,
            ),
            (Code::PermissionDenied, "etcdserver: permission denied", 500),
            (Code::Unavailable, "etcdserver: request timed out", 500),
        ] {
            assert_eq!(refusal(&Status::new(code, message)).status(), status, "{message}");
        }
    }
}
