//! The messages that stand in the bytes of a call, each behind its length.

use tonic::Status;

use crate::streams::PREFIX_BYTES;

/// A message and what follows it.
type Split<'b> = (&'b [u8], &'b [u8]);

/// The first message in `bytes`, if all of it is there.
fn split(bytes: &[u8]) -> Result<Option<Split<'_>>, Status> {
    let Some((prefix, rest)) = bytes.split_first_chunk::<PREFIX_BYTES>() else { return Ok(None) };
    let [0, length @ ..] = *prefix else {
        return Err(Status::internal("the message is compressed, which nobody asked for"));
    };
    Ok(rest.split_at_checked(u32::from_be_bytes(length) as usize))
}

/// The answer to a call with one message.
#[derive(Debug)]
pub(crate) struct Answer(Vec<u8>);

impl Answer {
    /// Of all bytes of the call.
    pub(crate) fn of(bytes: Vec<u8>) -> Result<Answer, Status> {
        match split(&bytes)? {
            Some((_, [])) => Ok(Answer(bytes)),
            _ => Err(Status::internal("the answer is not one message")),
        }
    }

    pub(crate) fn message(&self) -> &[u8] {
        &self.0[PREFIX_BYTES..]
    }
}

/// Puts messages together again that arrive in pieces.
#[derive(Debug, Default)]
pub(crate) struct Messages {
    /// The beginning of a message.
    rest: Vec<u8>,
}

impl Messages {
    /// Takes what arrived next, and gives all messages that are whole now to `take`.
    pub(crate) fn each(
        &mut self,
        bytes: &[u8],
        mut take: impl FnMut(&[u8]) -> Result<(), Status>,
    ) -> Result<(), Status> {
        let whole;
        let mut left = bytes;
        if !self.rest.is_empty() {
            self.rest.extend_from_slice(bytes);
            whole = std::mem::take(&mut self.rest);
            left = &whole;
        }
        while let Some((message, behind)) = split(left)? {
            take(message)?;
            left = behind;
        }
        self.rest = left.to_vec();
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_come_whole_however_they_arrive() {
        let bytes = b"\0\0\0\0\x02ab\0\0\0\0\0\0\0\0\0\x03cde";
        for piece in 1..bytes.len() {
            let (mut messages, mut seen) = (Messages::default(), Vec::new());
            for part in bytes.chunks(piece) {
                let take = |message: &[u8]| {
                    seen.push(message.to_vec());
                    Ok(())
                };
                messages.each(part, take).expect("messages");
            }
            assert_eq!(seen, [&b"ab"[..], b"", b"cde"]);
        }
    }

    #[test]
    fn an_answer_is_exactly_one_message() {
        let answer = |bytes: &[u8]| Answer::of(bytes.to_vec()).map(|one| one.message().to_vec());
        assert_eq!(answer(b"\0\0\0\0\x01a").expect("one"), b"a");
        assert!(answer(b"").is_err());
        assert!(answer(b"\0\0\0\0\x02a").is_err());
        assert!(answer(b"\0\0\0\0\x01a\0\0\0\0\0").is_err());
        assert!(answer(b"\x01\0\0\0\x01a").is_err());
    }
}
