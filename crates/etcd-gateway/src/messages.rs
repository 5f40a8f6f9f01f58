//! The frames that gRPC puts around messages.

use bytes::{Buf, BufMut, Bytes, BytesMut};

/// One byte of flags, four of length.
const HEAD_BYTES: usize = 5;

/// A message in its frame.
pub(crate) fn frame(message: &[u8]) -> Bytes {
    let mut framed = BytesMut::with_capacity(HEAD_BYTES + message.len());
    framed.put_u8(0);
    // No value is as long as that: see the limit of values.
    framed.put_u32(u32::try_from(message.len()).expect("a value's limit is below 4 GiB"));
    framed.put_slice(message);
    framed.freeze()
}

/// Finds the messages in a body that comes in pieces of any size.
#[derive(Debug, Default)]
pub(crate) struct Messages {
    arrived: BytesMut,
}

impl Messages {
    /// Takes another piece.
    pub(crate) fn push(&mut self, data: Bytes) {
        match self.arrived.is_empty() {
            true => self.arrived = BytesMut::from(data),
            false => self.arrived.extend_from_slice(&data),
        }
    }

    /// The next message, if all of it is there. It is not compressed: nobody asked for that.
    pub(crate) fn next(&mut self) -> Option<Bytes> {
        let length = self.arrived.get(1..HEAD_BYTES)?.try_into().expect("four bytes");
        let end = HEAD_BYTES + u32::from_be_bytes(length) as usize;
        if self.arrived.len() < end {
            return None;
        }
        let mut message = self.arrived.split_to(end);
        message.advance(HEAD_BYTES);
        Some(message.freeze())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_found_whatever_the_pieces() {
        let body = [frame(b"abc"), frame(b""), frame(&[7; 300])].concat();
        for size in 1..=body.len() {
            let mut messages = Messages::default();
            let mut found = Vec::new();
            for piece in body.chunks(size) {
                messages.push(Bytes::copy_from_slice(piece));
                found.extend(std::iter::from_fn(|| messages.next()));
            }
            assert_eq!(found, [&b"abc"[..], b"", &[7; 300]], "pieces of {size}");
        }
    }
}
