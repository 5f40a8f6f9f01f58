//! Compactions that are decided but not yet carried out, and who waits for them.

use std::collections::VecDeque;
use std::time::Duration;

use parking_lot::{Condvar, Mutex};

/// A compaction to carry out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Job {
    /// The compact revision it makes true physically.
    pub(crate) revision: i64,
    /// The compact revision before; -1 never.
    pub(crate) previous: i64,
    pub(crate) history: JobHistory,
}

/// What was there before a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum JobHistory {
    /// Everything since the compaction before it.
    Whole,
    /// An earlier process began it and may have removed a part.
    Interrupted,
}

/// Why a wait ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Pause {
    Over,
    /// The job must not go on: the compactor stops, or the state was replaced.
    Abandoned,
}

/// Called once a compaction is carried out. It runs on the compactor's thread, or at once on the
/// caller's, and must not block.
pub(crate) type OnCompacted = Box<dyn FnOnce() + Send>;

#[derive(Default)]
pub(crate) struct Schedule {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    /// The one at the front may be running.
    jobs: VecDeque<Job>,
    waiting: Vec<(i64, OnCompacted)>,
    /// Counts replacements of the whole queue.
    epoch: u64,
    stopping: bool,
}

impl Schedule {
    pub(crate) fn push(&self, jobs: impl IntoIterator<Item = Job>) {
        self.state.lock().jobs.extend(jobs);
        self.changed.notify_all();
    }

    /// Forgets all jobs, also the running one, in favour of `job`.
    pub(crate) fn replace(&self, job: Option<Job>) {
        let mut state = self.state.lock();
        state.epoch += 1;
        state.jobs = job.into_iter().collect();
        let done = state.take_done();
        drop(state);
        self.changed.notify_all();
        call(done);
    }

    /// The first job and the queue's epoch; waits for one. `None` when stopping.
    pub(crate) fn next(&self) -> Option<(Job, u64)> {
        let mut state = self.state.lock();
        loop {
            if state.stopping {
                return None;
            }
            if let Some(&job) = state.jobs.front() {
                return Some((job, state.epoch));
            }
            self.changed.wait(&mut state);
        }
    }

    /// The same, but `None` when nothing is to do.
    pub(crate) fn try_next(&self) -> Option<(Job, u64)> {
        let state = self.state.lock();
        if state.stopping { None } else { Some((*state.jobs.front()?, state.epoch)) }
    }

    /// Waits for `interval`, unless another job waits for the one taken in `epoch`, or until that must
    /// be abandoned.
    pub(crate) fn pause(&self, epoch: u64, interval: Duration) -> Pause {
        let mut state = self.state.lock();
        let goes_on = |state: &State| !state.stopping && state.epoch == epoch;
        if !interval.is_zero() {
            let rests = |state: &mut State| goes_on(state) && !state.is_behind();
            self.changed.wait_while_for(&mut state, rests, interval);
        }
        if goes_on(&state) { Pause::Over } else { Pause::Abandoned }
    }

    /// The first job, taken in `epoch`, is done.
    pub(crate) fn finish(&self, epoch: u64) {
        let mut state = self.state.lock();
        if state.epoch == epoch {
            state.jobs.pop_front();
        }
        let done = state.take_done();
        drop(state);
        call(done);
    }

    pub(crate) fn on_compacted(&self, revision: i64, callback: OnCompacted) {
        let mut state = self.state.lock();
        state.waiting.push((revision, callback));
        let done = state.take_done();
        drop(state);
        call(done);
    }

    /// How many jobs are not done.
    pub(crate) fn len(&self) -> usize {
        self.state.lock().jobs.len()
    }

    pub(crate) fn stop(&self) {
        self.state.lock().stopping = true;
        self.changed.notify_all();
    }
}

impl State {
    /// Whether another job waits for the running one. Then there is no time to rest: where more is
    /// written than a paced compaction removes, the store would grow without a bound.
    fn is_behind(&self) -> bool {
        self.jobs.len() > 1
    }

    /// Takes out who waits for nothing that is still to do.
    fn take_done(&mut self) -> Vec<OnCompacted> {
        let first = self.jobs.iter().map(|job| job.revision).min().unwrap_or(i64::MAX);
        let done = self.waiting.extract_if(.., |(revision, _)| *revision < first);
        done.map(|(_, callback)| callback).collect()
    }
}

fn call(callbacks: Vec<OnCompacted>) {
    for callback in callbacks {
        callback();
    }
}

impl std::fmt::Debug for Schedule {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let state = self.state.lock();
        formatter
            .debug_struct("Schedule")
            .field("jobs", &state.jobs)
            .field("waiting", &state.waiting.len())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicI64, Ordering};

    use super::*;

    fn job(revision: i64) -> Job {
        Job { revision, previous: -1, history: JobHistory::Whole }
    }

    fn note(into: &Arc<AtomicI64>, number: i64) -> OnCompacted {
        let into = Arc::clone(into);
        Box::new(move || {
            into.fetch_add(number, Ordering::SeqCst);
        })
    }

    #[test]
    fn waiters_are_called_when_nothing_up_to_their_revision_is_left() {
        let schedule = Schedule::default();
        let called = Arc::new(AtomicI64::new(0));
        schedule.on_compacted(5, note(&called, 1));
        assert_eq!(called.load(Ordering::SeqCst), 1, "nothing is scheduled");

        schedule.push([job(5), job(9)]);
        schedule.on_compacted(9, note(&called, 100));
        schedule.on_compacted(5, note(&called, 10));
        let (first, epoch) = schedule.next().unwrap();
        assert_eq!(first, job(5));
        schedule.finish(epoch);
        assert_eq!(called.load(Ordering::SeqCst), 11);
        schedule.finish(epoch);
        assert_eq!(called.load(Ordering::SeqCst), 111);
        assert_eq!(schedule.try_next(), None);
    }

    #[test]
    fn replacing_the_queue_abandons_the_running_job() {
        let schedule = Schedule::default();
        schedule.push([job(5)]);
        let (_, epoch) = schedule.next().unwrap();
        assert_eq!(schedule.pause(epoch, Duration::ZERO), Pause::Over);
        schedule.replace(Some(job(7)));
        assert_eq!(schedule.pause(epoch, Duration::from_secs(3600)), Pause::Abandoned);
        schedule.finish(epoch);
        assert_eq!(schedule.try_next().map(|(job, _)| job), Some(job(7)));
    }

    #[test]
    fn a_job_that_another_one_waits_for_does_not_rest() {
        let schedule = Arc::new(Schedule::default());
        schedule.push([job(5)]);
        let (_, epoch) = schedule.next().unwrap();
        let thread = {
            let schedule = Arc::clone(&schedule);
            std::thread::spawn(move || schedule.pause(epoch, Duration::from_secs(3600)))
        };
        schedule.push([job(9)]);
        assert_eq!(thread.join().unwrap(), Pause::Over, "it came before, or while this one rested");
        assert_eq!(schedule.pause(epoch, Duration::from_secs(3600)), Pause::Over);
    }

    #[test]
    fn stopping_wakes_a_pause_and_ends_the_wait_for_jobs() {
        let schedule = Arc::new(Schedule::default());
        schedule.push([job(5)]);
        let (_, epoch) = schedule.next().unwrap();
        let pausing = Arc::clone(&schedule);
        let thread = std::thread::spawn(move || pausing.pause(epoch, Duration::from_secs(3600)));
        schedule.stop();
        assert_eq!(thread.join().unwrap(), Pause::Abandoned);
        assert_eq!(schedule.next(), None);
    }
}
