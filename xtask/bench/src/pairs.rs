//! Counts keys and bytes of a range's answer while it arrives, however long it is.

use anyhow::Result;
use tonic::Status;

use crate::streams::PREFIX_BYTES;

/// Which messages arrive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shape {
    /// A RangeResponse.
    Answer,
    /// RangeStreamResponses, with a RangeResponse in each.
    Chunks,
}

/// Fields by the messages that they are in.
mod field {
    /// Of RangeStreamResponse.
    pub(super) const RANGE_RESPONSE: u64 = 1;
    /// Of RangeResponse.
    pub(super) const KVS: u64 = 2;
    pub(super) const COUNT: u64 = 4;
    /// Of KeyValue.
    pub(super) const KEY: u64 = 1;
    pub(super) const VALUE: u64 = 5;
}

/// A message inside others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Chunk,
    Range,
    Pair,
}

/// What comes next.
#[derive(Debug, Clone, Copy)]
enum Next {
    /// The prefix of a message, with so many of its bytes read.
    Prefix {
        read: usize,
    },
    Field,
    Number {
        field: u64,
    },
    Length {
        field: u64,
    },
    Skip {
        bytes: u64,
    },
}

/// Counts what has arrived so far.
pub(crate) struct Pairs {
    shape: Shape,
    next: Next,
    /// Messages that are open, outermost first, and where each ends.
    open: Vec<(Kind, u64)>,
    /// How many bytes were read.
    at: u64,
    /// The beginning of an integer, and of a message's length.
    number: u64,
    shift: u32,
    /// Whole pairs and begun ones.
    pub(crate) count: u64,
    /// Keys and values, in bytes.
    pub(crate) bytes: u64,
    /// What the server says how many there are.
    pub(crate) told: u64,
    messages: u64,
}

impl Pairs {
    pub(crate) fn new(shape: Shape) -> Pairs {
        Pairs {
            shape,
            next: Next::Prefix { read: 0 },
            open: Vec::with_capacity(3),
            at: 0,
            number: 0,
            shift: 0,
            count: 0,
            bytes: 0,
            told: 0,
            messages: 0,
        }
    }

    /// Takes what arrived next.
    pub(crate) fn feed(&mut self, mut bytes: &[u8]) -> Result<(), Status> {
        while let Some((&byte, rest)) = bytes.split_first() {
            if let Next::Skip { bytes: left } = self.next {
                let part = left.min(bytes.len() as u64);
                bytes = &bytes[part as usize..];
                self.at += part;
                self.next = Next::Skip { bytes: left - part };
                if left == part {
                    self.end_of_field()?;
                }
                continue;
            }
            bytes = rest;
            self.at += 1;
            if let Next::Prefix { read } = self.next {
                self.prefix(read, byte)?;
                continue;
            }
            if self.shift > 63 {
                return Err(malformed());
            }
            self.number |= u64::from(byte & 0x7f) << self.shift;
            self.shift += 7;
            if byte & 0x80 == 0 {
                self.shift = 0;
                let number = std::mem::take(&mut self.number);
                self.integer(number)?;
            }
        }
        Ok(())
    }

    /// Nothing more comes: whether everything came whole.
    pub(crate) fn finish(&self) -> Result<(), Status> {
        let whole = matches!(self.next, Next::Prefix { read: 0 });
        if whole && (self.messages == 1 || self.shape == Shape::Chunks) {
            Ok(())
        } else {
            Err(Status::internal("the answer is cut"))
        }
    }

    fn prefix(&mut self, read: usize, byte: u8) -> Result<(), Status> {
        if read == 0 {
            self.next = Next::Prefix { read: 1 };
            return if byte == 0 { Ok(()) } else { Err(malformed()) };
        }
        self.number = self.number << 8 | u64::from(byte);
        self.next = Next::Prefix { read: read + 1 };
        if read + 1 == PREFIX_BYTES {
            let length = std::mem::take(&mut self.number);
            self.messages += 1;
            let kind = if self.shape == Shape::Answer { Kind::Range } else { Kind::Chunk };
            self.open.push((kind, self.at + length));
            self.end_of_field()?;
        }
        Ok(())
    }

    fn integer(&mut self, number: u64) -> Result<(), Status> {
        let kind = self.open.last().map(|(kind, _)| *kind).ok_or_else(malformed)?;
        match self.next {
            Next::Field => {
                let field = number >> 3;
                self.next = match number & 7 {
                    0 => Next::Number { field },
                    1 => Next::Skip { bytes: 8 },
                    2 => Next::Length { field },
                    5 => Next::Skip { bytes: 4 },
                    _ => return Err(malformed()),
                };
                return Ok(());
            }
            Next::Length { field } => {
                let inner = match (kind, field) {
                    (Kind::Chunk, field::RANGE_RESPONSE) => Some(Kind::Range),
                    (Kind::Range, field::KVS) => Some(Kind::Pair),
                    _ => None,
                };
                if let Some(inner) = inner {
                    self.count += u64::from(inner == Kind::Pair);
                    self.open.push((inner, self.at.saturating_add(number)));
                } else if number > 0 {
                    let counts = kind == Kind::Pair && matches!(field, field::KEY | field::VALUE);
                    self.bytes += if counts { number } else { 0 };
                    self.next = Next::Skip { bytes: number };
                    return Ok(());
                }
            }
            Next::Number { field } if kind == Kind::Range && field == field::COUNT => {
                self.told = number;
            }
            _ => {}
        }
        self.end_of_field()
    }

    /// Leaves the messages that end here.
    fn end_of_field(&mut self) -> Result<(), Status> {
        while let Some((_, end)) = self.open.last() {
            if *end > self.at {
                self.next = Next::Field;
                return Ok(());
            }
            if *end < self.at {
                return Err(malformed());
            }
            self.open.pop();
        }
        self.next = Next::Prefix { read: 0 };
        Ok(())
    }
}

fn malformed() -> Status {
    Status::internal("the answer is no range")
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;
    use etcd_proto::etcdserverpb::{RangeResponse, RangeStreamResponse, ResponseHeader};
    use etcd_proto::mvccpb::KeyValue;
    use prost::Message;

    fn answer(count: usize) -> RangeResponse {
        let pair = |at: usize| KeyValue {
            key: Bytes::from(vec![b'k'; at % 3 + 1]),
            value: Bytes::from(vec![b'v'; at * 40]),
            mod_revision: 1 << (at % 60),
            lease: -1,
            ..KeyValue::default()
        };
        RangeResponse {
            header: Some(ResponseHeader { revision: 7, ..ResponseHeader::default() }),
            kvs: (0..count).map(pair).collect(),
            more: true,
            count: 1000,
        }
    }

    fn framed(message: &impl Message) -> Vec<u8> {
        let encoded = message.encode_to_vec();
        let length = (encoded.len() as u32).to_be_bytes();
        [&[0][..], &length, &encoded].concat()
    }

    fn moved(answer: &RangeResponse) -> u64 {
        answer.kvs.iter().map(|pair| (pair.key.len() + pair.value.len()) as u64).sum()
    }

    #[test]
    fn an_answer_counts_the_same_in_pieces_of_any_size() {
        let answer = answer(12);
        let bytes = framed(&answer);
        for piece in [1, 2, 3, 7, 100, 5000] {
            let mut pairs = Pairs::new(Shape::Answer);
            for part in bytes.chunks(piece) {
                assert!(pairs.finish().is_err());
                pairs.feed(part).expect("an answer");
            }
            pairs.finish().expect("whole");
            assert_eq!((pairs.count, pairs.bytes, pairs.told), (12, moved(&answer), 1000));
        }
    }

    #[test]
    fn chunks_count_together() {
        let chunks = [answer(3), answer(0), answer(5)];
        let mut pairs = Pairs::new(Shape::Chunks);
        for chunk in &chunks {
            let chunk = RangeStreamResponse { range_response: Some(chunk.clone()) };
            pairs.feed(&framed(&chunk)).expect("a chunk");
        }
        pairs.feed(&framed(&RangeStreamResponse::default())).expect("an empty chunk");
        pairs.finish().expect("whole");
        assert_eq!((pairs.count, pairs.bytes), (8, chunks.iter().map(moved).sum()));
    }

    #[test]
    fn what_is_no_range_is_noticed() {
        // A pair that is longer than the answer it stands in.
        assert!(Pairs::new(Shape::Answer).feed(b"\0\0\0\0\x04\x12\x05\x0a\x03abc").is_err());
        assert!(Pairs::new(Shape::Answer).feed(b"\x01").is_err());
        assert!(Pairs::new(Shape::Answer).finish().is_err());
    }
}
