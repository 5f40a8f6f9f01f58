//! The key of a revision's row, held where it is compared.

/// A key without memory of its own. Order is that of the bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct RowKey {
    /// Zeros behind the key; of two keys that differ in nothing else the shorter is less.
    bytes: [u8; RowKey::BYTES_MAX],
    len: u8,
}

impl RowKey {
    /// Most bytes of such a key.
    pub(crate) const BYTES_MAX: usize = 23;

    /// `None` for one that is too long.
    pub(crate) fn new(key: &[u8]) -> Option<RowKey> {
        let mut bytes = [0; RowKey::BYTES_MAX];
        bytes.get_mut(..key.len())?.copy_from_slice(key);
        Some(RowKey { bytes, len: u8::try_from(key.len()).ok()? })
    }

    pub(super) fn as_bytes(&self) -> &[u8] {
        &self.bytes[..usize::from(self.len)]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_sort_as_their_bytes_do() {
        let keys: [&[u8]; 7] = [b"", b"\0", b"\0\0", b"\0\x01", b"a", b"a\0", b"b"];
        let sorted = keys.map(|key| RowKey::new(key).expect("short enough"));
        assert!(sorted.is_sorted());
        assert_eq!(sorted.map(|key| key.as_bytes().to_vec()), keys.map(<[u8]>::to_vec));
        assert_eq!(RowKey::new(&[1; RowKey::BYTES_MAX + 1]), None);
    }
}
