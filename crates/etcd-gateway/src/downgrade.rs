//! `/downgrade/enabled` on the peer listener: a member that joins may be one version older then.

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::{StatusCode, header};

use crate::Facts;
use crate::routes::text;

/// The header that names the cluster on etcd's peer endpoints.
const CLUSTER_ID: &str = "x-etcd-cluster-id";

pub(crate) async fn downgrade_enabled(State(facts): State<Facts>) -> Response {
    let mut response = match facts.confirm().await {
        Ok(()) => {
            let enabled = facts.views.cluster().downgrade.target.is_some();
            ([(header::CONTENT_TYPE, "text/plain")], enabled.to_string()).into_response()
        }
        Err(error) => {
            let body = format!("failed linearized read: {error}\n");
            text(StatusCode::INTERNAL_SERVER_ERROR, body)
        }
    };
    let id = facts.cluster.to_string().try_into().expect("an id is written in digits");
    response.headers_mut().insert(CLUSTER_ID, id);
    response
}
