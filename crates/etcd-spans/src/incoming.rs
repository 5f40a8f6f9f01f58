//! A request as it arrives.

use http::HeaderMap;
use opentelemetry::Context;
use opentelemetry::propagation::{Extractor, TextMapPropagator};
use opentelemetry_sdk::propagation::TraceContextPropagator;

use crate::Attribute;

/// What is known of a call before anybody has read its message.
#[derive(Debug, Clone, Copy)]
pub struct Incoming<'c> {
    /// The method, as `/etcdserverpb.KV/Put`.
    pub path: &'c str,
    /// Its metadata: `traceparent` and `tracestate` say whose step it is.
    pub headers: &'c HeaderMap,
    /// The URL on which it came in; nothing if it came over no connection.
    pub listener: Option<&'c str>,
}

impl Incoming<'_> {
    /// What its span is called: the path without the first slash.
    pub(crate) fn name(&self) -> &str {
        self.path.strip_prefix('/').unwrap_or(self.path)
    }

    /// The service that it asks.
    pub(crate) fn service(&self) -> &str {
        self.name().rsplit_once('/').map_or(self.name(), |(service, _)| service)
    }

    /// Whether the caller says that it has a span.
    pub(crate) fn has_parent(&self) -> bool {
        self.headers.contains_key("traceparent")
    }

    /// The caller's span, if it has one.
    pub(crate) fn parent(&self) -> Context {
        let headers = Headers(self.headers);
        TraceContextPropagator::new().extract_with_context(&Context::new(), &headers)
    }

    /// What OpenTelemetry's conventions say of a call.
    pub(crate) fn attributes(&self) -> Vec<Attribute> {
        let mut attributes = vec![
            Attribute::text("rpc.method", self.name()),
            Attribute::text("rpc.system.name", "grpc"),
        ];
        if let Some((host, port)) = self.listener.and_then(host_and_port) {
            attributes.push(Attribute::text("server.address", host));
            attributes.push(Attribute::number("server.port", port.into()));
        }
        attributes
    }
}

/// Where a listener listens; nothing if it is no socket of TCP.
fn host_and_port(url: &str) -> Option<(&str, u16)> {
    let (scheme, address) = url.split_once("://")?;
    if !scheme.starts_with("http") {
        return None;
    }
    let (host, port) = address.trim_end_matches('/').rsplit_once(':')?;
    Some((host.trim_start_matches('[').trim_end_matches(']'), port.parse().ok()?))
}

/// Metadata as the library reads it.
struct Headers<'h>(&'h HeaderMap);

impl Extractor for Headers<'_> {
    fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name)?.to_str().ok()
    }

    fn keys(&self) -> Vec<&str> {
        self.0.keys().map(http::HeaderName::as_str).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(path: &str, listener: Option<&str>, expected: &str) {
        let call = Incoming { path, headers: &HeaderMap::new(), listener };
        let told: Vec<_> = call.attributes().iter().map(Attribute::to_string).collect();
        assert_eq!(told.join(" "), expected);
    }

    #[test]
    fn a_call_is_told_by_method_and_listener() {
        let kv = "rpc.method=\"etcdserverpb.KV/Put\" rpc.system.name=\"grpc\"";
        check("/etcdserverpb.KV/Put", None, kv);
        let with = |address: &str| format!("{kv} server.address={address:?} server.port=2379");
        check("/etcdserverpb.KV/Put", Some("http://127.0.0.1:2379"), &with("127.0.0.1"));
        check("/etcdserverpb.KV/Put", Some("https://[::1]:2379"), &with("::1"));
        check("/etcdserverpb.KV/Put", Some("unix:///socket:1"), kv);
    }
}
