//! The tasks of one member, which end together.

use tokio_util::sync::{CancellationToken, WaitForCancellationFuture};
use tokio_util::task::TaskTracker;
use tokio_util::task::task_tracker::TaskTrackerToken;

/// Counts as a task for as long as it exists. A struct that owns files keeps it as its last field, so
/// that the files are closed before it goes.
#[derive(Clone)]
pub(crate) struct Hold {
    _token: TaskTrackerToken,
}

/// Spawns tasks that run until they are done or the member stops. Cheap to clone.
#[derive(Clone, Default)]
pub(crate) struct Tasks {
    stop: CancellationToken,
    tracker: TaskTracker,
}

impl Tasks {
    pub(crate) fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        let stop = self.stop.clone();
        self.tracker.spawn(async move {
            // Whether it was cancelled or done makes no difference to anybody.
            let _ = stop.run_until_cancelled(task).await;
        });
    }

    /// Makes [`Tasks::ended`] wait until the hold is dropped: for what openraft's own tasks own.
    pub(crate) fn hold(&self) -> Hold {
        Hold { _token: self.tracker.token() }
    }

    /// Resolves when the member stops.
    pub(crate) fn stopping(&self) -> WaitForCancellationFuture<'_> {
        self.stop.cancelled()
    }

    /// Tells every task to end; [`Tasks::ended`] waits for it.
    pub(crate) fn stop(&self) {
        self.stop.cancel();
        self.tracker.close();
    }

    /// Resolves when every task has ended and every hold is gone.
    pub(crate) async fn ended(&self) {
        self.tracker.wait().await;
    }
}
