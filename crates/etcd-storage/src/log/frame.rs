//! A group of operations as it lies in a segment: written at once, and whole or worthless.
//!
//! Forty bytes of header, then the operations, then zeros up to a multiple of eight bytes. All
//! numbers are little-endian.
//!
//! | bytes | what |
//! |------:|------|
//! | 8 | `raftlog1` |
//! | 8 | the segment's number: what an earlier use of the file left behind has another |
//! | 8 | the frame's number, one more than that of the frame before, also across segments |
//! | 8 | the last frame that was synced when this one was written; zero if none ever was |
//! | 4 | bytes of operations |
//! | 4 | CRC-32C of all of the above and of the operations |
//!
//! A log begins to count at random: whoever does not know the numbers cannot have an entry stored that
//! looks like one of its frames.

use std::ops::Range;

use bytes::Bytes;

use super::queue::LogOperation;

const MAGIC: [u8; 8] = *b"raftlog1";
const HEADER: usize = 40;
/// Where the check sum is: behind all that it covers of the header.
const CHECK_SUM: Range<usize> = 36..HEADER;
/// Frames begin at multiples of it.
pub(super) const ALIGNMENT: usize = 8;
/// Bytes of a frame with nothing in it but [`Change::End`].
pub(super) const END_BYTES: usize = HEADER + ALIGNMENT;
/// Where a log may begin to count its frames, with more numbers left than it will ever need.
const NUMBERS: Range<u64> = 1..1 << 62;
/// A frame's memory is kept for the next one, up to so many bytes.
const KEPT_BYTES: usize = 8 << 20;

const ENTRY: u8 = 1;
const TRUNCATE: u8 = 2;
const PURGE: u8 = 3;
const MARK: u8 = 4;
const END: u8 = 5;

/// What an operation changes, and where in the frame its bytes are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Change {
    /// An entry is there, or another one than before.
    Entry { index: u64, at: Range<usize>, check_sum: u32 },
    /// No entry from this index on is left.
    TruncateFrom(u64),
    /// No entry up to this index is left.
    PurgeThrough(u64),
    /// A mark has this value.
    Mark { name: String, value: Bytes },
    /// Nothing follows in this segment.
    End,
}

/// Where a frame belongs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Stamp {
    pub(super) segment: u64,
    pub(super) number: u64,
    /// The last frame that was synced before; zero if none ever was.
    pub(super) synced: u64,
}

impl Stamp {
    /// A number that the first frame of a new log may follow.
    pub(super) fn any_number() -> u64 {
        rand::random_range(NUMBERS)
    }

    /// Whether this frame belongs among the `bytes` that begin with another one, and was written after
    /// that had been synced. The other's number is unknown where nothing comes before it.
    pub(super) fn proves(&self, other: Option<u64>, bytes: usize) -> bool {
        let Some(other) = other else { return self.synced != 0 };
        let between = (bytes / HEADER) as u64;
        other <= self.synced && self.synced < self.number && self.number - other <= between
    }
}

/// A frame that is put together. Its memory serves for one after the other.
#[derive(Default)]
pub(super) struct FrameWriter {
    bytes: Vec<u8>,
    changes: Vec<Change>,
}

impl FrameWriter {
    /// Begins anew.
    pub(super) fn clear(&mut self) {
        self.bytes.clear();
        self.bytes.shrink_to(KEPT_BYTES);
        self.bytes.resize(HEADER, 0);
        self.changes.clear();
    }

    pub(super) fn add(&mut self, operation: LogOperation) {
        match operation {
            LogOperation::Append { first_index, records } => {
                for (index, record) in (first_index..).zip(records) {
                    self.add_entry(index, &record);
                }
            }
            LogOperation::TruncateFrom(index) => {
                self.add_number(TRUNCATE, index);
                self.changes.push(Change::TruncateFrom(index));
            }
            LogOperation::PurgeThrough(index) => {
                self.add_number(PURGE, index);
                self.changes.push(Change::PurgeThrough(index));
            }
            LogOperation::Mark { name, value } => self.add_mark(name, value),
        }
    }

    pub(super) fn add_mark(&mut self, name: &str, value: Bytes) {
        self.bytes.push(MARK);
        self.add_bytes(name.as_bytes());
        self.add_bytes(&value);
        self.changes.push(Change::Mark { name: name.to_owned(), value });
    }

    pub(super) fn add_end(&mut self) {
        self.bytes.push(END);
        self.changes.push(Change::End);
    }

    pub(super) fn add_entry(&mut self, index: u64, record: &[u8]) {
        self.add_number(ENTRY, index);
        self.add_bytes(record);
        let at = self.bytes.len() - record.len()..self.bytes.len();
        let check_sum = crc32c::crc32c(record);
        self.changes.push(Change::Entry { index, at, check_sum });
    }

    fn add_number(&mut self, kind: u8, number: u64) {
        self.bytes.push(kind);
        self.bytes.extend_from_slice(&number.to_le_bytes());
    }

    fn add_bytes(&mut self, bytes: &[u8]) {
        let len = u32::try_from(bytes.len()).expect("a record takes less than 4 GiB");
        self.bytes.extend_from_slice(&len.to_le_bytes());
        self.bytes.extend_from_slice(bytes);
    }

    /// Bytes so far.
    pub(super) fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Bytes that it will take in its segment.
    pub(super) fn whole_len(&self) -> usize {
        self.bytes.len().next_multiple_of(ALIGNMENT)
    }

    /// The bytes to be written.
    pub(super) fn seal(&mut self, stamp: Stamp) -> &[u8] {
        let body = u32::try_from(self.bytes.len() - HEADER).expect("a group is bounded");
        let header = &mut self.bytes[..HEADER];
        header[..8].copy_from_slice(&MAGIC);
        header[8..16].copy_from_slice(&stamp.segment.to_le_bytes());
        header[16..24].copy_from_slice(&stamp.number.to_le_bytes());
        header[24..32].copy_from_slice(&stamp.synced.to_le_bytes());
        header[32..CHECK_SUM.start].copy_from_slice(&body.to_le_bytes());
        let check_sum = check_sum(&self.bytes);
        self.bytes[CHECK_SUM].copy_from_slice(&check_sum.to_le_bytes());
        self.bytes.resize(self.whole_len(), 0);
        &self.bytes
    }

    /// What it changes, in order.
    pub(super) fn changes(&mut self) -> impl Iterator<Item = Change> + '_ {
        self.changes.drain(..)
    }
}

/// A frame that was found whole.
#[derive(Debug, Clone, Copy)]
pub(super) struct Frame<'a> {
    pub(super) stamp: Stamp,
    /// Header and operations.
    bytes: &'a [u8],
}

impl<'a> Frame<'a> {
    /// The frame of this segment that `bytes` begin with; nothing if there is no whole one.
    pub(super) fn read(bytes: &'a [u8], segment: u64) -> Option<Frame<'a>> {
        let header = bytes.first_chunk::<HEADER>()?;
        let number = |at: usize| -> Option<u64> {
            Some(u64::from_le_bytes(*header[at..].first_chunk::<8>()?))
        };
        let half = |at: usize| -> Option<u32> {
            Some(u32::from_le_bytes(*header[at..].first_chunk::<4>()?))
        };
        if header[..8] != MAGIC || number(8)? != segment {
            return None;
        }
        let len = HEADER + usize::try_from(half(32)?).ok()?;
        let bytes = bytes.get(..len)?;
        let stamp = Stamp { segment, number: number(16)?, synced: number(24)? };
        (check_sum(bytes) == half(CHECK_SUM.start)?).then_some(Frame { stamp, bytes })
    }

    /// Whether a frame of this segment seems to begin here: cheaper than [`Frame::read`].
    pub(super) fn may_begin(bytes: &[u8], segment: u64) -> bool {
        bytes.starts_with(&MAGIC) && bytes[8..].starts_with(&segment.to_le_bytes())
    }

    /// Bytes that it takes in its segment.
    pub(super) fn whole_len(&self) -> usize {
        self.bytes.len().next_multiple_of(ALIGNMENT)
    }

    /// What it changes, in order; nothing if an operation is none that this version knows.
    pub(super) fn changes(&self) -> Option<Vec<Change>> {
        let mut cursor = Cursor { bytes: self.bytes, at: HEADER };
        let mut changes = Vec::new();
        while let Some([kind]) = cursor.array() {
            changes.push(match kind {
                ENTRY => {
                    let (index, at) = (cursor.number()?, cursor.range()?);
                    let check_sum = crc32c::crc32c(&self.bytes[at.clone()]);
                    Change::Entry { index, at, check_sum }
                }
                TRUNCATE => Change::TruncateFrom(cursor.number()?),
                PURGE => Change::PurgeThrough(cursor.number()?),
                MARK => {
                    let (name, value) = (cursor.range()?, cursor.range()?);
                    let name = str::from_utf8(&self.bytes[name]).ok()?.to_owned();
                    Change::Mark { name, value: Bytes::copy_from_slice(&self.bytes[value]) }
                }
                END => Change::End,
                _ => return None,
            });
        }
        (cursor.at == self.bytes.len()).then_some(changes)
    }
}

/// The check sum of header and operations, without the check sum's own bytes.
fn check_sum(frame: &[u8]) -> u32 {
    crc32c::crc32c_append(crc32c::crc32c(&frame[..CHECK_SUM.start]), &frame[HEADER..])
}

/// Goes through the operations of a frame.
struct Cursor<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl Cursor<'_> {
    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let array = *self.bytes.get(self.at..)?.first_chunk::<N>()?;
        self.at += N;
        Some(array)
    }

    fn number(&mut self) -> Option<u64> {
        self.array().map(u64::from_le_bytes)
    }

    /// Where the bytes are whose length comes first.
    fn range(&mut self) -> Option<Range<usize>> {
        let len = usize::try_from(u32::from_le_bytes(self.array()?)).ok()?;
        let range = self.at..self.at.checked_add(len)?;
        self.at = range.end;
        (range.end <= self.bytes.len()).then_some(range)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STAMP: Stamp = Stamp { segment: 7, number: 30, synced: 28 };

    fn written() -> (Vec<u8>, Vec<Change>) {
        let mut writer = FrameWriter::default();
        writer.clear();
        let records = vec![Bytes::from_static(b"one"), Bytes::new()];
        writer.add(LogOperation::Append { first_index: 5, records });
        writer.add(LogOperation::TruncateFrom(6));
        writer.add(LogOperation::PurgeThrough(4));
        writer.add(LogOperation::Mark { name: "vote", value: Bytes::from_static(b"me") });
        writer.add_end();
        let bytes = writer.seal(STAMP).to_vec();
        (bytes, writer.changes().collect())
    }

    #[test]
    fn what_was_written_is_read() {
        let (bytes, changes) = written();
        assert_eq!(bytes.len() % ALIGNMENT, 0);
        let followed = [&bytes[..], b"whatever follows"].concat();
        let frame = Frame::read(&followed, 7).expect("a frame");
        assert!(Frame::may_begin(&followed, 7));
        assert_eq!((frame.stamp, frame.whole_len()), (STAMP, bytes.len()));
        assert_eq!(frame.changes().as_deref(), Some(&changes[..]));
        let Some(Change::Entry { index: 5, at, .. }) = changes.into_iter().next() else {
            panic!("the first is an entry")
        };
        assert_eq!(&bytes[at], b"one");
    }

    #[test]
    fn any_flipped_bit_and_any_cut_is_noticed() {
        let (bytes, _) = written();
        let frame = Frame::read(&bytes, 7).expect("a frame").bytes.len();
        for at in 0..frame {
            let mut flipped = bytes.clone();
            flipped[at] ^= 0x10;
            assert!(Frame::read(&flipped, 7).is_none(), "byte {at}");
            assert!(Frame::read(&bytes[..at], 7).is_none(), "cut at {at}");
        }
    }

    #[test]
    fn a_frame_of_another_segment_is_none() {
        let (bytes, _) = written();
        assert!(Frame::read(&bytes, 8).is_none());
        assert!(!Frame::may_begin(&bytes, 8));
    }
}
