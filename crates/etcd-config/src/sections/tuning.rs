//! Section Features: checks that run by themselves, and their pace.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::field;
use crate::flag::Flag;
use crate::kind::Kind;

/// The revisions of one compaction batch where `--compaction-batch-limit` is 0.
pub(crate) const DEFAULT_COMPACTION_BATCH: usize = 1_000;
/// The pause between compaction batches where `--compaction-sleep-interval` is 0.
pub(crate) const DEFAULT_COMPACTION_SLEEP: Duration = Duration::from_millis(10);
/// The watch progress period where `--watch-progress-notify-interval` is 0.
pub(crate) const DEFAULT_PROGRESS_INTERVAL: Duration = Duration::from_secs(600);
/// The shortest watch progress period.
pub(crate) const MIN_PROGRESS_INTERVAL: Duration = Duration::from_millis(100);

/// Checks that run by themselves, and their pace.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Tuning {
    /// The period of the corruption check; zero: off.
    #[serde(with = "field::nanos")]
    pub corrupt_check_time: Duration,
    /// The period in which compaction hashes are compared; never zero.
    #[serde(with = "field::nanos")]
    pub compact_hash_check_time: Duration,
    /// The most revisions that one compaction batch deletes.
    #[serde(deserialize_with = "field::count")]
    pub compaction_batch_limit: usize,
    /// The pause between two compaction batches.
    #[serde(with = "field::nanos")]
    pub compaction_sleep_interval: Duration,
    /// The period of progress notices to watchers; at least 100 ms.
    #[serde(with = "field::nanos")]
    pub watch_progress_notify_interval: Duration,
    /// An apply that takes longer is logged.
    #[serde(with = "field::nanos")]
    pub warning_apply_duration: Duration,
    /// How many MB defragmenting at start must free to be done; 0: never.
    pub bootstrap_defrag_threshold_megabytes: u64,
    /// The most learners.
    #[serde(deserialize_with = "field::count")]
    pub max_learners: usize,
    /// The period in which a downgrade's progress is checked.
    #[serde(with = "field::nanos")]
    pub downgrade_check_time: Duration,
    /// The entries that stay in the log for slow followers after a snapshot.
    pub snapshot_catchup_entries: u64,
}

pub(crate) const FLAGS: &[Flag] = &[
    // It is one of [`Security`](crate::Security), and stands here in etcd's help.
    Flag::new(
        "peer-skip-client-san-verification",
        Kind::Bool,
        "false",
        "Do not compare a peer certificate's names with the address it comes from.",
    )
    .nested("peer-transport-security.skip-client-san-verification"),
    Flag::new(
        "corrupt-check-time",
        Kind::Duration,
        "0s",
        "Period of comparing data between members; 0 never compares.",
    ),
    Flag::new(
        "compact-hash-check-time",
        Kind::Duration,
        "1m",
        "Period of comparing compaction hashes between members.",
    ),
    Flag::new(
        "compaction-batch-limit",
        Kind::Int,
        "0",
        "Most revisions deleted in one compaction batch; 0 means 1000.",
    ),
    Flag::new(
        "compaction-sleep-interval",
        Kind::Duration,
        "0",
        "Pause between compaction batches; 0 means 10ms.",
    ),
    Flag::new(
        "watch-progress-notify-interval",
        Kind::Duration,
        "0",
        "Period of progress notices to watchers; 0 means 10m.",
    ),
    Flag::new("warning-apply-duration", Kind::Duration, "100ms", "Log applies that take longer."),
    Flag::new(
        "bootstrap-defrag-threshold-megabytes",
        Kind::Uint,
        "0",
        "Defragment at start if that frees at least this many MB; 0 never does.",
    ),
    Flag::new("max-learners", Kind::Int, "1", "Most learners in the cluster."),
    Flag::new(
        "downgrade-check-time",
        Kind::Duration,
        "5s",
        "Period of checking a downgrade's progress.",
    ),
    Flag::new(
        "snapshot-catchup-entries",
        Kind::Uint,
        "5000",
        "Entries kept for slow followers after a snapshot.",
    ),
];
