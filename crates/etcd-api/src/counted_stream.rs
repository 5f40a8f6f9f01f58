//! Bodies that count what passes: bytes, messages, and how streams of them end.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use axum::body::HttpBody;
use axum::http::{Request, Response};
use bytes::Bytes;
use http_body::{Frame, SizeHint};
use http_body_util::BodyExt;
use http_body_util::combinators::MapFrame;
use tonic::Status;
use tonic::body::Body;

use crate::metrics::{Call, Method, code};

/// Counts the messages of a request that is a stream.
pub(crate) fn count_request<B>(request: Request<B>, method: Arc<Method>) -> Request<Body>
where
    B: HttpBody<Data = Bytes> + Send + 'static,
    B::Error: Into<axum::BoxError>,
{
    let received = Received(method);
    request.map(|body| {
        let mut messages = Messages::default();
        Body::new(body.map_frame(move |frame| {
            let data = frame.data_ref().map_or(&[][..], |data| data.as_ref());
            let found = messages.pass(data);
            for _ in 0..found {
                received.0.count_received();
            }
            received.0.received_bytes.add(message_bytes(data.len(), found));
            frame
        }))
    })
}

/// Counts the messages of an answer that is a stream, and its status when that has passed.
pub(crate) fn count_answer(response: Response<Body>, mut call: Call) -> Response<Body> {
    response.map(|body| {
        let mut messages = Messages::default();
        Body::new(body.map_frame(move |frame| {
            if let Some(data) = frame.data_ref() {
                let found = messages.pass(data);
                for _ in 0..found {
                    call.method().count_sent();
                }
                call.method().sent_bytes.add(message_bytes(data.len(), found));
            } else if let Some(code) = frame.trailers_ref().and_then(code) {
                call.end(code);
            }
            frame
        }))
    })
}

/// Counts the bytes of a request that is one message.
pub(crate) fn count_bytes<B: HttpBody<Data = Bytes>>(
    request: Request<B>,
    method: Arc<Method>,
) -> Request<MapFrame<B, impl FnMut(Frame<Bytes>) -> Frame<Bytes>>> {
    let mut head = Head::default();
    request.map(|body| {
        body.map_frame(move |frame| {
            if let Some(data) = frame.data_ref() {
                method.received_bytes.add(head.pass(data.len()));
            }
            frame
        })
    })
}

/// The bytes of messages among so many that passed, when so many heads were completed by them. What
/// a head began with before counts as less than nothing: the sum is right.
fn message_bytes(passed: usize, found: usize) -> u64 {
    (passed as u64).wrapping_sub((found * Messages::HEAD_BYTES) as u64)
}

/// What is still to come of the head of the only message.
struct Head {
    rest: usize,
}

impl Default for Head {
    fn default() -> Head {
        Head { rest: Messages::HEAD_BYTES }
    }
}

impl Head {
    /// The message's bytes among so many that pass.
    fn pass(&mut self, passed: usize) -> u64 {
        let head = self.rest.min(passed);
        self.rest -= head;
        (passed - head) as u64
    }
}

/// An answer on its way to the client.
pub struct Sent {
    body: Body,
    /// Of an answer that is one message, to count its bytes.
    alone: Option<(Call, Head)>,
}

impl Sent {
    /// An answer of which nothing is counted any more.
    pub(crate) fn uncounted(body: Body) -> Sent {
        Sent { body, alone: None }
    }

    /// The same answer in another body.
    pub(crate) fn inside(self, wrap: impl FnOnce(Body) -> Body) -> Sent {
        Sent { body: wrap(self.body), alone: self.alone }
    }

    /// An answer that is one message.
    pub(crate) fn alone(body: Body, call: Call) -> Sent {
        Sent { body, alone: Some((call, Head::default())) }
    }
}

impl HttpBody for Sent {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        let Sent { body, alone } = self.get_mut();
        let frame = ready!(Pin::new(body).poll_frame(cx));
        if let (Some((call, head)), Some(Ok(frame))) = (alone, &frame)
            && let Some(data) = frame.data_ref()
        {
            call.method().sent_bytes.add(head.pass(data.len()));
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// Counts the last message: etcd also counts the attempt to read that finds the end.
struct Received(Arc<Method>);

impl Drop for Received {
    fn drop(&mut self) {
        self.0.count_received();
    }
}

/// Finds the messages in a body that comes in pieces of any size.
#[derive(Default)]
struct Messages {
    /// What has come of the current head: one byte of flags, four of length.
    head: Vec<u8>,
    /// How much of the current message is still to come, in bytes.
    rest: usize,
}

impl Messages {
    /// How long a head is.
    const HEAD_BYTES: usize = 5;

    /// How many messages' heads are completed by `data`.
    fn pass(&mut self, mut data: &[u8]) -> usize {
        let mut found = 0;
        while !data.is_empty() {
            let skipped = self.rest.min(data.len());
            self.rest -= skipped;
            data = &data[skipped..];
            let (head, behind) = data.split_at(data.len().min(Self::HEAD_BYTES - self.head.len()));
            self.head.extend_from_slice(head);
            data = behind;
            if let [_flags, first, second, third, fourth] = self.head[..] {
                self.rest = u32::from_be_bytes([first, second, third, fourth]) as usize;
                self.head.clear();
                found += 1;
            }
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_found_whatever_the_pieces() {
        let body = [&[0, 0, 0, 0, 3][..], b"abc", &[0, 0, 0, 0, 0], &[1, 0, 0, 1, 0], &[7; 256]];
        let body = body.concat();
        for size in 1..=body.len() {
            let (mut messages, mut bytes) = (Messages::default(), 0_u64);
            let found = body.chunks(size).map(|data| {
                let found = messages.pass(data);
                bytes = bytes.wrapping_add(message_bytes(data.len(), found));
                found
            });
            assert_eq!(found.sum::<usize>(), 3, "pieces of {size}");
            assert_eq!(bytes, 3 + 256, "pieces of {size}");
        }
    }
}
