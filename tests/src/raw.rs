//! A gRPC client that says anything: bytes for messages, and half of what makes a call.

use bytes::{BufMut, Bytes, BytesMut};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, StatusCode};
use http_body_util::BodyExt;
use hyper::body::{Body, Frame};
use hyper::client::conn::http2::{self, SendRequest};
use hyper_util::rt::{TokioExecutor, TokioIo};
use std::collections::VecDeque;
use std::convert::Infallible;
use std::fmt;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::runtime::{Builder, Handle, Runtime};
use tokio::task::JoinHandle;
use tonic::Code;

/// Longer than a server takes for any answer.
const DEADLINE: Duration = Duration::from_secs(20);

/// A connection of HTTP/2 to one member.
pub struct Raw {
    runtime: Runtime,
    sender: SendRequest<Script>,
    address: String,
}

/// One call, as odd as it may be.
#[derive(Debug, Clone)]
pub struct Call {
    method: Method,
    path: String,
    headers: HeaderMap,
    pieces: VecDeque<Bytes>,
    ending: Ending,
}

/// What comes after the last piece.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ending {
    /// The end of the request.
    Finished,
    /// Nothing, ever.
    Silent,
}

/// What became of a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// Status OK, with the messages of the answer.
    Answered(Vec<Bytes>),
    /// Another status.
    Refused(Code, String),
    /// No gRPC at all: HTTP's own status.
    Http(StatusCode),
    /// The stream or the connection ended without a status.
    Broken,
    /// Nothing within the time.
    Silence,
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Outcome::Answered(_) => f.write_str("OK"),
            // Go's protobuf library has a space or a no-break space here, depending on the build.
            Outcome::Refused(code, text) => write!(f, "{code:?}: {}", text.replace('\u{a0}', " ")),
            Outcome::Http(status) => write!(f, "HTTP {}", status.as_u16()),
            Outcome::Broken => f.write_str("broken"),
            Outcome::Silence => f.write_str("silence"),
        }
    }
}

impl Call {
    /// A call of a method such as `KV/Range`, of which no message was sent yet.
    pub fn new(method: &str) -> Call {
        let prefix = if method.starts_with('/') { "" } else { "/etcdserverpb." };
        let mut headers = HeaderMap::new();
        headers.insert("content-type", HeaderValue::from_static("application/grpc"));
        headers.insert("te", HeaderValue::from_static("trailers"));
        Call {
            method: Method::POST,
            path: format!("{prefix}{method}"),
            headers,
            pieces: VecDeque::new(),
            ending: Ending::Finished,
        }
    }

    /// With a message, in a frame as gRPC has it.
    #[must_use]
    pub fn message(self, message: &[u8]) -> Call {
        let length = u32::try_from(message.len()).expect("a message is small");
        self.frame(0, length, message)
    }

    /// With a frame whose flag and length may lie.
    #[must_use]
    pub fn frame(mut self, flag: u8, length: u32, content: &[u8]) -> Call {
        let mut frame = BytesMut::with_capacity(5 + content.len());
        frame.put_u8(flag);
        frame.put_u32(length);
        frame.put_slice(content);
        self.pieces.push_back(frame.freeze());
        self
    }

    /// With bytes that may be no frame.
    #[must_use]
    pub fn bytes(mut self, bytes: &[u8]) -> Call {
        self.pieces.push_back(Bytes::copy_from_slice(bytes));
        self
    }

    /// With a header, in the place of one of its name.
    ///
    /// # Panics
    ///
    /// When HTTP does not allow it.
    #[must_use]
    pub fn header(mut self, name: &'static str, value: &[u8]) -> Call {
        let value = HeaderValue::from_bytes(value).expect("a header value");
        self.headers.insert(HeaderName::from_static(name), value);
        self
    }

    /// Without this header.
    #[must_use]
    pub fn without(mut self, name: &str) -> Call {
        self.headers.remove(name);
        self
    }

    /// With another method of HTTP than POST.
    #[must_use]
    pub fn method(self, method: Method) -> Call {
        Call { method, ..self }
    }

    /// Never to be finished.
    #[must_use]
    pub fn unfinished(self) -> Call {
        Call { ending: Ending::Silent, ..self }
    }
}

/// A call that was sent and not answered yet. Dropping it resets its stream if the request is finished.
pub struct Open {
    task: JoinHandle<Outcome>,
    runtime: Handle,
}

impl Open {
    /// Waits for what becomes of it.
    pub fn wait(mut self) -> Outcome {
        let ended = self.runtime.block_on(&mut self.task);
        ended.expect("a call does not panic and is only dropped by its owner")
    }

    /// Whether there is no answer yet.
    pub fn is_unanswered(&self) -> bool {
        !self.task.is_finished()
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Raw {
    /// Connects to the member at `url`.
    ///
    /// # Panics
    ///
    /// When nobody listens there.
    pub fn connect(url: &str) -> Raw {
        Raw::connect_by(url, |socket| socket.set_nodelay(true))
    }

    /// Connects to the member at `url` such that dropping it resets the connection, as when the
    /// client's machine forgets it.
    ///
    /// # Panics
    ///
    /// When nobody listens there.
    pub fn connect_to_be_reset(url: &str) -> Raw {
        Raw::connect_by(url, TcpStream::set_zero_linger)
    }

    fn connect_by(url: &str, prepare: fn(&TcpStream) -> io::Result<()>) -> Raw {
        let address = url.strip_prefix("http://").expect("a URL without TLS").to_owned();
        let mut builder = Builder::new_multi_thread();
        let runtime = builder.worker_threads(1).enable_all().build().expect("a runtime");
        let sender = runtime.block_on(async {
            let socket = TcpStream::connect(&address).await.expect("a member listens");
            prepare(&socket).expect("a socket");
            let mut builder = http2::Builder::new(TokioExecutor::new());
            builder.max_concurrent_reset_streams(1 << 16).max_send_buf_size(4 << 20);
            let connected = builder.handshake(TokioIo::new(socket)).await;
            let (sender, connection) = connected.expect("HTTP/2");
            tokio::spawn(connection);
            sender
        });
        Raw { runtime, sender, address }
    }

    /// Sends one message and waits for what becomes of it.
    pub fn call(&self, method: &str, message: &[u8]) -> Outcome {
        self.send(Call::new(method).message(message))
    }

    /// Sends a call and waits for what becomes of it.
    pub fn send(&self, call: Call) -> Outcome {
        self.runtime.block_on(self.outcome(call))
    }

    /// Sends a call and waits for nothing.
    pub fn open(&self, call: Call) -> Open {
        Open {
            task: self.runtime.spawn(self.outcome(call)),
            runtime: self.runtime.handle().clone(),
        }
    }

    fn outcome(&self, call: Call) -> impl Future<Output = Outcome> + Send + 'static {
        let mut sender = self.sender.clone();
        let uri = format!("http://{}{}", self.address, call.path);
        let body = Script { pieces: call.pieces, ending: call.ending };
        let request = Request::builder().method(call.method).uri(uri).body(body);
        let mut request = request.expect("a request");
        *request.headers_mut() = call.headers;
        async move {
            let answer = async {
                sender.ready().await.ok()?;
                read(sender.send_request(request).await.ok()?).await
            };
            match tokio::time::timeout(DEADLINE, answer).await {
                Ok(outcome) => outcome.unwrap_or(Outcome::Broken),
                Err(_) => Outcome::Silence,
            }
        }
    }
}

/// `None` when the stream breaks.
async fn read(response: http::Response<hyper::body::Incoming>) -> Option<Outcome> {
    let (head, body) = response.into_parts();
    if let Some(outcome) = status(&head.headers) {
        return Some(outcome);
    }
    if head.status != StatusCode::OK {
        return Some(Outcome::Http(head.status));
    }
    let body = body.collect().await.ok()?;
    let trailers = body.trailers().cloned().unwrap_or_default();
    let outcome = status(&trailers)?;
    if outcome != Outcome::Answered(Vec::new()) {
        return Some(outcome);
    }
    let mut bytes = body.to_bytes();
    let mut messages = Vec::new();
    while bytes.len() >= 5 {
        let head = bytes.split_to(5);
        let length = u32::from_be_bytes([head[1], head[2], head[3], head[4]]);
        messages.push(bytes.split_to(length as usize));
    }
    Some(Outcome::Answered(messages))
}

/// The status in headers or trailers.
fn status(headers: &HeaderMap) -> Option<Outcome> {
    let status = tonic::Status::from_header_map(headers)?;
    Some(match status.code() {
        Code::Ok => Outcome::Answered(Vec::new()),
        code => Outcome::Refused(code, status.message().to_owned()),
    })
}

/// The body of a request, piece by piece.
struct Script {
    pieces: VecDeque<Bytes>,
    ending: Ending,
}

impl Body for Script {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        match (self.pieces.pop_front(), self.ending) {
            (Some(piece), _) => Poll::Ready(Some(Ok(Frame::data(piece)))),
            (None, Ending::Finished) => Poll::Ready(None),
            (None, Ending::Silent) => Poll::Pending,
        }
    }
}
