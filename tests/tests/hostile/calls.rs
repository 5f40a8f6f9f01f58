//! Calls that break the rules of gRPC and HTTP, around messages that are well.

use crate::case::{Case, Server};
use etcd_tests::{Call, wire};
use flate2::Compression;
use flate2::write::GzEncoder;
use http::Method;
use std::io::Write as _;

fn message() -> Vec<u8> {
    wire::bytes(1, b"k")
}

/// A call of Range without a message.
fn empty() -> Call {
    Call::new("KV/Range")
}

fn whole() -> Call {
    empty().message(&message())
}

/// One frame that lies about its content.
fn frame(flag: u8, length: u32) -> Call {
    empty().frame(flag, length, &message())
}

#[test]
fn content_types_are_told_apart_as_etcd_does() {
    let server = Server::start(&[]);
    let typed = |kind: &'static str| whole().header("content-type", kind.as_bytes());
    let http = "etcd lets gRPC answer all that comes by HTTP/2 without TLS; here it reaches the \
                paths of HTTP too, as it does with TLS in both";
    let web = "InvalidArgument: invalid gRPC request content-type \"application/grpc-web\"";
    let json = "InvalidArgument: invalid gRPC request content-type \"application/json\"";
    let none = "InvalidArgument: invalid gRPC request content-type \"\"";
    server.check(vec![
        Case::call("gRPC", typed("application/grpc"), "OK"),
        Case::call("a subtype", typed("application/grpc+proto"), "OK"),
        Case::call("another subtype", typed("application/grpc+json"), "OK"),
        Case::call("a parameter", typed("application/grpc;charset=utf-8"), "OK"),
        Case::call("for browsers", typed("application/grpc-web"), web),
        Case::call("JSON", typed("application/json"), json).but("HTTP 404", http),
        Case::call("none", whole().without("content-type"), none).but("HTTP 404", http),
    ]);
}

#[test]
fn compression_is_told_apart_as_etcd_does() {
    let server = Server::start(&[]);
    let length = u32::try_from(message().len()).expect("it is short");
    let encoded = |flag, encoding: &'static str| {
        frame(flag, length).header("grpc-encoding", encoding.as_bytes())
    };
    let unnamed = "Internal: grpc: compressed flag set with identity or empty encoding";
    let unknown = "Unimplemented: grpc: Decompressor is not installed for grpc-encoding \"zzz\"";
    let flag = "Internal: grpc: received unexpected payload format 2";
    server.check(vec![
        Case::call("a flag alone", frame(1, length), unnamed),
        Case::call("a flag and identity", encoded(1, "identity"), unnamed),
        Case::call("gzip, not used", encoded(0, "gzip"), "OK"),
        Case::call("an unknown one", encoded(1, "zzz"), unknown),
        Case::call("an unknown one, not used", encoded(0, "zzz"), unknown),
        Case::call("an unknown flag", frame(2, length), flag),
    ]);
}

/// A call whose message is compressed, and whose end may be missing.
fn gzipped(method: &str, message: &[u8], missing: usize) -> Call {
    let mut gzip = GzEncoder::new(Vec::new(), Compression::default());
    gzip.write_all(message).expect("memory takes it");
    let mut packed = gzip.finish().expect("memory takes it");
    packed.truncate(packed.len() - missing);
    let length = u32::try_from(packed.len()).expect("it is short");
    Call::new(method).frame(1, length, &packed).header("grpc-encoding", b"gzip")
}

#[test]
fn compressed_messages_are_served_and_may_not_be_larger_than_others() {
    let server = Server::start(&[]);
    let put = [wire::bytes(1, b"k"), wire::bytes(2, &[b'v'; 1_000_000])].concat();
    let huge = [wire::bytes(1, b"k"), wire::bytes(2, &[b'v'; 30_000_000])].concat();
    let txn = wire::bytes(2, &wire::bytes(2, &put));
    let cut = "Internal: grpc: failed to read decompressed data: unexpected EOF";
    let over =
        "ResourceExhausted: grpc: received message after decompression larger than max 2097152";
    server.check(vec![
        Case::call("a put", gzipped("KV/Put", &put, 0), "OK"),
        Case::call("a txn", gzipped("KV/Txn", &txn, 0), "OK"),
        Case::call("half a put", gzipped("KV/Put", &put, 9), cut),
        Case::call("too large a put", gzipped("KV/Put", &huge, 0), over),
        Case::call("too large a txn", gzipped("KV/Txn", &huge, 0), over),
    ]);
}

#[test]
fn frames_that_lie_about_their_length_are_refused() {
    let server = Server::start(&[]);
    let end = "Unknown: unexpected EOF";
    let over = "ResourceExhausted: grpc: received message larger than max (2097153 vs. 2097152)";
    let huge = "ResourceExhausted: grpc: received message larger than max (4294967295 vs. 2097152)";
    let unreadable =
        "Internal: grpc: error unmarshalling request: proto: cannot parse invalid wire-format data";
    let early = "the two ends are one to tonic: in the head of a frame, and in its content";
    let tail = "etcd's library reads one message and looks no further";
    server.check(vec![
        Case::call("nothing", empty(), "Unknown: EOF"),
        Case::call("half a head", empty().bytes(&[0, 0, 0]), "Unknown: EOF").but(end, early),
        Case::call("too long", frame(0, 100), end),
        Case::call("too short", frame(0, 2), unreadable),
        Case::call("over the limit, never sent", frame(0, 2_097_153).unfinished(), over),
        Case::call("as long as can be, never sent", frame(0, u32::MAX).unfinished(), huge),
        Case::call("two messages", whole().message(&message()), "OK"),
        Case::call("a message and a bit", whole().bytes(&[0]), "OK").but(end, tail),
    ]);
}

#[test]
fn methods_and_paths_are_told_apart_as_etcd_does() {
    let server = Server::start(&[]);
    let path = |path: &str, answer| Case::call(path, Call::new(path).message(&message()), answer);
    let get = "Internal: Received a HEADERS frame with :method \"GET\" which should be POST";
    let put = "Internal: Received a HEADERS frame with :method \"PUT\" which should be POST";
    let query = "a URL's query is no part of its path here";
    let with_query = "Unimplemented: unknown method Range?a=b for service etcdserverpb.KV";
    server.check(vec![
        Case::call("GET", whole().method(Method::GET), get),
        Case::call("PUT", whole().method(Method::PUT), put),
        path("/", "Unimplemented: malformed method name: \"/\""),
        path("/x", "Unimplemented: malformed method name: \"/x\""),
        path("//", "Unimplemented: unknown service "),
        path("KV", "Unimplemented: malformed method name: \"/etcdserverpb.KV\""),
        path("KV/", "Unimplemented: unknown method  for service etcdserverpb.KV"),
        path("KV/range", "Unimplemented: unknown method range for service etcdserverpb.KV"),
        path("KV/%52ange", "Unimplemented: unknown method %52ange for service etcdserverpb.KV"),
        path("KV/Range/", "Unimplemented: unknown service etcdserverpb.KV/Range"),
        path("KV/Txn/", "Unimplemented: unknown service etcdserverpb.KV/Txn"),
        path("KV/Range?a=b", with_query).but("OK", query),
        path("No/Range", "Unimplemented: unknown service etcdserverpb.No"),
    ]);
}

#[test]
fn timeouts_that_are_none_are_refused() {
    let server = Server::start(&[]);
    let timed = |text: &'static str, answer| {
        Case::call(text, whole().header("grpc-timeout", text.as_bytes()), answer)
    };
    let short = "Internal: malformed grpc-timeout: transport: timeout string is too short: \"1\"";
    let long =
        "Internal: malformed grpc-timeout: transport: timeout string is too long: \"999999999S\"";
    let unit =
        "Internal: malformed grpc-timeout: transport: timeout unit is not recognized: \"abc\"";
    let negative =
        "Internal: malformed grpc-timeout: strconv.ParseUint: parsing \"-1\": invalid syntax";
    let half =
        "Internal: malformed grpc-timeout: strconv.ParseUint: parsing \"1.5\": invalid syntax";
    server.check(vec![
        timed("1", short),
        timed("999999999S", long),
        timed("abc", unit),
        timed("-1S", negative),
        timed("1.5S", half),
        timed("5S", "OK"),
        timed("99999999H", "OK"),
    ]);
}

#[test]
fn odd_headers_disturb_nobody() {
    let server = Server::start(&[]);
    let binary = "Internal: malformed binary metadata \"!!!\" in header \"x-bin\": illegal base64 \
                  data at input byte 0";
    let unread = "nobody here reads binary metadata";
    server.check(vec![
        Case::call("without te", whole().without("te"), "OK"),
        Case::call("another te", whole().header("te", b"deflate"), "OK"),
        Case::call("bytes", whole().header("x-odd", b"\xff\xfe"), "OK"),
        Case::call("a large one", whole().header("x-large", &[b'x'; 20_000]), "OK"),
        Case::call("unknown answers", whole().header("grpc-accept-encoding", b"zzz,gzip"), "OK"),
        Case::call("binary", whole().header("x-bin", b"!!!"), binary).but("OK", unread),
    ]);
}
