//! A stream that sends what is written to it together.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use parking_lot::Mutex;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// How much is gathered at most, in bytes. What would not fit goes out at once with what is there.
const LIMIT: usize = 32 << 10;
/// How much there is room for at first, in bytes. While nothing is to be sent there is none.
const ROOM: usize = 4 << 10;

/// The half that HTTP reads from and writes to. It says that all was flushed when it was not: the
/// task of the connection does that through [`Outlet`] when the answers of its turn are written.
/// When that is gone, as after an upgrade to a WebSocket, this half sends by itself.
pub(crate) struct Gathering<S>(Arc<Mutex<Gathered<S>>>);

/// The half that sends.
pub(crate) struct Outlet<S>(Arc<Mutex<Gathered<S>>>);

/// Both halves of a stream.
pub(crate) fn gather<S>(stream: S) -> (Gathering<S>, Outlet<S>) {
    let written = Vec::new();
    let gathered = Gathered { stream, written, sent: 0, is_flushed: true, has_outlet: true };
    let gathered = Arc::new(Mutex::new(gathered));
    (Gathering(gathered.clone()), Outlet(gathered))
}

struct Gathered<S> {
    stream: S,
    written: Vec<u8>,
    /// How many bytes of `written` have been sent.
    sent: usize,
    /// Whether the stream holds nothing back.
    is_flushed: bool,
    /// Whether somebody else sends what is written.
    has_outlet: bool,
}

impl<S: AsyncWrite + Unpin> Outlet<S> {
    /// Sends what was written.
    pub(crate) fn poll_send(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.0.lock().poll_send(cx)
    }
}

impl<S> Drop for Outlet<S> {
    fn drop(&mut self) {
        self.0.lock().has_outlet = false;
    }
}

impl<S: AsyncWrite + Unpin> Gathered<S> {
    fn poll_send(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.is_flushed {
            return Poll::Ready(Ok(()));
        }
        ready!(self.poll_empty(cx))?;
        ready!(Pin::new(&mut self.stream).poll_flush(cx))?;
        self.is_flushed = true;
        Poll::Ready(Ok(()))
    }

    fn poll_empty(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while self.sent < self.written.len() {
            let sent = Pin::new(&mut self.stream).poll_write(cx, &self.written[self.sent..]);
            match ready!(sent)? {
                0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                sent => self.sent += sent,
            }
        }
        self.clear();
        Poll::Ready(Ok(()))
    }

    fn clear(&mut self) {
        self.sent = 0;
        self.written = Vec::new();
    }

    /// Takes the slices, or as much of them as the stream does when they are too many to gather.
    fn poll_take(
        &mut self,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let length: usize = slices.iter().map(|slice| slice.len()).sum();
        self.is_flushed = false;
        if self.written.len() + length <= LIMIT {
            if self.written.capacity() == 0 {
                self.written.reserve(ROOM);
            }
            slices.iter().for_each(|slice| self.written.extend_from_slice(slice));
            return Poll::Ready(Ok(length));
        }
        loop {
            let waiting = &self.written[self.sent..];
            let mut all = Vec::with_capacity(1 + slices.len());
            all.extend((!waiting.is_empty()).then(|| IoSlice::new(waiting)));
            all.extend_from_slice(slices);
            let sent = ready!(Pin::new(&mut self.stream).poll_write_vectored(cx, &all))?;
            if sent < waiting.len() {
                if sent == 0 {
                    return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
                }
                self.sent += sent;
                continue;
            }
            let taken = sent - waiting.len();
            self.clear();
            if taken > 0 {
                return Poll::Ready(Ok(taken));
            }
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Gathering<S> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0.lock().stream).poll_read(cx, buffer)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Gathering<S> {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.0.lock().poll_take(cx, &[IoSlice::new(bytes)])
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.0.lock().poll_take(cx, slices)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut gathered = self.0.lock();
        match gathered.has_outlet {
            true => Poll::Ready(Ok(())),
            false => gathered.poll_send(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut gathered = self.0.lock();
        ready!(gathered.poll_empty(cx))?;
        Pin::new(&mut gathered.stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use futures_util::FutureExt;
    use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};

    use super::*;

    async fn send<S: AsyncWrite + Unpin>(outlet: &Outlet<S>) -> io::Result<()> {
        poll_fn(|cx| outlet.poll_send(cx)).await
    }

    #[tokio::test]
    async fn what_was_written_goes_out_when_it_is_sent() {
        let (mut client, server) = duplex(64);
        let (mut stream, outlet) = gather(server);
        stream.write_all(b"one").await.expect("gathered");
        let slices = [IoSlice::new(b" t"), IoSlice::new(b"wo")];
        assert_eq!(stream.write_vectored(&slices).await.expect("gathered"), 4);
        stream.flush().await.expect("never fails");
        let mut received = [0; 64];
        assert!(client.read(&mut received).now_or_never().is_none(), "nothing was sent");
        send(&outlet).await.expect("sent");
        assert_eq!(client.read(&mut received).await.expect("bytes"), 7);
        assert_eq!(&received[..7], b"one two");
    }

    #[tokio::test]
    async fn without_an_outlet_a_flush_sends() {
        let (mut client, server) = duplex(64);
        let (mut stream, outlet) = gather(server);
        drop(outlet);
        stream.write_all(b"one").await.expect("gathered");
        stream.flush().await.expect("sent");
        let mut received = [0; 64];
        assert_eq!(client.read(&mut received).await.expect("bytes"), 3);
    }

    #[tokio::test]
    async fn any_mixture_of_writes_arrives_in_order() {
        let (mut client, server) = duplex(1000);
        let (mut stream, outlet) = gather(server);
        let sent: Vec<u8> = (0..400_000_u32).map(|byte| (byte % 251) as u8).collect();
        let expected = sent.clone();
        let writing = async move {
            let mut rest = &sent[..];
            for length in [1, LIMIT, 7, LIMIT - 7, 1, 3 * LIMIT, 100, 20_000, 20_000, usize::MAX] {
                let (now, later) = rest.split_at(length.min(rest.len()));
                stream.write_all(now).await.expect("taken");
                rest = later;
            }
            send(&outlet).await.expect("sent");
            stream.write_all(b"end").await.expect("gathered");
            stream.shutdown().await.expect("sent and closed");
        };
        let reading = async move {
            let mut received = Vec::new();
            client.read_to_end(&mut received).await.expect("bytes");
            received
        };
        let ((), received) = tokio::join!(writing, reading);
        assert_eq!(received, [&expected[..], b"end"].concat());
    }

    #[tokio::test]
    async fn no_more_is_gathered_than_the_limit() {
        let (_client, server) = duplex(1);
        let (mut stream, _outlet) = gather(server);
        stream.write_all(&[0; LIMIT]).await.expect("gathered");
        // One byte fits into the duplex stream; the rest waits for the client.
        assert!(stream.write_all(&[0; 2]).now_or_never().is_none());
    }
}
