//! The gRPC library's own refusals in the words of the one that etcd uses.

use axum::http::Response;
use tonic::body::Body;
use tonic::{Code, Status};

use crate::methods::Served;

/// How the library begins to say that a message is too large; the two numbers follow.
const TOO_LARGE: &str = "Error, decoded message length too large: found ";
/// What stands between the two numbers.
const LIMIT: &str = " bytes, the limit is: ";

/// How the library begins to say that a message breaks the rules of protobuf; the reason follows.
const MALFORMED: &str = "failed to decode Protobuf message: ";
/// How it ends for text that is none.
const NOT_UTF8: &str = "invalid string value: data is not UTF-8 encoded";

/// What etcd's library calls the same reasons.
const NO_WIRE_FORMAT: &str = "proto: cannot parse invalid wire-format data";
const NO_UTF8: &str = "string field contains invalid UTF-8";
/// How it begins when the call has one message each way.
const ALONE: &str = "grpc: error unmarshalling request";
/// How it begins when messages stream in either direction.
const IN_A_STREAM: &str = "grpc: failed to unmarshal the received message";
/// Calls whose answer is a stream and whose request is not.
const STREAMS: &[&str] = &[
    "/etcdserverpb.KV/RangeStream",
    "/etcdserverpb.Maintenance/Snapshot",
    "/grpc.health.v1.Health/Watch",
    "/v3electionpb.Election/Observe",
];

/// Rewords the response to a call of `path`, if the library refused it.
pub(crate) fn reword(response: Response<Body>, path: &str) -> Response<Body> {
    if is_unknown(&response) {
        return unknown(path).into_http();
    }
    let Some(status) = response.extensions().get::<Status>() else { return response };
    let complaint = if STREAMS.contains(&path) { IN_A_STREAM } else { ALONE };
    in_etcds_words(status, complaint).map_or(response, Status::into_http)
}

/// Rewords what the library says of a message in the middle of a stream.
pub(crate) fn reword_status(status: Status) -> Status {
    in_etcds_words(&status, IN_A_STREAM).unwrap_or(status)
}

fn in_etcds_words(status: &Status, complaint: &str) -> Option<Status> {
    let reworded = too_large(status).or_else(|| undecodable(status, complaint));
    reworded.or_else(|| misframed(status))
}

/// What the library says of the frame around a message.
fn misframed(status: &Status) -> Option<Status> {
    const NO_ENCODING: &str = "protocol error: received message with compressed-flag but no \
                               grpc-encoding was specified";
    const FLAG: &str = "protocol error: received message with invalid compression flag: ";
    const ENCODING: &str = "Content is compressed with `";
    const PACKED: &str = "Error decompressing: ";
    const UNPACKED: &str = "size limit, of ";
    let text = status.message();
    if let Some(reason) = text.strip_prefix(PACKED) {
        return Some(match reason.strip_prefix(UNPACKED).and_then(|text| text.split(' ').next()) {
            Some(limit) => Status::resource_exhausted(format!(
                "grpc: received message after decompression larger than max {limit}"
            )),
            // Decompressors have words of their own for each damage, but it is damage to all.
            None => Status::internal("grpc: failed to read decompressed data: unexpected EOF"),
        });
    }
    match status.code() {
        Code::Internal if text == NO_ENCODING => {
            Some(Status::internal("grpc: compressed flag set with identity or empty encoding"))
        }
        // An end before the first byte and one in the middle of a frame.
        Code::Internal if text == "Missing request message." => Some(Status::unknown("EOF")),
        Code::Internal if text == "Unexpected EOF decoding stream." => {
            Some(Status::unknown("unexpected EOF"))
        }
        Code::Internal => {
            let flag = text.strip_prefix(FLAG)?.split(' ').next()?;
            Some(Status::internal(format!("grpc: received unexpected payload format {flag}")))
        }
        Code::Unimplemented => {
            let encoding = text.strip_prefix(ENCODING)?.split('`').next()?;
            let text =
                format!("grpc: Decompressor is not installed for grpc-encoding {encoding:?}");
            Some(Status::unimplemented(text))
        }
        _ => None,
    }
}

/// The refusal of a message that breaks the rules of protobuf.
pub(crate) fn malformed() -> Status {
    unreadable(NO_WIRE_FORMAT, ALONE)
}

/// The refusal of a message in which too many stand inside each other.
pub(crate) fn too_deep() -> Status {
    unreadable("proto: exceeded maximum recursion depth", ALONE)
}

fn unreadable(reason: &str, complaint: &str) -> Status {
    Status::internal(format!("{complaint}: {reason}"))
}

fn undecodable(status: &Status, complaint: &str) -> Option<Status> {
    if status.code() != Code::Internal {
        return None;
    }
    let reason = status.message().strip_prefix(MALFORMED)?;
    Some(match reason.ends_with(NOT_UTF8) {
        true => unreadable(NO_UTF8, complaint),
        false => unreadable(NO_WIRE_FORMAT, complaint),
    })
}

/// Whether nothing is registered for the call: all else that is not implemented says what it is.
fn is_unknown(response: &Response<Body>) -> bool {
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

/// The refusal of a call that nothing serves.
pub(crate) fn unknown(path: &str) -> Status {
    let name = path.strip_prefix('/').unwrap_or(path);
    Status::unimplemented(match name.rsplit_once('/') {
        Some((service, method)) if Served::named(service).is_some() => {
            format!("unknown method {method} for service {service}")
        }
        Some((service, _)) => format!("unknown service {service}"),
        None => format!("malformed method name: {path:?}"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unknown_calls_are_told_apart() {
        let text = "unknown method Foo for service etcdserverpb.KV";
        assert_eq!(unknown("/etcdserverpb.KV/Foo").message(), text);
        let text = "unknown service etcdserverpb.Nope";
        assert_eq!(unknown("/etcdserverpb.Nope/Foo").message(), text);
        assert_eq!(unknown("/nothing").message(), "malformed method name: \"/nothing\"");
    }

    #[test]
    fn what_cannot_be_read_is_told_in_the_words_of_the_call() {
        let text = |path| {
            let response = Status::internal(format!("{MALFORMED}wrong")).into_http();
            let response = reword(response, path);
            response.extensions().get::<Status>().expect("a status").message().to_owned()
        };
        let alone = format!("{ALONE}: {NO_WIRE_FORMAT}");
        assert_eq!(text("/etcdserverpb.KV/Range"), alone);
        assert_eq!(malformed().message(), alone);
        let in_a_stream = format!("{IN_A_STREAM}: {NO_WIRE_FORMAT}");
        assert_eq!(text("/etcdserverpb.KV/RangeStream"), in_a_stream);
        let status = Status::internal(format!("{MALFORMED}wrong"));
        assert_eq!(reword_status(status).message(), in_a_stream);
    }

    #[test]
    fn other_statuses_stay_as_they_are() {
        let response = Status::out_of_range("etcdserver: mvcc").into_http();
        let response = reword(response, "/etcdserverpb.KV/Range");
        let status = response.extensions().get::<Status>().expect("a status");
        assert_eq!(status.message(), "etcdserver: mvcc");
    }
}
