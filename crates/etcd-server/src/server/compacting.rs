//! The thread that carries out compactions.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::thread::JoinHandle;

use etcd_apply::Views;
use etcd_config::Tuning;
use etcd_mvcc::{Compactor, CompactorOptions};
use tokio::sync::SetOnce;

use crate::Error;

/// It runs until it is stopped, or cannot go on.
pub(super) struct Compacting {
    compactor: Arc<Compactor>,
    thread: JoinHandle<()>,
    failure: Arc<SetOnce<String>>,
}

impl Compacting {
    pub(super) fn start(views: &Views, tuning: &Tuning) -> Result<Compacting, Error> {
        let options = CompactorOptions {
            batch_limit: tuning.compaction_batch_limit,
            sleep_interval: tuning.compaction_sleep_interval,
            ..CompactorOptions::default()
        };
        let compactor = Arc::new(views.mvcc.compactor(options));
        let failure = Arc::new(SetOnce::new());
        let (running, failing) = (compactor.clone(), failure.clone());
        let thread = std::thread::Builder::new().name("compactor".to_owned());
        let thread = thread.spawn(move || {
            // What it leaves half done nobody looks at any more.
            let failure = match catch_unwind(AssertUnwindSafe(|| running.run())) {
                Ok(Ok(())) => return,
                Ok(Err(error)) => error.to_string(),
                Err(_) => "its thread panicked".to_owned(),
            };
            // It is set nowhere else.
            let _ = failing.set(failure);
        });
        let thread =
            thread.map_err(|error| Error::Data(format!("cannot start a thread: {error}")))?;
        Ok(Compacting { compactor, thread, failure })
    }

    /// Resolves with the reason when it cannot go on.
    pub(super) async fn failed(&self) -> Error {
        Error::Data(format!("a compaction failed: {}", self.failure.wait().await))
    }

    /// Ends it soon.
    pub(super) fn stop(&self) {
        self.compactor.stop();
    }

    /// Waits for its end.
    pub(super) fn join(self) {
        // It does not panic, and has said already why it failed.
        let _ = self.thread.join();
    }
}
