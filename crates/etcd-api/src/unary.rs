//! Calls of one small message each way, which are most: read and answered without the buffers and
//! streams that the gRPC library has for all kinds of calls.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

use axum::body::HttpBody;
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderMap, HeaderValue, Request, Response};
use bytes::{BufMut as _, Bytes, BytesMut};
use http_body::Frame;
use http_body_util::BodyExt as _;
use tonic::Status;
use tonic::body::Body;
use tonic::metadata::GRPC_CONTENT_TYPE;

use crate::limits::MAX_SENT_BYTES;

/// Bytes of the head that gRPC puts before a message: a flag and the length.
const HEAD_BYTES: usize = 5;
/// Says how messages with the flag are compressed.
const ENCODING: &str = "grpc-encoding";

/// What was seen of a body that the gRPC library has to read: it may come in pieces, be compressed,
/// too large or wrong.
pub(crate) struct Seen<E>([Option<Result<Frame<Bytes>, E>>; 2]);

/// Reads a message of at most `limit` bytes if all of it comes in one frame, and it is as simple as
/// can be; `decode` may say no.
pub(crate) async fn open<M, B>(
    request: &mut Request<B>,
    limit: usize,
    decode: impl FnOnce(Bytes) -> Option<M>,
) -> Result<M, Seen<B::Error>>
where
    B: HttpBody<Data = Bytes> + Unpin,
{
    let mut seen = [None, None];
    if !request.headers().contains_key(ENCODING) {
        let body = request.body_mut();
        seen[0] = body.frame().await;
        // What is to be refused may never end.
        let message = seen[0].as_ref().and_then(|frame| alone(frame, limit));
        if let Some(message) = message.and_then(decode) {
            // Some clients say that this was all in a frame of its own, and some say more.
            if !body.is_end_stream() {
                seen[1] = body.frame().await;
            }
            let has_ended =
                seen[1].as_ref().is_none_or(|frame| body.is_end_stream() && is_empty(frame));
            if has_ended {
                return Ok(message);
            }
        }
    }
    Err(Seen(seen))
}

/// Whether a frame only says that it is the last.
fn is_empty<E>(frame: &Result<Frame<Bytes>, E>) -> bool {
    frame.as_ref().is_ok_and(|frame| frame.data_ref().is_some_and(Bytes::is_empty))
}

/// The message of a frame that holds it and nothing else. It is a copy: what it came in belongs to
/// the connection, which soon wants it for what comes next.
fn alone<E>(frame: &Result<Frame<Bytes>, E>, limit: usize) -> Option<Bytes> {
    let data = frame.as_ref().ok()?.data_ref()?;
    let (head, message) = data.split_at_checked(HEAD_BYTES)?;
    let (flag, len) = head.split_first()?;
    let len = u32::from_be_bytes(len.try_into().ok()?) as usize;
    let is_simple = *flag == 0 && len == message.len() && len <= limit;
    is_simple.then(|| Bytes::copy_from_slice(message))
}

/// A body of which some was looked at.
pub(crate) struct Rest<B: HttpBody> {
    seen: Seen<B::Error>,
    body: B,
}

impl<E> Seen<E> {
    /// The request as if nobody had looked at it.
    pub(crate) fn before<B: HttpBody<Error = E>>(self, request: Request<B>) -> Request<Rest<B>> {
        request.map(|body| Rest { seen: self, body })
    }
}

impl<B> HttpBody for Rest<B>
where
    B: HttpBody<Data = Bytes> + Unpin,
    B::Error: Unpin,
{
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        for seen in &mut self.seen.0 {
            if let Some(frame) = seen.take() {
                return Poll::Ready(Some(frame));
            }
        }
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.seen.0.iter().all(Option::is_none) && self.body.is_end_stream()
    }
}

/// The head and the message: `len` bytes that `write` appends.
pub(crate) fn message(len: usize, write: impl FnOnce(&mut BytesMut)) -> Result<Bytes, Status> {
    check_len(len)?;
    let mut bytes = BytesMut::with_capacity(HEAD_BYTES + len);
    bytes.put_u8(0);
    bytes.put_u32(u32::try_from(len).expect("longer messages are refused"));
    write(&mut bytes);
    Ok(bytes.freeze())
}

/// Refuses an answer of more bytes than any may have, in the words of etcd's library.
pub(crate) fn check_len(len: usize) -> Result<(), Status> {
    if len <= MAX_SENT_BYTES {
        return Ok(());
    }
    Err(Status::resource_exhausted(format!(
        "grpc: trying to send message larger than max ({len} vs. {MAX_SENT_BYTES})"
    )))
}

/// The response to a call that came to this: a message with its head, or an error.
pub(crate) fn respond(answer: Result<Bytes, Status>) -> Result<Response<Body>, Infallible> {
    Ok(match answer {
        Ok(message) => response(Body::new(Answered::Message(message))),
        Err(status) => status.into_http(),
    })
}

/// A response that goes well so far.
pub(crate) fn response(body: Body) -> Response<Body> {
    let mut response = Response::new(body);
    response.headers_mut().insert(CONTENT_TYPE, GRPC_CONTENT_TYPE);
    response
}

/// What is still to be sent of an answer.
enum Answered {
    Message(Bytes),
    Trailers,
    Nothing,
}

impl HttpBody for Answered {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        Poll::Ready(match std::mem::replace(&mut *self, Answered::Nothing) {
            Answered::Message(message) => {
                *self = Answered::Trailers;
                Some(Ok(Frame::data(message)))
            }
            Answered::Trailers => Some(Ok(Frame::trailers(well()))),
            Answered::Nothing => None,
        })
    }

    fn is_end_stream(&self) -> bool {
        matches!(self, Answered::Nothing)
    }
}

/// The trailers of a call that went well.
pub(crate) fn well() -> HeaderMap {
    let mut trailers = HeaderMap::with_capacity(1);
    trailers.insert(Status::GRPC_STATUS, HeaderValue::from_static("0"));
    trailers
}

#[cfg(test)]
mod tests {
    use std::vec::IntoIter;

    use axum::http::HeaderName;
    use futures_util::FutureExt as _;

    use super::*;

    type Received = Result<Frame<Bytes>, Status>;
    type Frames = Vec<Received>;

    fn data(bytes: &[u8]) -> Received {
        Ok(Frame::data(Bytes::copy_from_slice(bytes)))
    }

    /// A body that comes in these frames.
    struct Coming {
        frames: IntoIter<Received>,
        end: End,
    }

    /// What comes after the last of them.
    #[derive(PartialEq)]
    enum End {
        /// It was known of the last that it is.
        Told,
        Untold,
        Never,
    }

    impl HttpBody for Coming {
        type Data = Bytes;
        type Error = Status;

        fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Received>> {
            match self.frames.next() {
                None if self.end == End::Never => Poll::Pending,
                next => Poll::Ready(next),
            }
        }

        fn is_end_stream(&self) -> bool {
            self.end == End::Told && self.frames.as_slice().is_empty()
        }
    }

    fn request(frames: Frames) -> Request<Coming> {
        Request::new(Coming { frames: frames.into_iter(), end: End::Untold })
    }

    fn told(frames: Frames) -> Request<Coming> {
        Request::new(Coming { frames: frames.into_iter(), end: End::Told })
    }

    /// What was read, and what the library would read if it was not.
    async fn opened(mut request: Request<Coming>) -> Result<Bytes, Bytes> {
        match open(&mut request, 4, Some).await {
            Ok(message) => Ok(message),
            Err(seen) => {
                let collected = seen.before(request).into_body().collect().await;
                Err(collected.expect("no error").to_bytes())
            }
        }
    }

    #[tokio::test]
    async fn a_message_that_comes_in_one_frame_is_read_here() {
        let whole = [0, 0, 0, 0, 2, b'a', b'b'];
        assert_eq!(opened(request(vec![data(&whole)])).await, Ok(Bytes::from_static(b"ab")));
        assert_eq!(opened(request(vec![data(&[0; 5])])).await, Ok(Bytes::new()));
        assert_eq!(opened(told(vec![data(&whole)])).await, Ok(Bytes::from_static(b"ab")));
        let with_end = || vec![data(&whole), data(&[])];
        assert_eq!(opened(told(with_end())).await, Ok(Bytes::from_static(b"ab")));
        // Whether more follows it is not known.
        assert!(opened(request(with_end())).await.is_err());
    }

    #[tokio::test]
    async fn all_else_is_left_to_the_library_as_it_came() {
        let whole = [0, 0, 0, 0, 2, b'a', b'b'];
        let compressed = [1, 0, 0, 0, 2, b'a', b'b'];
        let too_large = [0, 0, 0, 0, 5, 1, 2, 3, 4, 5];
        let more = [0, 0, 0, 0, 2, b'a', b'b', 0];
        let frames: [Frames; 8] = [
            vec![],
            vec![data(&whole[..3])],
            vec![data(&whole[..6]), data(&whole[6..])],
            vec![data(&whole), data(&whole)],
            vec![data(&whole[..5]), data(&whole[5..6]), data(&whole[6..])],
            vec![data(&compressed)],
            vec![data(&too_large)],
            vec![data(&more)],
        ];
        for frames in frames {
            let parts = frames.iter().filter_map(|frame| frame.as_ref().ok()?.data_ref());
            let all = parts.flatten().copied().collect::<Bytes>();
            assert_eq!(opened(request(frames)).await, Err(all));
        }
        let mut encoded = request(vec![data(&whole)]);
        let gzip = HeaderValue::from_static("gzip");
        encoded.headers_mut().insert(HeaderName::from_static(ENCODING), gzip);
        assert_eq!(opened(encoded).await, Err(Bytes::copy_from_slice(&whole)));
    }

    #[test]
    fn a_head_that_is_to_be_refused_is_not_waited_for() {
        for head in [[0, 0, 0, 0, 5], [2, 0, 0, 0, 0], [0, 255, 255, 255, 255]] {
            let frames = vec![data(&head)].into_iter();
            let mut request = Request::new(Coming { frames, end: End::Never });
            let opened = open(&mut request, 4, Some).now_or_never();
            assert!(matches!(opened, Some(Err(_))), "{head:?}");
        }
        let mut request =
            Request::new(Coming { frames: vec![data(&[0; 5])].into_iter(), end: End::Never });
        let opened = open(&mut request, 4, |_| None::<()>).now_or_never();
        assert!(matches!(opened, Some(Err(_))), "what it holds is wrong");
    }

    #[tokio::test]
    async fn what_the_decoder_refuses_the_library_reads_again() {
        let mut request = request(vec![data(&[0, 0, 0, 0, 1, 7])]);
        let opened = open(&mut request, 4, |_| None::<()>).await;
        let Err(seen) = opened else { panic!("it was refused") };
        let all = seen.before(request).into_body().collect().await.expect("no error").to_bytes();
        assert_eq!(all, [0, 0, 0, 0, 1, 7][..]);
    }

    #[tokio::test]
    async fn trailers_and_errors_come_through() {
        let trailers = Ok(Frame::trailers(well()));
        let frames = vec![data(&[0; 5]), trailers];
        let mut request = request(frames);
        let Err(seen) = open(&mut request, 4, Some).await else { panic!("trailers") };
        let collected = seen.before(request).into_body().collect().await.expect("no error");
        assert_eq!(collected.trailers(), Some(&well()));
        let frames = vec![data(&[0; 5]), Err(Status::cancelled("gone"))];
        let mut request = self::request(frames);
        let Err(seen) = open(&mut request, 4, Some).await else { panic!("an error") };
        let error = seen.before(request).into_body().collect().await.expect_err("it was cut off");
        assert_eq!(error.message(), "gone");
    }

    #[tokio::test]
    async fn an_answer_is_a_message_and_the_word_that_it_went_well() {
        let message = message(2, |bytes| bytes.put_slice(b"ab"));
        let response = respond(message).expect("infallible");
        assert_eq!(response.headers()[CONTENT_TYPE], "application/grpc");
        // With a length known ahead there would be one more header, which etcd does not send.
        assert_eq!(response.body().size_hint().exact(), None);
        let collected = response.into_body().collect().await.expect("no error");
        assert_eq!(collected.trailers(), Some(&well()));
        assert_eq!(collected.to_bytes(), [0, 0, 0, 0, 2, b'a', b'b'][..]);
        let response = respond(Err(Status::not_found("no"))).expect("infallible");
        assert_eq!(response.headers()[Status::GRPC_STATUS], "5");
    }
}
