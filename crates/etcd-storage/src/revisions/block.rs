//! A block: some rows end to end, read and checked together.
//!
//! | bytes | what |
//! |------:|------|
//! | 4 | CRC-32C of the file's number, the block's offset, and all of the below |
//! | 4 | bytes of rows |
//! | 4 | how many rows |
//!
//! A row is the length of its key (1 byte), that of its value (4), the key and the value. All
//! numbers are little-endian.

use super::key::RowKey;

/// A block that is not smaller is written. It is what a lookup reads.
pub(super) const BLOCK_BYTES: usize = 4 << 10;
pub(super) const HEADER: usize = 12;
pub(super) const ROW_HEADER: usize = 5;

/// Where a block lies in its file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Block {
    /// The key of its first row.
    pub(super) first: RowKey,
    pub(super) offset: u32,
    /// How many rows of the file come before it.
    pub(super) row: u32,
}

/// Adds a row to others.
pub(crate) fn push_row(rows: &mut Vec<u8>, key: &[u8], value: &[u8]) {
    let value_len = u32::try_from(value.len()).expect("a value takes less than 4 GiB");
    rows.push(u8::try_from(key.len()).expect("a row's key was found short enough"));
    rows.extend_from_slice(&value_len.to_le_bytes());
    rows.extend_from_slice(key);
    rows.extend_from_slice(value);
}

/// A row of a block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Row<'b> {
    pub(crate) key: &'b [u8],
    pub(crate) value: &'b [u8],
}

impl Row<'_> {
    /// Bytes that it takes in a block.
    pub(super) fn len(&self) -> usize {
        ROW_HEADER + self.key.len() + self.value.len()
    }
}

/// Rows that lie end to end, in their order.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Rows<'b> {
    bytes: &'b [u8],
}

impl<'b> Rows<'b> {
    pub(crate) fn of(bytes: &'b [u8]) -> Rows<'b> {
        Rows { bytes }
    }

    /// The key of the first row, of which the value may be cut off.
    pub(super) fn first_key(bytes: &'b [u8]) -> Option<&'b [u8]> {
        let ([key_len, ..], rest) = bytes.split_first_chunk::<ROW_HEADER>()?;
        rest.get(..usize::from(*key_len))
    }

    /// What is left of them.
    pub(super) fn rest(self) -> &'b [u8] {
        self.bytes
    }
}

impl<'b> Iterator for Rows<'b> {
    type Item = Row<'b>;

    fn next(&mut self) -> Option<Row<'b>> {
        let ([key_len, value_len @ ..], rest) = self.bytes.split_first_chunk::<ROW_HEADER>()?;
        let (key, rest) = rest.split_at_checked(usize::from(*key_len))?;
        let value_len = usize::try_from(u32::from_le_bytes(*value_len)).ok()?;
        let (value, rest) = rest.split_at_checked(value_len)?;
        self.bytes = rest;
        Some(Row { key, value })
    }
}

/// The row with this key and its number among the rows.
pub(super) fn find<'r>(rows: &'r [u8], key: &[u8]) -> Option<(Row<'r>, u32)> {
    let row = Rows::of(rows).zip(0..).find(|(row, _)| row.key >= key)?;
    (row.0.key == key).then_some(row)
}

/// The header of a block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Header {
    check_sum: u32,
    /// Bytes of rows.
    pub(super) len: u32,
    pub(super) rows: u32,
}

impl Header {
    pub(super) fn read(bytes: &[u8; HEADER]) -> Header {
        let [check_sum, len, rows] =
            [0, 4, 8].map(|at| [bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]]);
        let [check_sum, len, rows] = [check_sum, len, rows].map(u32::from_le_bytes);
        Header { check_sum, len, rows }
    }
}

/// Fills in the header of a block that ends with `bytes` and begins at `start` of them.
pub(super) fn seal(bytes: &mut [u8], start: usize, rows: u32, number: u64, offset: u32) {
    let block = &mut bytes[start..];
    let len = u32::try_from(block.len() - HEADER).expect("a block takes less than 4 GiB");
    block[4..8].copy_from_slice(&len.to_le_bytes());
    block[8..HEADER].copy_from_slice(&rows.to_le_bytes());
    let check_sum = check_sum(block, number, offset);
    block[..4].copy_from_slice(&check_sum.to_le_bytes());
}

/// The rows of a whole block; nothing if it is not what was written there.
pub(super) fn open(block: &[u8], number: u64, offset: u32) -> Option<&[u8]> {
    let (header, rows) = block.split_first_chunk::<HEADER>()?;
    let header = Header::read(header);
    let is_whole = usize::try_from(header.len).is_ok_and(|len| len == rows.len());
    (is_whole && check_sum(block, number, offset) == header.check_sum).then_some(rows)
}

fn check_sum(block: &[u8], number: u64, offset: u32) -> u32 {
    let place = crc32c::crc32c_append(crc32c::crc32c(&number.to_le_bytes()), &offset.to_le_bytes());
    crc32c::crc32c_append(place, &block[4..])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written() -> Vec<u8> {
        let mut bytes = vec![0; 5 + HEADER];
        push_row(&mut bytes, b"a", b"one");
        push_row(&mut bytes, b"b", b"");
        seal(&mut bytes, 5, 2, 7, 5);
        bytes.split_off(5)
    }

    #[test]
    fn what_was_written_is_read() {
        let block = written();
        let rows: Vec<_> = Rows::of(open(&block, 7, 5).expect("whole")).collect();
        assert_eq!(rows, [Row { key: b"a", value: b"one" }, Row { key: b"b", value: b"" }]);
        assert_eq!(rows.iter().map(Row::len).sum::<usize>() + HEADER, block.len());
        let header = Header::read(block.first_chunk().expect("a header"));
        assert_eq!((header.len as usize + HEADER, header.rows), (block.len(), 2));
    }

    #[test]
    fn any_flipped_bit_any_cut_and_another_place_are_noticed() {
        let block = written();
        for at in 0..block.len() {
            let mut flipped = block.clone();
            flipped[at] ^= 0x10;
            assert_eq!(open(&flipped, 7, 5), None, "byte {at}");
            assert_eq!(open(&block[..at], 7, 5), None, "cut at {at}");
        }
        assert_eq!(open(&block, 8, 5), None);
        assert_eq!(open(&block, 7, 6), None);
    }
}
