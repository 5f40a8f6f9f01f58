//! The answers of a load as they come: how many, and the longest time without any.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use tonic::Status;

use crate::load::{AsyncSend, Turn};

/// What the clients of a load report to together.
pub(crate) struct Pulse {
    epoch: Instant,
    answers: AtomicU64,
    /// When the last answer came, in nanoseconds since the epoch.
    last: AtomicU64,
    /// The longest time between two answers, in nanoseconds.
    longest: AtomicU64,
}

impl Pulse {
    pub(crate) fn new() -> Arc<Pulse> {
        Arc::new(Pulse {
            epoch: Instant::now(),
            answers: AtomicU64::new(0),
            last: AtomicU64::new(0),
            longest: AtomicU64::new(0),
        })
    }

    fn beat(&self) {
        self.answers.fetch_add(1, Ordering::Relaxed);
        let now = self.epoch.elapsed().as_nanos() as u64;
        let last = self.last.fetch_max(now, Ordering::Relaxed);
        // Before the first answer members were still becoming ready.
        if last > 0 {
            self.longest.fetch_max(now.saturating_sub(last), Ordering::Relaxed);
        }
    }

    pub(crate) fn answers(&self) -> u64 {
        self.answers.load(Ordering::Relaxed)
    }

    /// The longest time between two answers, the time since the last one included.
    pub(crate) fn longest_stall(&self) -> Duration {
        let past = Duration::from_nanos(self.longest.load(Ordering::Relaxed));
        match self.last.load(Ordering::Relaxed) {
            0 => past,
            last => past.max(self.epoch.elapsed().saturating_sub(Duration::from_nanos(last))),
        }
    }
}

/// A load whose answers are reported.
#[derive(Clone)]
pub(crate) struct Reported<S> {
    pub(crate) load: S,
    pub(crate) pulse: Arc<Pulse>,
}

impl<S: AsyncSend + Sync> AsyncSend for Reported<S> {
    const KINDS: &'static [&'static str] = S::KINDS;

    fn kind(&self, client: u64, number: u64) -> usize {
        self.load.kind(client, number)
    }

    async fn send(&self, turn: Turn<'_>) -> Result<u64, Status> {
        let moved = self.load.send(turn).await?;
        self.pulse.beat();
        Ok(moved)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_time_without_an_answer_is_kept() {
        let pulse = Pulse::new();
        assert_eq!(pulse.longest_stall(), Duration::ZERO);
        pulse.beat();
        let quiet = Duration::from_millis(20);
        let begin = Instant::now();
        while begin.elapsed() < quiet {
            std::hint::spin_loop();
        }
        pulse.beat();
        pulse.beat();
        assert!(pulse.longest_stall() >= quiet);
        assert_eq!(pulse.answers(), 3);
    }

    #[test]
    fn silence_at_the_end_counts() {
        let pulse = Pulse::new();
        pulse.beat();
        while pulse.longest_stall() < Duration::from_millis(5) {
            std::hint::spin_loop();
        }
        assert_eq!(pulse.longest.load(Ordering::Relaxed), 0);
    }
}
