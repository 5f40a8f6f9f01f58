//! How much of the log is kept behind the state.

use std::time::Duration;

use crate::StateMachine;
use crate::log_store::LogStore;
use crate::metrics::Metrics;
use crate::openraft_types::OpenRaft;

/// Bytes of entries kept for members that are behind, however few entries they are: more is cheaper
/// to send as a snapshot.
const CATCH_UP_BYTES: usize = 64 << 20;
/// How often a snapshot that is due by size may be asked for.
const PACE: Duration = Duration::from_millis(100);

/// Lets go of entries that are behind both the flushed state and what slow members may still ask
/// for, or will once they have a snapshot. Raft's snapshot says what is flushed; nothing after it is
/// ever purged.
pub(crate) async fn run<M: StateMachine>(raft: OpenRaft<M>, log: LogStore, catch_up_entries: u64) {
    let mut snapshots = raft.watch_snapshot_progress();
    let metrics = Metrics::of(&raft);
    let mut last = None;
    loop {
        tokio::select! {
            newer = snapshots.wait_until(|snapshot| *snapshot > last) => {
                let Ok(Some(snapshot)) = newer else { return };
                last = Some(snapshot);
                log.snapshot_taken();
                let by_count = snapshot.index.saturating_sub(catch_up_entries);
                let by_bytes = log.index_within(CATCH_UP_BYTES).min(snapshot.index + 1);
                let first_kept = metrics.with(|metrics| {
                    log.reservations().first_kept(by_count.max(by_bytes), |member| {
                        let matched = metrics.replication.as_ref()?.get(&member)?;
                        Some(matched.map_or(0, |log_id| log_id.index))
                    })
                });
                if let Some(upto) = first_kept.checked_sub(1)
                    && raft.trigger().purge_log(upto).await.is_err()
                {
                    return;
                }
            }
            () = log.snapshot_due() => {
                if raft.trigger().snapshot().await.is_err() {
                    return;
                }
                tokio::time::sleep(PACE).await;
            }
        }
    }
}
