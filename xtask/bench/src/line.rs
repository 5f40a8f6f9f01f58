//! A connection that costs its process little: one task reads and writes for all callers together.
//!
//! The load's own processor time is taken from the servers' on a small machine, and the ratio of
//! two servers drowns in it. So many requests go out in one write, one read completes many calls,
//! and an answer is left as bytes for whoever wants something of it.

use std::future::poll_fn;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Arc, Weak};
use std::task::{Context, Poll, Waker};

use anyhow::{Context as _, Result, ensure};
use parking_lot::Mutex;
use prost::Message;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tonic::Status;

use crate::messages::Answer;
use crate::request_headers::Method;
use crate::streams::{Awaited, End, Streams};

/// Bytes of a read, at most.
const READ_BYTES: usize = 64 << 10;

/// A connection; clones share it. It ends when the last of them, and of its calls, has gone.
#[derive(Clone)]
pub(crate) struct Line {
    shared: Arc<Shared>,
}

struct Shared {
    state: Mutex<State>,
}

impl Drop for Shared {
    fn drop(&mut self) {
        // The task has nobody left to read and write for.
        self.state.get_mut().wake_task();
    }
}

struct State {
    streams: Streams,
    /// Wakes the task that reads and writes.
    task: Option<Waker>,
    /// It has been woken and will look for what is to be written.
    woken: bool,
}

impl State {
    fn wake_task(&mut self) {
        if !self.woken
            && let Some(task) = &self.task
        {
            self.woken = true;
            task.wake_by_ref();
        }
    }
}

impl Line {
    /// Connects, and waits for what the server allows. The runtime of the caller reads and writes.
    pub(crate) async fn open(address: SocketAddr) -> Result<Line> {
        let socket = TcpStream::connect(address).await?;
        socket.set_nodelay(true)?;
        let streams = Streams::new(address.to_string());
        let state = Mutex::new(State { streams, task: None, woken: false });
        let shared = Arc::new(Shared { state });
        let mut driver = Driver {
            socket,
            shared: Arc::downgrade(&shared),
            buffer: vec![0; READ_BYTES].into(),
            filled: 0,
            out: Vec::new(),
            written: 0,
        };
        poll_fn(|context| match driver.poll(context) {
            Poll::Ready(outcome) => Poll::Ready(outcome),
            Poll::Pending if shared.state.lock().streams.settled => Poll::Ready(Ok(())),
            Poll::Pending => Poll::Pending,
        })
        .await?;
        tokio::spawn(async move { driver.run().await });
        Ok(Line { shared })
    }

    /// `count` connections, in turn to each of the addresses.
    pub(crate) async fn open_many(addresses: &[SocketAddr], count: usize) -> Result<Vec<Line>> {
        let mut lines = Vec::with_capacity(count);
        for address in addresses.iter().cycle().take(count) {
            lines.push(Line::open(*address).await?);
        }
        Ok(lines)
    }

    /// Begins a call of which the server may answer more than once.
    pub(crate) async fn call(&self, method: Method) -> Result<Call, Status> {
        let begin = |context: &mut Context<'_>| {
            let mut state = self.shared.state.lock();
            match state.streams.begin(method, context.waker()).transpose() {
                Some(stream) => Poll::Ready(stream),
                None => Poll::Pending,
            }
        };
        let stream = poll_fn(begin).await?;
        Ok(Call { line: self.clone(), stream })
    }

    /// Sends one message, and answers with the bytes of the one that comes back.
    pub(crate) async fn ask(
        &self,
        method: Method,
        message: &impl Message,
    ) -> Result<Answer, Status> {
        let call = self.call(method).await?;
        call.send(message, End::Last);
        let mut bytes = Vec::new();
        call.take(&mut bytes, Awaited::End).await?;
        Answer::of(bytes)
    }
}

/// A call under way. It is cancelled when it is dropped before its end.
pub(crate) struct Call {
    line: Line,
    stream: u32,
}

impl Call {
    pub(crate) fn send(&self, message: &impl Message, end: End) {
        let mut state = self.line.shared.state.lock();
        state.streams.send(self.stream, message, end);
        state.wake_task();
    }

    /// Waits, and puts into `bytes` what has arrived since. Messages stand in it one behind the
    /// other, and the last one may be cut. [`End::Last`] says that nothing follows.
    pub(crate) async fn take(&self, bytes: &mut Vec<u8>, awaited: Awaited) -> Result<End, Status> {
        bytes.clear();
        poll_fn(|context| {
            let mut state = self.line.shared.state.lock();
            match state.streams.take(self.stream, bytes, awaited, context.waker()) {
                Some(outcome) => Poll::Ready(outcome),
                None => Poll::Pending,
            }
        })
        .await
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        let mut state = self.line.shared.state.lock();
        state.streams.forget(self.stream);
        if !state.streams.out.is_empty() {
            state.wake_task();
        }
    }
}

/// Reads and writes.
struct Driver {
    socket: TcpStream,
    shared: Weak<Shared>,
    buffer: Box<[u8]>,
    /// Bytes at the buffer's beginning that are no whole frame yet.
    filled: usize,
    out: Vec<u8>,
    written: usize,
}

impl Driver {
    async fn run(mut self) {
        let outcome = poll_fn(|context| self.poll(context)).await;
        if let (Err(error), Some(shared)) = (outcome, self.shared.upgrade()) {
            let status = Status::unavailable(format!("the connection is lost: {error:#}"));
            shared.state.lock().streams.close(status);
        }
    }

    /// Ready when the connection has ended, well if nobody wants it any more.
    fn poll(&mut self, context: &mut Context<'_>) -> Poll<Result<()>> {
        let Some(shared) = self.shared.upgrade() else { return Poll::Ready(Ok(())) };
        {
            let mut state = shared.state.lock();
            state.woken = false;
            if !state.task.as_ref().is_some_and(|task| task.will_wake(context.waker())) {
                state.task = Some(context.waker().clone());
            }
        }
        let received = match self.read(&shared, context) {
            Ok(received) => received,
            Err(error) => return Poll::Ready(Err(error)),
        };
        match received {
            // Who was answered now goes first, so that what they send next goes out in one write.
            Received::Frames => {
                let mut state = shared.state.lock();
                if !state.streams.out.is_empty() || !self.out.is_empty() {
                    state.wake_task();
                }
                Poll::Pending
            }
            Received::Nothing => match self.write(&shared, context) {
                Ok(()) => Poll::Pending,
                Err(error) => Poll::Ready(Err(error)),
            },
        }
    }

    fn read(&mut self, shared: &Shared, context: &mut Context<'_>) -> Result<Received> {
        let mut received = Received::Nothing;
        loop {
            let mut room = ReadBuf::new(&mut self.buffer[self.filled..]);
            match Pin::new(&mut self.socket).poll_read(context, &mut room) {
                Poll::Pending => return Ok(received),
                Poll::Ready(outcome) => outcome.context("reading")?,
            }
            let bytes = room.filled().len();
            ensure!(bytes > 0, "the server closed it");
            self.filled += bytes;
            let taken = shared.state.lock().streams.receive(&self.buffer[..self.filled])?;
            self.buffer.copy_within(taken..self.filled, 0);
            self.filled -= taken;
            received = Received::Frames;
        }
    }

    fn write(&mut self, shared: &Shared, context: &mut Context<'_>) -> Result<()> {
        loop {
            if self.out.is_empty() {
                std::mem::swap(&mut self.out, &mut shared.state.lock().streams.out);
                if self.out.is_empty() {
                    return Ok(());
                }
            }
            match Pin::new(&mut self.socket).poll_write(context, &self.out[self.written..]) {
                Poll::Pending => return Ok(()),
                Poll::Ready(outcome) => self.written += outcome.context("writing")?,
            }
            if self.written == self.out.len() {
                self.out.clear();
                self.written = 0;
            }
        }
    }
}

enum Received {
    Frames,
    Nothing,
}

#[cfg(test)]
#[path = "line_tests.rs"]
mod tests;
