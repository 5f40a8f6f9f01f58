//! The stored bytes of a key-value: canonical protobuf, written and read without decoding it whole.
//!
//! Canonical means fields in ascending order and zero fields left out, as etcd writes them: the
//! hash of a store is taken over these bytes.

use bytes::{Buf, BufMut, Bytes, BytesMut};
use prost::encoding::{WireType, decode_varint, encode_key, encode_varint, int64};

const KEY: u32 = 1;
const CREATE_REVISION: u32 = 2;
const MOD_REVISION: u32 = 3;
const VERSION: u32 = 4;
const VALUE: u32 = 5;
const LEASE: u32 = 6;

/// Most bytes of a record beside its key and value.
const NUMBERS_BYTES: usize = 64;

/// A record's fields, borrowed from its bytes.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Record<'a> {
    pub(crate) key: &'a [u8],
    pub(crate) create_revision: i64,
    pub(crate) mod_revision: i64,
    pub(crate) version: i64,
    pub(crate) value: &'a [u8],
    pub(crate) lease: i64,
}

impl<'a> Record<'a> {
    /// Reads a record; fields it does not know are passed over. `Err` says what is wrong.
    pub(crate) fn parse(mut bytes: &'a [u8]) -> Result<Record<'a>, &'static str> {
        let mut record = Record::default();
        while bytes.has_remaining() {
            let tag = decode_varint(&mut bytes).map_err(|_| "a field's tag is cut off")?;
            match (tag >> 3, tag & 7) {
                (1, 2) => record.key = take(&mut bytes)?,
                (2, 0) => record.create_revision = number(&mut bytes)?,
                (3, 0) => record.mod_revision = number(&mut bytes)?,
                (4, 0) => record.version = number(&mut bytes)?,
                (5, 2) => record.value = take(&mut bytes)?,
                (6, 0) => record.lease = number(&mut bytes)?,
                (_, 0) => drop(number(&mut bytes)?),
                (_, 2) => drop(take(&mut bytes)?),
                (_, 1) => skip(&mut bytes, 8)?,
                (_, 5) => skip(&mut bytes, 4)?,
                _ => return Err("a field has an unknown wire type"),
            }
        }
        Ok(record)
    }
}

fn number(bytes: &mut &[u8]) -> Result<i64, &'static str> {
    let number = decode_varint(bytes).map_err(|_| "a number is cut off")?;
    Ok(number.cast_signed())
}

fn take<'a>(bytes: &mut &'a [u8]) -> Result<&'a [u8], &'static str> {
    let len = decode_varint(bytes).map_err(|_| "a length is cut off")?;
    let len = usize::try_from(len).map_err(|_| "a length is out of range")?;
    let (field, rest) = bytes.split_at_checked(len).ok_or("a field is cut off")?;
    *bytes = rest;
    Ok(field)
}

fn skip(bytes: &mut &[u8], len: usize) -> Result<(), &'static str> {
    *bytes = bytes.get(len..).ok_or("a field is cut off")?;
    Ok(())
}

/// Appends a record.
pub(crate) fn encode(record: &Record<'_>, buffer: &mut Vec<u8>) {
    let Record { key, create_revision, mod_revision, version, value, lease } = *record;
    buffer.reserve(key.len() + value.len() + NUMBERS_BYTES);
    encode_without_value(key, create_revision, mod_revision, version, buffer);
    encode_bytes(VALUE, value, buffer);
    encode_number(LEASE, lease, buffer);
}

/// The record of a tombstone: only the key.
pub(crate) fn tombstone(key: &[u8]) -> Bytes {
    let mut buffer = Vec::new();
    encode(&Record { key, ..Record::default() }, &mut buffer);
    buffer.into()
}

/// Appends a record without value and lease, as a read of keys only answers it.
pub(crate) fn encode_without_value(
    key: &[u8],
    create_revision: i64,
    mod_revision: i64,
    version: i64,
    buffer: &mut impl BufMut,
) {
    encode_bytes(KEY, key, buffer);
    encode_number(CREATE_REVISION, create_revision, buffer);
    encode_number(MOD_REVISION, mod_revision, buffer);
    encode_number(VERSION, version, buffer);
}

fn encode_bytes(tag: u32, bytes: &[u8], buffer: &mut impl BufMut) {
    if !bytes.is_empty() {
        encode_key(tag, WireType::LengthDelimited, buffer);
        encode_varint(bytes.len() as u64, buffer);
        buffer.put_slice(bytes);
    }
}

fn encode_number(tag: u32, number: i64, buffer: &mut impl BufMut) {
    if number != 0 {
        int64::encode(tag, &number, buffer);
    }
}

/// The same record without its value; the lease stays.
pub(crate) fn strip_value(record: &Record<'_>) -> Bytes {
    let mut buffer = BytesMut::with_capacity(record.key.len() + 48);
    let Record { key, create_revision, mod_revision, version, lease, .. } = *record;
    encode_without_value(key, create_revision, mod_revision, version, &mut buffer);
    encode_number(LEASE, lease, &mut buffer);
    buffer.freeze()
}

#[cfg(test)]
mod tests {
    use etcd_proto::mvccpb::KeyValue;
    use prost::Message as _;

    use super::*;

    /// The record of a put, checked against protobuf's own encoding.
    fn put(kv: &KeyValue) -> Bytes {
        let KeyValue { create_revision, mod_revision, version, lease, .. } = *kv;
        let (key, value) = (&kv.key[..], &kv.value[..]);
        let record = Record { key, create_revision, mod_revision, version, value, lease };
        let mut buffer = Vec::new();
        encode(&record, &mut buffer);
        assert_eq!(buffer, kv.encode_to_vec());
        buffer.into()
    }

    fn hex(bytes: &[u8]) -> String {
        bytes.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    fn sample() -> KeyValue {
        KeyValue {
            key: "foo".into(),
            create_revision: 2,
            mod_revision: 2,
            version: 1,
            value: "bar".into(),
            lease: 0,
        }
    }

    #[test]
    fn a_put_is_canonical_protobuf() {
        assert_eq!(hex(&put(&sample())), "0a03666f6f1002180220012a03626172");
    }

    #[test]
    fn a_tombstone_holds_only_the_key() {
        assert_eq!(hex(&tombstone(b"foo")), "0a03666f6f");
    }

    #[test]
    fn parsing_gives_every_field_back() {
        let lease = -7;
        let bytes = put(&KeyValue { lease, mod_revision: 1 << 50, ..sample() });
        let expected = Record {
            key: b"foo",
            create_revision: 2,
            mod_revision: 1 << 50,
            version: 1,
            value: b"bar",
            lease,
        };
        assert_eq!(Record::parse(&bytes), Ok(expected));
    }

    #[test]
    fn an_empty_record_has_the_empty_key() {
        assert_eq!(Record::parse(b""), Ok(Record::default()));
    }

    #[test]
    fn unknown_fields_are_passed_over() {
        let mut bytes = put(&sample()).to_vec();
        bytes.extend_from_slice(&[0x38, 5, 0x42, 1, 9, 0x49, 1, 2, 3, 4, 5, 6, 7, 8, 0x55, 1, 2]);
        bytes.extend_from_slice(&[3, 4]);
        assert_eq!(Record::parse(&bytes).unwrap().value, b"bar");
    }

    #[test]
    fn a_record_cut_short_is_refused() {
        let bytes = put(&sample());
        let whole = [5, 7, 9, 11, 16];
        for len in 0..bytes.len() {
            let parsed = Record::parse(&bytes[..len]);
            assert_eq!(parsed.is_ok(), len == 0 || whole.contains(&len), "{len} bytes");
        }
    }

    #[test]
    fn without_value_the_bytes_are_canonical_too() {
        let mut buffer = BytesMut::new();
        encode_without_value(b"foo", 2, 3, 2, &mut buffer);
        let expected = KeyValue { value: Bytes::new(), mod_revision: 3, version: 2, ..sample() };
        assert_eq!(buffer.freeze(), put(&expected));
        let leased = put(&KeyValue { lease: 9, ..sample() });
        let stripped = strip_value(&Record::parse(&leased).unwrap());
        assert_eq!(stripped, put(&KeyValue { lease: 9, value: Bytes::new(), ..sample() }));
    }
}
