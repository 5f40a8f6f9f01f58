//! What a person can say on the command line, and what it asks for.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Result, bail, ensure};
use clap::{Parser, ValueEnum};

use crate::agenda::Agenda;
use crate::program::Program;
use crate::scenario::Scenario;
use crate::size::{Purpose, Size};
use crate::{etcds_tool, recording, syncs};

/// Loads on this server, and on another etcd in turn.
#[derive(Parser)]
#[command(bin_name = "cargo xtask bench")]
pub(crate) struct Arguments {
    /// This project's server.
    #[arg(long, hide = true)]
    server: PathBuf,
    /// Where members keep their data meanwhile.
    #[arg(long, hide = true)]
    scratch: PathBuf,
    /// Another etcd to compare with, run in turn with this one.
    #[arg(long)]
    against: Option<PathBuf>,
    /// How often each scenario runs on each server: 5 times, those by wish once.
    #[arg(long, value_parser = clap::value_parser!(u16).range(1..))]
    runs: Option<u16>,
    /// Only these scenarios.
    #[arg(long, value_enum, value_delimiter = ',')]
    only: Vec<Scenario>,
    /// Only these loads of a scenario of several, by the names in the table; may be repeated.
    #[arg(long)]
    load: Vec<String>,
    /// Keys of the large store.
    #[arg(long, default_value_t = 1_000_000)]
    keys: u64,
    /// To how many keys `growth` goes: 10,000, 100,000, 1,000,000 or 10,000,000.
    #[arg(long, default_value_t = 1_000_000)]
    growth_to: u64,
    /// Bytes of a value.
    #[arg(long, default_value_t = 256)]
    value_size: usize,
    /// Clients of the loads that want many; ten of them share a connection.
    #[arg(long, default_value_t = 1000)]
    clients: usize,
    /// Requests a second of all clients together, however long answers take; as many as are
    /// answered when there is none.
    #[arg(long)]
    rate: Option<f64>,
    /// Seconds that each load is measured.
    #[arg(long, default_value_t = 10.0)]
    duration: f64,
    /// A file for all figures of all runs.
    #[arg(long, value_name = "FILE")]
    pub(crate) json: Option<PathBuf>,
    /// An earlier file of `--json` to compare with.
    #[arg(long, value_name = "FILE")]
    pub(crate) baseline: Option<PathBuf>,
    /// A page of Markdown that the results are put into, between two marks.
    #[arg(long, value_name = "FILE")]
    pub(crate) results: Option<PathBuf>,
    /// A folder for pictures of `growth`, `load-curve` and `soak`.
    #[arg(long, value_name = "FOLDER")]
    pub(crate) plot: Option<PathBuf>,
    /// A folder for where the leader's time goes, as perf sees it.
    #[arg(long, hide = true)]
    profile: Option<PathBuf>,
}

impl Arguments {
    /// The programs, this project's first.
    pub(crate) fn programs(&self) -> Vec<Program> {
        let ours = Program { label: "this".to_owned(), path: self.server.clone() };
        let other = self.against.clone().map(|path| Program { label: "other".to_owned(), path });
        std::iter::once(ours).chain(other).collect()
    }

    /// What is to be run. What cannot be is noted.
    pub(crate) fn agenda(&self, notes: &mut Vec<String>) -> Result<Agenda> {
        let size = self.size()?;
        let programs = self.programs().len();
        let mut agenda = Agenda::default();
        let counts_syncs = size.purpose == Purpose::Measure && syncs::can_be_counted();
        for scenario in self.scenarios()? {
            if scenario == Scenario::EtcdsTool && !etcds_tool::is_here() {
                let note = "etcd's own tool `benchmark` did not run: it is not on the search path.";
                notes.push(note.to_owned());
                continue;
            }
            let runs = self.runs.map_or(scenario.usual_runs(), usize::from);
            agenda.add(scenario, runs, programs, &size);
            if !scenario.counts_syncs() || size.purpose != Purpose::Measure {
                continue;
            }
            if counts_syncs {
                agenda.add_counting(scenario, programs, &size);
            } else if notes.iter().all(|note| !note.starts_with("Syncs")) {
                notes.push("Syncs of the disk were not counted: strace is missing.".to_owned());
            }
        }
        Ok(agenda)
    }

    fn size(&self) -> Result<Size> {
        ensure!(self.duration > 0.0, "--duration must be more than nothing");
        ensure!(self.clients > 0, "--clients must be more than none");
        ensure!(self.rate.is_none_or(|rate| rate > 0.0), "--rate must be more than nothing");
        let duration = Duration::from_secs_f64(self.duration);
        let purpose = match &self.profile {
            None => Purpose::Measure,
            Some(folder) => {
                recording::check()?;
                Purpose::Profile(folder.clone())
            }
        };
        Ok(Size {
            duration,
            warm_up: duration / 5,
            clients: self.clients,
            connections: self.clients.div_ceil(10),
            rate: self.rate,
            value_bytes: self.value_size,
            keys: self.keys,
            growth_to: self.growth_to,
            scratch: self.scratch.clone(),
            loads: self.load.clone(),
            purpose,
        })
    }

    /// Those that the person named, or the usual ones; with loads named, those that have them.
    fn scenarios(&self) -> Result<Vec<Scenario>> {
        let every = Scenario::value_variants().iter().copied();
        let candidates: Vec<Scenario> = match &self.only[..] {
            [] => every.filter(|scenario| scenario.is_usual()).collect(),
            only => only.to_vec(),
        };
        for load in &self.load {
            if !candidates.iter().any(|scenario| scenario.loads().contains(&load.as_str())) {
                let loads: Vec<_> =
                    candidates.iter().flat_map(|scenario| scenario.loads()).collect();
                bail!("there is no load {load:?}; there are {loads:?}");
            }
        }
        let has_load = |scenario: &Scenario| {
            let loads = scenario.loads();
            self.load.iter().any(|wanted| loads.contains(&wanted.as_str()))
        };
        Ok(match &self.load[..] {
            [] => candidates,
            _ => candidates.into_iter().filter(has_load).collect(),
        })
    }
}

/// A command line as a person would repeat it elsewhere: without what only this machine has.
pub(crate) fn spoken(arguments: impl Iterator<Item = String>) -> String {
    let mut words = vec!["cargo xtask bench".to_owned()];
    let mut arguments = arguments.peekable();
    while let Some(argument) = arguments.next() {
        if argument == "--server" || argument == "--scratch" {
            arguments.next();
            continue;
        }
        let name = Path::new(&argument).file_name().map(|name| name.to_string_lossy().into_owned());
        let word = match name {
            Some(name) if argument.contains('/') => name,
            _ => argument,
        };
        words.push(if word.contains(' ') { format!("{word:?}") } else { word });
    }
    words.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(words: &str) -> Arguments {
        let fixed = ["bench", "--server=s", "--scratch=d"];
        Arguments::parse_from(fixed.into_iter().chain(words.split_whitespace()))
    }

    #[test]
    fn a_load_chooses_its_scenario() {
        let scenarios = |words| parse(words).scenarios().map_err(|error| error.to_string());
        assert_eq!(scenarios("--load page"), Ok(vec![Scenario::Large]));
        assert_eq!(scenarios("--only growth --load page"), Ok(vec![Scenario::Growth]));
        assert!(scenarios("--load nonsense").is_err_and(|error| error.contains("nonsense")));
    }

    #[test]
    fn long_scenarios_run_only_by_wish() {
        let usual = parse("").scenarios().unwrap_or_default();
        assert!(usual.contains(&Scenario::Requests) && !usual.contains(&Scenario::Soak));
        assert_eq!(parse("--only soak").scenarios().unwrap_or_default(), [Scenario::Soak]);
    }

    #[test]
    fn the_command_line_is_told_without_this_machines_folders() {
        let words = ["--server", "/a/b", "--against", "/opt/etcd", "--load", "put, one client"];
        let told = spoken(words.iter().map(|word| (*word).to_owned()));
        assert_eq!(told, "cargo xtask bench --against etcd --load \"put, one client\"");
    }
}
