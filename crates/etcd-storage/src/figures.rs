//! What the two stores count and time of their own work.

use etcd_figures::{Count, Histogram, Level, Scale};

/// Times of writes, as etcd sorts them.
const WRITES: Scale = Scale::seconds(0.001, 14);
/// Times of merging all files.
const COMPACTIONS: Scale = Scale::seconds(0.1, 13);

/// The state's work.
#[derive(Debug)]
pub struct StateFigures {
    /// How long it takes to make a batch visible.
    pub commits: Histogram,
    /// How long it takes to write what is in memory to files.
    pub flushes: Histogram,
    /// How long it takes to merge all files.
    pub compactions: Histogram,
    /// How many merge all files just now.
    pub compacting: Level,
}

/// The log's work.
#[derive(Debug)]
pub struct LogFigures {
    /// How long it takes to put what waits into one group and to write it.
    pub groups: Histogram,
    /// How long it takes to sync it.
    pub syncs: Histogram,
    /// Bytes of all groups.
    pub bytes: Count,
}

impl Default for StateFigures {
    fn default() -> StateFigures {
        StateFigures {
            commits: Histogram::new(WRITES),
            flushes: Histogram::new(WRITES),
            compactions: Histogram::new(COMPACTIONS),
            compacting: Level::default(),
        }
    }
}

impl Default for LogFigures {
    fn default() -> LogFigures {
        LogFigures {
            groups: Histogram::new(WRITES),
            syncs: Histogram::new(WRITES),
            bytes: Count::new(),
        }
    }
}
