//! Streams that count their messages, and how they end, as they pass.

use std::sync::Arc;

use axum::body::HttpBody;
use axum::http::{Request, Response};
use bytes::Bytes;
use http_body_util::BodyExt;
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
            messages.pass(data, || received.0.received());
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
                messages.pass(data, || call.method().sent());
            } else if let Some(code) = frame.trailers_ref().and_then(code) {
                call.end(code);
            }
            frame
        }))
    })
}

/// Counts the last message: etcd also counts the attempt to read that finds the end.
struct Received(Arc<Method>);

impl Drop for Received {
    fn drop(&mut self) {
        self.0.received();
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

    /// Calls `found` for each message whose head is completed by `data`.
    fn pass(&mut self, mut data: &[u8], found: impl Fn()) {
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
                found();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    #[test]
    fn messages_are_found_whatever_the_pieces() {
        let body = [&[0, 0, 0, 0, 3][..], b"abc", &[0, 0, 0, 0, 0], &[1, 0, 0, 1, 0], &[7; 256]];
        let body = body.concat();
        for size in 1..=body.len() {
            let (found, mut messages) = (Cell::new(0), Messages::default());
            body.chunks(size).for_each(|data| messages.pass(data, || found.set(found.get() + 1)));
            assert_eq!(found.get(), 3, "pieces of {size}");
        }
    }
}
