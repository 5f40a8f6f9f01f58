//! What the clients of a load count together, and the figures that it makes.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Result, bail};
use hdrhistogram::Histogram;
use tonic::Status;

use crate::figures::Figures;
use crate::usage::Usage;

/// Digits of a latency that are kept.
const SIGNIFICANT_DIGITS: u8 = 3;
/// More failed requests than this share of all make a measurement void.
const MAX_FAILED: f64 = 0.001;

/// What the clients of a crowd counted together.
pub(crate) struct Tally {
    microseconds: Histogram<u64>,
    /// Of each kind, if there are kinds.
    kinds: Vec<Histogram<u64>>,
    /// How many failed, by the status that they got.
    failures: BTreeMap<String, u64>,
    /// What the requests themselves counted.
    moved: u64,
}

/// How a request went, with what it moved.
type Done = Result<u64, Status>;

impl Tally {
    pub(crate) fn new(kinds: usize) -> Result<Tally> {
        let microseconds = Histogram::new(SIGNIFICANT_DIGITS)?;
        let kinds = vec![microseconds.clone(); kinds];
        Ok(Tally { microseconds, kinds, failures: BTreeMap::new(), moved: 0 })
    }

    pub(crate) fn record(&mut self, outcome: Done, kind: usize, latency: Duration) -> Result<()> {
        match outcome {
            Ok(moved) => {
                let microseconds = latency.as_micros() as u64;
                self.microseconds.record(microseconds)?;
                if let Some(kind) = self.kinds.get_mut(kind) {
                    kind.record(microseconds)?;
                }
                self.moved += moved;
            }
            Err(status) => {
                let status = format!("{:?}: {}", status.code(), status.message());
                *self.failures.entry(status).or_default() += 1;
            }
        }
        Ok(())
    }

    pub(crate) fn add(&mut self, other: &Tally) -> Result<()> {
        self.microseconds.add(&other.microseconds)?;
        for (kind, other) in self.kinds.iter_mut().zip(&other.kinds) {
            kind.add(other)?;
        }
        for (status, count) in &other.failures {
            *self.failures.entry(status.clone()).or_default() += count;
        }
        self.moved += other.moved;
        Ok(())
    }

    /// How many requests failed, by the status that they got.
    pub(crate) fn failures(&self) -> &BTreeMap<String, u64> {
        &self.failures
    }

    /// The figures, of what was counted within so many seconds with the names of the kinds. An error
    /// when more than a few requests failed.
    pub(crate) fn figures(&self, seconds: f64, kinds: &[&'static str]) -> Result<Figures> {
        let requests = self.microseconds.len() as f64;
        let failed = self.failed();
        if requests == 0.0 || failed / (requests + failed) > MAX_FAILED {
            bail!("{failed} requests failed and {requests} did not: {:?}", self.failures);
        }
        Ok(self.figures_of_answers(seconds, kinds))
    }

    /// The same, however many failed.
    pub(crate) fn figures_of_answers(&self, seconds: f64, kinds: &[&'static str]) -> Figures {
        let mut figures = Figures::default();
        figures.set("requests/s", self.microseconds.len() as f64 / seconds);
        figures.set("moved/s", self.moved as f64 / seconds);
        figures.set("failed", self.failed());
        for (name, quantile) in
            [("p50 ms", 0.5), ("p90 ms", 0.9), ("p99 ms", 0.99), ("p99.9 ms", 0.999)]
        {
            figures.set(name, milliseconds(&self.microseconds, quantile));
        }
        figures.set("max ms", self.microseconds.max() as f64 / 1000.0);
        for (name, microseconds) in kinds.iter().zip(&self.kinds) {
            figures.set(name, milliseconds(microseconds, 0.99));
        }
        figures
    }

    fn failed(&self) -> f64 {
        self.failures.values().sum::<u64>() as f64
    }

    /// Adds to the figures what a thousand requests cost.
    pub(crate) fn costs(&self, figures: &mut Figures, servers: Usage, own: Usage) {
        let thousands = self.microseconds.len() as f64 / 1000.0;
        figures.set("server CPU s/1000", servers.cpu_seconds / thousands);
        figures.set("client CPU s/1000", own.cpu_seconds / thousands);
        figures.set("written KiB/1000", servers.written_bytes as f64 / 1024.0 / thousands);
    }
}

/// A latency that this share of all did not exceed.
pub(crate) fn milliseconds(microseconds: &Histogram<u64>, quantile: f64) -> f64 {
    microseconds.value_at_quantile(quantile) as f64 / 1000.0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tally(fine: u64, failed: u64) -> Tally {
        let mut tally = Tally::new(2).expect("digits");
        for number in 0..fine {
            let latency = Duration::from_millis(number + 1);
            tally.record(Ok(3), (number % 2) as usize, latency).expect("a latency");
        }
        for _ in 0..failed {
            let failure = Err(Status::unavailable("gone"));
            tally.record(failure, 0, Duration::ZERO).expect("a failure");
        }
        tally
    }

    #[test]
    fn clients_sum_up_and_kinds_are_told_apart() {
        let mut sum = tally(10, 0);
        sum.add(&tally(10, 0)).expect("the same digits");
        let figures = sum.figures(2.0, &["even", "odd"]).expect("no failures");
        let figure = |name| figures.get(name).map(f64::round);
        assert_eq!(figure("requests/s"), Some(10.0));
        assert_eq!(figure("moved/s"), Some(30.0));
        assert_eq!((figure("even"), figure("odd")), (Some(9.0), Some(10.0)));
    }

    #[test]
    fn a_measurement_with_more_than_a_few_failures_is_void() {
        assert!(tally(9999, 1).figures(1.0, &[]).is_ok());
        let void = tally(10, 1).figures(1.0, &[]).expect_err("one of eleven failed");
        assert!(void.to_string().contains("gone"));
        assert!(tally(0, 0).figures(1.0, &[]).is_err());
    }
}
