//! `/metrics`: what the member counts, in Prometheus' text format.

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::{StatusCode, header};
use prometheus::TextEncoder;

use crate::Facts;

/// As etcd's library names the format.
const TEXT: &str = "text/plain; version=0.0.4; charset=utf-8; escaping=underscores";

pub(crate) async fn metrics(State(facts): State<Facts>) -> Response {
    match TextEncoder::new().encode_to_string(&facts.registry.gather()) {
        Ok(text) => ([(header::CONTENT_TYPE, TEXT)], text).into_response(),
        Err(error) => {
            let reason = format!("An error has occurred while serving metrics:\n\n{error}\n");
            (StatusCode::INTERNAL_SERVER_ERROR, reason).into_response()
        }
    }
}
