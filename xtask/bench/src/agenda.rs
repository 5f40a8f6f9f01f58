//! What will be run, in which order, and about how long it takes.

use std::collections::VecDeque;
use std::time::Duration;

use crate::scenario::Scenario;
use crate::size::{Purpose, Size};

/// Longest time that a load runs only to count how often the disk syncs.
const COUNTING: Duration = Duration::from_secs(3);

/// One run of a scenario on one program.
#[derive(Debug, Clone)]
pub(crate) struct Step {
    pub(crate) scenario: Scenario,
    /// The program's place.
    pub(crate) program: usize,
    /// From 1.
    pub(crate) run: usize,
    pub(crate) size: Size,
    pub(crate) forecast: Duration,
}

/// The steps that are still to come.
#[derive(Debug, Default)]
pub(crate) struct Agenda(VecDeque<Step>);

impl Agenda {
    /// Runs each scenario on each program, in turn; who goes first changes from run to run.
    pub(crate) fn add(&mut self, scenario: Scenario, runs: usize, programs: usize, size: &Size) {
        for run in 1..=runs {
            let places: Vec<usize> = match run % 2 {
                1 => (0..programs).collect(),
                _ => (0..programs).rev().collect(),
            };
            for program in places {
                let (size, forecast) = (size.clone(), scenario.forecast(size));
                self.0.push_back(Step { scenario, program, run, size, forecast });
            }
        }
    }

    /// Has the disk's syncs counted, once on each program.
    pub(crate) fn add_counting(&mut self, scenario: Scenario, programs: usize, size: &Size) {
        let duration = size.duration.min(COUNTING);
        let size =
            Size { duration, warm_up: duration / 5, purpose: Purpose::CountSyncs, ..size.clone() };
        self.add(scenario, 1, programs, &size);
    }

    pub(crate) fn next(&mut self) -> Option<Step> {
        self.0.pop_front()
    }

    /// What is left, by the forecasts.
    pub(crate) fn left(&self) -> Duration {
        self.0.iter().map(|step| step.forecast).sum()
    }

    /// The same again takes as long as it took.
    pub(crate) fn learn(&mut self, done: &Step, took: Duration) {
        let same = |step: &&mut Step| {
            step.scenario == done.scenario
                && step.program == done.program
                && step.size.purpose == done.size.purpose
        };
        self.0.iter_mut().filter(same).for_each(|step| step.forecast = took);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn size() -> Size {
        Size {
            duration: Duration::from_secs(10),
            warm_up: Duration::from_secs(2),
            clients: 1,
            connections: 1,
            rate: None,
            value_bytes: 1,
            keys: 1,
            growth_to: 1,
            scratch: std::path::PathBuf::new(),
            loads: Vec::new(),
            purpose: Purpose::Measure,
        }
    }

    #[test]
    fn who_goes_first_changes_from_run_to_run() {
        let mut agenda = Agenda::default();
        agenda.add(Scenario::Idle, 3, 2, &size());
        let order: Vec<_> =
            std::iter::from_fn(|| agenda.next()).map(|step| (step.run, step.program)).collect();
        assert_eq!(order, [(1, 0), (1, 1), (2, 1), (2, 0), (3, 0), (3, 1)]);
    }

    #[test]
    fn what_a_run_took_is_forecast_for_the_next_of_the_same_server() {
        let mut agenda = Agenda::default();
        agenda.add(Scenario::Idle, 2, 2, &size());
        let first = agenda.next().expect("there are four steps");
        agenda.learn(&first, Duration::from_secs(1));
        let forecast = first.forecast;
        assert_eq!(agenda.left(), forecast * 2 + Duration::from_secs(1));
    }

    #[test]
    fn counting_is_short() {
        let mut agenda = Agenda::default();
        agenda.add_counting(Scenario::Requests, 1, &size());
        let step = agenda.next().expect("there is one step");
        assert_eq!((step.size.duration, step.size.purpose), (COUNTING, Purpose::CountSyncs));
    }
}
