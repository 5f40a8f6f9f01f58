//! What the log holds, and where in its files.

use std::collections::{BTreeMap, VecDeque};
use std::fs::File;
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::sync::Arc;

use bytes::Bytes;

use super::frame::Change;

/// The mark that tells which segments were removed: up to this number, eight bytes little-endian.
const REMOVED: &str = "";

/// All that is in the log by what was written so far.
#[derive(Debug, Default)]
pub(super) struct Contents {
    entries: BTreeMap<u64, Place>,
    marks: BTreeMap<String, Bytes>,
    /// Their numbers are consecutive; the last one is being written.
    segments: VecDeque<Segment>,
}

/// A file of the log.
#[derive(Debug, Clone)]
pub(super) struct Segment {
    pub(super) number: u64,
    /// Whoever reads holds it: a file that is held is not written anew.
    pub(super) file: Arc<File>,
}

/// Where the bytes of an entry are.
#[derive(Debug, Clone, Copy)]
struct Place {
    segment: u64,
    offset: u64,
    len: usize,
    check_sum: u32,
}

/// An entry that was found, to be read when nothing is locked any more.
#[derive(Debug)]
pub(super) struct Found {
    file: Arc<File>,
    place: Place,
}

impl Contents {
    /// Takes in what a frame at `offset` of the last segment changes. Whether the segment ends with it.
    pub(super) fn apply(
        &mut self,
        segment: u64,
        offset: u64,
        changes: impl IntoIterator<Item = Change>,
    ) -> bool {
        let mut ends = false;
        for change in changes {
            match change {
                Change::Entry { index, at, check_sum } => {
                    let (offset, len) = (offset + at.start as u64, at.len());
                    self.entries.insert(index, Place { segment, offset, len, check_sum });
                }
                Change::TruncateFrom(index) => drop(self.entries.split_off(&index)),
                Change::PurgeThrough(index) => {
                    self.entries = match index.checked_add(1) {
                        Some(first) => self.entries.split_off(&first),
                        None => BTreeMap::new(),
                    };
                }
                Change::Mark { name, value } => drop(self.marks.insert(name, value)),
                Change::End => ends = true,
            }
        }
        ends
    }

    /// The indexes from the first to the last entry; empty when there is none.
    pub(super) fn indexes(&self) -> Range<u64> {
        let edges = self.entries.first_key_value().zip(self.entries.last_key_value());
        edges.map_or(0..0, |((first, _), (last, _))| *first..last + 1)
    }

    /// Where the entry with this index is.
    pub(super) fn find(&self, index: u64) -> Option<Found> {
        let place = *self.entries.get(&index)?;
        let oldest = self.segments.front()?.number;
        let at = usize::try_from(place.segment - oldest).ok()?;
        Some(Found { file: self.segments.get(at)?.file.clone(), place })
    }

    pub(super) fn mark(&self, name: &str) -> Option<&Bytes> {
        self.marks.get(name)
    }

    pub(super) fn marks(&self) -> impl Iterator<Item = (&str, &Bytes)> {
        self.marks.iter().map(|(name, value)| (&**name, value))
    }

    pub(super) fn push_segment(&mut self, segment: Segment) {
        self.segments.push_back(segment);
    }

    /// How many files there are.
    pub(super) fn segments(&self) -> usize {
        self.segments.len()
    }

    pub(super) fn last_segment(&self) -> Option<&Segment> {
        self.segments.back()
    }

    /// Whether nothing is missing before the first segment that there is. `Err` is what is.
    pub(super) fn check_first(&self, first: u64) -> Result<(), u64> {
        let removed = self.marks.get(REMOVED).and_then(|value| Some(*value.first_chunk::<8>()?));
        let needed = removed.map_or(0, u64::from_le_bytes) + 1;
        if first > needed { Err(first - 1) } else { Ok(()) }
    }

    /// Takes out the segments at the beginning that hold nothing any more: no entry is in them, and
    /// every later segment begins with all marks. With them comes the mark to be written first.
    pub(super) fn take_obsolete(&mut self) -> Option<(Vec<Segment>, (&'static str, Bytes))> {
        let current = self.segments.back()?.number;
        let needed = self.entries.values().map(|place| place.segment).min().unwrap_or(current);
        let obsolete = self.segments.iter().take_while(|segment| segment.number < needed).count();
        let taken: Vec<_> = self.segments.drain(..obsolete).collect();
        let last = taken.last()?.number;
        Some((taken, (REMOVED, Bytes::copy_from_slice(&last.to_le_bytes()))))
    }
}

impl Found {
    /// Its bytes; nothing if they are not those that were written.
    pub(super) fn read(&self) -> std::io::Result<Option<Bytes>> {
        let mut bytes = vec![0; self.place.len];
        self.file.read_exact_at(&mut bytes, self.place.offset)?;
        Ok((crc32c::crc32c(&bytes) == self.place.check_sum).then(|| Bytes::from(bytes)))
    }
}
