//! What there is of one file, in memory.

use std::sync::Arc;

use bytes::Bytes;

use super::block::{Block, find};
use super::file::RowFile;
use super::removed::Removed;

/// Rows that lie in one file. They come after those of every part before.
#[derive(Debug, Clone)]
pub(super) struct Part {
    pub(super) file: Arc<RowFile>,
    pub(super) blocks: Arc<Vec<Block>>,
    pub(super) removed: Arc<Removed>,
    /// Bytes of the blocks.
    pub(super) bytes: u32,
    /// Rows of the blocks, removed ones too.
    pub(super) rows: u32,
}

impl Part {
    /// One with no rows yet.
    pub(super) fn empty(file: Arc<RowFile>) -> Part {
        let (blocks, removed) = <(Arc<Vec<Block>>, Arc<Removed>)>::default();
        Part { file, blocks, removed, bytes: 0, rows: 0 }
    }

    pub(super) fn first(&self) -> Option<&[u8]> {
        self.blocks.first().map(|block| block.first.as_bytes())
    }

    /// The offset at which a block ends.
    pub(super) fn end_of(&self, block: usize) -> u32 {
        self.blocks.get(block + 1).map_or(self.bytes, |next| next.offset)
    }

    /// The last block that begins at `key` or before.
    pub(super) fn block_of(&self, key: &[u8]) -> Option<usize> {
        self.blocks.partition_point(|block| block.first.as_bytes() <= key).checked_sub(1)
    }

    /// The value of the row with this key, if it is among the rows of this block.
    pub(super) fn value(&self, block: usize, rows: &[u8], key: &[u8]) -> Option<Bytes> {
        let (row, number) = find(rows, key)?;
        (!self.removed.has(self.blocks[block].row + number))
            .then(|| Bytes::copy_from_slice(row.value))
    }

    /// Nothing when there are none, which is quicker to ask.
    pub(super) fn removed(&self) -> Option<&Removed> {
        (self.removed.rows() > 0).then_some(&*self.removed)
    }

    /// Bytes of the rows that are left, and of what the blocks need.
    pub(super) fn live_bytes(&self) -> u64 {
        u64::from(self.bytes).saturating_sub(self.removed.bytes())
    }
}
