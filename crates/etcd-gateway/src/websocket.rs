//! Calls through a WebSocket, for browsers: each message is JSON of the request, each line of the
//! answer is a message.

use std::convert::Infallible;

use axum::body::Body;
use axum::extract::ws::{Message, WebSocket, WebSocketUpgrade};
use axum::extract::{FromRequestParts, Request};
use axum::response::{IntoResponse, Response};
use bytes::{Bytes, BytesMut};
use futures_util::stream::{SplitSink, SplitStream};
use futures_util::{SinkExt, StreamExt, stream};
use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use http_body_util::BodyExt;
use tokio::sync::mpsc;

use crate::Gateway;
use crate::routes::text;

/// How long a message may be, in bytes.
const MESSAGE_LIMIT: usize = 64 << 20;
/// How many messages wait until the call takes them.
const WAITING: usize = 1;
/// What stands before a token.
const BEARER: &str = "Bearer";
/// The cookie that holds one.
const COOKIE: &str = "token";

/// Whether a request asks for a WebSocket.
pub(crate) fn is_wanted(headers: &HeaderMap) -> bool {
    has_token(headers, &header::CONNECTION, "upgrade")
        && has_token(headers, &header::UPGRADE, "websocket")
}

fn has_token(headers: &HeaderMap, name: &HeaderName, token: &str) -> bool {
    let values = headers.get_all(name).iter().filter_map(|value| value.to_str().ok());
    let mut tokens = values.flat_map(|value| value.split(','));
    tokens.any(|found| found.trim().eq_ignore_ascii_case(token))
}

/// Opens it and makes the call.
pub(crate) async fn serve(gateway: Gateway, path: String, request: Request) -> Response {
    let (mut parts, _) = request.into_parts();
    let upgrade = match WebSocketUpgrade::from_request_parts(&mut parts, &()).await {
        Ok(upgrade) => upgrade,
        Err(_) => return refuse(&parts.method),
    };
    let call = call_parts(&parts);
    upgrade
        .protocols([BEARER])
        .max_message_size(MESSAGE_LIMIT)
        .max_frame_size(MESSAGE_LIMIT)
        .on_upgrade(async move |socket| converse(gateway, path, call, socket).await)
}

/// What is said of a handshake that is none.
fn refuse(method: &Method) -> Response {
    let status = match *method {
        Method::GET => StatusCode::BAD_REQUEST,
        _ => StatusCode::METHOD_NOT_ALLOWED,
    };
    let reason = status.canonical_reason().unwrap_or_default();
    let mut response = text(status, format!("{reason}\n")).into_response();
    let version = HeaderValue::from_static("13");
    response.headers_mut().insert(header::SEC_WEBSOCKET_VERSION, version);
    response
}

/// The head of the call. The only headers of the handshake that are its own are the page's, and
/// the token, which a page can put into the protocols or into a cookie.
fn call_parts(handshake: &Parts) -> Parts {
    let mut headers = HeaderMap::new();
    if let Some(protocols) = handshake.headers.get(header::SEC_WEBSOCKET_PROTOCOL) {
        let protocols = String::from_utf8_lossy(protocols.as_bytes());
        let token = protocols.split_once("Bearer,").map(|(_, token)| token.trim_matches(' '));
        let token = token.map(|token| format!("{BEARER} {token}")).unwrap_or_default();
        if let Ok(token) = HeaderValue::try_from(token) {
            headers.insert(header::AUTHORIZATION, token);
        }
    }
    for name in [header::ORIGIN, header::REFERER] {
        if let Some(value) = handshake.headers.get(&name) {
            headers.insert(name, value.clone());
        }
    }
    if let Some(token) = cookie(&handshake.headers)
        && let Ok(token) = HeaderValue::try_from(format!("{BEARER} {token}"))
    {
        headers.insert(header::AUTHORIZATION, token);
    }
    let (mut parts, ()) = http::Request::post("/").body(()).expect("valid").into_parts();
    parts.headers = headers;
    parts
}

/// The token in the first cookie that may have one.
fn cookie(headers: &HeaderMap) -> Option<String> {
    let cookies = headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
    let mut pairs = cookies.flat_map(|line| line.split(';')).filter_map(|pair| {
        let (name, value) = pair.trim().split_once('=')?;
        (name == COOKIE).then(|| value.trim_matches('"').to_owned())
    });
    pairs.next()
}

/// Until either side has no more to say. As with etcd, a socket whose call has ended is closed
/// without a word.
async fn converse(gateway: Gateway, path: String, call: Parts, socket: WebSocket) {
    let (sink, source) = socket.split();
    let (sender, receiver) = mpsc::channel(WAITING);
    let messages = stream::unfold(receiver, async |mut receiver: mpsc::Receiver<Bytes>| {
        let message = receiver.recv().await?;
        Some((Ok::<_, Infallible>(message), receiver))
    });
    let answering = async {
        let response = gateway.answer(&path, call, Body::from_stream(messages)).await;
        write(response.into_body(), sink).await;
    };
    tokio::select! {
        () = answering => {}
        () = read(source, sender) => {}
    }
}

/// Hands on what the client says, until it closes the socket.
async fn read(mut source: SplitStream<WebSocket>, sender: mpsc::Sender<Bytes>) {
    while let Some(Ok(message)) = source.next().await {
        let said = match message {
            Message::Text(_) | Message::Binary(_) => message.into_data(),
            Message::Close(_) => return,
            // The library answers pings.
            Message::Ping(_) | Message::Pong(_) => continue,
        };
        // A blank between messages: one that is a number ends with it.
        let said = Bytes::from([&said[..], b"\n"].concat());
        // When the call reads no more, it may still answer more.
        let _ = sender.send(said).await;
    }
}

/// Sends the lines of an answer.
async fn write(mut body: Body, mut sink: SplitSink<WebSocket, Message>) {
    let mut text = BytesMut::new();
    while let Some(Ok(frame)) = body.frame().await {
        text.extend_from_slice(&frame.into_data().unwrap_or_default());
        while let Some(end) = text.iter().position(|byte| *byte == b'\n') {
            let line = text.split_to(end + 1);
            if send(&mut sink, &line[..end]).await.is_none() {
                return;
            }
        }
    }
    if !text.is_empty() {
        // The last line may have no end.
        let _ = send(&mut sink, &text).await;
    }
}

async fn send(sink: &mut SplitSink<WebSocket, Message>, line: &[u8]) -> Option<()> {
    let line = String::from_utf8(line.to_vec()).ok()?;
    sink.send(Message::text(line)).await.ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn token(headers: &[(&str, &str)]) -> String {
        let mut request = http::Request::get("/v3/watch");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let parts = call_parts(&request.body(()).expect("valid").into_parts().0);
        let token = parts.headers.get(header::AUTHORIZATION);
        token.map(|token| token.to_str().expect("text").to_owned()).unwrap_or_default()
    }

    #[test]
    fn a_page_can_send_a_token() {
        assert_eq!(token(&[]), "");
        assert_eq!(token(&[("authorization", "x")]), "");
        assert_eq!(token(&[("sec-websocket-protocol", "Bearer, a.1")]), "Bearer a.1");
        assert_eq!(token(&[("sec-websocket-protocol", "Bearer,a.1")]), "Bearer a.1");
        assert_eq!(token(&[("cookie", "x=1; token=a.1; y=2")]), "Bearer a.1");
        let both = [("sec-websocket-protocol", "Bearer, a"), ("cookie", "token=b")];
        assert_eq!(token(&both), "Bearer b");
    }

    #[test]
    fn a_websocket_is_asked_for_by_two_headers() {
        let is_wanted = |connection: &'static str, upgrade: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert(header::CONNECTION, HeaderValue::from_static(connection));
            headers.insert(header::UPGRADE, HeaderValue::from_static(upgrade));
            is_wanted(&headers)
        };
        assert!(is_wanted("keep-alive, Upgrade", "WebSocket"));
        assert!(!is_wanted("keep-alive", "websocket"));
        assert!(!is_wanted("upgrade", "h2c"));
    }
}
