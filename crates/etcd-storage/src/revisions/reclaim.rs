//! Writing files anew without the rows that were removed.

use std::sync::Arc;

use super::Revisions;
use super::block::Row;
use super::contents::Contents;
use super::file::{FILE_BYTES, RowFile};
use super::packer::Packer;
use super::part::Part;
use super::reader::BlockReader;
use crate::Error;

/// Blocks are written when they have so many bytes together.
const WRITE_BYTES: usize = 1 << 20;

/// When a file is worth to be written anew.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Effort {
    /// When that at least halves it, or makes one file of two.
    Usual,
    /// When any row of it was removed.
    Full,
}

impl Revisions {
    /// Writes anew what is worth it; the caller has the right to remove rows. The room is free after
    /// the next flush.
    pub(crate) fn reclaim(&self, effort: Effort) -> Result<(), Error> {
        self.end_worn_file(effort)?;
        while let Some(run) = choose(&self.contents(), effort) {
            let part = self.write_anew(&run)?;
            let files: Vec<_> = run.iter().map(|part| part.file.number).collect();
            self.appender().replace(&files, part);
        }
        Ok(())
    }

    /// Only closed files are written anew.
    fn end_worn_file(&self, effort: Effort) -> Result<(), Error> {
        let mut appender = self.appender();
        let Contents { open: Some(open), pending_rows, .. } = appender.contents() else {
            return Ok(());
        };
        let removed = open.removed.rows();
        let is_worn =
            removed > 0 && (effort == Effort::Full || removed == open.rows + pending_rows);
        if is_worn { appender.end_file() } else { Ok(()) }
    }

    /// The rows of some neighbours that are left, in one file.
    fn write_anew(&self, run: &[Part]) -> Result<Option<Part>, Error> {
        if run.iter().all(is_empty) {
            return Ok(None);
        }
        let file = Arc::new(self.appender().create()?);
        let contents = Contents { closed: Arc::new(run.to_vec()), ..Contents::default() };
        let copied = copy(&contents, file.clone()).and_then(|part| {
            let left: u32 = run.iter().map(|part| part.rows - part.removed.rows()).sum();
            if part.rows == left {
                return Ok(Some(part));
            }
            let reason = format!("of its rows {left} should be left, and there are {}", part.rows);
            Err(Error::damaged(&run[0].file.path, reason))
        });
        // Nobody knows of it yet.
        copied.inspect_err(|_| file.remove())
    }
}

/// Writes the rows that are left to a file.
fn copy(contents: &Contents, file: Arc<RowFile>) -> Result<Part, Error> {
    let mut copy = Copy::new(file);
    let (mut reader, mut place) = (BlockReader::default(), contents.place_of(&[]));
    while let Some(rows) = contents.rows(place, &mut reader)? {
        rows.live().try_for_each(|row| copy.push(row))?;
        place = contents.after(place);
    }
    copy.finish()
}

/// Neighbours to be written anew as one, if there are any.
fn choose(contents: &Contents, effort: Effort) -> Option<Vec<Part>> {
    let closed = &contents.closed[..];
    let is_worn = |part: &&Part| match effort {
        Effort::Usual => part.removed.bytes() * 2 >= u64::from(part.bytes) || is_empty(part),
        Effort::Full => part.removed.rows() > 0,
    };
    let are_small =
        |pair: &&[Part]| pair.iter().map(Part::live_bytes).sum::<u64>() <= u64::from(FILE_BYTES);
    let worn = closed.iter().find(is_worn).map(|part| vec![part.clone()]);
    worn.or_else(|| closed.windows(2).find(are_small).map(<[Part]>::to_vec))
}

fn is_empty(part: &Part) -> bool {
    part.removed.rows() == part.rows
}

/// A file that is being written anew.
struct Copy {
    part: Part,
    packer: Packer,
}

impl Copy {
    fn new(file: Arc<RowFile>) -> Copy {
        let mut packer = Packer::default();
        packer.begin(file.number, 0, 0);
        Copy { part: Part::empty(file), packer }
    }

    fn push(&mut self, row: Row<'_>) -> Result<(), Error> {
        self.packer.push(row);
        if self.packer.parts().0.len() >= WRITE_BYTES { self.write() } else { Ok(()) }
    }

    /// Writes all rows so far.
    fn write(&mut self) -> Result<(), Error> {
        self.packer.end_block();
        let Part { file, blocks, bytes, rows, .. } = &mut self.part;
        let (ended, ..) = self.packer.parts();
        file.write(ended, *bytes)?;
        Arc::make_mut(blocks).append(&mut self.packer.blocks);
        (*bytes, *rows) = (self.packer.end(), self.packer.row);
        self.packer.begin(file.number, *bytes, *rows);
        Ok(())
    }

    fn finish(mut self) -> Result<Part, Error> {
        self.write()?;
        Ok(self.part)
    }
}
