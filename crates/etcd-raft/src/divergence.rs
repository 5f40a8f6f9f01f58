//! A log whose end is not on the way to the state.

use etcd_storage::{Log, LogOperation};
use tokio::sync::oneshot;

use crate::log_store::{last_of, purge_operations};
use crate::{Error, Position};

/// Lets go of the whole log of a member that does not run yet, if its last entry comes before what
/// the state holds.
///
/// Entries are applied once a quorum has them on disk, which need not include this member: with its
/// power it may lose entries that its state has. When these had replaced others, of a leader that was
/// not followed, then those are back, maybe with greater indexes; but what was applied is committed,
/// so that they never can be.
pub(crate) async fn leave_to_state(log: &Log, applied: Position) -> Result<(), Error> {
    let last = Position::of(last_of(log)?);
    let Some(log_id) = applied.log_id().filter(|_| last < applied) else { return Ok(()) };
    tracing::warn!(%last, %applied, "the raft log ends before the state; it begins anew there");
    let mut operations = vec![LogOperation::TruncateFrom(log.indexes().start)];
    operations.extend(purge_operations(log_id));
    let (done, written) = oneshot::channel();
    let done = Box::new(move |result| {
        // The start was given up meanwhile.
        let _ = done.send(result);
    });
    log.submit(operations, Some(done));
    Ok(written.await.map_err(|_| Error::Stopped("the raft log closed".to_owned()))??)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use bytes::Bytes;
    use etcd_storage::LogOptions;

    use super::*;
    use crate::log_store::encode_entry;
    use crate::openraft_types::{RaftEntry, RaftPayload};

    fn open(path: &Path) -> Log {
        Log::open(path, &LogOptions::default()).expect("a log")
    }

    async fn append(log: &Log, term: u64, indexes: std::ops::RangeInclusive<u64>) {
        let entries = indexes.map(|index| RaftEntry {
            log_id: Position { term, index }.log_id().expect("not the first position"),
            payload: RaftPayload::Blank,
        });
        let entries: Vec<_> = entries.collect();
        let records: Vec<Bytes> = entries.iter().map(encode_entry).collect();
        let (done, written) = oneshot::channel();
        let append = LogOperation::Append { first_index: entries[0].log_id.index, records };
        log.submit(vec![append], Some(Box::new(move |result| done.send(result).expect("awaited"))));
        written.await.expect("an answer").expect("written");
    }

    #[tokio::test]
    async fn entries_that_were_replaced_by_what_the_state_holds_are_gone_for_good() {
        let directory = tempfile::tempdir().expect("a directory");
        let applied = Position { term: 3, index: 93 };
        for _ in 0..2 {
            let log = open(directory.path());
            if log.indexes().is_empty() && last_of(&log).expect("readable").is_none() {
                append(&log, 1, 1..=90).await;
                append(&log, 2, 91..=95).await;
            }
            leave_to_state(&log, applied).await.expect("written");
            assert!(log.indexes().is_empty());
            assert_eq!(Position::of(last_of(&log).expect("readable")), applied);
        }
        let log = open(directory.path());
        append(&log, 3, 94..=96).await;
        leave_to_state(&log, applied).await.expect("nothing to do");
        assert_eq!(Position::of(last_of(&log).expect("readable")), Position { term: 3, index: 96 });
        assert_eq!(log.indexes().count(), 3);
    }

    #[tokio::test]
    async fn a_log_that_leads_up_to_the_state_or_beyond_it_stays() {
        let directory = tempfile::tempdir().expect("a directory");
        let log = open(directory.path());
        leave_to_state(&log, Position::default()).await.expect("nothing to do");
        append(&log, 1, 1..=10).await;
        for index in [0, 3, 10] {
            let term = u64::from(index > 0);
            leave_to_state(&log, Position { term, index }).await.expect("nothing to do");
            assert_eq!(log.indexes().count(), 10);
        }
    }
}
