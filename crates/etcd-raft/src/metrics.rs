//! Openraft's view of itself, to look at and to wait on.

use openraft::async_runtime::watch::WatchReceiver as _;
use openraft::metrics::RaftServerMetrics;
use openraft::{OptionalSend, RaftMetrics};

use crate::StateMachine;
use crate::openraft_types::{MetricsReceiver, OpenRaft, TypeConfig};

/// The latest metrics of this member's raft: all of them, which change several times with every
/// entry. To look at: a task that waits on them for long is woken each time.
pub(crate) type Metrics = Latest<RaftMetrics<TypeConfig>>;

/// Those that change only with votes, leaders and members.
pub(crate) type ServerMetrics = Latest<RaftServerMetrics<TypeConfig>>;

/// The latest of some metrics.
#[derive(Clone)]
pub(crate) struct Latest<T: OptionalSend + Sync>(MetricsReceiver<T>);

/// Raft has stopped: there will be no further metrics.
#[derive(Debug)]
pub(crate) struct Ended;

impl Metrics {
    pub(crate) fn of<M: StateMachine>(raft: &OpenRaft<M>) -> Metrics {
        Latest(raft.metrics())
    }
}

impl ServerMetrics {
    pub(crate) fn of_servers<M: StateMachine>(raft: &OpenRaft<M>) -> ServerMetrics {
        Latest(raft.server_metrics())
    }
}

impl<T: OptionalSend + Sync + 'static> Latest<T> {
    /// Looks at the metrics as they are now.
    pub(crate) fn with<A>(&self, look: impl FnOnce(&T) -> A) -> A {
        look(&self.0.borrow_watched())
    }

    /// Looks at the metrics as they are now, which are none that [`Latest::changed`] waits for.
    pub(crate) fn look<A>(&mut self, look: impl FnOnce(&T) -> A) -> A {
        look(&self.0.borrow_and_update())
    }

    /// Waits for metrics that were not looked at.
    pub(crate) async fn changed(&mut self) -> Result<(), Ended> {
        self.0.changed().await.map_err(|_| Ended)
    }

    /// Waits until raft has stopped.
    pub(crate) async fn ended(&mut self) {
        while self.changed().await.is_ok() {}
    }

    /// Waits until `look` finds what it looks for.
    pub(crate) async fn wait_for<A>(
        &mut self,
        mut look: impl FnMut(&T) -> Option<A>,
    ) -> Result<A, Ended> {
        loop {
            let found = self.look(&mut look);
            match found {
                Some(found) => return Ok(found),
                None => self.changed().await?,
            }
        }
    }
}
