//! When requests are due that come at a fixed rate, whatever the servers do.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Weak};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::Result;
use tokio::sync::Semaphore;

/// What is due within this time goes out together. The runtime's own timers are ten times as
/// coarse, which would be seen in latencies.
const TICK: Duration = Duration::from_micros(100);
/// The thread looks this often whether it is still needed.
const LOOK: Duration = Duration::from_millis(10);

/// Gives the times of requests to whoever of many clients is free.
#[derive(Clone)]
pub(crate) struct Pace {
    shared: Arc<Shared>,
}

struct Shared {
    begin: Instant,
    seconds_between: f64,
    /// Requests that somebody has taken.
    taken: AtomicU64,
    /// One for each request that is due and that nobody has taken.
    due: Semaphore,
}

impl Pace {
    /// Begins now, with `rate` requests a second.
    pub(crate) fn start(rate: f64) -> Result<Pace> {
        let shared = Arc::new(Shared {
            begin: Instant::now(),
            seconds_between: 1.0 / rate,
            taken: AtomicU64::new(0),
            due: Semaphore::new(0),
        });
        let released = Arc::downgrade(&shared);
        thread::Builder::new().name("pace".to_owned()).spawn(move || release(&released))?;
        Ok(Pace { shared })
    }

    /// Waits for a request's time. `None` when no more are to be sent.
    pub(crate) async fn next(&self) -> Option<Instant> {
        self.shared.due.acquire().await.ok()?.forget();
        Some(self.shared.time(self.shared.taken.fetch_add(1, Ordering::Relaxed)))
    }

    /// No more requests.
    pub(crate) fn stop(&self) {
        self.shared.due.close();
    }
}

impl Shared {
    fn time(&self, number: u64) -> Instant {
        self.begin + Duration::from_secs_f64(self.seconds_between * number as f64)
    }
}

/// Lets requests go as they become due, until nobody sends any more.
fn release(shared: &Weak<Shared>) {
    let mut released = 0;
    while let Some(shared) = shared.upgrade() {
        if shared.due.is_closed() {
            break;
        }
        let now = Instant::now();
        let passed = (now - shared.begin).as_secs_f64();
        let due = (passed / shared.seconds_between) as u64 + 1;
        shared.due.add_permits((due - released) as usize);
        released = due;
        let next = shared.time(released).saturating_duration_since(now);
        drop(shared);
        thread::sleep(next.clamp(TICK, LOOK));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn requests_are_due_in_even_distances_and_counted_from_then() {
        let pace = Pace::start(1000.0).expect("a timer");
        let first = pace.next().await.expect("a time");
        for number in 1..50 {
            let time = pace.next().await.expect("a time");
            assert!(Instant::now() + Duration::from_micros(1) >= time);
            let distance = (time - first).as_secs_f64();
            assert!((distance - f64::from(number) / 1000.0).abs() < 1e-6);
        }
        pace.stop();
        assert_eq!(pace.next().await, None);
    }
}
