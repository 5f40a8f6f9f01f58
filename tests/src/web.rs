//! Asks a member over plain HTTP.

use bytes::Bytes;
use http::{HeaderMap, Request};
use http_body_util::{BodyExt, Full};
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use std::time::Duration;
use tokio::runtime::Builder;

/// Longer than a member waits for the others before it says that they do not answer.
const LIMIT: Duration = Duration::from_secs(30);

/// What a member answered.
#[derive(Debug)]
pub struct Answer {
    /// HTTP's status.
    pub status: u16,
    /// Its headers.
    pub headers: HeaderMap,
    /// The whole body.
    pub body: String,
}

impl Answer {
    /// A header's value; empty when it is not there.
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().expect("text"))
    }
}

/// Sends a request without a body, as [`send`].
///
/// # Panics
///
/// As [`send`].
pub fn ask(method: &str, url: &str, headers: &[(&str, &str)]) -> Option<Answer> {
    send(method, url, headers, b"")
}

/// Sends a request over a connection of its own; nothing if none can be made, or it breaks.
///
/// # Panics
///
/// When there is no answer in time, or its body is no text.
pub fn send(method: &str, url: &str, headers: &[(&str, &str)], body: &[u8]) -> Option<Answer> {
    let mut request = Request::builder().method(method).uri(url);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let body = Full::new(Bytes::copy_from_slice(body));
    let request = request.body(body).expect("a request");
    let runtime = Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let client = Client::builder(TokioExecutor::new()).build_http();
        let response = tokio::time::timeout(LIMIT, client.request(request)).await.expect("in time");
        let (head, body) = response.ok()?.into_parts();
        let body = body.collect().await.ok()?.to_bytes();
        let body = String::from_utf8(body.to_vec()).expect("text");
        Some(Answer { status: head.status.as_u16(), headers: head.headers, body })
    })
}
