//! Reading blocks: one for a lookup, ever more at once for whoever goes on to the next.

use super::part::Part;
use crate::Error;

/// Most bytes read at once, unless a single block has more.
const READ_BYTES: u32 = 64 << 10;

/// Memory that is kept for the next lookup.
const KEPT_BYTES: usize = 256 << 10;

/// What was read of one file.
#[derive(Debug, Default)]
pub(super) struct BlockReader {
    /// The file's number; zero if there is none yet.
    file: u64,
    offset: u32,
    bytes: Vec<u8>,
    /// Bytes in use; the memory may be more.
    len: usize,
    /// The block that was asked for last.
    block: usize,
    /// Bytes to read at once when the next block is asked for.
    ahead: u32,
}

impl BlockReader {
    /// Has nothing left but its memory. A file is known by a number, which is one state's own.
    pub(super) fn forget(&mut self) {
        self.file = 0;
        if self.bytes.len() > KEPT_BYTES {
            self.bytes = Vec::new();
        }
    }

    /// The rows of a block.
    pub(super) fn read(&mut self, part: &Part, block: usize) -> Result<&[u8], Error> {
        let (start, end) = (part.blocks[block].offset, part.end_of(block));
        let goes_on = self.file == part.file.number && block == self.block + 1;
        let is_here = self.file == part.file.number
            && start >= self.offset
            && (end - self.offset) as usize <= self.len;
        if !is_here {
            self.ahead = if goes_on {
                (self.ahead * 2).clamp(end - start, READ_BYTES.max(end - start))
            } else {
                end - start
            };
            self.fetch(part, block)?;
        }
        self.block = block;
        let at = (start - self.offset) as usize;
        part.file.open_block(&self.bytes[at..at + (end - start) as usize], start)
    }

    fn fetch(&mut self, part: &Part, block: usize) -> Result<(), Error> {
        let start = part.blocks[block].offset;
        let fits = |last: &usize| part.end_of(*last) - start <= self.ahead;
        let last = (block + 1..part.blocks.len()).take_while(fits).last().unwrap_or(block);
        let len = (part.end_of(last) - start) as usize;
        if self.bytes.len() < len {
            self.bytes.resize(len, 0);
        }
        // In case of an error there is nothing.
        (self.file, self.len) = (0, 0);
        part.file.read(&mut self.bytes[..len], start)?;
        (self.file, self.offset, self.len) = (part.file.number, start, len);
        Ok(())
    }
}
