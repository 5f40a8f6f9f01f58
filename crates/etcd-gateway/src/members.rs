//! `/members` on the peer listener: what a joining or returning member asks first.

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use serde_json::value::RawValue;

use crate::Facts;

/// The header that names the cluster on etcd's peer endpoints.
pub(crate) const CLUSTER_ID: &str = "x-etcd-cluster-id";

pub(crate) async fn members(State(facts): State<Facts>) -> Response {
    let records = facts.views.cluster();
    // The stored record of a member is what etcd shows here, field for field.
    let records = records.members.iter().map(|member| {
        let json = String::from_utf8(member.encode()).expect("JSON is UTF-8");
        RawValue::from_string(json).expect("a member's record is JSON")
    });
    let records: Vec<Box<RawValue>> = records.collect();
    ([(CLUSTER_ID, facts.cluster.to_string())], Json(records)).into_response()
}
