//! HTTP/2 frames (RFC 9113, section 4 and 6): heads, and the few that a client of services writes.

/// What a connection begins with.
pub(crate) const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
/// Bytes of a frame's head.
pub(crate) const HEAD_BYTES: usize = 9;
/// What a frame may carry as long as its receiver has not said otherwise.
pub(crate) const DEFAULT_FRAME_BYTES: usize = 16 << 10;
/// What may be sent on a stream or a connection before its receiver has said otherwise.
pub(crate) const DEFAULT_WINDOW_BYTES: i64 = 65_535;

/// Kinds of frames.
pub(crate) mod kind {
    pub(crate) const DATA: u8 = 0;
    pub(crate) const HEADERS: u8 = 1;
    pub(crate) const RST_STREAM: u8 = 3;
    pub(crate) const SETTINGS: u8 = 4;
    pub(crate) const PUSH_PROMISE: u8 = 5;
    pub(crate) const PING: u8 = 6;
    pub(crate) const GOAWAY: u8 = 7;
    pub(crate) const WINDOW_UPDATE: u8 = 8;
    pub(crate) const CONTINUATION: u8 = 9;
}

/// Flags of frames.
pub(crate) mod flag {
    /// Of SETTINGS and PING.
    pub(crate) const ACK: u8 = 0x1;
    /// Of DATA and HEADERS.
    pub(crate) const END_STREAM: u8 = 0x1;
    /// Of HEADERS and CONTINUATION.
    pub(crate) const END_HEADERS: u8 = 0x4;
    /// Of DATA and HEADERS.
    pub(crate) const PADDED: u8 = 0x8;
    /// Of HEADERS.
    pub(crate) const PRIORITY: u8 = 0x20;
}

/// Names of settings.
pub(crate) mod setting {
    pub(crate) const HEADER_TABLE_SIZE: u16 = 1;
    pub(crate) const ENABLE_PUSH: u16 = 2;
    pub(crate) const MAX_CONCURRENT_STREAMS: u16 = 3;
    pub(crate) const INITIAL_WINDOW_SIZE: u16 = 4;
    pub(crate) const MAX_FRAME_SIZE: u16 = 5;
}

/// RST_STREAM's reason of a caller that went away.
pub(crate) const CANCEL: u32 = 8;

/// What stands before each frame's payload.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Head {
    pub(crate) payload_bytes: usize,
    pub(crate) kind: u8,
    pub(crate) flags: u8,
    pub(crate) stream: u32,
}

impl Head {
    /// Reads the head at the beginning of `bytes`, if all of it is there.
    pub(crate) fn read(bytes: &[u8]) -> Option<Head> {
        let bytes: &[u8; HEAD_BYTES] = bytes.first_chunk()?;
        Some(Head {
            payload_bytes: u32::from_be_bytes([0, bytes[0], bytes[1], bytes[2]]) as usize,
            kind: bytes[3],
            flags: bytes[4],
            stream: number(&bytes[5..]) & 0x7fff_ffff,
        })
    }

    pub(crate) fn write(self, out: &mut Vec<u8>) {
        let length = (self.payload_bytes as u32).to_be_bytes();
        let stream = self.stream.to_be_bytes();
        out.extend_from_slice(&[length[1], length[2], length[3], self.kind, self.flags]);
        out.extend_from_slice(&stream);
    }

    pub(crate) fn has(self, flag: u8) -> bool {
        self.flags & flag != 0
    }
}

/// The number in the first four of at least four bytes.
pub(crate) fn number(bytes: &[u8]) -> u32 {
    u32::from_be_bytes([bytes[0], bytes[1], bytes[2], bytes[3]])
}

pub(crate) fn write_settings(out: &mut Vec<u8>, settings: &[(u16, u32)]) {
    let payload_bytes = settings.len() * 6;
    Head { payload_bytes, kind: kind::SETTINGS, flags: 0, stream: 0 }.write(out);
    for (name, value) in settings {
        out.extend_from_slice(&name.to_be_bytes());
        out.extend_from_slice(&value.to_be_bytes());
    }
}

pub(crate) fn write_settings_ack(out: &mut Vec<u8>) {
    Head { payload_bytes: 0, kind: kind::SETTINGS, flags: flag::ACK, stream: 0 }.write(out);
}

pub(crate) fn write_ping_ack(out: &mut Vec<u8>, payload: &[u8]) {
    let payload_bytes = payload.len();
    Head { payload_bytes, kind: kind::PING, flags: flag::ACK, stream: 0 }.write(out);
    out.extend_from_slice(payload);
}

/// Lets the other side send `bytes` more on the stream, or with 0 on all streams together.
pub(crate) fn write_window_update(out: &mut Vec<u8>, stream: u32, bytes: u32) {
    Head { payload_bytes: 4, kind: kind::WINDOW_UPDATE, flags: 0, stream }.write(out);
    out.extend_from_slice(&bytes.to_be_bytes());
}

pub(crate) fn write_reset(out: &mut Vec<u8>, stream: u32, reason: u32) {
    Head { payload_bytes: 4, kind: kind::RST_STREAM, flags: 0, stream }.write(out);
    out.extend_from_slice(&reason.to_be_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_reads_as_it_was_written() {
        let head = Head { payload_bytes: 70_000, kind: kind::DATA, flags: 9, stream: 0x7fff_fffd };
        let mut bytes = Vec::new();
        head.write(&mut bytes);
        assert_eq!(Head::read(&bytes), Some(head));
        assert_eq!(Head::read(&bytes[..8]), None);
    }
}
