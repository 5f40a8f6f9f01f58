//! Which rows there are, and where: all that a reader needs, for as long as it needs it.

use std::sync::Arc;

use bytes::Bytes;

use super::block::{Row, Rows, find};
use super::key::RowKey;
use super::part::Part;
use super::reader::BlockReader;
use super::removed::Removed;
use crate::Error;

/// All rows at one moment. A copy of it costs little and stays as it is.
#[derive(Debug, Clone, Default)]
pub(crate) struct Contents {
    /// Parts that no row will be added to.
    pub(super) closed: Arc<Vec<Part>>,
    /// The part that goes on.
    pub(super) open: Option<Part>,
    /// The newest rows, of which there are too few for a block of the open part.
    pub(super) pending: Arc<Vec<u8>>,
    pub(super) pending_rows: u32,
}

/// Where some rows lie together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Place {
    Block { part: usize, block: usize },
    Pending,
    End,
}

/// Rows that lie together.
#[derive(Debug, Clone, Copy)]
pub(super) struct Stretch<'r> {
    rows: &'r [u8],
    /// The number of the first one in its file.
    first: u32,
    removed: Option<&'r Removed>,
}

impl<'r> Stretch<'r> {
    /// Those that are not removed.
    pub(super) fn live(self) -> impl Iterator<Item = Row<'r>> {
        let rows = (self.first..).zip(Rows::of(self.rows));
        let is_live = move |number| self.removed.is_none_or(|removed| !removed.has(number));
        rows.filter(move |(number, _)| is_live(*number)).map(|(_, row)| row)
    }
}

/// A row that was found.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Found {
    /// Its part, by its file.
    pub(super) file: u64,
    /// Its number in it.
    pub(super) row: u32,
    /// The bytes that it takes in its block.
    pub(super) len: usize,
}

impl Contents {
    pub(super) fn part(&self, number: usize) -> Option<&Part> {
        self.closed
            .get(number)
            .or_else(|| self.open.as_ref().filter(|_| number == self.closed.len()))
    }

    pub(super) fn parts(&self) -> impl Iterator<Item = &Part> {
        self.closed.iter().chain(&self.open)
    }

    pub(super) fn pending_first(&self) -> Option<&[u8]> {
        Rows::first_key(&self.pending)
    }

    /// Where a row with this key would be, or the first one after it.
    pub(super) fn place_of(&self, key: &[u8]) -> Place {
        if self.pending_first().is_some_and(|first| first <= key) {
            return Place::Pending;
        }
        let open = self.open.as_ref().filter(|part| part.first().is_some_and(|first| first <= key));
        if let Some(block) = open.and_then(|part| part.block_of(key)) {
            return Place::Block { part: self.closed.len(), block };
        }
        let part =
            self.closed.partition_point(|part| part.first().is_some_and(|first| first <= key));
        let part = part.saturating_sub(1);
        self.place(part, self.part(part).and_then(|part| part.block_of(key)).unwrap_or(0))
    }

    /// What comes after the rows there.
    pub(super) fn after(&self, place: Place) -> Place {
        match place {
            Place::Block { part, block } => self.place(part, block + 1),
            Place::Pending | Place::End => Place::End,
        }
    }

    /// That block, or what comes instead if there is none.
    fn place(&self, part: usize, block: usize) -> Place {
        let blocks = |part| self.part(part).map_or(0, |part| part.blocks.len());
        if block < blocks(part) {
            Place::Block { part, block }
        } else if blocks(part + 1) > 0 {
            Place::Block { part: part + 1, block: 0 }
        } else {
            Place::Pending
        }
    }

    /// The value of the row among the pending ones, if its place is there: quicker than to read it.
    pub(super) fn pending_value(&self, key: &[u8]) -> Option<Bytes> {
        let (row, number) = find(&self.pending, key)?;
        (!self.is_pending_removed(number)).then(|| Bytes::copy_from_slice(row.value))
    }

    fn is_pending_removed(&self, number: u32) -> bool {
        self.open.as_ref().is_some_and(|open| open.removed.has(open.rows + number))
    }

    /// The rows at a place; nothing at the end.
    pub(super) fn rows<'r>(
        &'r self,
        place: Place,
        reader: &'r mut BlockReader,
    ) -> Result<Option<Stretch<'r>>, Error> {
        let (part, rows, first) = match place {
            Place::Block { part, block } => {
                let Some(part) = self.part(part) else { return Ok(None) };
                (part, reader.read(part, block)?, part.blocks[block].row)
            }
            Place::Pending => {
                let Some(open) = &self.open else { return Ok(None) };
                (open, &self.pending[..], open.rows)
            }
            Place::End => return Ok(None),
        };
        Ok(Some(Stretch { rows, first, removed: part.removed() }))
    }

    /// Where the row with this key is, removed or not.
    pub(super) fn find(
        &self,
        key: &[u8],
        reader: &mut BlockReader,
    ) -> Result<Option<Found>, Error> {
        let place = self.place_of(key);
        let part = match place {
            Place::Block { part, .. } => self.part(part),
            Place::Pending | Place::End => self.open.as_ref(),
        };
        let Some(file) = part.map(|part| part.file.number) else { return Ok(None) };
        let Some(Stretch { rows, first, .. }) = self.rows(place, reader)? else { return Ok(None) };
        let found = find(rows, key);
        Ok(found.map(|(row, number)| Found { file, row: first + number, len: row.len() }))
    }

    /// The last row that is not removed.
    pub(super) fn last(&self) -> Result<Option<(Bytes, Bytes)>, Error> {
        let mut reader = BlockReader::default();
        let blocks = (0..=self.closed.len()).rev().flat_map(|part| {
            let blocks = self.part(part).map_or(0, |part| part.blocks.len());
            (0..blocks).rev().map(move |block| Place::Block { part, block })
        });
        for place in std::iter::once(Place::Pending).chain(blocks) {
            let rows = self.rows(place, &mut reader)?;
            if let Some(Row { key, value }) = rows.and_then(|rows| rows.live().last()) {
                return Ok(Some((Bytes::copy_from_slice(key), Bytes::copy_from_slice(value))));
            }
        }
        Ok(None)
    }

    /// The key of the newest row, removed or not.
    pub(super) fn newest(&self) -> Result<Option<RowKey>, Error> {
        let last_block = |(part, of): (usize, &Part)| {
            of.blocks.len().checked_sub(1).map(|block| Place::Block { part, block })
        };
        let place = match self.pending.is_empty() {
            true => self.parts().enumerate().filter_map(last_block).last(),
            false => Some(Place::Pending),
        };
        let mut reader = BlockReader::default();
        let Some(place) = place else { return Ok(None) };
        let newest =
            self.rows(place, &mut reader)?.and_then(|stretch| Rows::of(stretch.rows).last());
        Ok(newest.and_then(|row| RowKey::new(row.key)))
    }

    /// Marks rows as removed.
    pub(super) fn remove(&mut self, found: &[Found]) {
        for rows in found.chunk_by(|a, b| a.file == b.file) {
            let file = rows[0].file;
            let mark = |part: &mut Part| {
                let removed = Arc::make_mut(&mut part.removed);
                rows.iter().for_each(|found| removed.insert(found.row, found.len));
            };
            let is_it = |part: &&mut Part| part.file.number == file;
            match self.open.as_mut().filter(is_it) {
                Some(open) => mark(open),
                None => Arc::make_mut(&mut self.closed)
                    .iter_mut()
                    .find(is_it)
                    .into_iter()
                    .for_each(mark),
            }
        }
    }

    /// Bytes of all rows, and of those that are removed.
    pub(super) fn sizes(&self) -> (u64, u64) {
        let sizes = self.parts().map(|part| (u64::from(part.bytes), part.removed.bytes()));
        let pending = (self.pending.len() as u64, 0);
        sizes.chain([pending]).fold((0, 0), |sum, part| (sum.0 + part.0, sum.1 + part.1))
    }
}
