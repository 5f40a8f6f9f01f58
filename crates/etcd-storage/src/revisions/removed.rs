//! Which rows of a file were deleted: they stay where they are until the file is written anew.

/// A set of rows by their number in the file.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Removed {
    /// A bit for each row, up to the last one that was removed.
    words: Vec<u64>,
    rows: u32,
    bytes: u64,
}

impl Removed {
    pub(super) fn has(&self, row: u32) -> bool {
        let (word, bit) = place(row);
        self.words.get(word).is_some_and(|word| word & bit != 0)
    }

    /// Adds a row that takes so many bytes in its block.
    pub(super) fn insert(&mut self, row: u32, bytes: usize) {
        let (word, bit) = place(row);
        if self.words.len() <= word {
            self.words.resize(word + 1, 0);
        }
        if self.words[word] & bit == 0 {
            self.words[word] |= bit;
            self.rows += 1;
            self.bytes += bytes as u64;
        }
    }

    /// Above the greatest of them.
    pub(super) fn end(&self) -> u32 {
        let last = (0..).zip(&self.words).filter(|(_, bits)| **bits != 0).last();
        last.map_or(0, |(word, bits): (u32, _)| (word + 1) * u64::BITS - bits.leading_zeros())
    }

    /// How many there are.
    pub(super) fn rows(&self) -> u32 {
        self.rows
    }

    /// The bytes that they take.
    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }

    pub(super) fn encode(&self, bytes: &mut Vec<u8>) {
        bytes.extend_from_slice(&self.bytes.to_le_bytes());
        self.words.iter().for_each(|word| bytes.extend_from_slice(&word.to_le_bytes()));
    }

    /// `None` for what was not encoded so.
    pub(super) fn decode(bytes: &[u8]) -> Option<Removed> {
        let (size, bits) = bytes.split_first_chunk::<8>()?;
        let (words, []) = bits.as_chunks::<8>() else { return None };
        let words: Vec<_> = words.iter().copied().map(u64::from_le_bytes).collect();
        let rows = words.iter().map(|word| word.count_ones()).sum();
        Some(Removed { words, rows, bytes: u64::from_le_bytes(*size) })
    }
}

fn place(row: u32) -> (usize, u64) {
    ((row / u64::BITS) as usize, 1 << (row % u64::BITS))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_counts_once_and_all_is_encoded() {
        let mut removed = Removed::default();
        for row in [3, 64, 3, 200] {
            removed.insert(row, 10);
        }
        assert_eq!((removed.rows(), removed.bytes(), removed.end()), (3, 30, 201));
        assert_eq!(Removed::default().end(), 0);
        let rows: Vec<_> = (0..300).filter(|row| removed.has(*row)).collect();
        assert_eq!(rows, [3, 64, 200]);
        let mut bytes = Vec::new();
        removed.encode(&mut bytes);
        assert_eq!(Removed::decode(&bytes), Some(removed));
        assert_eq!(Removed::decode(&bytes[1..]), None);
    }
}
