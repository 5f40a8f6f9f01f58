//! What a store counts and times of its work, with etcd's meanings.

use std::sync::atomic::{AtomicU64, Ordering};

use etcd_figures::{Count, Histogram, Scale};

/// The work of one store since it was opened.
#[derive(Debug)]
pub struct Figures {
    /// Puts that were executed, also in transactions.
    pub puts: Count,
    /// Deletes that were executed, however many keys each met.
    pub deletes: Count,
    /// Reads of ranges, also in transactions: conditions and previous values are ranges of etcd's.
    pub ranges: Count,
    /// Transactions of more than one of these.
    pub txns: Count,
    /// Bytes of the keys and values that were put.
    pub put_bytes: Count,
    /// How long it takes to hash the records up to a revision.
    pub hashes: Histogram,
    /// Records that compactions removed.
    pub compacted: Count,
    /// How long a compaction takes.
    pub compactions: Histogram,
    /// How long a compaction's steps take that remove records.
    pub removals: Histogram,
    /// How long a compaction's steps take that hold the index.
    pub index_steps: Histogram,
    last_compaction: AtomicU64,
}

/// What a transaction did, or the transactions of a batch.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Operations {
    /// Puts.
    pub puts: u64,
    /// Deletes.
    pub deletes: u64,
    /// Ranges.
    pub ranges: u64,
    /// Bytes of keys and values.
    pub put_bytes: u64,
    /// Transactions of more than one operation.
    pub txns: u64,
}

impl Default for Figures {
    fn default() -> Figures {
        Figures {
            puts: Count::new(),
            deletes: Count::new(),
            ranges: Count::new(),
            txns: Count::new(),
            put_bytes: Count::new(),
            hashes: Histogram::new(Scale::seconds(0.01, 15)),
            compacted: Count::new(),
            compactions: Histogram::new(Scale::milliseconds(100.0, 14)),
            removals: Histogram::new(Scale::milliseconds(1.0, 13)),
            index_steps: Histogram::new(Scale::milliseconds(0.5, 14)),
            last_compaction: AtomicU64::new(0),
        }
    }
}

impl Figures {
    /// Counts what was done.
    pub fn count(&self, done: Operations) {
        let Operations { puts, deletes, ranges, put_bytes, txns } = done;
        let counts = [&self.puts, &self.deletes, &self.ranges, &self.put_bytes, &self.txns];
        for (count, times) in counts.into_iter().zip([puts, deletes, ranges, put_bytes, txns]) {
            if times > 0 {
                count.add(times);
            }
        }
    }

    /// When a compaction was last carried out, in seconds of Unix time; zero is never.
    pub fn last_compaction(&self) -> u64 {
        self.last_compaction.load(Ordering::Relaxed)
    }

    /// A compaction was carried out now.
    pub(crate) fn note_compaction(&self) {
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
        let seconds = now.map_or(0, |since| since.as_secs());
        self.last_compaction.store(seconds, Ordering::Relaxed);
    }
}

impl Operations {
    /// One range.
    pub const RANGE: Operations =
        Operations { puts: 0, deletes: 0, ranges: 1, put_bytes: 0, txns: 0 };

    /// So many ranges that were read at once: more than one are a transaction.
    pub fn of_ranges(ranges: u64) -> Operations {
        Operations { ranges, ..Operations::default() }.together()
    }

    /// The same as one transaction, which counts if it did more than one thing.
    #[must_use]
    pub fn together(self) -> Operations {
        Operations { txns: u64::from(self.puts + self.deletes + self.ranges > 1), ..self }
    }

    /// Adds what another transaction did.
    pub(crate) fn add(&mut self, other: Operations) {
        self.puts += other.puts;
        self.deletes += other.deletes;
        self.ranges += other.ranges;
        self.put_bytes += other.put_bytes;
        self.txns += other.txns;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn more_than_one_operation_is_a_transaction() {
        let one = Operations { puts: 1, put_bytes: 7, ..Operations::default() };
        assert_eq!(one.together().txns, 0);
        let two = Operations { deletes: 1, ..one };
        assert_eq!(two.together().txns, 1);
        let figures = Figures::default();
        figures.count(one.together());
        figures.count(two.together());
        figures.count(Operations::of_ranges(3));
        let seen = [&figures.puts, &figures.deletes, &figures.ranges, &figures.txns];
        assert_eq!(seen.map(Count::get), [2, 1, 3, 2]);
        assert_eq!(figures.put_bytes.get(), 14);
    }
}
