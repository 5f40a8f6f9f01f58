//! The other half of a connection's calls: what each frame that arrives does to them.

use anyhow::{Context as _, Result, bail, ensure};
use tonic::Status;

use crate::frames::{self, Head, flag, kind, setting};
use crate::response_headers::Meaning;
use crate::streams::{Awaited, Block, Streams, UPDATE_BYTES};

/// A header block of many frames is not longer than this.
const MAX_BLOCK_BYTES: usize = 64 << 10;

impl Streams {
    /// Takes all whole frames at the beginning of `bytes`. Answers how many bytes they are.
    pub(crate) fn receive(&mut self, bytes: &[u8]) -> Result<usize> {
        let mut at = 0;
        while let Some(head) = Head::read(&bytes[at..]) {
            ensure!(head.payload_bytes <= frames::DEFAULT_FRAME_BYTES, "a frame is too large");
            let begin = at + frames::HEAD_BYTES;
            let Some(payload) = bytes.get(begin..begin + head.payload_bytes) else { break };
            self.frame(head, payload)?;
            at = begin + head.payload_bytes;
        }
        Ok(at)
    }

    fn frame(&mut self, head: Head, payload: &[u8]) -> Result<()> {
        ensure!(
            self.block.is_none() || head.kind == kind::CONTINUATION,
            "a header block was interrupted"
        );
        match head.kind {
            kind::DATA => self.data(head, payload),
            kind::HEADERS => self.headers(head, payload),
            kind::CONTINUATION => self.continuation(head, payload),
            kind::RST_STREAM => {
                ensure!(payload.len() == 4, "a reset has another length");
                self.cut(head.stream, reset(frames::number(payload)));
                Ok(())
            }
            kind::SETTINGS => self.settings(head, payload),
            kind::PING if !head.has(flag::ACK) => {
                frames::write_ping_ack(&mut self.out, payload);
                Ok(())
            }
            kind::GOAWAY => self.go_away(payload),
            kind::WINDOW_UPDATE => self.window_update(head.stream, payload),
            kind::PUSH_PROMISE => bail!("the server pushes what it must not"),
            _ => Ok(()),
        }
    }

    fn data(&mut self, head: Head, payload: &[u8]) -> Result<()> {
        let bytes = payload.len() as u32;
        self.taken += bytes;
        if self.taken >= UPDATE_BYTES {
            frames::write_window_update(&mut self.out, 0, std::mem::take(&mut self.taken));
        }
        let data = unpadded(head, payload)?;
        // What arrives for a caller that went away is of no use.
        let Some(call) = self.calls.get_mut(&head.stream) else { return Ok(()) };
        if call.outcome.is_some() {
            return Ok(());
        }
        call.inbox.extend_from_slice(data);
        if head.has(flag::END_STREAM) {
            let status = Status::internal("the answer ended without trailers");
            self.finish(head.stream, Err(status));
            return Ok(());
        }
        call.taken += bytes;
        if call.taken >= UPDATE_BYTES {
            let room = std::mem::take(&mut call.taken);
            frames::write_window_update(&mut self.out, head.stream, room);
        }
        if let Some((waker, _)) = call.waker.take_if(|(_, awaited)| *awaited == Awaited::Bytes) {
            waker.wake();
        }
        Ok(())
    }

    fn headers(&mut self, head: Head, payload: &[u8]) -> Result<()> {
        let mut block = unpadded(head, payload)?;
        if head.has(flag::PRIORITY) {
            block = block.get(5..).context("a priority is cut")?;
        }
        let ends_stream = head.has(flag::END_STREAM);
        if head.has(flag::END_HEADERS) {
            return self.block(head.stream, ends_stream, block);
        }
        self.block = Some(Block { stream: head.stream, ends_stream, bytes: block.to_vec() });
        Ok(())
    }

    fn continuation(&mut self, head: Head, payload: &[u8]) -> Result<()> {
        let mut block = self.block.take().context("a header block goes on without a beginning")?;
        ensure!(block.stream == head.stream, "a header block goes on on another stream");
        ensure!(block.bytes.len() + payload.len() <= MAX_BLOCK_BYTES, "headers are too long");
        block.bytes.extend_from_slice(payload);
        if head.has(flag::END_HEADERS) {
            return self.block(block.stream, block.ends_stream, &block.bytes);
        }
        self.block = Some(block);
        Ok(())
    }

    fn block(&mut self, stream: u32, ends_stream: bool, block: &[u8]) -> Result<()> {
        // Also for a caller that went away: the block may change the table.
        match self.responses.read(block)? {
            Meaning::Ended(outcome) => self.finish(stream, outcome),
            Meaning::Foreign(status) => self.finish(stream, Err(status)),
            Meaning::Accepted if ends_stream => {
                self.finish(stream, Err(Status::internal("the answer is only headers")));
            }
            Meaning::Accepted => {}
        }
        Ok(())
    }

    fn settings(&mut self, head: Head, payload: &[u8]) -> Result<()> {
        if head.has(flag::ACK) {
            return Ok(());
        }
        for one in payload.chunks(6) {
            ensure!(one.len() == 6, "a setting is cut");
            let value = frames::number(&one[2..]);
            match u16::from_be_bytes([one[0], one[1]]) {
                setting::HEADER_TABLE_SIZE => self.requests.limit_table(value),
                setting::MAX_CONCURRENT_STREAMS => self.max_calls = value as usize,
                setting::INITIAL_WINDOW_SIZE => {
                    let more = i64::from(value) - self.call_window;
                    self.call_window = i64::from(value);
                    self.calls.values_mut().for_each(|call| call.window += more);
                }
                setting::MAX_FRAME_SIZE => self.frame_bytes = value as usize,
                _ => {}
            }
        }
        self.settled = true;
        frames::write_settings_ack(&mut self.out);
        self.wake_waiting();
        self.send_held();
        Ok(())
    }

    fn window_update(&mut self, stream: u32, payload: &[u8]) -> Result<()> {
        ensure!(payload.len() == 4, "a window's update has another length");
        let more = i64::from(frames::number(payload) & 0x7fff_ffff);
        if stream == 0 {
            self.send_window += more;
        } else if let Some(call) = self.calls.get_mut(&stream) {
            call.window += more;
        }
        self.send_held();
        Ok(())
    }

    fn go_away(&mut self, payload: &[u8]) -> Result<()> {
        ensure!(payload.len() >= 8, "a farewell is cut");
        let last = frames::number(payload) & 0x7fff_ffff;
        let reason = frames::number(&payload[4..]);
        let status = Status::unavailable(format!("the server says farewell with {reason}"));
        self.farewell(last, &status);
        Ok(())
    }
}

/// The payload without padding.
fn unpadded(head: Head, payload: &[u8]) -> Result<&[u8]> {
    if !head.has(flag::PADDED) {
        return Ok(payload);
    }
    let (padding, rest) = payload.split_first().context("a padded frame is empty")?;
    let bytes = rest.len().checked_sub(usize::from(*padding)).context("padding is too long")?;
    Ok(&rest[..bytes])
}

/// What a call ends with whose stream was reset.
fn reset(reason: u32) -> Status {
    let text = format!("the server reset the stream with {reason}");
    match reason {
        7 => Status::unavailable(text),
        8 => Status::cancelled(text),
        11 => Status::resource_exhausted(text),
        _ => Status::internal(text),
    }
}
