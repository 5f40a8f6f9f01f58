//! The manners of gRPC: what etcd's library refuses before a service hears of a call.

use axum::http::{HeaderMap, Method, Request, header};
use tonic::Status;

/// Refuses a call that another implementation of gRPC may let pass.
pub(crate) fn check<B>(request: &Request<B>) -> Result<(), Status> {
    check_content_type(request.headers())?;
    if request.method() != Method::POST {
        let method = request.method().as_str();
        return Err(Status::internal(format!(
            "Received a HEADERS frame with :method {method:?} which should be POST"
        )));
    }
    Ok(())
}

/// Nothing, or a subtype, follows the name.
fn check_content_type(headers: &HeaderMap) -> Result<(), Status> {
    let kind = headers.get(header::CONTENT_TYPE).map_or(&[][..], |kind| kind.as_bytes());
    match kind.strip_prefix(b"application/grpc") {
        Some([] | [b'+' | b';', ..]) => Ok(()),
        _ => {
            let kind = String::from_utf8_lossy(kind);
            let text = format!("invalid gRPC request content-type {kind:?}");
            Err(Status::invalid_argument(text))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check_text(method: Method, kind: &str, expected: &str) {
        let request = Request::builder().method(method).header(header::CONTENT_TYPE, kind);
        let checked = check(&request.body(()).expect("a request"));
        let text = checked.err().map(|status| status.message().to_owned());
        assert_eq!(text.unwrap_or_default(), expected, "{kind}");
    }

    #[test]
    fn a_content_type_is_grpc_or_a_subtype_of_it() {
        for kind in ["application/grpc", "application/grpc+proto", "application/grpc;x"] {
            check_text(Method::POST, kind, "");
        }
        let text = "invalid gRPC request content-type \"application/grpc-web\"";
        check_text(Method::POST, "application/grpc-web", text);
        check_text(Method::POST, "", "invalid gRPC request content-type \"\"");
    }

    #[test]
    fn a_call_is_a_post() {
        let text = "Received a HEADERS frame with :method \"GET\" which should be POST";
        check_text(Method::GET, "application/grpc", text);
    }
}
