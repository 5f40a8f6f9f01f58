//! All calls of one connection: what to send for them, and what came for each. Knows no socket.

use std::collections::{HashMap, VecDeque};
use std::task::Waker;

use prost::Message;
use tonic::Status;

use crate::frames::{self, Head, flag, kind, setting};
use crate::request_headers::{Method, RequestHeaders};
use crate::response_headers::ResponseHeaders;

/// Room for answers on the way: lists of many keys must not wait for the client's permission.
const WINDOW_BYTES: u32 = 8 << 20;
/// Taken bytes after which the server hears that there is room again.
pub(crate) const UPDATE_BYTES: u32 = WINDOW_BYTES / 2;
/// The length and the flag of compression before each message.
pub(crate) const PREFIX_BYTES: usize = 5;

/// Whether more messages follow on a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    Last,
    More,
}

/// What a caller waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Awaited {
    /// Some bytes of the answer, or its end.
    Bytes,
    /// The end.
    End,
}

/// The state of one connection. What callers do is here, what the server does in `arriving`.
pub(crate) struct Streams {
    /// What is to be written to the socket.
    pub(crate) out: Vec<u8>,
    pub(crate) calls: HashMap<u32, Call>,
    next_id: u32,
    pub(crate) requests: RequestHeaders,
    pub(crate) responses: ResponseHeaders,
    /// What the server allows: bytes on a new call, bytes on all together, bytes of a frame, calls.
    pub(crate) call_window: i64,
    pub(crate) send_window: i64,
    pub(crate) frame_bytes: usize,
    pub(crate) max_calls: usize,
    /// Calls of which at least one side has not ended.
    open: usize,
    /// Messages that wait for the server's permission, in order.
    held: VecDeque<Held>,
    /// Callers that wait for another call's end.
    waiting: VecDeque<Waker>,
    /// Bytes that arrived since the server last heard of room.
    pub(crate) taken: u32,
    /// A header block of which more frames come.
    pub(crate) block: Option<Block>,
    /// The server's settings have arrived.
    pub(crate) settled: bool,
    /// No call can begin any more.
    closed: Option<Status>,
}

/// A call that its caller has not forgotten.
pub(crate) struct Call {
    /// Bytes that the server still allows.
    pub(crate) window: i64,
    /// Bytes that arrived since the server last heard of room for this call.
    pub(crate) taken: u32,
    /// Messages of it that wait.
    held: usize,
    /// The last message has not been sent.
    sending: bool,
    /// What the caller has not taken yet.
    pub(crate) inbox: Vec<u8>,
    pub(crate) outcome: Option<Result<(), Status>>,
    pub(crate) waker: Option<(Waker, Awaited)>,
}

struct Held {
    stream: u32,
    bytes: Vec<u8>,
    sent: usize,
    end: End,
}

/// A header block of which the end has not come.
pub(crate) struct Block {
    pub(crate) stream: u32,
    pub(crate) ends_stream: bool,
    pub(crate) bytes: Vec<u8>,
}

impl Streams {
    pub(crate) fn new(authority: String) -> Streams {
        let mut out = frames::PREFACE.to_vec();
        let settings = [(setting::ENABLE_PUSH, 0), (setting::INITIAL_WINDOW_SIZE, WINDOW_BYTES)];
        frames::write_settings(&mut out, &settings);
        let more = WINDOW_BYTES - frames::DEFAULT_WINDOW_BYTES as u32;
        frames::write_window_update(&mut out, 0, more);
        Streams {
            out,
            calls: HashMap::new(),
            next_id: 1,
            requests: RequestHeaders::new(authority),
            responses: ResponseHeaders::new(),
            call_window: frames::DEFAULT_WINDOW_BYTES,
            send_window: frames::DEFAULT_WINDOW_BYTES,
            frame_bytes: frames::DEFAULT_FRAME_BYTES,
            max_calls: usize::MAX,
            open: 0,
            held: VecDeque::new(),
            waiting: VecDeque::new(),
            taken: 0,
            block: None,
            settled: false,
            closed: None,
        }
    }

    /// Begins a call, if the server allows one more; else `waker` hears of it.
    pub(crate) fn begin(&mut self, method: Method, waker: &Waker) -> Result<Option<u32>, Status> {
        if let Some(status) = &self.closed {
            return Err(status.clone());
        }
        if self.open >= self.max_calls {
            self.waiting.push_back(waker.clone());
            return Ok(None);
        }
        let stream = self.next_id;
        self.next_id += 2;
        self.open += 1;
        let at = self.out.len();
        let head = Head { payload_bytes: 0, kind: kind::HEADERS, flags: flag::END_HEADERS, stream };
        head.write(&mut self.out);
        self.requests.write(method, &mut self.out);
        let payload_bytes = self.out.len() - at - frames::HEAD_BYTES;
        // A block is some hundred bytes, so that its length is in the last two of three bytes.
        self.out[at + 1..at + 3].copy_from_slice(&(payload_bytes as u16).to_be_bytes());
        let call = Call {
            window: self.call_window,
            taken: 0,
            held: 0,
            sending: true,
            inbox: Vec::new(),
            outcome: None,
            waker: None,
        };
        self.calls.insert(stream, call);
        Ok(Some(stream))
    }

    /// Sends a message on a call, as soon as the server allows.
    pub(crate) fn send(&mut self, stream: u32, message: &impl Message, end: End) {
        let Some(call) = self.calls.get_mut(&stream) else { return };
        let message_bytes = message.encoded_len();
        let bytes = PREFIX_BYTES + message_bytes;
        let allowed = call.window.min(self.send_window);
        if call.held > 0 || bytes as i64 > allowed || bytes > self.frame_bytes {
            call.held += 1;
            let mut whole = Vec::with_capacity(bytes);
            write_message(&mut whole, message, message_bytes);
            self.held.push_back(Held { stream, bytes: whole, sent: 0, end });
            return self.send_held();
        }
        call.window -= bytes as i64;
        self.send_window -= bytes as i64;
        call.sending = end == End::More;
        let flags = if call.sending { 0 } else { flag::END_STREAM };
        Head { payload_bytes: bytes, kind: kind::DATA, flags, stream }.write(&mut self.out);
        write_message(&mut self.out, message, message_bytes);
    }

    /// Puts what arrived for the call into `bytes`, which must be empty. `None` means that what is
    /// awaited has not come yet.
    pub(crate) fn take(
        &mut self,
        stream: u32,
        bytes: &mut Vec<u8>,
        awaited: Awaited,
        waker: &Waker,
    ) -> Option<Result<End, Status>> {
        let Some(call) = self.calls.get_mut(&stream) else {
            return Some(Err(Status::internal("the call was ended before")));
        };
        if let Some(outcome) = &call.outcome {
            std::mem::swap(&mut call.inbox, bytes);
            return Some(outcome.clone().map(|()| End::Last));
        }
        if awaited == Awaited::Bytes && !call.inbox.is_empty() {
            std::mem::swap(&mut call.inbox, bytes);
            return Some(Ok(End::More));
        }
        call.waker = Some((waker.clone(), awaited));
        None
    }

    /// The caller wants nothing more of the call.
    pub(crate) fn forget(&mut self, stream: u32) {
        let Some(call) = self.calls.remove(&stream) else { return };
        if call.outcome.is_none() || call.sending {
            if self.closed.is_none() {
                frames::write_reset(&mut self.out, stream, frames::CANCEL);
            }
            self.leave();
        }
        if call.held > 0 {
            self.held.retain(|held| held.stream != stream);
        }
    }

    /// No call will be answered any more.
    pub(crate) fn close(&mut self, status: Status) {
        self.held.clear();
        self.farewell(0, &status);
    }

    /// Sends of the messages that wait as much as the server allows.
    pub(crate) fn send_held(&mut self) {
        let mut held = std::mem::take(&mut self.held);
        // Calls whose own window is used up: their later messages wait as well.
        let mut stuck = Vec::new();
        held.retain_mut(|message| {
            let Some(call) = self.calls.get_mut(&message.stream) else { return false };
            if call.outcome.is_some() {
                return false;
            }
            while message.sent < message.bytes.len() {
                let allowed = call.window.min(self.send_window).max(0) as usize;
                let rest = &message.bytes[message.sent..];
                let part = &rest[..rest.len().min(allowed).min(self.frame_bytes)];
                if part.is_empty() || stuck.contains(&message.stream) {
                    stuck.push(message.stream);
                    return true;
                }
                let last = message.end == End::Last && part.len() == rest.len();
                let head = Head {
                    payload_bytes: part.len(),
                    kind: kind::DATA,
                    flags: if last { flag::END_STREAM } else { 0 },
                    stream: message.stream,
                };
                head.write(&mut self.out);
                self.out.extend_from_slice(part);
                message.sent += part.len();
                call.window -= part.len() as i64;
                self.send_window -= part.len() as i64;
            }
            call.held -= 1;
            if message.end == End::Last {
                call.sending = false;
            }
            false
        });
        self.held = held;
    }

    /// The server has ended the call and will not take what it was still to be sent.
    pub(crate) fn cut(&mut self, stream: u32, status: Status) {
        if let Some(call) = self.calls.get_mut(&stream)
            && std::mem::take(&mut call.sending)
            && call.outcome.is_some()
        {
            return self.leave();
        }
        self.finish(stream, Err(status));
    }

    /// No call can begin any more, and those above `last` were not taken.
    pub(crate) fn farewell(&mut self, last: u32, status: &Status) {
        self.closed.get_or_insert_with(|| status.clone());
        let lost: Vec<u32> = self.calls.keys().copied().filter(|stream| *stream > last).collect();
        for stream in lost {
            self.cut(stream, status.clone());
        }
        self.wake_waiting();
    }

    /// The server allows other numbers of calls, or none.
    pub(crate) fn wake_waiting(&mut self) {
        self.waiting.drain(..).for_each(Waker::wake);
    }

    /// The server has ended the call.
    pub(crate) fn finish(&mut self, stream: u32, outcome: Result<(), Status>) {
        let Some(call) = self.calls.get_mut(&stream) else { return };
        if call.outcome.is_some() {
            return;
        }
        call.outcome = Some(outcome);
        if let Some((waker, _)) = call.waker.take() {
            waker.wake();
        }
        if !call.sending {
            self.leave();
        }
    }

    /// One call fewer is open.
    fn leave(&mut self) {
        self.open -= 1;
        if let Some(waker) = self.waiting.pop_front() {
            waker.wake();
        }
    }
}

fn write_message(out: &mut Vec<u8>, message: &impl Message, message_bytes: usize) {
    out.push(0);
    out.extend_from_slice(&(message_bytes as u32).to_be_bytes());
    message.encode(out).expect("a vector has room");
}
