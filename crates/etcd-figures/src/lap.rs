//! The time that work takes, one piece after the other.

use std::time::{Duration, Instant};

/// A clock that is read once between two pieces of work: the end of one is the beginning of the
/// next. What it says is for figures alone, and decides nothing.
#[derive(Debug, Clone, Copy)]
pub struct Lap {
    begun: Instant,
}

impl Lap {
    /// The first piece begins now.
    pub fn begin() -> Lap {
        Lap { begun: Instant::now() }
    }

    /// How long the piece took that ends now. The next one begins.
    pub fn end(&mut self) -> Duration {
        let now = Instant::now();
        let took = now.saturating_duration_since(self.begun);
        self.begun = now;
        took
    }

    /// How long it has been since the piece began, which goes on.
    pub fn so_far(&self) -> Duration {
        self.begun.elapsed()
    }
}
