//! A revision, and the key under which its record is stored.

use std::fmt;
use std::ops::Deref;

/// The separator between the two halves of a record's key.
const SEPARATOR: u8 = b'_';
/// The last byte of a tombstone's key.
const TOMBSTONE: u8 = b't';
/// Bytes of a put's key; a tombstone's has one more.
const PUT_KEY_LEN: usize = 17;

/// One change of the store: the write transaction it belongs to, and its place in it.
///
/// Clients only see `main`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Revision {
    /// The store's revision after the transaction; the first transaction makes 2.
    pub main: i64,
    /// The change's number within the transaction, from 0.
    pub sub: i64,
}

/// What a change did to its key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// The key has a value from here on.
    Put,
    /// The key is absent from here on.
    Tombstone,
}

/// A revision and the kind of its record: all that a stored row's key says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct RecordKey {
    pub(crate) revision: Revision,
    pub(crate) kind: Kind,
}

/// The bytes of a [`RecordKey`] as etcd stores them: 17 for a put, 18 for a tombstone.
#[derive(Debug, Clone, Copy)]
pub(crate) struct RecordKeyBytes {
    bytes: [u8; PUT_KEY_LEN + 1],
    len: usize,
}

impl Revision {
    /// The first revision of a transaction.
    pub(crate) fn first_of(main: i64) -> Revision {
        Revision { main, sub: 0 }
    }

    /// The row's key of a put at this revision. It sorts before a tombstone's, which extends it.
    pub(crate) fn put_key(self) -> [u8; PUT_KEY_LEN] {
        let mut bytes = [SEPARATOR; PUT_KEY_LEN];
        bytes[..8].copy_from_slice(&self.main.to_be_bytes());
        bytes[9..].copy_from_slice(&self.sub.to_be_bytes());
        bytes
    }
}

impl fmt::Display for Revision {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}.{}", self.main, self.sub)
    }
}

impl RecordKey {
    pub(crate) fn encode(self) -> RecordKeyBytes {
        let mut bytes = [TOMBSTONE; PUT_KEY_LEN + 1];
        bytes[..PUT_KEY_LEN].copy_from_slice(&self.revision.put_key());
        let len = match self.kind {
            Kind::Put => PUT_KEY_LEN,
            Kind::Tombstone => PUT_KEY_LEN + 1,
        };
        RecordKeyBytes { bytes, len }
    }

    /// Reads a row's key; `None` when it is not one.
    pub(crate) fn decode(bytes: &[u8]) -> Option<RecordKey> {
        let (put, kind) = match bytes.len() {
            PUT_KEY_LEN => (bytes, Kind::Put),
            _ => (bytes.strip_suffix(&[TOMBSTONE])?, Kind::Tombstone),
        };
        let put: &[u8; PUT_KEY_LEN] = put.try_into().ok()?;
        let (main, rest) = put.split_first_chunk::<8>()?;
        let (separator, sub) = rest.split_first()?;
        let sub = sub.first_chunk::<8>()?;
        let revision = Revision { main: i64::from_be_bytes(*main), sub: i64::from_be_bytes(*sub) };
        (*separator == SEPARATOR && revision.main >= 0 && revision.sub >= 0)
            .then_some(RecordKey { revision, kind })
    }
}

impl Deref for RecordKeyBytes {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.bytes[..self.len]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hex(bytes: &[u8]) -> String {
        bytes.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    #[test]
    fn a_put_key_has_17_bytes_and_a_tombstone_one_more() {
        let put = RecordKey { revision: Revision { main: 2, sub: 0 }, kind: Kind::Put };
        assert_eq!(hex(&put.encode()), "00000000000000025f0000000000000000");
        let tombstone = RecordKey { revision: Revision { main: 3, sub: 1 }, kind: Kind::Tombstone };
        assert_eq!(hex(&tombstone.encode()), "00000000000000035f000000000000000174");
    }

    #[test]
    fn decoding_gives_back_what_was_encoded() {
        for kind in [Kind::Put, Kind::Tombstone] {
            let key = RecordKey { revision: Revision { main: 1 << 40, sub: 77 }, kind };
            assert_eq!(RecordKey::decode(&key.encode()), Some(key));
        }
    }

    #[test]
    fn other_bytes_are_no_record_key() {
        let key = RecordKey { revision: Revision { main: 2, sub: 0 }, kind: Kind::Tombstone };
        let good = key.encode();
        for wrong in [&good[..16], &[&good[..], b"t"].concat(), b"", &good[1..]] {
            assert_eq!(RecordKey::decode(wrong), None);
        }
        let mut separator = good.to_vec();
        separator[8] = b'-';
        assert_eq!(RecordKey::decode(&separator), None);
        let mut marker = good.to_vec();
        marker[17] = b'u';
        assert_eq!(RecordKey::decode(&marker), None);
    }

    #[test]
    fn rows_sort_as_their_revisions_do() {
        let early = Revision { main: 2, sub: 300 }.put_key();
        let late = Revision { main: 256, sub: 1 }.put_key();
        assert!(early < late);
    }
}
