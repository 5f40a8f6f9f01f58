//! What a client is told when its call fails.

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use http::{HeaderValue, StatusCode, header};
use serde::Serialize;
use tonic::{Code, Status};

/// What JSON is sent as.
pub(crate) const JSON: HeaderValue = HeaderValue::from_static("application/json");

/// The status of gRPC that JSON shows; as everywhere, what is zero or empty is left out.
#[derive(Debug, Clone, Serialize, PartialEq, Eq)]
pub(crate) struct Refusal {
    #[serde(skip_serializing_if = "is_zero")]
    code: i32,
    #[serde(skip_serializing_if = "String::is_empty")]
    message: String,
}

/// A refusal in the midst of a stream.
#[derive(Serialize)]
struct Line<'a> {
    error: &'a Refusal,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes references")]
fn is_zero(code: &i32) -> bool {
    *code == 0
}

impl Refusal {
    pub(crate) fn new(code: Code, message: impl Into<String>) -> Refusal {
        Refusal { code: code as i32, message: message.into() }
    }

    /// Of what cannot be read.
    pub(crate) fn invalid(message: impl Into<String>) -> Refusal {
        Refusal::new(Code::InvalidArgument, message)
    }

    /// Of a call that took longer than its client allows.
    pub(crate) fn too_late() -> Refusal {
        Refusal::new(Code::DeadlineExceeded, "context deadline exceeded")
    }

    /// Of a path that no method has.
    pub(crate) fn not_found() -> Refusal {
        Refusal::new(Code::NotFound, "Not Found")
    }

    /// Of another method of HTTP than the path has.
    pub(crate) fn not_allowed() -> Refusal {
        Refusal::new(Code::Unimplemented, "Method Not Allowed")
    }

    /// The whole answer.
    pub(crate) fn into_answer(self) -> Response {
        let body = serde_json::to_vec(&self).expect("text and a number are JSON");
        let mut response = (self.status(), Body::from(body)).into_response();
        response.headers_mut().insert(header::CONTENT_TYPE, JSON);
        if self.code == Code::Unauthenticated as i32
            && let Ok(message) = HeaderValue::from_str(&self.message)
        {
            response.headers_mut().insert(header::WWW_AUTHENTICATE, message);
        }
        response
    }

    /// A line of a stream.
    pub(crate) fn line(&self) -> Vec<u8> {
        let line = serde_json::to_vec(&Line { error: self });
        let mut line = line.expect("text and a number are JSON");
        line.push(b'\n');
        line
    }

    /// HTTP's status for it.
    pub(crate) fn status(&self) -> StatusCode {
        let status = match Code::from_i32(self.code) {
            Code::Ok => 200,
            Code::Cancelled => 499,
            Code::InvalidArgument | Code::FailedPrecondition | Code::OutOfRange => 400,
            Code::DeadlineExceeded => 504,
            Code::NotFound => 404,
            Code::AlreadyExists | Code::Aborted => 409,
            Code::PermissionDenied => 403,
            Code::Unauthenticated => 401,
            Code::ResourceExhausted => 429,
            Code::Unimplemented => 501,
            Code::Unavailable => 503,
            Code::Unknown | Code::Internal | Code::DataLoss => 500,
        };
        StatusCode::from_u16(status).expect("statuses have three digits")
    }
}

impl From<Status> for Refusal {
    fn from(status: Status) -> Refusal {
        Refusal::new(status.code(), status.message())
    }
}
