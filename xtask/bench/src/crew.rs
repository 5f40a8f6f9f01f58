//! Threads that make the load, each with a runtime of its own: what runs on one of them never
//! waits for a lock or wakes another thread.

use std::thread::{self, JoinHandle};

use anyhow::Result;
use tokio::runtime::{Builder, Handle};
use tokio::sync::oneshot;

/// The share of the processors that load needs at most.
const PROCESSORS_A_THREAD: usize = 4;

/// The threads. They end when it is dropped, and with them all that runs on them.
pub(crate) struct Crew {
    threads: Vec<Thread>,
}

struct Thread {
    runtime: Handle,
    /// Dropped to end the thread.
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Crew {
    /// As many as it takes to keep servers busy on this machine, but no more than `most`.
    pub(crate) fn start(most: usize) -> Result<Crew> {
        let processors = thread::available_parallelism().map_or(1, std::num::NonZero::get);
        let count = (processors / PROCESSORS_A_THREAD).clamp(1, most.max(1));
        Ok(Crew { threads: (0..count).map(|_| Thread::start()).collect::<Result<_>>()? })
    }

    /// Where to spawn, for each thread.
    pub(crate) fn runtimes(&self) -> impl ExactSizeIterator<Item = &Handle> {
        self.threads.iter().map(|thread| &thread.runtime)
    }
}

impl Thread {
    fn start() -> Result<Thread> {
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let handle = runtime.handle().clone();
        let (stop, stopped) = oneshot::channel::<()>();
        let thread = thread::Builder::new().name("load".to_owned()).spawn(move || {
            // The other end says nothing, it only goes away.
            let _ = runtime.block_on(stopped);
        })?;
        Ok(Thread { runtime: handle, stop: Some(stop), thread: Some(thread) })
    }
}

impl Drop for Thread {
    fn drop(&mut self) {
        self.stop = None;
        if let Some(thread) = self.thread.take() {
            thread.join().expect("what runs on it does not panic outside its tasks");
        }
    }
}
