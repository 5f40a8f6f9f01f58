//! How long to wait between attempts to reach a member.

use std::time::Duration;

/// Delays that double from a first one up to a limit, without randomness: a member has few peers,
/// so they cannot stampede, and a run can be repeated exactly.
#[derive(Clone, Debug)]
pub struct Backoff {
    first: Duration,
    limit: Duration,
    next: Duration,
}

impl Backoff {
    /// Delays of `first`, twice that, and so on, none longer than `limit`.
    pub fn new(first: Duration, limit: Duration) -> Backoff {
        let first = first.min(limit);
        Backoff { first, limit, next: first }
    }

    /// The delay to wait before the next attempt.
    pub fn next_delay(&mut self) -> Duration {
        let delay = self.next;
        self.next = delay.saturating_mul(2).min(self.limit);
        delay
    }

    /// Starts over after a success.
    pub fn reset(&mut self) {
        self.next = self.first;
    }
}

impl Default for Backoff {
    /// From 100 milliseconds to one second: the rhythm of etcd's own peer streams.
    fn default() -> Backoff {
        Backoff::new(Duration::from_millis(100), Duration::from_secs(1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delays_double_up_to_the_limit_and_start_over_after_a_reset() {
        let mut backoff = Backoff::default();
        let delays: Vec<_> = (0..6).map(|_| backoff.next_delay().as_millis()).collect();
        assert_eq!(delays, [100, 200, 400, 800, 1000, 1000]);
        backoff.reset();
        assert_eq!(backoff.next_delay().as_millis(), 100);
    }
}
