//! Key-values as they go over the wire, many to a buffer.

use std::ops::Range;

use bytes::{BufMut, Bytes, BytesMut};
use prost::encoding::{WireType, encode_key, encode_varint, encoded_len_varint, key_len};

/// The field of `RangeResponse` that holds the key-values.
const KVS: u32 = 2;
/// Fields share allocations of at most so many bytes.
const SHARED_BYTES: usize = 64 << 10;

/// The key-values of a long answer in their order, each as a field of an encoded `RangeResponse`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Fields {
    /// Whole fields, one or more in each.
    pub chunks: Vec<Bytes>,
    /// How many key-values all of them hold.
    pub keys: usize,
}

/// Fields that were written one behind the other, and the place of the first among all.
pub(crate) type Run = (usize, Bytes);

/// Makes fields of records in the order in which storage has them.
#[derive(Debug)]
pub(crate) struct FieldWriter {
    runs: Vec<Run>,
    /// Records that are still expected.
    left: usize,
    /// The run that is being written.
    begun: BytesMut,
    /// Where its fields belong.
    places: Range<usize>,
}

/// Bytes of a key-value of `record_bytes` as a field, its head included.
pub fn field_bytes(record_bytes: usize) -> usize {
    key_len(KVS) + encoded_len_varint(record_bytes as u64) + record_bytes
}

/// Appends what stands before a key-value of `record_bytes` in an encoded `RangeResponse`.
pub fn put_field_head(record_bytes: usize, target: &mut impl BufMut) {
    encode_key(KVS, WireType::LengthDelimited, target);
    encode_varint(record_bytes as u64, target);
}

impl Fields {
    pub(crate) fn of(mut runs: Vec<Run>, keys: usize) -> Fields {
        runs.sort_unstable_by_key(|(place, _)| *place);
        Fields { chunks: runs.into_iter().map(|(_, chunk)| chunk).collect(), keys }
    }
}

impl FieldWriter {
    /// One for about so many records.
    pub(crate) fn with_capacity(keys: usize) -> FieldWriter {
        FieldWriter { runs: Vec::new(), left: keys, begun: BytesMut::new(), places: 0..0 }
    }

    /// Writes the record that belongs at a place, into the same run as the one of the place before
    /// if that came last.
    pub(crate) fn push(&mut self, place: usize, record: &[u8]) {
        let len = field_bytes(record.len());
        let has_room = self.begun.capacity() - self.begun.len() >= len;
        if place != self.places.end || !has_room {
            self.end_run();
            self.places = place..place;
        }
        if !has_room {
            // The others are taken to be about as long as this one.
            let expected = len.saturating_mul(self.left).saturating_mul(9) / 8;
            self.begun.reserve(len.max(expected.min(SHARED_BYTES)));
        }
        self.left = self.left.saturating_sub(1);
        put_field_head(record.len(), &mut self.begun);
        self.begun.extend_from_slice(record);
        self.places.end += 1;
    }

    pub(crate) fn finish(mut self) -> Vec<Run> {
        self.end_run();
        self.runs
    }

    fn end_run(&mut self) {
        if !self.begun.is_empty() {
            self.runs.push((self.places.start, self.begun.split().freeze()));
        }
    }
}

#[cfg(test)]
mod tests {
    use etcd_proto::etcdserverpb::RangeResponse;
    use etcd_proto::mvccpb::KeyValue;
    use prost::Message as _;

    use super::*;

    fn record(number: usize, value_bytes: usize) -> KeyValue {
        let key = number.to_string().into();
        KeyValue { key, value: vec![7; value_bytes].into(), ..KeyValue::default() }
    }

    /// Writes records in an order of places, and expects them in the order of the places, in so many
    /// chunks.
    fn check(places: &[usize], value_bytes: usize, chunks: usize) {
        let mut writer = FieldWriter::with_capacity(places.len());
        for &place in places {
            writer.push(place, &record(place, value_bytes).encode_to_vec());
        }
        let fields = Fields::of(writer.finish(), places.len());
        assert_eq!((fields.keys, fields.chunks.len()), (places.len(), chunks));
        let kvs = (0..places.len()).map(|place| record(place, value_bytes)).collect();
        let expected = RangeResponse { kvs, ..RangeResponse::default() };
        assert_eq!(fields.chunks.concat(), expected.encode_to_vec());
    }

    #[test]
    fn neighbours_share_a_chunk() {
        check(&[], 0, 0);
        check(&[0, 1, 2], 5, 1);
        check(&[1, 0], 5, 2);
        check(&[3, 4, 0, 1, 2, 5], 5, 3);
    }

    #[test]
    fn no_chunk_outgrows_an_allocation_unless_it_is_a_single_field() {
        check(&[0, 1, 2, 3], SHARED_BYTES / 2 - 20, 2);
        check(&[0, 1, 2], SHARED_BYTES, 3);
        check(&[2, 1, 0], SHARED_BYTES * 3, 3);
    }
}
