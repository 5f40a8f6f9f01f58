//! Numbers that change by addition.

use std::sync::atomic::{AtomicU64, Ordering};

/// How often something has happened.
#[derive(Debug, Default)]
pub struct Count(AtomicU64);

/// How much there is of something that comes and goes.
#[derive(Debug, Default)]
pub struct Level(AtomicU64);

/// Something that is there until it is dropped.
#[derive(Debug)]
pub struct Held<'l>(&'l Level);

impl Count {
    /// Nothing so far.
    pub const fn new() -> Count {
        Count(AtomicU64::new(0))
    }

    /// Once more.
    pub fn raise(&self) {
        self.add(1);
    }

    /// So often more.
    pub fn add(&self, times: u64) {
        self.0.fetch_add(times, Ordering::Relaxed);
    }

    /// How often so far.
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

impl Level {
    /// So much more is there.
    pub fn add(&self, much: u64) {
        self.0.fetch_add(much, Ordering::Relaxed);
    }

    /// So much less is there.
    pub fn take(&self, much: u64) {
        self.0.fetch_sub(much, Ordering::Relaxed);
    }

    /// One more, until the answer is dropped.
    pub fn hold(&self) -> Held<'_> {
        self.add(1);
        Held(self)
    }

    /// How much is there. What is added on one thread and taken on another may show for a moment
    /// as taken before it was added: that is nothing.
    pub fn get(&self) -> u64 {
        let seen = self.0.load(Ordering::Relaxed);
        if seen > u64::MAX / 2 { 0 } else { seen }
    }
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        self.0.take(1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_count_grows() {
        let count = Count::new();
        count.raise();
        count.add(3);
        assert_eq!(count.get(), 4);
    }

    #[test]
    fn a_level_follows_what_comes_and_goes() {
        let level = Level::default();
        let held = level.hold();
        level.add(2);
        assert_eq!(level.get(), 3);
        drop(held);
        level.take(2);
        assert_eq!(level.get(), 0);
        level.take(1);
        assert_eq!(level.get(), 0, "it was taken before it was added");
        level.add(1);
        assert_eq!(level.get(), 0);
    }
}
