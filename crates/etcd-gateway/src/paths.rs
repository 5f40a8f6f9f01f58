//! Paths as Go's multiplexer has them: whoever asks for another is sent to the one that it means.

use std::borrow::Cow;
use std::fmt::Write as _;

use axum::extract::Request;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http::{HeaderValue, Method, StatusCode, Uri, header};

/// Other signs are written in hexadecimal in a path.
const PLAIN: &[u8] = b"-_.~$&+,/:;=@";

/// Comes before every path: one with doubled slashes or with dots is written without them.
pub(crate) async fn check(request: Request, next: Next) -> Response {
    let path = by_its_new_name(request.uri().path());
    let clean = clean(&path);
    match clean == path || request.method() == Method::CONNECT {
        true => next.run(request).await,
        false => redirect(request.method(), &clean, request.uri().query()),
    }
}

/// The gateway's paths had another name once.
fn by_its_new_name(path: &str) -> Cow<'_, str> {
    match path.strip_prefix("/v3beta/") {
        Some(rest) => format!("/v3/{rest}").into(),
        None => path.into(),
    }
}

/// Sends whoever asks for a folder by a name without a slash to the one with it.
pub(crate) async fn to_folder(method: Method, uri: Uri) -> Response {
    redirect(&method, &format!("{}/", uri.path()), uri.query())
}

/// The shortest path that leads to the same place. A slash at the end stays.
fn clean(path: &str) -> String {
    let mut names: Vec<&str> = Vec::new();
    for name in path.split('/') {
        match name {
            "" | "." => {}
            ".." => {
                names.pop();
            }
            name => names.push(name),
        }
    }
    let mut clean = String::with_capacity(path.len() + 1);
    for name in names {
        clean.push('/');
        clean.push_str(name);
    }
    if clean.is_empty() || path.ends_with('/') {
        clean.push('/');
    }
    clean
}

/// Go's answer, with a page for whoever looks at it.
fn redirect(method: &Method, path: &str, query: Option<&str>) -> Response {
    let status = StatusCode::TEMPORARY_REDIRECT;
    let query = query.filter(|query| !query.is_empty());
    let query = query.map(|query| format!("?{query}")).unwrap_or_default();
    let place = escape(path, |byte| byte.is_ascii_alphanumeric() || PLAIN.contains(&byte)) + &query;
    let place = escape(&place, |byte| byte.is_ascii());
    let mut response = match *method {
        Method::GET => format!("<a href=\"{}\">Temporary Redirect</a>.\n\n", in_html(&place)),
        _ => String::new(),
    }
    .into_response();
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.remove(header::CONTENT_TYPE);
    if matches!(*method, Method::GET | Method::HEAD) {
        let html = HeaderValue::from_static("text/html; charset=utf-8");
        headers.insert(header::CONTENT_TYPE, html);
    }
    let place = HeaderValue::try_from(place).expect("a request's line has only visible signs");
    headers.insert(header::LOCATION, place);
    response
}

fn escape(text: &str, is_plain: impl Fn(u8) -> bool) -> String {
    let mut escaped = String::with_capacity(text.len());
    for byte in text.bytes() {
        if is_plain(byte) {
            escaped.push(char::from(byte));
        } else {
            let written = write!(escaped, "%{byte:02X}");
            written.expect("a string takes everything");
        }
    }
    escaped
}

fn in_html(text: &str) -> String {
    let escaped = text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    escaped.replace('"', "&#34;").replace('\'', "&#39;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clean_path_has_no_empty_names_and_no_dots() {
        for path in ["/", "/v3/kv/range", "/v3/", "/a/.b/c..", "/v3/%2e"] {
            assert_eq!(clean(path), path);
        }
        for (path, expected) in [
            ("", "/"),
            ("//", "/"),
            ("/v3//kv/range", "/v3/kv/range"),
            ("/v3/kv//", "/v3/kv/"),
            ("/v3/./kv", "/v3/kv"),
            ("/v3/kv/..", "/v3"),
            ("/../../v3/x/../", "/v3/"),
        ] {
            assert_eq!(clean(path), expected, "{path:?}");
        }
    }

    #[test]
    fn the_place_is_written_as_go_writes_it() {
        let place = |path, query| {
            let response = redirect(&Method::POST, path, query);
            let place = response.headers()[header::LOCATION].to_str().expect("visible");
            place.to_owned()
        };
        assert_eq!(place("/v3/kv", None), "/v3/kv");
        assert_eq!(place("/v3/kv", Some("a=%20&b=<")), "/v3/kv?a=%20&b=<");
        assert_eq!(place("/v3/a%20b!", Some("")), "/v3/a%2520b%21");
    }
}
