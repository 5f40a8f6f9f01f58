//! Headers of HTTP become metadata of gRPC, and the other way.

use std::time::Duration;

use axum::http::request::Parts;
use base64::Engine;
use base64::prelude::{BASE64_STANDARD, BASE64_STANDARD_NO_PAD};
use etcd_transport::Connection;
use http::{HeaderMap, HeaderName, HeaderValue, header};

use crate::refusal::Refusal;

/// Headers that are named so are metadata without it.
const METADATA: &str = "grpc-metadata-";
/// Stands before what comes behind an answer.
const TRAILER: &str = "grpc-trailer-";
/// Stands before the names of headers that everybody knows.
const KNOWN: &str = "grpcgateway-";
const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
const TIMEOUT: &str = "grpc-timeout";

/// The headers that everybody knows, as far as clients send them.
const KNOWN_HEADERS: &[&str] = &[
    "accept",
    "accept-charset",
    "accept-language",
    "accept-ranges",
    "authorization",
    "cache-control",
    "content-type",
    "cookie",
    "date",
    "expect",
    "from",
    "if-match",
    "if-modified-since",
    "if-none-match",
    "if-schedule-tag-match",
    "if-unmodified-since",
    "max-forwards",
    "origin",
    "pragma",
    "referer",
    "user-agent",
    "via",
    "warning",
];

/// What goes with a call.
#[derive(Debug, Default)]
pub(crate) struct Metadata {
    pub(crate) headers: HeaderMap,
    /// How long it may take.
    pub(crate) timeout: Option<Timeout>,
    /// Whether the client wants to know the trailers of the answer.
    pub(crate) takes_trailers: bool,
}

/// How long a call may take, and in gRPC's notation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Timeout {
    pub(crate) limit: Duration,
    pub(crate) text: HeaderValue,
}

/// The metadata that the headers of a request say.
pub(crate) fn incoming(parts: &Parts) -> Result<Metadata, Refusal> {
    let accepted = parts.headers.get(header::TE).map_or(&[][..], |value| value.as_bytes());
    let mut metadata = Metadata {
        headers: HeaderMap::new(),
        timeout: timeout(&parts.headers)?,
        takes_trailers: String::from_utf8_lossy(accepted).to_lowercase().contains("trailers"),
    };
    for (name, value) in &parts.headers {
        if *name == header::AUTHORIZATION {
            add(&mut metadata.headers, "authorization", value)?;
        }
        if KNOWN_HEADERS.contains(&name.as_str()) {
            add(&mut metadata.headers, &format!("{KNOWN}{name}"), value)?;
        } else if let Some(name) = name.as_str().strip_prefix(METADATA)
            && !is_reserved(name)
        {
            add(&mut metadata.headers, name, value)?;
        }
    }
    add_forwarded(&mut metadata.headers, parts);
    Ok(metadata)
}

/// The headers that the metadata of an answer become.
pub(crate) fn outgoing(metadata: &HeaderMap) -> HeaderMap {
    renamed(METADATA, metadata)
}

/// The trailers that the metadata behind an answer become, and their names as Go writes them.
pub(crate) fn trailing(metadata: &HeaderMap) -> (HeaderMap, Vec<String>) {
    let trailers = renamed(TRAILER, metadata);
    let names = trailers.keys().map(|name| canonical(name.as_str())).collect();
    (trailers, names)
}

fn renamed(prefix: &str, metadata: &HeaderMap) -> HeaderMap {
    let told = metadata
        .iter()
        .filter(|(name, _)| *name == header::CONTENT_TYPE || !is_reserved(name.as_str()));
    let renamed = told.filter_map(|(name, value)| {
        let name = HeaderName::try_from(format!("{prefix}{name}")).ok()?;
        Some((name, value.clone()))
    });
    renamed.collect()
}

/// Names that gRPC needs itself.
fn is_reserved(name: &str) -> bool {
    name.starts_with("grpc-") || matches!(name, "content-type" | "te" | "user-agent")
}

fn add(headers: &mut HeaderMap, name: &str, value: &HeaderValue) -> Result<(), Refusal> {
    let is_good_name = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
    if name.is_empty() || !name.bytes().all(is_good_name) {
        return Ok(());
    }
    let value = match name.ends_with("-bin") {
        true => binary(name, value)?,
        false if value.as_bytes().iter().all(|byte| (0x20..=0x7e).contains(byte)) => value.clone(),
        false => return Ok(()),
    };
    if let Ok(name) = HeaderName::try_from(name) {
        headers.append(name, value);
    }
    Ok(())
}

/// Padded or not; gRPC has it without.
fn binary(name: &str, value: &HeaderValue) -> Result<HeaderValue, Refusal> {
    let text = value.as_bytes();
    let decoded = match text.len().is_multiple_of(4) {
        true => BASE64_STANDARD.decode(text),
        false => BASE64_STANDARD_NO_PAD.decode(text),
    };
    let decoded = decoded.map_err(|error| {
        let at = match error {
            base64::DecodeError::InvalidByte(at, _)
            | base64::DecodeError::InvalidLastSymbol(at, _) => at,
            _ => text.len(),
        };
        let name = canonical(&format!("{METADATA}{name}"));
        let reason = format!("illegal base64 data at input byte {at}");
        Refusal::invalid(format!("invalid binary header {name}: {reason}"))
    })?;
    let encoded = BASE64_STANDARD_NO_PAD.encode(decoded);
    Ok(HeaderValue::try_from(encoded).expect("base64 is visible"))
}

/// A header's name as Go writes it.
fn canonical(name: &str) -> String {
    let mut is_first = true;
    let upper = |byte: char| {
        let char = if is_first { byte.to_ascii_uppercase() } else { byte };
        is_first = byte == '-';
        char
    };
    name.chars().map(upper).collect()
}

/// Where the request came from, and to whom.
fn add_forwarded(headers: &mut HeaderMap, parts: &Parts) {
    let named = parts.headers.get(&FORWARDED_HOST).or_else(|| parts.headers.get(header::HOST));
    let authority = || parts.uri.authority().map(|authority| authority.as_str());
    let host = match named {
        Some(host) => Some(host.clone()),
        None => authority().and_then(|host| HeaderValue::from_str(host).ok()),
    };
    if let Some(host) = host {
        headers.insert(FORWARDED_HOST, host);
    }
    let before = parts.headers.get_all(&FORWARDED_FOR).iter();
    let mut all: Vec<String> = before.filter_map(|v| Some(v.to_str().ok()?.to_owned())).collect();
    let connection = parts.extensions.get::<Connection>();
    all.extend(connection.and_then(|from| from.remote.ip()).map(|ip| ip.to_string()));
    if let Ok(all) = HeaderValue::try_from(all.join(", "))
        && !all.is_empty()
    {
        headers.insert(FORWARDED_FOR, all);
    }
}

/// A number and a unit. Zero is no limit, and less is over at once.
fn timeout(headers: &HeaderMap) -> Result<Option<Timeout>, Refusal> {
    let text = headers.get(TIMEOUT).map_or("", |value| value.to_str().unwrap_or_default());
    if text.is_empty() {
        return Ok(None);
    }
    let refusal = || Refusal::invalid(format!("invalid grpc-timeout: {text}"));
    let (number, unit) = text.split_at_checked(text.len() - 1).ok_or_else(refusal)?;
    let number: i64 = number.parse().map_err(|_| refusal())?;
    let nanoseconds: u64 = match unit {
        "H" => 3_600_000_000_000,
        "M" => 60_000_000_000,
        "S" => 1_000_000_000,
        "m" => 1_000_000,
        "u" => 1_000,
        "n" => 1,
        _ => return Err(refusal()),
    };
    if number == 0 {
        return Ok(None);
    }
    let number = u64::try_from(number).unwrap_or(0);
    let limit = Duration::from_nanos(nanoseconds.saturating_mul(number));
    // gRPC takes eight digits.
    let text = match limit.as_millis() {
        ..=99_999_999 => format!("{}m", limit.as_millis().max(1)),
        _ => format!("{}S", limit.as_secs().min(99_999_999)),
    };
    let text = HeaderValue::try_from(text).expect("digits are visible");
    Ok(Some(Timeout { limit, text }))
}

#[cfg(test)]
mod tests {
    use axum::http::Request;

    use super::*;

    fn read(headers: &[(&str, &str)]) -> Result<Metadata, Refusal> {
        let mut request = Request::post("http://here:1/v3/kv/range");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        incoming(&request.body(()).expect("valid").into_parts().0)
    }

    #[track_caller]
    fn check(headers: &[(&str, &str)], expected: &[(&str, &str)]) {
        let metadata = read(headers).expect("good headers").headers;
        let mut told: Vec<_> = metadata
            .iter()
            .map(|(name, value)| (name.as_str(), value.to_str().expect("text")))
            .filter(|(name, _)| *name != FORWARDED_HOST)
            .collect();
        told.sort_unstable();
        assert_eq!(told, expected);
    }

    #[test]
    fn headers_become_metadata() {
        check(
            &[("authorization", "Bearer a"), ("accept", "*/*"), ("x-other", "b"), ("te", "c")],
            &[
                ("authorization", "Bearer a"),
                ("grpcgateway-accept", "*/*"),
                ("grpcgateway-authorization", "Bearer a"),
            ],
        );
        check(
            &[("Grpc-Metadata-Token", "a"), ("Grpc-Metadata-Token", "b")],
            &[("token", "a"), ("token", "b")],
        );
        // What gRPC says itself nobody says for it.
        check(&[("grpc-metadata-grpc-encoding", "gzip"), ("grpc-metadata-te", "x")], &[]);
        check(
            &[("grpc-metadata-a-bin", "YQ=="), ("grpc-metadata-b", "\u{e9}")],
            &[("a-bin", "YQ")],
        );
        check(
            &[("x-forwarded-for", "a"), ("x-forwarded-for", "b")],
            &[("x-forwarded-for", "a, b")],
        );
        let metadata = read(&[("x-forwarded-host", "there")]).expect("good").headers;
        assert_eq!(metadata[FORWARDED_HOST], "there");
        assert_eq!(read(&[]).expect("good").headers[FORWARDED_HOST], "here:1");
    }

    #[test]
    fn a_binary_header_is_base64() {
        let refusal = read(&[("grpc-metadata-some-bin", "YQ=a")]).expect_err("refused");
        let text = "invalid binary header Grpc-Metadata-Some-Bin: illegal base64 data at input \
                    byte 2";
        assert_eq!(refusal, Refusal::invalid(text));
    }

    #[test]
    fn a_timeout_is_a_number_and_a_unit() {
        let timeout = |text| read(&[("grpc-timeout", text)]).map(|metadata| metadata.timeout);
        let limit = |text| timeout(text).expect("good").expect("a limit");
        assert_eq!(limit("2S").limit, Duration::from_secs(2));
        assert_eq!(limit("2S").text, "2000m");
        assert_eq!(limit("99H").text, "356400S");
        assert_eq!(limit("1n").text, "1m");
        assert_eq!(limit("-1S").limit, Duration::ZERO);
        assert_eq!(timeout("0S").expect("good"), None);
        assert_eq!(timeout("").expect("good"), None);
        for wrong in ["S", "5", "5s", "1.5S", "xS"] {
            let refusal = Refusal::invalid(format!("invalid grpc-timeout: {wrong}"));
            assert_eq!(timeout(wrong).expect_err("refused"), refusal);
        }
    }

    #[test]
    fn metadata_become_headers() {
        let mut metadata = HeaderMap::new();
        for name in ["content-type", "grpc-status", "grpc-encoding", "some"] {
            metadata.insert(name, HeaderValue::from_static("x"));
        }
        let headers = outgoing(&metadata);
        let mut names: Vec<_> = headers.keys().map(HeaderName::as_str).collect();
        names.sort_unstable();
        assert_eq!(names, ["grpc-metadata-content-type", "grpc-metadata-some"]);
    }
}
