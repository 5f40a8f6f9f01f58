//! What there is to say of a member's log at a moment.

use etcd_figures::Distribution;

/// A member's log as it is.
#[derive(Debug, Clone)]
pub struct LogFacts {
    /// How long it takes to put what waits into one group and to write it.
    pub groups: Distribution,
    /// How long it takes to sync a group.
    pub syncs: Distribution,
    /// Bytes of all groups so far.
    pub written_bytes: u64,
    /// Operations that wait to be written.
    pub queue: u64,
    /// The first and the last entry's index; zero when there is none.
    pub first: u64,
    /// See there.
    pub last: u64,
    /// Entries in memory.
    pub entries_in_memory: u64,
    /// Bytes of them.
    pub bytes_in_memory: u64,
    /// Files of the log.
    pub segments: u64,
}
