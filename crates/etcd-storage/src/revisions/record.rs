//! What RocksDB knows of the files: which there are, how far they count, and which rows of them are
//! removed.
//!
//! These rows are beside the tables, and are written only by a flush, which makes them durable
//! together with all that was committed to the tables. Whatever else is in the directory counts for
//! nothing. How often anything changed is counted twice, with each change and by the flush: should
//! RocksDB ever write a change to its files by itself, without the rows that belong to it, then the
//! two differ.

use rocksdb::{ColumnFamily, DB, IteratorMode, WriteBatch};

use super::appender::Appender;
use super::part::Part;
use super::removed::Removed;

/// The first byte of the row of a file; its number follows.
const FILE: u8 = 0x11;
/// How often anything changed: with each change, and by the flush.
const CHANGES: [u8; 1] = [0x12];
const FLUSHED_CHANGES: [u8; 1] = [0x13];

/// What is known of a file.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Record {
    pub(super) number: u64,
    /// Bytes of it that count, and rows in them.
    pub(super) bytes: u32,
    pub(super) rows: u32,
    pub(super) removed: Removed,
}

/// All that is known.
#[derive(Debug, Default)]
pub(super) struct Records {
    pub(super) files: Vec<Record>,
    pub(super) changes: u64,
    pub(super) flushed_changes: u64,
}

impl Records {
    /// Reads them. `Err(None)` when one of them is none.
    pub(super) fn read(db: &DB, family: &ColumnFamily) -> Result<Records, Option<rocksdb::Error>> {
        let number = |row| match db.get_pinned_cf(family, row)? {
            Some(bytes) => bytes.first_chunk().map(|bytes| u64::from_le_bytes(*bytes)).ok_or(None),
            None => Ok(0),
        };
        let (changes, flushed_changes) = (number(CHANGES)?, number(FLUSHED_CHANGES)?);
        let mut records = Records { files: Vec::new(), changes, flushed_changes };
        let rows = db.iterator_cf(family, IteratorMode::From(&[FILE], rocksdb::Direction::Forward));
        for row in rows {
            let (key, value) = row?;
            let [FILE, number @ ..] = &*key else { break };
            records.files.push(Record::decode(number, &value).ok_or(None)?);
        }
        Ok(records)
    }
}

impl Record {
    fn decode(number: &[u8], value: &[u8]) -> Option<Record> {
        let (bytes, rest) = value.split_first_chunk()?;
        let (rows, removed) = rest.split_first_chunk()?;
        let rows = u32::from_le_bytes(*rows);
        Some(Record {
            number: u64::from_be_bytes(number.try_into().ok()?),
            bytes: u32::from_le_bytes(*bytes),
            rows,
            removed: Removed::decode(removed).filter(|removed| removed.end() <= rows)?,
        })
    }
}

impl Part {
    fn encode(&self) -> Vec<u8> {
        let mut value = [self.bytes, self.rows].map(u32::to_le_bytes).concat();
        self.removed.encode(&mut value);
        value
    }
}

fn row_of(number: u64) -> [u8; 9] {
    let mut row = [FILE; 9];
    row[1..].copy_from_slice(&number.to_be_bytes());
    row
}

impl Appender {
    /// What a batch must say of its own changes.
    pub(crate) fn count_changes(&self, write: &mut WriteBatch, family: &ColumnFamily) {
        write.put_cf(family, CHANGES, self.changes.to_le_bytes());
    }

    /// What a flush must say of the files, once all rows are in blocks.
    pub(crate) fn put_records(&mut self, write: &mut WriteBatch, family: &ColumnFamily) {
        let contents = self.contents();
        for part in contents.parts().filter(|part| self.changed.contains(&part.file.number)) {
            write.put_cf(family, row_of(part.file.number), part.encode());
        }
        for file in &self.obsolete {
            write.delete_cf(family, row_of(file.number));
        }
        self.changed.clear();
        write.put_cf(family, FLUSHED_CHANGES, self.changes.to_le_bytes());
        self.count_changes(write, family);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn other_bytes_are_no_record() {
        let mut removed = Removed::default();
        removed.insert(70, 9);
        let mut value = [5_u32, 71].map(u32::to_le_bytes).concat();
        removed.encode(&mut value);
        let number = 7_u64.to_be_bytes();
        let decoded = Record::decode(&number, &value);
        assert_eq!(decoded, Some(Record { number: 7, bytes: 5, rows: 71, removed }));
        assert_eq!(Record::decode(&number[1..], &value), None);
        assert_eq!(Record::decode(&number, &value[..value.len() - 1]), None);
        assert_eq!(Record::decode(&number, &value[..3]), None);
        value[4] = 70;
        assert_eq!(Record::decode(&number, &value), None, "a row that is not there was removed");
    }
}
