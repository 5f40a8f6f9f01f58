//! All runs of all scenarios, and what they say of two servers.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::figures::{Figures, Spread};
use crate::scenario::Measured;

/// Every measurement: by load, then by program, in the order of the runs.
#[derive(Debug, Default, Serialize)]
pub(crate) struct Results {
    /// What the machine is.
    pub(crate) machine: String,
    /// The programs, this project's first.
    pub(crate) programs: Vec<String>,
    loads: BTreeMap<&'static str, BTreeMap<usize, Vec<Figures>>>,
}

impl Results {
    pub(crate) fn new(machine: String, programs: Vec<String>) -> Results {
        Results { machine, programs, loads: BTreeMap::new() }
    }

    /// Adds what one run of the program with this place found.
    pub(crate) fn add(&mut self, program: usize, measured: Measured) {
        for (load, figures) in measured {
            self.loads.entry(load).or_default().entry(program).or_default().push(figures);
        }
    }

    /// A figure of a load over all runs of a program.
    pub(crate) fn spread(&self, program: usize, load: &str, figure: &str) -> Option<Spread> {
        Spread::of(self.figures(program, load).iter().filter_map(|figures| figures.get(figure)))
    }

    /// This project's figure divided by the other's, pair by pair.
    pub(crate) fn ratio(&self, load: &str, figure: &str) -> Option<Spread> {
        let pairs = self.figures(0, load).iter().zip(self.figures(1, load));
        Spread::of(pairs.filter_map(|(ours, theirs)| Some(ours.get(figure)? / theirs.get(figure)?)))
    }

    fn figures(&self, program: usize, load: &str) -> &[Figures] {
        self.loads.get(load).and_then(|runs| runs.get(&program)).map_or(&[], Vec::as_slice)
    }

    /// The loads that ran.
    pub(crate) fn loads(&self) -> impl Iterator<Item = &'static str> {
        self.loads.keys().copied()
    }
}
