//! What RocksDB says of itself.

use rocksdb::properties::{self, PropName};
use rocksdb::{ColumnFamily, DB};

/// How many levels of files there are.
const LEVELS: usize = 7;

/// One key space of RocksDB, at a moment. What RocksDB does not tell is zero.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Engine {
    /// Files at each level.
    pub files: Vec<u64>,
    /// Bytes of all files, also of those that only readers still need.
    pub file_bytes: u64,
    /// Bytes of changes that no file has yet.
    pub memory_table_bytes: u64,
    /// Bytes of memory that know where blocks are in files, and which keys are in none.
    pub table_reader_bytes: u64,
    /// Bytes that compactions are behind with.
    pub pending_compaction_bytes: u64,
    /// Compactions that run.
    pub running_compactions: u64,
    /// Flushes that run.
    pub running_flushes: u64,
    /// Rows, about.
    pub rows: u64,
    /// Views that are held.
    pub views: u64,
    /// Bytes a second to which writes are slowed down; zero is not at all.
    pub delayed_write_rate: u64,
    /// Whether writes stand still: 1 if they do.
    pub writes_stopped: u64,
    /// Errors of what runs in the background.
    pub background_errors: u64,
    /// Bytes of blocks in the cache, which all key spaces of a store share.
    pub cache_bytes: u64,
    /// The most of them.
    pub cache_limit_bytes: u64,
}

impl Engine {
    /// The one with this handle.
    pub(crate) fn of(db: &DB, family: &ColumnFamily) -> Engine {
        Engine::read(|name| db.property_int_value_cf(family, name))
    }

    fn read(ask: impl Fn(&PropName) -> Result<Option<u64>, rocksdb::Error>) -> Engine {
        let number = |name: &PropName| ask(name).ok().flatten().unwrap_or(0);
        let files = (0..LEVELS).map(|level| number(&properties::num_files_at_level(level)));
        Engine {
            files: files.collect(),
            file_bytes: number(properties::TOTAL_SST_FILES_SIZE),
            memory_table_bytes: number(properties::CUR_SIZE_ALL_MEM_TABLES),
            table_reader_bytes: number(properties::ESTIMATE_TABLE_READERS_MEM),
            pending_compaction_bytes: number(properties::ESTIMATE_PENDING_COMPACTION_BYTES),
            running_compactions: number(properties::NUM_RUNNING_COMPACTIONS),
            running_flushes: number(properties::NUM_RUNNING_FLUSHES),
            rows: number(properties::ESTIMATE_NUM_KEYS),
            views: number(properties::NUM_SNAPSHOTS),
            delayed_write_rate: number(properties::ACTUAL_DELAYED_WRITE_RATE),
            writes_stopped: number(properties::IS_WRITE_STOPPED),
            background_errors: number(properties::BACKGROUND_ERRORS),
            cache_bytes: number(properties::BLOCK_CACHE_USAGE),
            cache_limit_bytes: number(properties::BLOCK_CACHE_CAPACITY),
        }
    }
}
