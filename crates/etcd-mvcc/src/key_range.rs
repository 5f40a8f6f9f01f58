//! Which keys a request names by `key` and `range_end`.

use bytes::Bytes;

/// A set of neighbouring keys, as the `key` and `range_end` of a request name it (bytes compare
/// unsigned).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeyRange {
    /// Exactly this key: `range_end` was empty.
    One(Bytes),
    /// This key and all after it: `range_end` was one zero byte.
    From(Bytes),
    /// From the first key up to but without the second; empty unless the second is greater.
    Span(Bytes, Bytes),
}

impl KeyRange {
    /// The range that `key` and `range_end` mean in every request but a watch.
    pub fn new(key: Bytes, range_end: Bytes) -> KeyRange {
        match &range_end[..] {
            [] => KeyRange::One(key),
            [0] => KeyRange::From(key),
            _ => KeyRange::Span(key, range_end),
        }
    }

    /// Every key of the store, even the empty one that no request can name.
    pub(crate) fn everything() -> KeyRange {
        KeyRange::From(Bytes::new())
    }

    /// The least key that may lie in the range.
    pub(crate) fn start(&self) -> &Bytes {
        match self {
            KeyRange::One(start) | KeyRange::From(start) | KeyRange::Span(start, _) => start,
        }
    }

    /// Whether `key`, which is not below the start, is beyond the range.
    pub(crate) fn ends_before(&self, key: &[u8]) -> bool {
        match self {
            KeyRange::One(only) => key > &only[..],
            KeyRange::From(_) => false,
            KeyRange::Span(_, end) => key >= &end[..],
        }
    }

    /// Whether `key` lies in the range.
    pub fn contains(&self, key: &[u8]) -> bool {
        key >= &self.start()[..] && !self.ends_before(key)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(key: &'static str, end: &'static str, inside: &[&str], outside: &[&str]) {
        let range = KeyRange::new(Bytes::from_static(key.as_bytes()), end.into());
        for key in inside {
            assert!(range.contains(key.as_bytes()), "{key:?} lies in {range:?}");
        }
        for key in outside {
            assert!(!range.contains(key.as_bytes()), "{key:?} does not lie in {range:?}");
        }
    }

    #[test]
    fn an_empty_end_names_one_key() {
        check("b", "", &["b"], &["a", "b\0", "c"]);
    }

    #[test]
    fn a_zero_end_names_all_keys_from_the_first() {
        check("b", "\0", &["b", "b\0", "zzz"], &["a", ""]);
        check("\0", "\0", &["\0", "a"], &[""]);
    }

    #[test]
    fn another_end_is_exclusive() {
        check("b", "d", &["b", "c", "czz"], &["a", "d", "e"]);
    }

    #[test]
    fn an_end_at_or_below_the_key_names_nothing() {
        check("b", "b", &[], &["a", "b", "c"]);
        check("b", "a", &[], &["a", "b", "c", "aa"]);
    }
}
