//! A time limit for the first bytes of a connection, and its place among all.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Sleep, sleep};

use crate::frames::PREFACE;

/// A stream that fails when its other side has not said in time which protocol it speaks.
///
/// HTTP/1 has a time limit for headers of its own and HTTP/2 has its pings, but both begin to
/// count only once the protocol is known. Without this limit a silent client would hold its
/// connection for ever.
pub(crate) struct Opening<S, P> {
    stream: S,
    /// The connection counts as long as its stream is there.
    _place: P,
    limit: Option<Pin<Box<Sleep>>>,
    /// How much of the preface has been read.
    matched: usize,
}

impl<S, P> Opening<S, P> {
    pub(crate) fn new(stream: S, limit: Duration, place: P) -> Opening<S, P> {
        Opening { stream, _place: place, limit: Some(Box::pin(sleep(limit))), matched: 0 }
    }

    /// Notes what was read: the protocol is known at the first byte that is not the preface's, or
    /// at the preface's end.
    fn note(&mut self, read: &[u8]) {
        for byte in read {
            if PREFACE.get(self.matched) == Some(byte) {
                self.matched += 1;
            } else {
                self.matched = PREFACE.len();
            }
            if self.matched == PREFACE.len() {
                self.limit = None;
                return;
            }
        }
    }
}

impl<S: AsyncRead + Unpin, P: Unpin> AsyncRead for Opening<S, P> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let Some(limit) = &mut this.limit else {
            return Pin::new(&mut this.stream).poll_read(cx, buffer);
        };
        let before = buffer.filled().len();
        match Pin::new(&mut this.stream).poll_read(cx, buffer) {
            Poll::Pending => limit.as_mut().poll(cx).map(|()| {
                Err(io::Error::new(
                    io::ErrorKind::TimedOut,
                    "the client opened no protocol in time",
                ))
            }),
            Poll::Ready(Ok(())) => {
                this.note(&buffer.filled()[before..]);
                Poll::Ready(Ok(()))
            }
            Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
        }
    }
}

impl<S: AsyncWrite + Unpin, P: Unpin> AsyncWrite for Opening<S, P> {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().stream).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().stream).poll_write_vectored(cx, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};

    use super::*;

    const LIMIT: Duration = Duration::from_secs(300);

    async fn read_after(said: &[u8]) -> io::Result<usize> {
        let (mut client, server) = duplex(64);
        let mut server = Opening::new(server, LIMIT, ());
        client.write_all(said).await?;
        let mut buffer = [0; 64];
        server.read_exact(&mut buffer[..said.len()]).await?;
        let late = async {
            tokio::time::advance(LIMIT * 2).await;
            tokio::task::yield_now().await;
            client.write_all(b"more").await
        };
        let (read, written) = tokio::join!(server.read(&mut buffer), late);
        written?;
        read
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_has_said_its_protocol_may_be_silent() {
        assert_eq!(read_after(b"GET").await.expect("still open"), 4);
        assert_eq!(read_after(PREFACE).await.expect("still open"), 4);
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_says_no_protocol_is_closed() {
        for said in [&b""[..], b"PRI * HTTP"] {
            let error = read_after(said).await.expect_err("closed");
            assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        }
    }
}
