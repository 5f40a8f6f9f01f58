//! Putting rows together to blocks, as they will be written.

use super::block::{BLOCK_BYTES, Block, HEADER, Row, push_row, seal};
use super::key::RowKey;

/// Memory that is kept for the next blocks.
const KEPT_BYTES: usize = 1 << 20;

/// Blocks to be written one after the other, at the end of a file.
#[derive(Debug, Default)]
pub(super) struct Packer {
    /// The file's number.
    file: u64,
    /// Where the blocks will be written.
    pub(super) offset: u32,
    pub(super) bytes: Vec<u8>,
    pub(super) blocks: Vec<Block>,
    /// Where the block begins in `bytes` that is not yet full, its rows, and the first one's key.
    start: usize,
    rows: u32,
    first: Option<RowKey>,
    /// Rows of the file in all blocks before.
    pub(super) row: u32,
}

impl Packer {
    /// Begins anew, at the end of a file with so many bytes and rows.
    pub(super) fn begin(&mut self, file: u64, offset: u32, row: u32) {
        self.bytes.clear();
        self.bytes.shrink_to(KEPT_BYTES);
        self.blocks.clear();
        (self.file, self.offset, self.row) = (file, offset, row);
        (self.start, self.rows, self.first) = (0, 0, None);
    }

    pub(super) fn push(&mut self, row: Row<'_>) {
        // Whoever wants a small row should not have to read a large one.
        if self.bytes.len() - self.start + row.len() > 2 * BLOCK_BYTES {
            self.end_block();
        }
        if self.rows == 0 {
            self.bytes.resize(self.start + HEADER, 0);
            self.first = RowKey::new(row.key);
        }
        push_row(&mut self.bytes, row.key, row.value);
        self.rows += 1;
        if self.bytes.len() - self.start >= HEADER + BLOCK_BYTES {
            self.end_block();
        }
    }

    /// Makes a block of the rows that are not yet in one.
    pub(super) fn end_block(&mut self) {
        let Some(first) = self.first.take() else { return };
        let offset = self.offset + u32::try_from(self.start).expect("files are bounded");
        seal(&mut self.bytes, self.start, self.rows, self.file, offset);
        self.blocks.push(Block { first, offset, row: self.row });
        self.row += self.rows;
        (self.start, self.rows) = (self.bytes.len(), 0);
    }

    /// Where the file ends after the blocks.
    pub(super) fn end(&self) -> u32 {
        self.offset + u32::try_from(self.start).expect("files are bounded")
    }

    /// The blocks' bytes, and the rows that are in none with their number.
    pub(super) fn parts(&self) -> (&[u8], &[u8], u32) {
        let (blocks, rest) = self.bytes.split_at(self.start);
        (blocks, rest.get(HEADER..).unwrap_or_default(), self.rows)
    }
}
