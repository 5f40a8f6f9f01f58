//! The gRPC library's own refusals in the words of the one that etcd uses.

use axum::response::Response;
use etcd_proto::etcdserverpb::{cluster_server, kv_server, maintenance_server};
use tonic::{Code, Status};

/// How the library begins to say that a message is too large; the two numbers follow.
const TOO_LARGE: &str = "Error, decoded message length too large: found ";
/// What stands between the two numbers.
const LIMIT: &str = " bytes, the limit is: ";

/// Services that are there, for the difference between an unknown service and an unknown method.
const SERVICES: &[&str] = &[
    kv_server::SERVICE_NAME,
    cluster_server::SERVICE_NAME,
    maintenance_server::SERVICE_NAME,
    "grpc.health.v1.Health",
];

/// Rewords the response to a call of `path`, if the library refused it.
pub(crate) fn reword(response: Response, path: &str) -> Response {
    if is_unknown(&response) {
        return Status::unimplemented(unknown(path)).into_http();
    }
    let reworded = response.extensions().get::<Status>().and_then(too_large);
    reworded.map_or(response, Status::into_http)
}

/// Whether nothing is registered for the call: all else that is not implemented says what it is.
fn is_unknown(response: &Response) -> bool {
    let code = response.headers().get(Status::GRPC_STATUS);
    let is_silent = response.headers().get(Status::GRPC_MESSAGE).is_none();
    is_silent && code.is_some_and(|code| Code::from_bytes(code.as_bytes()) == Code::Unimplemented)
}

fn too_large(status: &Status) -> Option<Status> {
    if status.code() != Code::OutOfRange {
        return None;
    }
    let (found, limit) = status.message().strip_prefix(TOO_LARGE)?.split_once(LIMIT)?;
    let limit = limit.strip_suffix(" bytes")?;
    let text = format!("grpc: received message larger than max ({found} vs. {limit})");
    Some(Status::resource_exhausted(text))
}

fn unknown(path: &str) -> String {
    let path = path.strip_prefix('/').unwrap_or(path);
    match path.rsplit_once('/') {
        Some((service, method)) if SERVICES.contains(&service) => {
            format!("unknown method {method} for service {service}")
        }
        Some((service, _)) => format!("unknown service {service}"),
        None => format!("malformed method name: {path:?}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unknown_calls_are_told_apart() {
        let text = "unknown method Foo for service etcdserverpb.KV";
        assert_eq!(unknown("/etcdserverpb.KV/Foo"), text);
        assert_eq!(unknown("/etcdserverpb.Nope/Foo"), "unknown service etcdserverpb.Nope");
        assert_eq!(unknown("/nothing"), "malformed method name: \"nothing\"");
    }

    #[test]
    fn other_statuses_stay_as_they_are() {
        let response = Status::out_of_range("etcdserver: mvcc").into_http();
        let response = reword(response, "/etcdserverpb.KV/Range");
        let status = response.extensions().get::<Status>().expect("a status");
        assert_eq!(status.message(), "etcdserver: mvcc");
    }
}
