//! A call of gRPC inside this process, and its answer.

use std::convert::Infallible;
use std::future::Future;

use axum::body::Body;
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Request, Response, header};
use http_body_util::BodyExt;
use tokio::time::{Instant, timeout_at};
use tonic::{Code, Status};
use tower::ServiceExt;
use tower::util::BoxCloneSyncService;

use crate::messages::Messages;
use crate::metadata::Metadata;
use crate::refusal::Refusal;

/// The member's services of gRPC.
pub(crate) type Services = BoxCloneSyncService<Request<Body>, Response<Body>, Infallible>;

/// What a call has been answered so far.
pub(crate) struct Answer {
    /// Its metadata.
    pub(crate) headers: HeaderMap,
    body: Body,
    messages: Messages,
    /// How the call ended, when that came without a body.
    ended: Option<Result<(), Refusal>>,
    deadline: Option<Instant>,
}

/// What comes next in an answer.
#[derive(Debug)]
pub(crate) enum Next {
    Message(Bytes),
    /// No more.
    End(Result<(), Refusal>),
}

/// Calls the method at `path`, whose messages are in `body`. The error is that there is no time for
/// it.
pub(crate) async fn call(
    services: Services,
    path: &'static str,
    metadata: Metadata,
    body: Body,
) -> Result<Answer, Refusal> {
    let mut request = Request::post(path).body(body).expect("the paths of methods are good");
    let headers = request.headers_mut();
    *headers = metadata.headers;
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
    headers.insert(header::TE, HeaderValue::from_static("trailers"));
    let mut deadline = None;
    if let Some(timeout) = metadata.timeout {
        if timeout.limit.is_zero() {
            return Err(Refusal::too_late());
        }
        deadline = Instant::now().checked_add(timeout.limit);
        headers.insert("grpc-timeout", timeout.text);
    }
    let response = in_time(deadline, services.oneshot(request)).await;
    let (head, body) = match response {
        Ok(response) => response.expect("it cannot fail").into_parts(),
        Err(too_late) => {
            let (head, body) = Response::new(Body::empty()).into_parts();
            return Ok(Answer::new(head.headers, body, Some(Err(too_late)), deadline));
        }
    };
    let ended = ending(&head.headers);
    Ok(Answer::new(head.headers, body, ended, deadline))
}

impl Answer {
    fn new(
        headers: HeaderMap,
        body: Body,
        ended: Option<Result<(), Refusal>>,
        deadline: Option<Instant>,
    ) -> Answer {
        Answer { headers, body, messages: Messages::default(), ended, deadline }
    }

    /// The next message, or the end.
    pub(crate) async fn next(&mut self) -> Next {
        if let Some(ended) = self.ended.take() {
            return Next::End(ended);
        }
        loop {
            if let Some(message) = self.messages.next() {
                return Next::Message(message);
            }
            let frame = match in_time(self.deadline, self.body.frame()).await {
                Ok(frame) => frame,
                Err(too_late) => return Next::End(Err(too_late)),
            };
            let Some(Ok(frame)) = frame else {
                let text = "server closed the stream without sending trailers";
                return Next::End(Err(Refusal::new(Code::Internal, text)));
            };
            match frame.into_data() {
                Ok(data) => self.messages.push(data),
                Err(frame) => {
                    let trailers = frame.into_trailers().unwrap_or_default();
                    return Next::End(ending(&trailers).unwrap_or(Ok(())));
                }
            }
        }
    }
}

/// How a call ended, if headers tell it.
fn ending(headers: &HeaderMap) -> Option<Result<(), Refusal>> {
    let status = Status::from_header_map(headers)?;
    Some(if status.code() == Code::Ok { Ok(()) } else { Err(status.into()) })
}

async fn in_time<T>(
    deadline: Option<Instant>,
    work: impl Future<Output = T>,
) -> Result<T, Refusal> {
    match deadline {
        None => Ok(work.await),
        Some(deadline) => timeout_at(deadline, work).await.map_err(|_| Refusal::too_late()),
    }
}
