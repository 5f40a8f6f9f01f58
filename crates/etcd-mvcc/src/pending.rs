//! The records of changes that storage does not have yet.

use bytes::Bytes;

use crate::Revision;
use crate::record::{self, Record};

/// Records and bytes for which room stays between batches.
const RECORDS_KEPT: usize = 4096;
const BYTES_KEPT: usize = 1 << 20;

/// The puts of a batch that is being made. Their records lie end to end in one buffer: hardly any is
/// ever asked for, so none is worth an allocation.
#[derive(Debug, Default)]
pub(crate) struct Pending {
    /// Each put, ascending, and where its record ends; it begins where the one before ends.
    ends: Vec<(Revision, usize)>,
    records: Vec<u8>,
}

/// Nothing is pending.
pub(crate) static NOTHING: Pending = Pending { ends: Vec::new(), records: Vec::new() };

impl Pending {
    /// Adds a put, which is newer than all others, and answers its record as it is stored.
    pub(crate) fn push(&mut self, revision: Revision, record: &Record<'_>) -> &[u8] {
        let start = self.records.len();
        record::encode(record, &mut self.records);
        self.ends.push((revision, self.records.len()));
        &self.records[start..]
    }

    /// Whether a put that is not compacted is here: else storage has it.
    pub(crate) fn has(&self, revision: Revision) -> bool {
        self.ends.first().is_some_and(|(first, _)| *first <= revision)
    }

    /// The record of a put, if it is here.
    pub(crate) fn get(&self, revision: Revision) -> Option<Bytes> {
        let place = self.ends.binary_search_by_key(&revision, |(revision, _)| *revision).ok()?;
        let start = place.checked_sub(1).map_or(0, |before| self.ends[before].1);
        Some(Bytes::copy_from_slice(&self.records[start..self.ends[place].1]))
    }

    /// Forgets all of them: storage has them.
    pub(crate) fn clear(&mut self) {
        self.ends.clear();
        self.ends.shrink_to(RECORDS_KEPT);
        self.records.clear();
        self.records.shrink_to(BYTES_KEPT);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_are_found_until_they_are_stored() {
        let revision = |main| Revision { main, sub: 0 };
        let mut pending = Pending::default();
        assert!(!pending.has(revision(5)));
        for (main, value) in [(5, &b"five"[..]), (6, b""), (8, b"eight")] {
            let record = Record { key: b"k", mod_revision: main, value, ..Record::default() };
            let stored = pending.push(revision(main), &record).to_vec();
            assert_eq!(Record::parse(&stored), Ok(record));
            assert_eq!(pending.get(revision(main)).as_deref(), Some(&stored[..]));
        }
        assert!(!pending.has(revision(4)));
        assert!(pending.has(revision(5)) && pending.has(revision(8)));
        let first = pending.get(revision(5)).expect("it was put");
        assert_eq!(Record::parse(&first).map(|record| record.value), Ok(&b"five"[..]));
        assert_eq!(pending.get(revision(7)), None);
        pending.clear();
        assert!(!pending.has(revision(8)));
        assert_eq!(pending.get(revision(8)), None);
    }
}
