//! What waits for the log's writer thread, which is woken only for what somebody waits for.

use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard};
use std::time::Duration;

use bytes::Bytes;

use crate::Error;

/// How long operations that nobody waits for may stay in memory in the hope that others follow.
const LINGER: Duration = Duration::from_millis(10);

/// A change of the log.
#[derive(Debug)]
pub enum LogOperation {
    /// Entries with consecutive indexes from `first_index` on, each replacing what was there.
    Append {
        /// The index of the first record.
        first_index: u64,
        /// The entries' bytes.
        records: Vec<Bytes>,
    },
    /// Removes every entry from this index on.
    TruncateFrom(u64),
    /// Removes every entry up to and including this index.
    PurgeThrough(u64),
    /// Sets a named mark: a vote, a position.
    Mark {
        /// The mark's name.
        name: &'static str,
        /// Its new value.
        value: Bytes,
    },
}

/// Called from the writer thread once the operations are on disk, or failed.
pub type Done = Box<dyn FnOnce(Result<(), Error>) + Send>;

/// Operations that belong together, and who is told.
pub(crate) struct Submission {
    pub(crate) operations: Vec<LogOperation>,
    pub(crate) done: Option<Done>,
}

/// The way to the writer thread. Unbounded by itself: raft bounds what it has in flight.
#[derive(Default)]
pub(crate) struct LogQueue {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    submissions: VecDeque<Submission>,
    /// How many of them somebody waits for.
    awaited: usize,
    closed: bool,
    writer: Writer,
}

/// What the writer thread is about.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum Writer {
    /// It looks at the queue before it sleeps.
    #[default]
    Busy,
    /// It sleeps and wakes by itself: soon enough for what nobody waits for.
    Lingering,
    /// It sleeps until it is woken.
    Resting,
}

impl LogQueue {
    /// Adds a submission after all earlier ones.
    pub(crate) fn push(&self, submission: Submission) {
        let mut state = self.lock();
        let is_awaited = submission.done.is_some();
        state.awaited += usize::from(is_awaited);
        state.submissions.push_back(submission);
        let wakes = match state.writer {
            Writer::Busy => false,
            Writer::Lingering => is_awaited,
            Writer::Resting => true,
        };
        if wakes {
            state.writer = Writer::Busy;
        }
        drop(state);
        if wakes {
            self.changed.notify_one();
        }
    }

    /// How many submissions wait.
    pub(crate) fn len(&self) -> usize {
        self.lock().submissions.len()
    }

    /// What is pushed is still taken, and then the writer ends.
    pub(crate) fn close(&self) {
        self.lock().closed = true;
        self.changed.notify_one();
    }

    /// Waits for the first submission of the next group; `None` once the queue is closed and empty.
    pub(crate) fn wait(&self) -> Option<Submission> {
        let mut state = self.lock();
        let mut lingered = false;
        loop {
            let has_some = !state.submissions.is_empty();
            if state.awaited > 0 || (has_some && (lingered || state.closed)) {
                return state.pop();
            }
            if state.closed {
                return None;
            }
            (state, lingered) = if lingered {
                state.writer = Writer::Resting;
                (self.changed.wait(state).expect(POISON), false)
            } else {
                state.writer = Writer::Lingering;
                let waited = self.changed.wait_timeout(state, LINGER).expect(POISON);
                (waited.0, waited.1.timed_out())
            };
            state.writer = Writer::Busy;
        }
    }

    /// The next submission, if there is one.
    pub(crate) fn next(&self) -> Option<Submission> {
        self.lock().pop()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect(POISON)
    }
}

const POISON: &str = "nothing panics while it holds the lock";

impl State {
    fn pop(&mut self) -> Option<Submission> {
        let submission = self.submissions.pop_front()?;
        self.awaited -= usize::from(submission.done.is_some());
        Some(submission)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Instant;

    use super::*;

    fn mark(name: &'static str, done: Option<Done>) -> Submission {
        let operations = vec![LogOperation::Mark { name, value: Bytes::new() }];
        Submission { operations, done }
    }

    fn name(submission: &Submission) -> &'static str {
        match submission.operations[..] {
            [LogOperation::Mark { name, .. }] => name,
            _ => panic!("only marks are submitted here"),
        }
    }

    #[test]
    fn what_nobody_waits_for_rides_along_in_order() {
        let queue = LogQueue::default();
        queue.push(mark("a", None));
        queue.push(mark("b", Some(Box::new(|_| {}))));
        queue.push(mark("c", None));
        let begun = Instant::now();
        let group: Vec<_> = std::iter::once(queue.wait())
            .chain(std::iter::repeat_with(|| queue.next()))
            .map_while(|next| next.as_ref().map(name))
            .collect();
        assert_eq!(group, ["a", "b", "c"]);
        assert!(begun.elapsed() < LINGER, "somebody waits");
    }

    #[test]
    fn what_nobody_waits_for_is_taken_after_a_while_all_the_same() {
        let queue = LogQueue::default();
        queue.push(mark("a", None));
        let begun = Instant::now();
        assert_eq!(queue.wait().as_ref().map(name), Some("a"));
        assert!(begun.elapsed() >= LINGER);
    }

    #[test]
    fn a_resting_writer_is_woken_by_either_kind() {
        let queue = Arc::new(LogQueue::default());
        let (told, taken) = std::sync::mpsc::channel();
        let waiting = queue.clone();
        let writer = std::thread::spawn(move || {
            while let Some(next) = waiting.wait() {
                told.send(name(&next)).expect("the test listens");
            }
        });
        let rests = || queue.lock().writer == Writer::Resting;
        for (name, done) in [("a", None), ("b", Some(Box::new(|_| {}) as Done))] {
            while !rests() {
                std::thread::yield_now();
            }
            queue.push(mark(name, done));
            assert_eq!(taken.recv(), Ok(name));
        }
        queue.close();
        writer.join().expect("it ends");
    }

    #[test]
    fn a_closed_queue_is_emptied_first() {
        let queue = LogQueue::default();
        queue.push(mark("a", None));
        queue.close();
        let begun = Instant::now();
        assert_eq!(queue.wait().as_ref().map(name), Some("a"));
        assert!(begun.elapsed() < LINGER, "nothing else can follow");
        assert!(queue.wait().is_none());
    }
}
