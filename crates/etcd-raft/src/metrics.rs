//! Openraft's view of itself, to look at and to wait on.

use openraft::RaftMetrics;
use openraft::async_runtime::watch::WatchReceiver as _;

use crate::StateMachine;
use crate::openraft_types::{MetricsReceiver, OpenRaft, TypeConfig};

/// The latest metrics of this member's raft.
#[derive(Clone)]
pub(crate) struct Metrics(MetricsReceiver);

/// Raft has stopped: there will be no further metrics.
#[derive(Debug)]
pub(crate) struct Ended;

impl Metrics {
    pub(crate) fn of<M: StateMachine>(raft: &OpenRaft<M>) -> Metrics {
        Metrics(raft.metrics())
    }

    /// Looks at the metrics as they are now.
    pub(crate) fn with<T>(&self, look: impl FnOnce(&RaftMetrics<TypeConfig>) -> T) -> T {
        look(&self.0.borrow_watched())
    }

    /// Waits until `look` finds what it looks for.
    pub(crate) async fn wait_for<T>(
        &mut self,
        mut look: impl FnMut(&RaftMetrics<TypeConfig>) -> Option<T>,
    ) -> Result<T, Ended> {
        loop {
            let found = look(&self.0.borrow_and_update());
            match found {
                Some(found) => return Ok(found),
                None => self.0.changed().await.map_err(|_| Ended)?,
            }
        }
    }
}
