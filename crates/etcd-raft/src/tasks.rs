//! The tasks of one member, which end together, and the threads that they run on.

use tokio::runtime::{Builder, Handle, Runtime};
use tokio::task::JoinHandle;
use tokio_util::sync::{CancellationToken, WaitForCancellationFuture};
use tokio_util::task::TaskTracker;
use tokio_util::task::task_tracker::TaskTrackerToken;

/// Counts as a task for as long as it exists. A struct that owns files keeps it as its last field, so
/// that the files are closed before it goes.
#[derive(Clone)]
pub(crate) struct Hold {
    _token: TaskTrackerToken,
}

/// Of the thread of the consensus.
const THREAD_NAME: &str = "raft";

/// The thread of the consensus: openraft, the links to other members and their connections.
///
/// They wake each other several times for every entry. On one thread that costs next to nothing, and
/// no request and no apply, however long, keeps a heartbeat waiting.
pub(crate) struct Thread {
    /// Invariant: there until the drop.
    runtime: Option<Runtime>,
}

impl Thread {
    pub(crate) fn start() -> std::io::Result<Thread> {
        let runtime = Builder::new_multi_thread()
            .worker_threads(1)
            .thread_name(THREAD_NAME)
            .enable_all()
            .build()?;
        Ok(Thread { runtime: Some(runtime) })
    }

    pub(crate) fn handle(&self) -> &Handle {
        self.runtime.as_ref().expect("there until the drop").handle()
    }
}

impl Drop for Thread {
    fn drop(&mut self) {
        let Some(runtime) = self.runtime.take() else { return };
        if std::thread::current().name() == Some(THREAD_NAME) {
            // It cannot wait for itself.
            runtime.shutdown_background();
            return;
        }
        // What its tasks own is closed when this returns, and not while the process ends already.
        // An async task may be the last owner, and tokio lets none wait for a runtime by itself.
        let ended = std::thread::spawn(move || drop(runtime)).join();
        ended.expect("the end of a runtime does not panic");
    }
}

/// Spawns tasks that run until they are done or the member stops. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Tasks {
    stop: CancellationToken,
    tracker: TaskTracker,
    consensus: Handle,
    callers: Handle,
}

impl Tasks {
    /// For the thread of the consensus, and for the runtime of those who call upon it.
    pub(crate) fn new(consensus: Handle, callers: Handle) -> Tasks {
        let (stop, tracker) = (CancellationToken::new(), TaskTracker::new());
        Tasks { stop, tracker, consensus, callers }
    }

    /// Spawns a task on the thread of the consensus.
    pub(crate) fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        self.tracker.spawn_on(self.until_stop(task), &self.consensus);
    }

    /// Spawns a task beside the callers: one that wakes many of them.
    pub(crate) fn spawn_beside_callers(&self, task: impl Future<Output = ()> + Send + 'static) {
        self.tracker.spawn_on(self.until_stop(task), &self.callers);
    }

    /// Spawns work that is not cut off when the member stops.
    pub(crate) fn work_beside_callers<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> JoinHandle<T> {
        self.tracker.spawn_on(async move { work() }, &self.callers)
    }

    /// The same for work that may keep a thread for seconds.
    pub(crate) fn long_work_beside_callers<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> JoinHandle<T> {
        self.tracker.spawn_blocking_on(work, &self.callers)
    }

    fn until_stop(
        &self,
        task: impl Future<Output = ()> + Send + 'static,
    ) -> impl Future<Output = ()> + Send + 'static {
        let stop = self.stop.clone();
        async move {
            // Whether it was cancelled or done makes no difference to anybody.
            let _ = stop.run_until_cancelled(task).await;
        }
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
