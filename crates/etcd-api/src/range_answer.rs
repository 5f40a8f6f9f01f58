//! The answer to a range on its way out: key-values are spliced in as they are stored.

use bytes::{BufMut, Bytes, BytesMut};
use etcd_mvcc::{KeyValues, RangeResult, field_bytes, put_field_head};
use etcd_proto::etcdserverpb::{RangeResponse, ResponseHeader};
use etcd_proto::mvccpb::KeyValue;
use prost::{DecodeError, Message as _};

use crate::Error;

/// Bytes of the head that gRPC puts before a message.
const PREFIX_BYTES: usize = 5;
/// The most bytes of a piece, unless a single key-value is longer.
const PIECE_BYTES: usize = 64 << 10;
/// Bytes that lie together, and are so many, are a piece of their own, which spares copying them.
const ALONE_BYTES: usize = 16 << 10;
/// The most bytes before a key-value: the field's tag and the length.
const FIELD_HEAD_BYTES: usize = 11;

/// A `RangeResponse` whose key-values are encoded already.
#[derive(Debug, Default)]
pub(crate) struct RangeAnswer {
    pub(crate) header: Option<ResponseHeader>,
    pub(crate) kvs: KeyValues,
    pub(crate) more: bool,
    pub(crate) count: i64,
}

impl RangeAnswer {
    pub(crate) fn new(header: ResponseHeader, result: RangeResult<KeyValues>) -> RangeAnswer {
        let RangeResult { kvs, more, count, .. } = result;
        RangeAnswer { header: Some(header), kvs, more, count }
    }

    /// Bytes of the whole message.
    pub(crate) fn encoded_len(&self) -> usize {
        let kvs: usize = match &self.kvs {
            KeyValues::Records(records) => {
                records.iter().map(|record| field_bytes(record.len())).sum()
            }
            KeyValues::Fields(fields) => fields.chunks.iter().map(Bytes::len).sum(),
        };
        self.head().encoded_len() + kvs + self.tail().encoded_len()
    }

    /// Appends the message.
    pub(crate) fn encode(&self, target: &mut impl BufMut) {
        self.head().encode_raw(target);
        match &self.kvs {
            KeyValues::Records(records) => records.iter().for_each(|record| {
                put_field_head(record.len(), target);
                target.put_slice(record);
            }),
            KeyValues::Fields(fields) => {
                fields.chunks.iter().for_each(|chunk| target.put_slice(chunk));
            }
        }
        self.tail().encode_raw(target);
    }

    /// The message with its gRPC head, piece by piece: so a long one never lies in one buffer, and
    /// what is sent of it is freed.
    pub(crate) fn into_pieces(self) -> Pieces {
        let mut head = BytesMut::with_capacity(PIECE_BYTES);
        head.put_u8(0);
        let len = u32::try_from(self.encoded_len()).expect("longer messages are refused before");
        head.put_u32(len);
        debug_assert_eq!(head.len(), PREFIX_BYTES);
        self.head().encode_raw(&mut head);
        let mut tail = BytesMut::new();
        self.tail().encode_raw(&mut tail);
        let (chunks, head_bytes) = match self.kvs {
            KeyValues::Records(records) => (records, FIELD_HEAD_BYTES),
            KeyValues::Fields(fields) => (fields.chunks, 0),
        };
        let (chunks, tail) = (chunks.into_iter(), tail.freeze());
        Pieces { begun: head, alone: None, chunks, head_bytes, tail }
    }

    /// The message that it stands for.
    ///
    /// # Errors
    /// What is stored is no key-value.
    pub(crate) fn decode(self) -> Result<RangeResponse, Error> {
        let RangeAnswer { header, kvs, more, count } = self;
        let mut response =
            RangeResponse { header, kvs: Vec::with_capacity(kvs.len()), more, count };
        let decoded = match kvs {
            KeyValues::Records(records) => records.into_iter().try_for_each(|record| {
                response.kvs.push(KeyValue::decode(record)?);
                Ok(())
            }),
            KeyValues::Fields(fields) => {
                fields.chunks.into_iter().try_for_each(|chunk| response.merge(chunk))
            }
        };
        decoded.map_err(|error: DecodeError| Error::other(format!("etcdserver: {error}")))?;
        Ok(response)
    }

    /// The fields before the key-values.
    fn head(&self) -> RangeResponse {
        RangeResponse { header: self.header, ..RangeResponse::default() }
    }

    /// The fields behind them.
    fn tail(&self) -> RangeResponse {
        RangeResponse { more: self.more, count: self.count, ..RangeResponse::default() }
    }
}

/// See [`RangeAnswer::into_pieces`].
#[derive(Debug)]
pub(crate) struct Pieces {
    /// The beginning of the next piece.
    begun: BytesMut,
    /// The one behind that, where it is decided.
    alone: Option<Bytes>,
    chunks: std::vec::IntoIter<Bytes>,
    /// The most bytes to be put before each chunk: none where it has its fields' heads.
    head_bytes: usize,
    /// Comes last, and is empty then.
    tail: Bytes,
}

impl Iterator for Pieces {
    type Item = Bytes;

    fn next(&mut self) -> Option<Bytes> {
        if let Some(alone) = self.alone.take() {
            return Some(alone);
        }
        let mut piece = std::mem::take(&mut self.begun);
        while let Some(chunk) = self.chunks.as_slice().first() {
            let is_alone = chunk.len() >= ALONE_BYTES;
            let len = self.head_bytes + if is_alone { 0 } else { chunk.len() };
            if piece.capacity() < len {
                piece.reserve(PIECE_BYTES);
            }
            if piece.len() + len > PIECE_BYTES {
                return Some(piece.freeze());
            }
            let chunk = self.chunks.next().expect("it was looked at");
            if self.head_bytes > 0 {
                put_field_head(chunk.len(), &mut piece);
            }
            match is_alone {
                false => piece.put_slice(&chunk),
                true if piece.is_empty() => return Some(chunk),
                true => {
                    self.alone = Some(chunk);
                    return Some(piece.freeze());
                }
            }
        }
        piece.put_slice(&std::mem::take(&mut self.tail));
        (!piece.is_empty()).then(|| piece.freeze())
    }
}

#[cfg(test)]
mod tests {
    use etcd_mvcc::Fields;

    use super::*;

    fn check(header: Option<ResponseHeader>, values: &[usize], more: bool, count: i64) {
        let key_value = |(number, &len): (usize, &usize)| KeyValue {
            key: number.to_string().into(),
            value: vec![7; len].into(),
            version: number as i64,
            ..KeyValue::default()
        };
        let kvs: Vec<_> = values.iter().enumerate().map(key_value).collect();
        let records = kvs.iter().map(|kv| kv.encode_to_vec().into()).collect();
        let chunk = |kvs: &[KeyValue]| {
            let fields = RangeResponse { kvs: kvs.to_vec(), ..RangeResponse::default() };
            Bytes::from(fields.encode_to_vec())
        };
        let chunks = kvs.chunk_by(|kv, _| kv.version % 7 != 0).map(chunk).collect();
        let fields = KeyValues::Fields(Fields { chunks, keys: kvs.len() });
        let response = RangeResponse { header, kvs, more, count };
        for kvs in [KeyValues::Records(records), fields] {
            let answer = RangeAnswer { header, kvs, more, count };
            check_answer(answer, &response);
        }
    }

    fn check_answer(answer: RangeAnswer, response: &RangeResponse) {
        let (KeyValues::Records(chunks) | KeyValues::Fields(Fields { chunks, .. })) = &answer.kvs;
        let longest = chunks.iter().map(Bytes::len).max().unwrap_or(0).max(PIECE_BYTES);
        let expected = response.encode_to_vec();
        assert_eq!(answer.encoded_len(), expected.len());
        let mut encoded = BytesMut::new();
        answer.encode(&mut encoded);
        assert_eq!(encoded, expected);
        let decoded = RangeAnswer { kvs: answer.kvs.clone(), ..answer }.decode();
        assert_eq!(decoded.expect("what was encoded"), *response);
        let pieces: Vec<Bytes> = answer.into_pieces().collect();
        assert!(pieces.iter().all(|piece| !piece.is_empty() && piece.len() <= longest));
        let message = pieces.concat();
        assert_eq!(message[0], 0);
        assert_eq!(message[1..PREFIX_BYTES], (expected.len() as u32).to_be_bytes());
        assert_eq!(message[PREFIX_BYTES..], expected);
    }

    #[test]
    fn it_is_encoded_as_the_message_that_it_stands_for() {
        let header =
            ResponseHeader { cluster_id: 9, member_id: u64::MAX, revision: 3, raft_term: 2 };
        check(None, &[], false, 0);
        check(Some(header), &[], false, 0);
        check(Some(ResponseHeader::default()), &[0], true, 17);
        check(Some(header), &[1, 0, 200], false, 3);
    }

    #[test]
    fn pieces_hold_all_of_it_whatever_the_sizes() {
        let header = Some(ResponseHeader { revision: 3, ..ResponseHeader::default() });
        check(header, &[100; 3000], true, 1 << 40);
        check(header, &[PIECE_BYTES * 2, 1, PIECE_BYTES, PIECE_BYTES, 5], false, 5);
        check(header, &[ALONE_BYTES; 9], false, 9);
        for len in PIECE_BYTES - 80..PIECE_BYTES + 8 {
            check(header, &[len / 5; 5], false, 5);
            check(None, &[len - 3 * ALONE_BYTES, 16_000, 16_000, 16_000], true, 4);
        }
    }
}
