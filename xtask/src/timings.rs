//! How long each part of a longer command took.

use std::time::{Duration, Instant};

use anyhow::Result;

/// The parts so far, in order.
#[derive(Default)]
pub(crate) struct Timings {
    parts: Vec<(String, Duration)>,
}

impl Timings {
    /// Runs all parts, and says how long each took, also when one has failed.
    pub(crate) fn tell(parts: impl FnOnce(&mut Timings) -> Result<()>) -> Result<()> {
        let mut timings = Timings::default();
        let result = parts(&mut timings);
        say!("\n{}", timings.report());
        result
    }

    /// Runs one part under a heading of its own.
    pub(crate) fn part<T>(&mut self, name: &str, work: impl FnOnce() -> Result<T>) -> Result<T> {
        say!("== {name}");
        let start = Instant::now();
        let result = work();
        self.parts.push((name.to_owned(), start.elapsed()));
        result
    }

    /// The parts with their seconds, one a line.
    fn report(&self) -> String {
        let width = self.parts.iter().map(|(name, _)| name.len()).max().unwrap_or(0);
        let total: Duration = self.parts.iter().map(|(_, time)| *time).sum();
        self.parts
            .iter()
            .map(|(name, time)| (name.as_str(), *time))
            .chain([("together", total)])
            .map(|(name, time)| format!("{name:width$}  {:7.1} s\n", time.as_secs_f64()))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use anyhow::bail;

    #[test]
    fn a_part_that_fails_is_listed_too() {
        let mut timings = Timings::default();
        timings.part("first", || Ok(())).unwrap();
        timings.part("second", || -> Result<()> { bail!("no") }).unwrap_err();
        let names: Vec<_> =
            timings.report().lines().map(|l| l.split(' ').next().unwrap().to_owned()).collect();
        assert_eq!(names, ["first", "second", "together"]);
    }
}
