//! All runs of all scenarios, and what they say of two servers.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{BufReader, BufWriter, Write};
use std::path::Path;

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

use crate::figures::{Figures, Ratio, Spread};
use crate::outcome::{Measurement, Outcome, Point, Timeline};

/// Every measurement, and under which circumstances it was taken.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Results {
    /// When the runs began.
    pub(crate) date: String,
    /// What the machine is.
    pub(crate) machine: String,
    /// What the person said on the command line.
    pub(crate) command: String,
    /// The programs, this project's first.
    pub(crate) programs: Vec<Described>,
    /// What went wrong or could not be measured.
    pub(crate) notes: Vec<String>,
    loads: Vec<Load>,
    timelines: Vec<Seen>,
}

/// A program as the tables name it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Described {
    pub(crate) label: String,
    pub(crate) version: String,
}

/// What was found of one load.
#[derive(Debug, Serialize, Deserialize)]
struct Load {
    name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    point: Option<Point>,
    /// By program, then by run.
    runs: Vec<Vec<Figures>>,
}

/// A timeline, and of which program it is.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Seen {
    pub(crate) program: usize,
    pub(crate) timeline: Timeline,
}

impl Results {
    /// Of these programs, without any run yet.
    pub(crate) fn of(programs: Vec<Described>) -> Results {
        Results { programs, ..Results::default() }
    }

    /// Adds what one run of the program with this place found.
    pub(crate) fn add(&mut self, program: usize, outcome: Outcome) {
        for Measurement { load, point, figures } in outcome.measurements {
            let load = self.load_mut(load, point);
            if load.runs.len() <= program {
                load.runs.resize(program + 1, Vec::new());
            }
            load.runs[program].push(figures);
        }
        let seen = outcome.timeline.map(|timeline| Seen { program, timeline });
        self.timelines.extend(seen);
    }

    fn load_mut(&mut self, name: String, point: Option<Point>) -> &mut Load {
        let place = self.loads.iter().position(|load| load.name == name && load.point == point);
        let place = place.unwrap_or_else(|| {
            self.loads.push(Load { name, point, runs: Vec::new() });
            self.loads.len() - 1
        });
        &mut self.loads[place]
    }

    /// A figure of a load over all runs of a program.
    pub(crate) fn spread(&self, program: usize, load: &str, figure: &str) -> Option<Spread> {
        Spread::of(self.numbers(program, load, figure).into_iter().flatten())
    }

    /// This project's figure divided by the other's.
    pub(crate) fn ratio(&self, load: &str, figure: &str) -> Option<Ratio> {
        Ratio::of(&self.numbers(0, load, figure), &self.numbers(1, load, figure))
    }

    /// A figure of a load in each run of a program.
    fn numbers(&self, program: usize, load: &str, figure: &str) -> Vec<Option<f64>> {
        let load = self.loads.iter().find(|candidate| candidate.name == load);
        let runs = load.and_then(|load| load.runs.get(program)).map_or(&[][..], Vec::as_slice);
        runs.iter().map(|figures| figures.get(figure)).collect()
    }

    /// The loads that ran, in their order.
    pub(crate) fn loads(&self) -> impl Iterator<Item = &str> {
        self.loads.iter().map(|load| load.name.as_str())
    }

    /// The loads that are points of curves, with these.
    pub(crate) fn points(&self) -> impl Iterator<Item = (&str, &Point)> {
        self.loads.iter().filter_map(|load| Some((load.name.as_str(), load.point.as_ref()?)))
    }

    /// The names of all figures that a load has on any program.
    pub(crate) fn figures(&self, load: &str) -> BTreeSet<&str> {
        let runs = self.loads.iter().filter(|candidate| candidate.name == load);
        runs.flat_map(|load| load.runs.iter().flatten()).flat_map(Figures::names).collect()
    }

    /// What was seen second by second.
    pub(crate) fn timelines(&self) -> &[Seen] {
        &self.timelines
    }

    /// Reads what [`Results::write`] wrote.
    pub(crate) fn read(path: &Path) -> Result<Results> {
        let file = File::open(path).with_context(|| format!("opening {}", path.display()))?;
        serde_json::from_reader(BufReader::new(file))
            .with_context(|| format!("reading {}", path.display()))
    }

    /// Writes everything, and the medians and ratios that follow from it.
    pub(crate) fn write(&self, path: &Path) -> Result<()> {
        let file = File::create(path).with_context(|| format!("creating {}", path.display()))?;
        let mut file = BufWriter::new(file);
        serde_json::to_writer_pretty(
            &mut file,
            &Written { results: self, summary: self.summary() },
        )?;
        file.write_all(b"\n")?;
        file.flush().with_context(|| format!("writing {}", path.display()))
    }

    fn summary(&self) -> Vec<Summary<'_>> {
        let mut lines = Vec::new();
        for load in self.loads() {
            for figure in self.figures(load) {
                let programs = 0..self.programs.len();
                let spreads = programs.map(|program| self.spread(program, load, figure)).collect();
                lines.push(Summary { load, figure, spreads, ratio: self.ratio(load, figure) });
            }
        }
        lines
    }
}

#[derive(Serialize)]
struct Written<'r> {
    #[serde(flatten)]
    results: &'r Results,
    summary: Vec<Summary<'r>>,
}

/// What all runs say of one figure.
#[derive(Serialize)]
struct Summary<'r> {
    load: &'r str,
    figure: &'r str,
    /// By program.
    spreads: Vec<Option<Spread>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ratio: Option<Ratio>,
}

#[cfg(test)]
#[path = "results_tests.rs"]
pub(crate) mod tests;
