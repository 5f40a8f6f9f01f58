//! How a call that is looked at ends: with what its answer says when it has gone out, or when nobody
//! waits for it any more.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use axum::body::HttpBody;
use axum::http::{HeaderMap, Response};
use bytes::Bytes;
use etcd_spans::Request;
use http_body::{Frame, SizeHint};
use tonic::body::Body;
use tonic::{Code, Status};

use crate::counted_stream::Sent;

/// A call that ends when this is dropped, unless its answer has said how.
pub(crate) struct Ending(pub(crate) Request);

impl Ending {
    /// Has the call end with its answer.
    pub(crate) fn with(self, response: Response<Sent>) -> Response<Sent> {
        if self.is_told(response.headers()) {
            return response;
        }
        response.map(|sent| sent.inside(|body| Body::new(Watched { body, ending: self })))
    }

    /// Whether headers or trailers say how it ends: then it has.
    fn is_told(&self, headers: &HeaderMap) -> bool {
        let Some(status) = Status::from_header_map(headers) else { return false };
        self.0.end(status.code(), status.message());
        true
    }
}

impl Drop for Ending {
    fn drop(&mut self) {
        // The first end counts.
        self.0.end(Code::Cancelled, "context canceled");
    }
}

/// An answer on its way.
struct Watched {
    body: Body,
    ending: Ending,
}

impl HttpBody for Watched {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        let Watched { body, ending } = self.get_mut();
        let frame = ready!(Pin::new(body).poll_frame(cx));
        if let Some(Ok(frame)) = &frame
            && let Some(trailers) = frame.trailers_ref()
        {
            ending.is_told(trailers);
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
