//! How much the state holds, and how much of that is still of use.

use std::sync::atomic::{AtomicU64, Ordering};

use rocksdb::DB;
use rocksdb::properties::{AGGREGATED_TABLE_PROPERTIES, CUR_SIZE_ALL_MEM_TABLES};

use crate::Table;
use crate::family::Family;

/// The state's size in bytes, before compression: what it holds counts, not how well that can be
/// compressed, so that a quota allows the same data whatever its contents.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Sizes {
    /// All that is stored, in files and in the memory not yet flushed; also what was deleted or
    /// replaced and still takes room.
    pub total: u64,
    /// About what would be left if nothing deleted or replaced took room; at most the total.
    pub in_use: u64,
}

/// Changes of a batch that count for [`InUse`].
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Tally {
    put_rows: u64,
    put_bytes: u64,
    deleted_rows: u64,
}

/// An estimate of the bytes in use. Nearly all rows are put once and deleted at most once. A delete
/// does not know its row's size, so it counts as one of average size. [`InUse::reset`] puts it
/// right.
#[derive(Debug, Default)]
pub(crate) struct InUse {
    rows: AtomicU64,
    bytes: AtomicU64,
}

/// What all files together hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Files {
    entries: u64,
    deletions: u64,
    bytes: u64,
}

impl Tally {
    pub(crate) fn put(&mut self, table: Table, key: &[u8], value: &[u8]) {
        // Raft's few rows are replaced all the time.
        if table != Table::Raft {
            self.put_rows += 1;
            self.put_bytes += (key.len() + value.len()) as u64;
        }
    }

    pub(crate) fn delete(&mut self, table: Table) {
        if table != Table::Raft {
            self.deleted_rows += 1;
        }
    }
}

impl InUse {
    pub(crate) fn of(db: &DB) -> InUse {
        let in_use = InUse::default();
        in_use.reset(db);
        in_use
    }

    /// Starts over from what the files say: exact after they were merged into one another.
    pub(crate) fn reset(&self, db: &DB) {
        let files = Files::of(db);
        let puts = files.entries.saturating_sub(files.deletions);
        let live = puts.saturating_sub(files.deletions);
        self.rows.store(live, Ordering::Relaxed);
        self.bytes.store(share(files.bytes, live, puts), Ordering::Relaxed);
    }

    /// Counts a batch that was committed.
    pub(crate) fn count(&self, tally: Tally) {
        if tally.put_rows > 0 {
            self.rows.fetch_add(tally.put_rows, Ordering::Relaxed);
            self.bytes.fetch_add(tally.put_bytes, Ordering::Relaxed);
        }
        if tally.deleted_rows > 0 {
            let rows = self.rows.load(Ordering::Relaxed);
            let deleted = tally.deleted_rows.min(rows);
            let bytes = share(self.bytes.load(Ordering::Relaxed), deleted, rows);
            self.rows.fetch_sub(deleted, Ordering::Relaxed);
            self.bytes.fetch_sub(bytes, Ordering::Relaxed);
        }
    }

    /// The sizes of the state at this moment.
    pub(crate) fn sizes(&self, db: &DB) -> Sizes {
        let total = Files::of(db).bytes + in_memory(db);
        Sizes { total, in_use: self.bytes.load(Ordering::Relaxed).min(total) }
    }
}

impl Files {
    fn of(db: &DB) -> Files {
        let properties = Family::ALL.map(|family| {
            let family = family.handle(db);
            let properties = db.property_value_cf(family, AGGREGATED_TABLE_PROPERTIES);
            properties.ok().flatten().unwrap_or_default()
        });
        Files::parse(&properties.join(";"))
    }

    /// Reads RocksDB's text, `# data blocks=1; # entries=2; ...`; what is there twice counts twice.
    fn parse(properties: &str) -> Files {
        let number = |name: &str| {
            let pairs = properties.split(';').filter_map(|pair| pair.trim().split_once('='));
            let values = pairs.filter(|(key, _)| *key == name);
            values.filter_map(|(_, value)| value.parse::<u64>().ok()).sum::<u64>()
        };
        Files {
            entries: number("# entries"),
            deletions: number("# deletions"),
            bytes: number("raw key size") + number("raw value size"),
        }
    }
}

/// What is not in files yet, in bytes.
fn in_memory(db: &DB) -> u64 {
    let sizes = Family::ALL.map(|family| {
        let family = family.handle(db);
        db.property_int_value_cf(family, CUR_SIZE_ALL_MEM_TABLES).ok().flatten()
    });
    sizes.into_iter().flatten().sum()
}

/// The part of `bytes` that `rows` of all the rows have.
fn share(bytes: u64, rows: u64, all: u64) -> u64 {
    let part = u128::from(bytes) * u128::from(rows) / u128::from(all.max(1));
    u64::try_from(part).unwrap_or(bytes).min(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn properties_are_found_by_their_names() {
        let text = "# data blocks=1; # entries=7; # deletions=2; # merge operands=0; \
            raw key size=100; raw average key size=14.285714; raw value size=40; filter size=9";
        assert_eq!(Files::parse(text), Files { entries: 7, deletions: 2, bytes: 140 });
        let both = Files { entries: 14, deletions: 4, bytes: 280 };
        assert_eq!(Files::parse(&[text, text].join(";")), both);
        assert_eq!(Files::parse("nothing of the kind"), Files::default());
    }

    #[test]
    fn what_is_deleted_counts_as_average() {
        let in_use = InUse::default();
        let mut tally = Tally::default();
        for size in [100, 300] {
            tally.put(Table::Lease, &[], &vec![0; size]);
        }
        tally.put(Table::Raft, &[0; 16], &[0; 16]);
        in_use.count(tally);
        assert_eq!(in_use.bytes.load(Ordering::Relaxed), 400);
        let mut tally = Tally::default();
        tally.delete(Table::Lease);
        tally.delete(Table::Raft);
        in_use.count(tally);
        assert_eq!(in_use.bytes.load(Ordering::Relaxed), 200);
        for _ in 0..5 {
            tally.delete(Table::Lease);
        }
        in_use.count(tally);
        assert_eq!(in_use.bytes.load(Ordering::Relaxed), 0);
    }
}
