//! A change as watchers are told of it.

use bytes::Bytes;

use crate::{Kind, Revision};

/// One change of one key, with its record as it is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// Whether the key got a value or went.
    pub kind: Kind,
    /// When; `main` is the modification revision of a delete's event.
    pub revision: Revision,
    /// The key, a part of `record`: copy it to keep it longer than the record.
    pub key: Bytes,
    /// An encoded `mvccpb.KeyValue`: whole for a put, with nothing but the key for a tombstone.
    pub record: Bytes,
}
