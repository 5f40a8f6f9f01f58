//! What a range request asks for, and what it gets.

use bytes::Bytes;

use crate::KeyRange;
use crate::fields::Fields;

/// A question about the keys of a range at one revision. The rules are etcd's: see
/// [`Reader::range`](crate::Reader::range).
#[derive(Debug, Clone, Default)]
pub struct RangeQuery {
    /// The key, or where the range begins.
    pub key: Bytes,
    /// Empty for one key, one zero byte for all keys from `key` on, else the exclusive end.
    pub range_end: Bytes,
    /// The main revision to read at; zero or less is the reader's current one.
    pub revision: i64,
    /// Most key-values to answer; zero or less is no limit.
    pub limit: i64,
    /// In which direction to sort.
    pub sort_order: SortOrder,
    /// What to sort by.
    pub sort_target: SortTarget,
    /// Which parts to answer.
    pub content: Content,
    /// Drops keys changed before this revision; zero is no bound. The bounds are inclusive.
    pub min_mod_revision: i64,
    /// Drops keys changed after this revision; zero is no bound.
    pub max_mod_revision: i64,
    /// Drops keys created before this revision; zero is no bound.
    pub min_create_revision: i64,
    /// Drops keys created after this revision; zero is no bound.
    pub max_create_revision: i64,
}

/// The direction of a sort.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum SortOrder {
    /// Key order, or ascending if the target is not the key.
    #[default]
    None,
    /// Least first.
    Ascend,
    /// Greatest first.
    Descend,
}

/// What a sort compares. Ties stay in ascending key order.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum SortTarget {
    /// The key.
    #[default]
    Key,
    /// The number of puts since the creation.
    Version,
    /// The revision of the creation.
    Create,
    /// The revision of the last put.
    Mod,
    /// The value, bytewise.
    Value,
}

/// Which parts of the key-values an answer holds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Content {
    /// Whole key-values.
    #[default]
    Full,
    /// No values. The leases are missing too unless the values were sorted by (etcd 3.7).
    KeysOnly,
    /// Only the count; limit and bounds do not matter.
    CountOnly,
}

/// The answer to a [`RangeQuery`].
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RangeResult<K = Vec<Bytes>> {
    /// Encoded `mvccpb.KeyValue` messages, as stored where they are whole.
    pub kvs: K,
    /// Keys of the range that are live at the revision read, before bounds and limit.
    pub count: i64,
    /// Whether the limit cut the answer.
    pub more: bool,
    /// The reader's current revision, not the one asked for.
    pub revision: i64,
}

/// The key-values of an answer, short or long.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeyValues {
    /// Each as an encoded `mvccpb.KeyValue`.
    Records(Vec<Bytes>),
    /// Many to a buffer.
    Fields(Fields),
}

impl KeyValues {
    /// How many there are.
    pub fn len(&self) -> usize {
        match self {
            KeyValues::Records(records) => records.len(),
            KeyValues::Fields(fields) => fields.keys,
        }
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl Default for KeyValues {
    fn default() -> KeyValues {
        KeyValues::Records(Vec::new())
    }
}

impl From<RangeResult> for RangeResult<KeyValues> {
    fn from(result: RangeResult) -> RangeResult<KeyValues> {
        let RangeResult { kvs, count, more, revision } = result;
        RangeResult { kvs: KeyValues::Records(kvs), count, more, revision }
    }
}

impl RangeQuery {
    pub(crate) fn range(&self) -> KeyRange {
        KeyRange::new(self.key.clone(), self.range_end.clone())
    }

    /// The limit as a number of key-values.
    pub(crate) fn limit(&self) -> usize {
        match usize::try_from(self.limit) {
            Ok(0) | Err(_) => usize::MAX,
            Ok(limit) => limit,
        }
    }

    /// Key order counts as the default order whatever the target, if no order was given.
    pub(crate) fn is_default_order(&self) -> bool {
        match self.sort_order {
            SortOrder::None => true,
            SortOrder::Ascend => self.sort_target == SortTarget::Key,
            SortOrder::Descend => false,
        }
    }

    pub(crate) fn is_bounded(&self) -> bool {
        self.min_mod_revision != 0
            || self.max_mod_revision != 0
            || self.min_create_revision != 0
            || self.max_create_revision != 0
    }

    /// Whether the answer is the first keys of the range as they come.
    pub(crate) fn is_plain(&self) -> bool {
        self.sort_target == SortTarget::Key && self.is_default_order() && !self.is_bounded()
    }

    /// Whether a key with these revisions passes the bounds.
    pub(crate) fn admits(&self, mod_revision: i64, create_revision: i64) -> bool {
        let below = |max: i64, revision: i64| max == 0 || revision <= max;
        let above = |min: i64, revision: i64| min == 0 || revision >= min;
        below(self.max_mod_revision, mod_revision)
            && above(self.min_mod_revision, mod_revision)
            && below(self.max_create_revision, create_revision)
            && above(self.min_create_revision, create_revision)
    }

    /// Whether the index alone can answer: without values, and nothing is sorted by them.
    pub(crate) fn is_answered_by_index(&self) -> bool {
        self.content == Content::KeysOnly && self.sort_target != SortTarget::Value
    }
}
